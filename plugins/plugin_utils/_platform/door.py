# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door for what a user writes: every variable is converted, checked and completed before anything happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.booleans import BooleanError, as_boolean
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.convert import INVALID, convert, nearest
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.derived import derive
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rules import (
    access,
    gateway,
    models,
    storage,
    tokens,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rules.home import check_home
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.shapes import SHAPES
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.spec import (
    PREFIX,
    Variable,
    booleans_of_roles,
    computed_names,
    read_variables,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.values import UnreadableError, Values

REMOVED: Mapping[str, str] = {}
"""Variables of earlier versions, each with what to use instead."""
_RULES: tuple[Callable[[Values, Problems], None], ...] = (
    *gateway.RULES,
    *models.RULES,
    *access.RULES,
    *tokens.RULES,
    *storage.RULES,
)


@dataclass(frozen=True)
class Platform:
    """The result: ``values`` by name, or what is wrong in ``problems``, one message for each mistake."""

    values: Mapping[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_platform(
    given: Mapping[str, Any],
    extra_vars: Collection[str] = (),
    unreadable: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Platform:
    """Convert, check and complete all variables.

    :param given: plain values by the names that users write; others than those of this collection are ignored.
    :param extra_vars: names that came from the command line, above everything that a role sets.
    :param unreadable: variables whose template failed, each with the reason.
    :param environment: by default that of this process.
    """
    variables, problems = read_variables(), Problems()
    broken = dict(unreadable or {})
    for name, reason in broken.items():
        problems.add(name, reason)
    _check_names({*given, *broken}, extra_vars, variables, problems)
    _check_booleans(given, problems)
    values = Values(_converted(given, broken, variables, problems))
    _shape(values, problems)
    check_home(values, variables, os.environ if environment is None else environment, problems)
    for rule in _RULES:
        _follow(rule, values, problems)
    return Platform(problems=problems.messages) if problems else Platform({**values, **derive(values)})


def _check_names(
    names: Iterable[str], extra_vars: Collection[str], variables: Mapping[str, Variable], problems: Problems
) -> None:
    known, computed = {f"{PREFIX}{name}" for name in variables}, computed_names()
    for name in sorted(names):
        if not name.startswith(PREFIX) or name in known:
            continue
        if name in computed:
            if name in extra_vars:
                problems.add(name, "is made by the collection and cannot be set; remove it from the extra variables")
        elif name in REMOVED:
            problems.say(f"{name} was removed: {REMOVED[name]}")
        else:
            close = nearest(name, sorted(known))
            problems.say(f"{name} is not a variable of this collection" + (f"; did you mean {close}?" if close else ""))


def _check_booleans(given: Mapping[str, Any], problems: Problems) -> None:
    """Variables of the other roles, which the filter ``bool`` would take for false whatever they say."""
    for name in sorted(booleans_of_roles() & set(given)):
        with problems.noting(BooleanError):
            as_boolean(given[name], name)


def _converted(
    given: Mapping[str, Any], broken: Collection[str], variables: Mapping[str, Variable], problems: Problems
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, variable in variables.items():
        where = f"{PREFIX}{name}"
        if where in broken:
            found[name] = INVALID
            continue
        value = convert(given[where], variable, where, problems) if where in given else None
        found[name] = _empty(variable) if value is None else value
    return found


def _empty(variable: Variable) -> Any:
    """What a variable holds that is set to nothing, or not at all: its default, else an empty value of its type."""
    if variable.default is not None:
        return deepcopy(variable.default)
    return {"list": [], "dict": {}, "int": 0, "float": 0.0, "bool": False}.get(variable.type, "")


def _shape(values: Values, problems: Problems) -> None:
    for name, shape in SHAPES.items():
        if name in values.readable():
            values.change(name, shape(values[name], f"{PREFIX}{name}", problems))


def _follow(rule: Callable[[Values, Problems], None], values: Values, problems: Problems) -> None:
    """Ask what can be asked: a rule about a variable that was refused already has nothing to go by."""
    try:
        rule(values, problems)
    except UnreadableError:
        return
