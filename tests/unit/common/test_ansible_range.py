# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ansible-core the collection supports is the same everywhere, and both ends of that range are tested."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]

from ansible_range import LEAST_PYTHON, RangeError, Release, find_pythons, newest, oldest, packages, required, version

# As of 2026-11, by the metadata of each release.
RELEASES = {
    "2.16.0": "3.10 3.11 3.12",
    "2.17.0": "3.10 3.11 3.12",
    "2.18.0": "3.11 3.12 3.13",
    "2.19.14": "3.11 3.12 3.13",
    "2.21.5": "3.12 3.13 3.14",
}


def pythons(*names: str) -> dict[tuple[int, ...], str]:
    return {version(name): f"python{name}" for name in names}


def ask(requirement: str, python: str) -> Release | None:
    """What pip would offer: a release refuses Pythons older than those that it supports, but no newer ones."""
    own = version(python.removeprefix("python"))
    wanted = requirement.partition("==")[2]
    for name, supported in sorted(RELEASES.items(), key=lambda item: version(item[0]), reverse=True):
        those = frozenset(map(version, supported.split()))
        if (not wanted or wanted == name) and own >= min(those):
            return Release(name, those)
    return None


@pytest.mark.parametrize(
    ("here", "first", "last"),
    [
        (("3.11",), ("2.16.0", (3, 11)), ("2.19.14", (3, 11))),
        (("3.11", "3.12", "3.13"), ("2.16.0", (3, 11)), ("2.21.5", (3, 13))),
        # A release that pip offers, but that does not know the Python, is passed over.
        (("3.13",), ("2.18.0", (3, 13)), ("2.21.5", (3, 13))),
        (("3.12", "3.15"), ("2.16.0", (3, 12)), ("2.21.5", (3, 12))),
    ],
)
def test_the_ends_follow_from_the_pythons_that_are_here(
    here: tuple[str, ...], first: tuple[str, object], last: tuple[str, object]
) -> None:
    begin, end = oldest(pythons(*here), (2, 16, 0), ask), newest(pythons(*here), ask)
    assert (begin.core, begin.python) == first
    assert (end.core, end.python) == last


def test_pythons_that_no_release_supports_are_named() -> None:
    with pytest.raises(RangeError, match=r"python3\.15"):
        oldest(pythons("3.15"), (2, 16, 0), ask)
    with pytest.raises(RangeError, match=r"python3\.15"):
        newest(pythons("3.15"), ask)


def test_this_python_is_found() -> None:
    assert sys.version_info[:2] in find_pythons()


def test_the_unit_tests_run_with_the_pinned_packages() -> None:
    assert [re.split("==", line)[0] for line in packages()] == ["hypothesis", "pytest"]


# Folders of collections in the repository. All of them support the same releases.
COLLECTIONS = [path.parent for path in (CHECKOUT / "galaxy.yml", CHECKOUT / "embedded/galaxy.yml") if path.exists()]


def read(name: str) -> str:
    return (CHECKOUT / name).read_text("utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/versions.md"])
def test_the_pages_name_the_least_release(page: str) -> None:
    major, minor, patch = required()
    assert re.search(rf"ansible-core (\| )?{major}\.{minor}\b", read(page))
    # The release that is tested.
    assert f"{major}.{minor}.{patch}" in read(page)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/versions.md"])
def test_the_pages_name_the_least_python(page: str) -> None:
    assert "Python {}.{} or newer".format(*LEAST_PYTHON) in read(page)


def test_the_tools_know_the_least_python() -> None:
    major, minor = LEAST_PYTHON
    assert yaml.safe_load(read("tests/config.yml"))["modules"]["python_requires"] == f">={major}.{minor}"
    assert tomllib.loads(read("pyproject.toml"))["tool"]["ruff"]["target-version"] == f"py{major}{minor}"
    assert f"sys.version_info < ({major}, {minor})" in read("Makefile")
    assert f"needs Python {major}.{minor} or newer" in read("Makefile")


def test_the_workflow_has_both_ends_of_the_range() -> None:
    """``make range`` tests the oldest release on the oldest Python, and the newest on a newer one."""
    jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    (given,) = [step["with"]["python-version"] for step in jobs["make"]["steps"] if "setup-python" in str(step)]
    here = sorted(map(version, given.split()))
    assert here[0] == LEAST_PYTHON
    assert len(here) > 1


def test_all_collections_begin_with_the_same_release() -> None:
    found = {path: yaml.safe_load((path / "meta/runtime.yml").read_text("utf-8")) for path in COLLECTIONS}
    least = ".".join(map(str, required()))
    assert {path: runtime["requires_ansible"] for path, runtime in found.items()} == dict.fromkeys(found, f">={least}")


def test_requirements_begin_where_the_collection_does() -> None:
    least = ".".join(map(str, required()))
    assert f"ansible-core>={least}" in read("requirements.txt").splitlines()


def test_every_role_begins_where_the_collection_does() -> None:
    found = {}
    for path in (path for root in COLLECTIONS for path in root.glob("roles/*/meta/main.yml")):
        least = yaml.safe_load(path.read_text("utf-8"))["galaxy_info"]["min_ansible_version"]
        found[str(path.relative_to(CHECKOUT))] = version(least)
    assert found == dict.fromkeys(found, required()[:2])
    assert found


def test_kubernetes_core_is_required_alike() -> None:
    collection = yaml.safe_load(read("galaxy.yml"))["dependencies"]
    listed = yaml.safe_load(read("requirements.yml"))["collections"]
    assert {item["name"]: item["version"] for item in listed} == collection
    least = collection["kubernetes.core"].removeprefix(">=")
    assert f"| kubernetes.core | {least} and newer |" in read("README.md")
    assert f"kubernetes.core {version(least)[0]} or newer" in read("docs/versions.md")
