# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package may import which, as docs/architecture.md draws it; the product never imports its test cluster."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
ROOTS = {"llmops.maas": CHECKOUT / "plugins", "llmops.embedded": CHECKOUT / "embedded" / "plugins"}
MODULE = "llmops.maas.module_utils."
PLUGIN = "llmops.maas.plugin_utils."
# A package may import those that it names, of the same row of the tree; plugin_utils may import any of module_utils.
ALLOWED = {
    MODULE: {
        "_common": (),
        "_kube": ("_common",),
        "_supervise": ("_common",),
        "_secrets": ("_common",),
        "_wait": ("_common", "_kube"),
        "_models": ("_common", "_kube", "_wait"),
        "_manifests": ("_common", "_kube", "_wait"),
        "_keys": ("_common", "_kube", "_secrets"),
        "_gateway": ("_common", "_kube"),
        "_forward": ("_common", "_supervise"),
        "_lock": ("_common", "_kube", "_supervise"),
    },
    PLUGIN: {
        "_kuadrant": (),
        "_gateway": ("_kuadrant",),
        "_platform": ("_gateway", "_kuadrant"),
        "_verify": ("_gateway", "_kuadrant", "_platform"),
        "_report": ("_gateway", "_platform", "_verify"),
        "_action": ("_report",),
    },
}


def package_of(name: str) -> str:
    """``llmops.maas.module_utils._kube`` of any module in it."""
    return ".".join(name.split(".")[:4])


def imports(path: Path) -> Iterator[str]:
    """Packages of the two collections that the file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            prefix, _dot, rest = name.partition(".")
            if prefix == "ansible_collections" and rest.startswith(("llmops.", "kubernetes.")):
                namespace, collection, _plugins, *inner = rest.split(".")
                yield package_of(".".join([namespace, collection, *inner]))


def places() -> list[tuple[str, Path]]:
    """Each file with its package."""
    return [
        (package_of(".".join([collection, *path.relative_to(root).with_suffix("").parts])), path)
        for collection, root in ROOTS.items()
        for path in sorted(root.rglob("*.py"))
    ]


def may(package: str, other: str) -> bool:
    if package == other or package.startswith("llmops.embedded."):
        return True
    for prefix, table in ALLOWED.items():
        if package.startswith(prefix):
            if prefix == PLUGIN and other.startswith(MODULE):
                return True
            return other in {prefix + name for name in table[package.removeprefix(prefix)]}
    return other.startswith("llmops.maas.")


@pytest.mark.parametrize(("package", "path"), places(), ids=lambda value: str(value).removeprefix(f"{CHECKOUT}/"))
def test_imports_come_from_below(package: str, path: Path) -> None:
    assert sorted({other for other in imports(path) if not may(package, other)}) == []


def test_the_picture_in_the_documentation_shows_what_is_allowed() -> None:
    text = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawing = re.search(r"^flowchart TD$(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert drawing
    for part, table in zip(drawing[1].split("subgraph")[1:], ALLOWED.values(), strict=True):
        named = dict(re.findall(r"(\w+)\[(_\w+)<br>", part))
        assert set(named.values()) == set(table)
        drawn = {(named[one], named[other]) for one, other in re.findall(r"(\w+)(?:\[[^\]]*\])? --> (\w+)", part)}
        assert {pair for pair in drawn if pair[1] not in table[pair[0]]} == set()


@pytest.mark.parametrize("kind", ["module_utils", "plugin_utils"])
def test_shelves_hold_packages_only(kind: str) -> None:
    for root in ROOTS.values():
        if (root / kind).exists():
            assert [path.name for path in (root / kind).iterdir() if path.is_file()] == []


def test_packages_import_nothing() -> None:
    # AnsiballZ follows imports, so what a package imported would be sent with every module that uses a part of it.
    # Sanity tests of ansible-core 2.16 want these files empty; docs/architecture.md says what the packages are for.
    for root in ROOTS.values():
        folders = {path.parent for path in (root / "module_utils").rglob("*.py")}
        assert [str(folder) for folder in folders if (folder / "__init__.py").read_text(encoding="utf-8")] == []


def test_packages_of_the_controller_say_what_they_are_for() -> None:
    for folder in {path.parent for path in (ROOTS["llmops.maas"] / "plugin_utils").rglob("*.py")}:
        tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), folder
        assert len(tree.body) == 1, folder


def test_no_file_is_too_long_to_read_in_one_sitting() -> None:
    assert [str(path) for _package, path in places() if len(path.read_text().splitlines()) >= 400] == []


def test_each_class_has_one_name() -> None:
    seen: dict[str, Path] = {}
    twice = []
    for package, path in places():
        if "_utils." not in package:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                if node.name in seen:
                    twice.append(f"{node.name}: {seen[node.name].relative_to(CHECKOUT)}, {path.relative_to(CHECKOUT)}")
                seen[node.name] = path
    assert twice == []
