# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that users can notice has a changelog fragment, and the changelog lists every plugin."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]

from changelog_fragments import ChangelogError, check

FOLDERS = ("modules", "filter", "lookup")


class Repository:
    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Someone", "-c", "user.email=someone@example.com")
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def write(self, name: str, content: str = "") -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def commit(self, *names: str) -> None:
        """Commit all that is there, with another line at the end of each of the named files."""
        for name in names:
            path = self.root / name
            self.write(name, (path.read_text("utf-8") if path.exists() else "") + "a line\n")
        self.git("add", "--all")
        self.git("commit", "--message", "A change")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.git("init", "--initial-branch", "main")
    made.commit("plugins/modules/a.py", "roles/r/tasks/main.yml", "docs/page.md", "changelogs/fragments/old.yml")
    return made


@pytest.mark.parametrize("name", ["plugins/modules/a.py", "roles/r/defaults/main.yml", "embedded/playbooks/up.yml"])
def test_a_change_without_a_fragment_is_named(repository: Repository, name: str) -> None:
    repository.git("switch", "--create", "topic")
    repository.write(name, "changed")
    with pytest.raises(ChangelogError, match=name):
        check(repository.root)
    repository.commit()
    with pytest.raises(ChangelogError, match=name):
        check(repository.root)


@pytest.mark.parametrize("fragment", ["changelogs/fragments/new.yml", "embedded/changelogs/fragments/new.yml"])
def test_a_new_fragment_satisfies(repository: Repository, fragment: str) -> None:
    repository.git("switch", "--create", "topic")
    repository.commit("plugins/modules/a.py")
    repository.write(fragment)
    assert "fragments: 1" in check(repository.root)
    repository.commit()
    assert "fragments: 1" in check(repository.root)


@pytest.mark.parametrize("fragment", ["changelogs/fragments/old.yml", "changelogs/new.yml", "changelogs/fragments/x"])
def test_what_is_no_new_fragment_does_not(repository: Repository, fragment: str) -> None:
    repository.git("switch", "--create", "topic")
    repository.write("plugins/modules/a.py", "changed")
    repository.write(fragment, "changed")
    with pytest.raises(ChangelogError):
        check(repository.root)


def test_a_fragment_of_another_branch_does_not_count(repository: Repository) -> None:
    repository.git("switch", "--create", "topic")
    repository.commit("plugins/modules/a.py")
    repository.git("switch", "main")
    repository.commit("plugins/modules/b.py", "changelogs/fragments/new.yml")
    repository.git("switch", "topic")
    with pytest.raises(ChangelogError, match=r"a\.py"):
        check(repository.root)


def test_a_moved_file_is_a_change(repository: Repository) -> None:
    repository.git("switch", "--create", "topic")
    repository.git("mv", "plugins/modules/a.py", "plugins/modules/b.py")
    with pytest.raises(ChangelogError, match=r"a\.py\n.*b\.py"):
        check(repository.root)


def test_documents_and_generated_files_need_none(repository: Repository) -> None:
    repository.git("switch", "--create", "topic")
    repository.commit("docs/page.md", "tests/unit/test_a.py", "roles/r/README.md")
    assert check(repository.root).startswith("0 files")


def test_a_clone_without_main_is_only_said_to_be_unchecked(repository: Repository) -> None:
    repository.git("branch", "--move", "main", "trunk")
    repository.commit("plugins/modules/a.py")
    assert "not checked" in check(repository.root)


def plugins(release: str) -> Iterator[tuple[str, str]]:
    """Folder and name of each plugin that the release brought, by its documentation."""
    for folder in FOLDERS:
        for path in sorted((CHECKOUT / "plugins" / folder).glob("*.py")):
            texts = [
                node.value
                for node in ast.parse(path.read_text("utf-8")).body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION"
            ]
            if texts and yaml.safe_load(ast.literal_eval(texts[0]))["version_added"] == release:
                yield folder, path.stem


def test_the_changelog_lists_every_plugin_of_the_latest_release() -> None:
    releases = yaml.safe_load((CHECKOUT / "changelogs/changelog.yaml").read_text("utf-8"))["releases"]
    name, release = max(releases.items(), key=lambda item: tuple(map(int, item[0].split("."))))
    found = {"modules": release.get("modules", []), **release.get("plugins", {})}
    here = list(plugins(name))
    assert here
    # Renewed by `make docs`.
    assert [(kind, item["name"]) for kind in FOLDERS for item in found.get(kind, [])] == here
    text = (CHECKOUT / "CHANGELOG.rst").read_text("utf-8")
    assert [plugin for _kind, plugin in here if f"- llmops.maas.{plugin} - " not in text] == []
