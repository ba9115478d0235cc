# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates an action of Kuadrant's wasm configuration for one request.

The gateway's Envoy sends the action with the facts that its expressions may ask for; see stand_ins.gateway.policies.
Expressions are CEL; ``responseBodyJSON`` and ``requestBodyJSON`` take a JSON pointer.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import cel
from cel.stdlib import add_stdlib_to_context

# Keys of the entries of a descriptor.
ACTION = "kuadrant.action"
AUTH_DATA = "auth"
HEADER = "request.headers."
REQUEST_BODY = "kuadrant.request.body"
RESPONSE_BODY = "kuadrant.response.body"

_HITS = "ratelimit.hits_addend"


class ExpressionError(Exception):
    """An expression cannot be evaluated for this request; the message has the expression and why."""


@dataclass(frozen=True)
class Question:
    """What is asked of Limitador: its namespace, the entries of the descriptor, and how much to add."""

    namespace: str
    entries: Mapping[str, str]
    hits: int


def question(facts: Mapping[str, str]) -> Question | None:
    """What the action asks for this request; None when its predicates leave nothing to ask. Raises ExpressionError."""
    action = json.loads(facts[ACTION])
    context = _context(facts)
    if not _all_hold(action.get("predicates") or (), context):
        return None
    entries: dict[str, str] = {}
    for part in action.get("conditionalData") or ():
        if _all_hold(part.get("predicates") or (), context):
            for item in part.get("data") or ():
                key, value = _data(item, context)
                entries[key] = value
    if not entries:
        return None
    hits = entries.pop(_HITS, "1")
    try:
        return Question(str(action["scope"]), entries, int(float(hits)))
    except ValueError as error:
        raise ExpressionError(f"{_HITS} is {hits!r}, not a number") from error


def _all_hold(predicates: Any, context: cel.Context) -> bool:
    return all(_evaluate(text, context) is True for text in predicates)


def _data(item: Mapping[str, Any], context: cel.Context) -> tuple[str, str]:
    if "static" in item:
        return str(item["static"]["key"]), str(item["static"]["value"])
    value = _evaluate(item["expression"]["value"], context)
    if isinstance(value, bool):
        value = str(value).lower()
    return str(item["expression"]["key"]), str(value)


@functools.lru_cache(maxsize=1024)
def _compiled(text: str) -> cel.Program:
    return cel.compile(text)


def _evaluate(text: str, context: cel.Context) -> Any:
    try:
        return _compiled(text).execute(context)
    except (ValueError, RuntimeError, TypeError, KeyError) as error:
        raise ExpressionError(f"{text}: {error}") from error


def _context(facts: Mapping[str, str]) -> cel.Context:
    context = cel.Context()
    add_stdlib_to_context(context)
    for name, value in _variables(facts).items():
        context.add_variable(name, value)
    for name, key in (("requestBodyJSON", REQUEST_BODY), ("responseBodyJSON", RESPONSE_BODY)):
        context.add_function(name, functools.partial(_pointer, json.loads(facts.get(key) or "{}")))
    context.add_function("queryMap", lambda query: dict(parse_qsl(query)))
    return context


def _variables(facts: Mapping[str, str]) -> dict[str, Any]:
    path = facts.get("request.path", "")
    url_path, _mark, query = path.partition("?")
    headers = {key.removeprefix(HEADER): value for key, value in facts.items() if key.startswith(HEADER)}
    request = {
        "method": facts.get("request.method", ""),
        "path": path,
        "url_path": url_path,
        "query": query,
        "host": facts.get("request.host", ""),
        "headers": {name: value for name, value in headers.items() if value != "-"},
    }
    source = {"address": facts.get("source.address", "")}
    return {"auth": json.loads(facts.get(AUTH_DATA) or "{}"), "request": request, "source": source}


def _pointer(values: Mapping[str, Any], pointer: str) -> Any:
    if pointer not in values:
        raise KeyError(f"the body has nothing at {pointer}")
    value = values[pointer]
    return int(value) if isinstance(value, float) and value.is_integer() else value
