# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pages for people name is there: files, headings, playbooks, variables, modules."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "embedded" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|`)make ((?:[a-z-]+ ?)+)", re.MULTILINE)
VARIABLE = re.compile(r"(?<![\w/.-])maas_[a-z_0-9]+\b(?![/.-]\w|\()")
STATS = re.compile(r"set_stats:\n\s+data:\n\s+(\w+):")
PLUGIN = re.compile(r"\bllmops\.(maas|embedded)\.([a-z_]+)\b")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: lower case, dashes for spaces, no other punctuation."""
    headings = HEADING.findall(CODE_BLOCK.sub("", page.read_text("utf-8")))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@cache
def variables() -> set[str]:
    """What somebody can set (llmops.maas.platform refuses all others), what it gives, and statistics."""
    specification = yaml.safe_load((ROOT / "roles/maas/meta/argument_specs.yml").read_text("utf-8"))
    found = set(specification["argument_specs"]["platform"]["options"]) | {"maas_platform"}
    for path in ROOT.glob("roles/*/tasks/*.yml"):
        found |= set(STATS.findall(path.read_text("utf-8")))
    return found


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in LINK.findall(page.read_text("utf-8")):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        name, _hash, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@each_page
def test_playbooks_exist(page: Path) -> None:
    named = set(re.findall(r"\b(?:embedded/)?playbooks/[a-z_]+\.yml\b", page.read_text("utf-8")))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@each_page
def test_targets_of_make_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {name for names in COMMAND.findall(page.read_text("utf-8")) for name in names.split()}
    assert named - targets == set()


@each_page
def test_variables_exist(page: Path) -> None:
    assert set(VARIABLE.findall(page.read_text("utf-8"))) - variables() == set()


@each_page
def test_plugins_and_roles_exist(page: Path) -> None:
    known = set()
    for collection, root in (("maas", ROOT), ("embedded", ROOT / "embedded")):
        found = [*root.glob("plugins/*/*.py"), *root.glob("roles/*"), *root.glob("playbooks/*.yml")]
        known |= {(collection, path.stem) for path in found}
    assert set(PLUGIN.findall(page.read_text("utf-8"))) - known == set()


def linked(index: Path) -> set[Path]:
    links = (link.partition("#")[0] for link in LINK.findall(index.read_text("utf-8")))
    return {(index.parent / link).resolve() for link in links if link}


def test_every_page_is_linked_from_an_index() -> None:
    """The README leads to the pages on the top level and in docs/, the index of a folder in docs/ to those in there."""
    found = linked(ROOT / "README.md") | {ROOT / "README.md"}
    for index in (ROOT / "docs").glob("*/README.md"):
        found |= linked(index) | {index}
    others = (".github", "embedded")  # forms, and the front page of another collection
    assert [page for page in PAGES if page not in found and page.parent.name not in others] == []
