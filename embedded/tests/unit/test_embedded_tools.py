# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the embedded cluster's programs, and putting upstream manifests together."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.embedded.plugins.module_utils._embedded import releases
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.binaries import (
    Tool,
    ToolFinder,
    image_kind,
    read_tools,
    says_version,
)
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.go_modules import (
    Edit,
    Go,
    GoMod,
    Prefetch,
    parse_go_mod,
    version_tuple,
)
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.images import Images
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.manifests import (
    Mirror,
    documents,
    join,
    replace_document,
)
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError

ROLE = Path(__file__).resolve().parents[3] / "embedded" / "roles" / "embedded_cluster"
SOURCE = ROLE / "files" / "tools"
VARS = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
CATALOGUE = [{**item, "stamp": None} for item in VARS["__embedded_cluster_catalogue"]]


def tool(name: str) -> Tool:
    return next(item for item in read_tools(CATALOGUE, SOURCE) if item.name == name)


def script(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return str(path)


def test_go_mod_in_lines_and_blocks() -> None:
    requires, replaced, go = parse_go_mod(
        "module x\n\ngo 1.26.4\n\nrequire (\n\ta.b/c v1.2.3\n\td.e/f/v2 v2.0.0 // indirect\n)\nrequire g.h v0.1.0\n"
        "replace a.b/c => a.b/fork v1.2.4\nreplace (\n\tg.h v0.1.0 => g.h v0.2.0\n)\n"
    )
    assert requires == {"a.b/c": "v1.2.3", "d.e/f/v2": "v2.0.0", "g.h": "v0.1.0"}
    assert replaced == {"a.b/c": "v1.2.4", "g.h": "v0.2.0"}
    assert go == (1, 26, 4)
    assert version_tuple("1.9") < version_tuple("1.10")


def test_every_module_of_the_catalogue_is_pinned_with_checksums() -> None:
    for item in read_tools(CATALOGUE, SOURCE):
        assert item.version.startswith("v"), item.name
        assert item.mod.checksum(item.module, item.version).startswith("h1:")


def test_tools_of_one_go_mod_have_their_own_modules_versions() -> None:
    found = {name: (tool(name).module, tool(name).version) for name in ("kuadrant-operator", "limitador-operator")}
    assert found == {
        "kuadrant-operator": ("github.com/kuadrant/kuadrant-operator", "v1.5.2"),
        "limitador-operator": ("github.com/kuadrant/limitador-operator", "v0.18.3"),
    }
    with pytest.raises(SuperviseError, match=r"requires no module with the package github\.com/kuadrant/other/cmd"):
        tool("kuadrant-operator").mod.owner("github.com/kuadrant/other/cmd")


def test_tools_that_are_built_in_one_go_have_files_of_different_names() -> None:
    files = [(item.mod.folder, item.package.rpartition("/")[2]) for item in read_tools(CATALOGUE, SOURCE)]
    assert len(set(files)) == len(files)


def test_istio_has_the_version_of_its_api() -> None:
    mod = GoMod.read(SOURCE / "istio")
    assert mod.requires["istio.io/api"] == "v1.26.2"


def test_an_incomplete_module_is_named(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module x\nrequire a.b/c v1.0.0\n")
    with pytest.raises(SuperviseError, match=r"go\.sum is missing"):
        GoMod.read(tmp_path)
    (tmp_path / "go.sum").write_text("")
    with pytest.raises(SuperviseError, match=r"no checksum of a\.b/c v1\.0\.0"):
        GoMod.read(tmp_path).checksum("a.b/c", "v1.0.0")


@pytest.mark.parametrize(
    ("says", "fits"),
    [
        ("Kubernetes v1.34.4", True),
        ("etcd Version: 1.34.4\nGit", True),
        ("v1.34.40", False),
        ("v11.34.4", False),
        ("v1.34.4-rc.0", False),
    ],
)
def test_versions_are_compared_as_a_whole(tmp_path: Path, says: str, fits: bool) -> None:
    assert says_version(script(tmp_path / "x", says), tool("kube-apiserver")) is fits


def test_order_of_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kwok = tool("kwok")
    shop = ToolFinder(tmp_path / "cache")
    monkeypatch.setenv("PATH", "/nowhere")
    assert shop.find(kwok).source == "build"
    cached = script(shop.cached(kwok), "kwok")
    assert (shop.find(kwok).source, shop.find(kwok).path) == ("cache", cached)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    script(tmp_path / "bin" / "kwok", "kwok version v0.7.0")
    assert shop.find(kwok).source == "cache"
    script(tmp_path / "bin" / "kwok", "kwok version v0.8.0")
    assert shop.find(kwok).source == "path"
    given = script(tmp_path / "mine", "kwok version v0.8.0")
    assert ToolFinder(tmp_path / "cache", {"kwok": given}).find(kwok).path == given


def test_a_given_program_must_fit(tmp_path: Path) -> None:
    wrong = script(tmp_path / "kwok", "kwok version v0.7.0")
    with pytest.raises(SuperviseError, match=r"is not version v0\.8\.0"):
        ToolFinder(tmp_path, {"kwok": wrong}).find(tool("kwok"))
    with pytest.raises(SuperviseError, match="no executable file"):
        ToolFinder(tmp_path, {"kwok": str(tmp_path)}).find(tool("kwok"))


def test_the_cache_knows_what_a_program_was_built_from(tmp_path: Path) -> None:
    shop = ToolFinder(tmp_path)
    plain, stamped = (
        read_tools([{**CATALOGUE[0], "stamp": stamp}], SOURCE)[0] for stamp in (None, {"a.b": "{version}"})
    )
    assert shop.cached(plain) != shop.cached(stamped)
    assert stamped.all_ldflags == "-s -w -X a.b=v3.6.8"
    assert shop.cached(plain).parent.name.startswith("etcd-v3.6.8-")


def test_digests_are_found_in_both_kinds_of_list() -> None:
    one, two = "a" * 64, "b" * 64
    assert releases.find_digest(f"{one}  other.tar.gz\n{two} *etcd.tar.gz\n", "etcd.tar.gz") == two
    assert releases.find_digest(f"{one}\n", "kube-apiserver") == one
    assert releases.find_digest("<html>not here</html>", "x") == ""


RELEASE = releases.Release(
    "https://example.invalid/{plain}/x-{arch}.tar.gz", "https://example.invalid/sums", "x-{arch}/x"
)


def answers(monkeypatch: pytest.MonkeyPatch, content: dict[str, Path]) -> None:
    """Releases come from files instead of the network."""
    monkeypatch.setattr(releases, "_open", lambda url, _timeout: content[url].open("rb"))


def archive(tmp_path: Path) -> Path:
    program = Path(script(tmp_path / "x", "hello"))
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        tar.add(program, "x-amd64/x")
    return tmp_path / "x.tar.gz"


@pytest.mark.parametrize("honest", [True, False])
def test_a_release_is_used_only_with_the_right_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, honest: bool
) -> None:
    file = archive(tmp_path)
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if honest else "0" * 64
    (tmp_path / "sums").write_text(f"{digest}  x-amd64.tar.gz\n")
    answers(
        monkeypatch,
        {"https://example.invalid/1.0/x-amd64.tar.gz": file, "https://example.invalid/sums": tmp_path / "sums"},
    )
    shop = releases.Releases(enabled=True)
    assert shop.fetch(RELEASE, "v1.0", "amd64", tmp_path / "out" / "x") is honest
    assert (tmp_path / "out" / "x").exists() is honest
    assert bool(shop.notes) is not honest


def test_a_network_that_does_not_answer_is_given_up_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "_open", lambda _url, _timeout: time.sleep(30))
    shop = releases.Releases(enabled=True, patience=0.2)
    begin = time.monotonic()
    assert not shop.fetch(RELEASE, "v1.0", "amd64", tmp_path / "x")
    assert not shop.fetch(RELEASE, "v1.0", "amd64", tmp_path / "x")
    assert time.monotonic() - begin < 1
    assert len(shop.notes) == 1


def test_only_https_is_downloaded() -> None:
    with pytest.raises(ValueError, match="not an https URL"):
        releases._open("http://example.invalid/x", 1)


def test_manifests_are_joined_as_documents() -> None:
    text = join(["---\na: 1\n", "b: 2\n---\nc: 3", "# note\n---\nd: 4\n"])
    assert [item for item in yaml.safe_load_all(text) if item] == [{"a": 1}, {"b": 2}, {"c": 3}, {"d": 4}]
    assert len(documents("---\na: |\n  ---\n---\nb: 1\n")) == 2


def test_an_object_is_taken_from_another_file() -> None:
    one = "kind: A\nmetadata:\n  name: x\nold: true\n"
    other = "---\nkind: A\nmetadata:\n  name: x\nnew: true\n---\nkind: A\nmetadata:\n  name: y\n"
    text = replace_document(f"---\n{one}---\nkind: B\nmetadata:\n  name: x\n", other, "A", "x")
    assert [sorted(item) for item in yaml.safe_load_all(text) if item] == [
        ["kind", "metadata", "new"],
        ["kind", "metadata"],
    ]
    with pytest.raises(SuperviseError, match="A z is not there"):
        replace_document(text, other, "A", "z")


def test_the_mirror_has_the_names_of_the_platforms_manifests(tmp_path: Path) -> None:
    recipes: list[dict[str, Any]] = VARS["__embedded_cluster_mirror_files"]
    mirror = Mirror(tmp_path, SOURCE, recipes)
    assert sorted(mirror.file_names()) == [
        "cert-manager-v1.18.2.yaml",
        "gateway-api-v1.3.0-standard-install.yaml",
        "istio-base-1.26.2.yaml",
        "istiod-1.26.2.yaml",
        "kserve-cluster-resources-v0.15.2.yaml",
        "kserve-v0.15.2.yaml",
        "kuadrant-operator-1.5.2.yaml",
        "prometheus-operator-v0.92.1-bundle.yaml",
    ]
    other = Mirror(tmp_path, SOURCE, recipes[:-1])
    assert other.path != mirror.path
    assert not mirror.is_complete()


def test_modules_of_later_builds_are_fetched_meanwhile_and_no_longer(tmp_path: Path) -> None:
    """Not Go itself: what matters is what is asked for, and that it ends with the build beside it."""
    asked = tmp_path / "asked"
    go = tmp_path / "go"
    go.write_text(f'#!/bin/sh\necho "$@" >> {asked}\nexec sleep 60\n')
    go.chmod(0o755)
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "go.mod").write_text(f"module m\n\ngo 1.24\n\nrequire example.com/{name} v1.0.0\n")
        (folder / "go.sum").write_text("")
    wanted = [(GoMod.read(tmp_path / name), [f"example.com/{name}/cmd"]) for name in ("one", "two")]
    begin = time.monotonic()
    with Prefetch(Go(str(go), tmp_path / "caches"), wanted):
        while not asked.exists() or not asked.read_text():
            assert time.monotonic() - begin < 10
            time.sleep(0.01)
    assert time.monotonic() - begin < 20
    assert asked.read_text() == "list -deps example.com/one/cmd\n"


def test_an_edit_needs_its_text_exactly_once() -> None:
    edit = Edit("a.b/c", "main.go", 'Listen(":1")', 'Listen("127.0.0.1:1")')
    assert edit.apply('x; Listen(":1"); y') == 'x; Listen("127.0.0.1:1"); y'
    for text in ("nothing", 'Listen(":1") Listen(":1")'):
        with pytest.raises(SuperviseError, match=r"main\.go holds .* times, not once"):
            edit.apply(text)


def test_programs_that_have_images() -> None:
    found = {
        item.name: (f"{item.reference.host}/{item.reference.repository}:{item.reference.tag}", item.image.path)
        for item in read_tools(CATALOGUE, SOURCE)
        if item.image and item.reference
    }
    assert found == {
        "etcd": ("quay.io/coreos/etcd:v3.6.8", "/usr/local/bin/etcd"),
        "kube-apiserver": ("registry.k8s.io/kube-apiserver:v1.34.4", "/usr/local/bin/kube-apiserver"),
        "kube-controller-manager": (
            "registry.k8s.io/kube-controller-manager:v1.34.4",
            "/usr/local/bin/kube-controller-manager",
        ),
        "kube-scheduler": ("registry.k8s.io/kube-scheduler:v1.34.4", "/usr/local/bin/kube-scheduler"),
        "kwok": ("registry.k8s.io/kwok/kwok:v0.8.0", "/usr/local/bin/kwok"),
        "pilot-discovery": ("docker.io/istio/pilot:1.26.2", "/usr/local/bin/pilot-discovery"),
        "kuadrant-operator": ("quay.io/kuadrant/kuadrant-operator:v1.5.2", "/manager"),
        "authorino-operator": ("quay.io/kuadrant/authorino-operator:v0.26.0", "/manager"),
        "limitador-operator": ("quay.io/kuadrant/limitador-operator:v0.18.3", "/manager"),
        "prometheus-operator": ("quay.io/prometheus-operator/prometheus-operator:v0.92.1", "/bin/operator"),
        "prometheus-config-reloader": (
            "quay.io/prometheus-operator/prometheus-config-reloader:v0.92.1",
            "/bin/prometheus-config-reloader",
        ),
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"edits": [{"file": "main.go", "before": "a", "after": "b"}]}, "etcd has edits"),
        (
            {"image": {"reference": "quay.io/coreos/etcd", "path": "/etcd"}},
            "image of etcd cannot be used: .* with a tag",
        ),
        ({"image": {"reference": "quay.io/coreos/etcd:{api}", "path": "/etcd"}}, "image of etcd cannot be used: 'api'"),
        ({"image": {"reference": "q.io/e:v1", "path": "/e", "digest": "sha256:12"}}, "sha256:12 is no digest"),
        ({"image": {"reference": "q.io/e:v1", "path": "/e", "version_of": "a.b/c"}}, "image of etcd .*a.b/c"),
    ],
)
def test_an_image_that_cannot_be_the_program_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(SuperviseError, match=why):
        read_tools([{**CATALOGUE[0], **change}], SOURCE)


def test_another_digest_is_another_program(tmp_path: Path) -> None:
    image = {**CATALOGUE[0]["image"], "digest": f"sha256:{'1' * 64}"}
    plain, pinned = (read_tools([{**CATALOGUE[0], "image": item}], SOURCE)[0] for item in (None, image))
    shop = ToolFinder(tmp_path)
    script(shop.cached(tool("etcd"), image_kind(tool("etcd"))), "from the tag")
    assert shop.find(tool("etcd")).source == "cache"
    assert shop.find(pinned).source == "build"
    assert not image_kind(pinned) == image_kind(plain) == "image"


def test_modules_are_not_fetched_for_what_has_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the build that has to be is prepared: the others' modules would be hundreds of megabytes for nothing."""
    asked = tmp_path / "asked"
    script(tmp_path / "bin" / "go", "go version go1.99 linux/amd64")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")

    def prefetching(_self: ToolFinder, tools: list[Tool]) -> contextlib.AbstractContextManager[None]:
        asked.write_text(" ".join(item.name for item in tools))
        return contextlib.nullcontext()

    monkeypatch.setattr(ToolFinder, "prefetching", prefetching)
    monkeypatch.setattr(ToolFinder, "_build", lambda _self, _tools: {})
    later = [tool(name) for name in ("pilot-discovery", "authorino", "kuadrant-operator")]
    ToolFinder(tmp_path, images=Images(enabled=True)).obtain([tool("kserve-manager")], later)
    assert asked.read_text() == "authorino"
    shop = ToolFinder(tmp_path, images=Images(enabled=True, unreachable={"docker.io"}))
    shop.obtain([tool("kserve-manager")], later)
    assert asked.read_text() == "pilot-discovery authorino"
    ToolFinder(tmp_path).obtain([tool("kserve-manager")], later)
    assert asked.read_text() == "pilot-discovery authorino kuadrant-operator"


def test_an_edit_makes_another_binary() -> None:
    shop = ToolFinder(Path("/cache"))
    plain = tool("authorino")
    edited = dataclasses.replace(plain, edits=(Edit("a.b/c", "main.go", "a", "b"),))
    assert shop.cached(plain) != shop.cached(edited)
