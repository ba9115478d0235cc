# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each variable has one name, and behind the door roles read its result alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = ROOT / "roles"
OPTIONS = set(
    yaml.safe_load((ROLES / "maas/meta/argument_specs.yml").read_text())["argument_specs"]["platform"]["options"]
)
BEHIND = sorted(
    path
    for pattern in ("roles/*/*/**/*.yml", "roles/*/templates/**/*.j2", "playbooks/*.yml", "embedded/roles/*/*/**/*.yml")
    for path in ROOT.glob(pattern)
    if not {"meta", "files"} & set(path.parts) and not path.is_relative_to(ROLES / "maas" / "defaults")
)
EXPRESSION = re.compile(
    r"\{\{(.*?)\}\}|\{%(.*?)%\}|^\s*(?:- )?(?:when|that|until): ([^\n{]+)$", re.DOTALL | re.MULTILINE
)
TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")
NAME = re.compile(r"(?<![\w.])maas_\w+\b(?!\s*=[^=])")


def raw_names(text: str) -> Iterator[str]:
    """Variables of users that expressions in a YAML file or template read."""
    for match in EXPRESSION.finditer(text):
        expression = TEXT.sub("''", next(filter(None, match.groups()), ""))
        yield from (name for name in NAME.findall(expression) if name in OPTIONS)


def test_raw_names_are_found() -> None:
    text = (
        "- x: \"{{ maas_users | map(attribute='maas_models') }}\"\n  when: maas_tls_enabled and x\n"
        "# {{ maas_platform.users }}\n"
    )
    assert list(raw_names(text)) == ["maas_users", "maas_tls_enabled"]


@pytest.mark.parametrize("path", BEHIND, ids=lambda path: str(path.relative_to(ROOT)))
def test_behind_the_door_only_its_result_is_read(path: Path) -> None:
    assert sorted(set(raw_names(path.read_text(encoding="utf-8")))) == []


def defaults() -> list[tuple[str, str, Any]]:
    return [
        (path.parents[1].name, name, value)
        for path in sorted(ROLES.glob("*/defaults/*.yml"))
        for name, value in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items()
    ]


@pytest.mark.parametrize(("role", "name", "value"), defaults())
def test_no_default_is_a_second_name_of_a_variable(role: str, name: str, value: Any) -> None:
    assert not re.fullmatch(r"\{\{\s*maas_[\w.]+(\s*\|\s*\w+)*\s*\}\}", str(value)), f"{role}: {name}"


@pytest.mark.parametrize("path", sorted(ROLES.glob("*/vars/**/*.yml")), ids=lambda path: str(path.relative_to(ROLES)))
def test_vars_name_things_and_compute_nothing(path: Path) -> None:
    assert not re.search(r"\{%-?\s*(set|for|macro)\b", path.read_text(encoding="utf-8"))
