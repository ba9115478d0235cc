# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What builds show, what one failure leaves of the others, and what they leave on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.binaries import ToolFinder, read_tools
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.go_modules import (
    Go,
    build_caches,
    building,
    remove_build_caches,
)
from ansible_collections.llmops.embedded.plugins.modules import tools as module
from ansible_collections.llmops.embedded.plugins.plugin_utils._building.progress import BuildProgress, outcome

# Writes the programs that it is asked for, with the sources beside go.mod, except those whose package has "bad" in it.
GO = """#!/bin/sh
if [ "$1" = version ]; then echo go version go1.30.0 linux/amd64; exit; fi
if [ "$1" != build ]; then exit; fi
mkdir -p "$GOCACHE" "$GOMODCACHE" && touch "$GOCACHE/compiled"
while [ "$1" != -o ]; do shift; done
i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done
out=$2; shift 2
for package in "$@"; do
  case $package in *bad*) echo "$package: undefined: x" >&2; exit 1 ;; esac
done
for package in "$@"; do
  if [ -d "$out" ]; then file=$out/${package##*/}; else file=$out; fi
  { echo '#!/bin/sh'; cat *.go; } > "$file" 2>/dev/null; chmod +x "$file"
done
"""
MODULES = "require (\n\texample.com/a v1.0.0\n\texample.com/bad v2.0.0\n)\n"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two modules in a go.mod of their own, one of which cannot be built; a third in another."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for folder, requires in (("both", MODULES), ("other", "require example.com/c v3.0.0\n")):
        (tmp_path / "source" / folder).mkdir(parents=True)
        (tmp_path / "source" / folder / "go.mod").write_text(f"module m\n\ngo 1.24\n\n{requires}")
        (tmp_path / "source" / folder / "go.sum").write_text("")
    return tmp_path / "source"


def wanted(*names: str, optional: bool = True) -> list[dict[str, Any]]:
    folders = {"a": "both", "bad": "both", "c": "other"}
    return [
        {"name": name, "module": folders[name], "package": f"example.com/{name}/cmd/{name}", "optional": optional}
        for name in names
    ]


def parameters(source: Path, tools: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    plain = {
        "paths": {},
        "download": "never",
        "go_package": "1.30.0",
        "only": [],
        "prefetch": [],
        "tidy": False,
        "unreachable": [],
    }
    return {"tools": tools, "source": str(source), **plain, **more}


def test_a_failed_build_is_named_and_leaves_the_others_alone(source: Path) -> None:
    result = module.run(parameters(source, wanted("a", "bad", "c")), dry=False)
    assert sorted(result["paths"]) == ["a", "c"]
    assert all(os.access(path, os.X_OK) for path in result["paths"].values())
    assert [item["name"] for item in result["missing"]] == ["bad"]
    assert "bad v2.0.0 could not be built from example.com/bad" in result["missing"][0]["why"]
    assert "undefined: x" in result["missing"][0]["why"]
    assert result["changed"]


def test_a_required_tool_fails_after_the_others_were_built(source: Path) -> None:
    tools = [*wanted("bad", optional=False), *wanted("a", "c")]
    with pytest.raises(module.SuperviseError, match=r"^bad v2\.0\.0 could not be built"):
        module.run(parameters(source, tools), dry=False)
    found = module.run(parameters(source, tools), dry=True)
    assert {item["name"]: item["source"] for item in found["tools"]} == {"a": "cache", "bad": "build", "c": "cache"}


def test_sources_of_ours_are_built_and_decide_what_the_program_is(source: Path) -> None:
    item = {"name": "c", "module": "other", "package": "example.com/c/ours"}
    (source / "other" / "main.go").write_text("package main\n")
    (source / "other" / "part.go").write_text("// part\n")
    first = module.run(parameters(source, [item]), dry=False)
    assert Path(first["paths"]["c"]).read_text() == "#!/bin/sh\npackage main\n// part\n"
    assert first["tools"][0]["version"] == "v3.0.0"

    (source / "other" / "part.go").write_text("// another part\n")
    second = module.run(parameters(source, [item]), dry=False)
    assert "// another part" in Path(second["paths"]["c"]).read_text()
    assert second["paths"] != first["paths"]


def test_tools_that_are_built_in_one_go_have_all_their_stamps(source: Path) -> None:
    stamps = {"plain": None, "one": {"a.b": "{version}"}, "two": {"c.d": "{plain}"}, "three": {"a.b": "{version}"}}
    tools = [{**wanted("a")[0], "name": n, "package": f"example.com/a/{n}", "stamp": s} for n, s in stamps.items()]
    module.run(parameters(source, tools), dry=False)
    log = source.parent / "cache" / "llmops-maas" / "tools" / "log" / "plain.log"
    assert " -ldflags -s -w -X a.b=v1.0.0 -X c.d=1.0.0 -o " in log.read_text()


def test_builds_leave_nothing_outside_the_cache(source: Path, tmp_path: Path) -> None:
    go = Go("go", build_caches(tmp_path)).environment()
    for name in ("GOPATH", "GOCACHE", "GOMODCACHE"):
        assert Path(go[name]).is_relative_to(tmp_path / "build"), name
    module.run(parameters(source, wanted("a")), dry=False)
    assert (tmp_path / "cache" / "llmops-maas" / "build" / "compiled").is_dir()


def test_what_builds_kept_goes_when_nothing_is_missing(source: Path) -> None:
    built = module.run(parameters(source, wanted("a")), dry=False)
    kept = Path(built["build_caches"])
    missing = module.run(parameters(source, wanted("a", "bad"), tidy=True), dry=False)
    assert (missing["changed"], sorted(missing["paths"])) == (False, ["a"])
    assert kept.exists()
    module.run(parameters(source, wanted("a"), tidy=True), dry=True)
    assert kept.exists()
    assert module.run(parameters(source, wanted("a"), tidy=True), dry=False)["changed"]
    assert not kept.exists()
    assert not module.run(parameters(source, wanted("a"), tidy=True), dry=False)["changed"]
    assert not remove_build_caches(kept.parent)


def test_what_another_run_builds_with_is_left_to_it(tmp_path: Path) -> None:
    kept = build_caches(tmp_path)
    kept.mkdir(parents=True)
    with building(tmp_path):
        assert not remove_build_caches(tmp_path)
    assert kept.is_dir()
    assert remove_build_caches(tmp_path)
    assert not kept.exists()


def test_a_build_says_what_it_took(source: Path) -> None:
    shop = ToolFinder(source.parent / "elsewhere", go_package="1.30.0")
    (found,), failed = shop.obtain(read_tools(wanted("a"), source))
    assert not failed
    assert 0 < found.cpu_seconds < 30
    assert found.seconds >= 0


def test_the_line_counts_and_estimates_by_this_machines_speed() -> None:
    now = [100.0]
    progress = BuildProgress(4, 60, clock=lambda: now[0])
    with progress.making(["etcd"], 20):
        now[0] = 130
        assert progress.line(["etcd"], 100) == "  tool 1 of 4, 30 s: etcd"
        now[0] = 140  # twice the 20 s that the work is said to be
    with progress.making(["kube-apiserver", "kube-scheduler"], 30):
        now[0] = 150
        names = ["kube-apiserver", "kube-scheduler"]
        assert progress.line(names, 140) == "  tool 2 to 3 of 4, 50 s, about 70 s left: kube-apiserver, kube-scheduler"
        now[0] = 900
        assert progress.line(names, 140).startswith("  tool 2 to 3 of 4, 13 min, about 0 s left:")


def test_what_ended_is_named_with_how() -> None:
    made = {
        "tools": [{"name": "a", "source": "build"}],
        "missing": [{"name": "bad", "why": "x"}],
        "notes": ["no answer from a.example"],
    }
    assert outcome(["a", "bad"], made, 61) == [
        "  no answer from a.example",
        "  a: built in 61 s",
        "  bad: failed after 61 s, going on without",
    ]
    assert outcome(["a"], {"failed": True, "msg": "x"}, 200) == ["  a: failed after 3 min, going on with the others"]
