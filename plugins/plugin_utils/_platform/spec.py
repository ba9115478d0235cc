# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of all variables with their types, read from the argument specs of the roles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.yaml_text import parsed

ROLES = Path(__file__).resolve().parents[3] / "roles"
ENTRY_POINT = "platform"
"""Not ``main``: the options of that entry point Ansible checks itself before any task, and converts none."""
PREFIX = "maas_"
RESULT = "maas_platform"
"""The name under which the role registers the result."""
_TEMPLATE = re.compile(r"\{\{|\{%")


@dataclass(frozen=True)
class Variable:
    """A variable, or a field inside one, as an argument spec describes it.

    ``type`` is one of Ansible's ``str``, ``int``, ``float``, ``bool``, ``list``, ``dict``, ``path`` and ``raw``.
    ``item`` tells an entry of a list from a field with a name.
    """

    name: str
    type: str = "str"
    elements: str = ""
    required: bool = False
    default: Any = None
    choices: Sequence[Any] = ()
    options: Mapping[str, Variable] = field(default_factory=dict)
    no_log: bool = False
    item: bool = False

    @cached_property
    def secret(self) -> bool:
        """Whether nothing of the value may be shown."""
        return self.no_log or any(option.secret for option in self.options.values())

    @cached_property
    def entry(self) -> Variable:
        """What each entry of a list is."""
        return Variable(
            name=self.name,
            type=self.elements or "raw",
            choices=self.choices,
            options=self.options,
            no_log=self.no_log,
            item=True,
        )


@cache
def read_variables(roles: Path = ROLES) -> Mapping[str, Variable]:
    """The collection's variables by their names without ``maas_``, in the order of the argument spec.

    What a dictionary's fields are when they are left out comes from the role's defaults, where it is not in the spec.
    """
    options = _load(roles / "maas/meta/argument_specs.yml")["argument_specs"][ENTRY_POINT]["options"]
    defaults = read_defaults(roles)
    found = {}
    for name, option in options.items():
        given = defaults.get(name)
        fields = given if isinstance(given, dict) and option.get("options") else {}
        found[name.removeprefix(PREFIX)] = _variable(name, option, fields)
    return found


def read_defaults(roles: Path = ROLES) -> dict[str, Any]:
    """The defaults of the role ``maas`` by name, without those that are made from other variables."""
    found: dict[str, Any] = {}
    for path in sorted((roles / "maas/defaults/main").glob("*.yml")):
        found.update(_load(path))
    return {name: value for name, value in found.items() if not _TEMPLATE.search(str(value))}


@cache
def booleans_of_roles(roles: Path = ROLES) -> frozenset[str]:
    """The names of the boolean variables that roles have of their own."""
    return frozenset(
        name
        for path in sorted(roles.glob("*/meta/argument_specs.yml"))
        for name, option in _options(path)
        if option.get("type") == "bool" and not name.startswith(PREFIX)
    )


def _options(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry_point in _load(path)["argument_specs"].values():
        yield from (entry_point.get("options") or {}).items()


def _variable(name: str, option: Mapping[str, Any], fields: Mapping[str, Any]) -> Variable:
    return Variable(
        name=name,
        type=option.get("type", "str"),
        elements=option.get("elements", ""),
        required=bool(option.get("required")),
        default=option.get("default", fields.get(name)),
        choices=tuple(option.get("choices") or ()),
        options={
            inner: _variable(inner, spec, {inner: fields[inner]} if inner in fields else {})
            for inner, spec in (option.get("options") or {}).items()
        },
        no_log=bool(option.get("no_log")),
    )


@cache
def computed_names(roles: Path = ROLES) -> frozenset[str]:
    """Names that begin as variables do, and that nobody may set: the role's own, and that of the door's result."""
    own = {name for path in sorted((roles / "maas/vars").rglob("*.yml")) for name in _load(path)}
    return frozenset(name for name in {RESULT, *own} if name.startswith(PREFIX))


def _load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = parsed(path.read_text(encoding="utf-8")) or {}
    return found
