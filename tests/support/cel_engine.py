# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CEL as Authorino evaluates it, by an engine that does not know the optional values of cel-go.

Those are put in its words first. tests/integration/test_authorino_cel.py has Authorino's own engine answer the same
questions, so that nothing here depends on how they are translated.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

import cel
from cel.stdlib import add_stdlib_to_context

_NAME = r"\.\?(\w+)"
_TEXT = r'\[\?("(?:[^"\\]|\\.)*")\]'
_WAY = re.compile(rf"auth\.identity((?:{_NAME}|{_TEXT})+)\.(orValue\(|hasValue\(\))")


def evaluate(expression: str, facts: Mapping[str, Any]) -> Any:
    """The expression's value with these facts (``auth``, ``request``); None where it has none."""
    context = cel.Context()
    add_stdlib_to_context(context)
    context.add_function("wayOr", _at)
    context.add_function("hasWay", lambda item, way: _at(item, way, None) is not None)
    # Of texts the engine makes one itself.
    context.add_function("timestamp", lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.UTC))
    for name in ("auth", "request"):
        context.add_variable(name, facts.get(name, {}))
    program = cel.compile(_WAY.sub(_translated, expression))
    try:
        return program.execute(context)
    except (ValueError, RuntimeError, TypeError, KeyError):
        return None


def _translated(match: re.Match[str]) -> str:
    way = [f'"{name}"' if name else text for name, text in re.findall(f"{_NAME}|{_TEXT}", match[1])]
    if match[4].startswith("hasValue"):
        return f"hasWay(auth.identity, [{', '.join(way)}])"
    return f"wayOr(auth.identity, [{', '.join(way)}], "


def _at(item: Any, way: list[str], other: Any) -> Any:
    for name in way:
        if not isinstance(item, Mapping) or name not in item:
            return other
        item = item[name]
    return item
