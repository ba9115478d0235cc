# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of fields as ``managedFields`` writes them, and the values that they name (format: owned_fields.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._manifests.owned_fields import MISSING

Fields = dict[str, Any]


def within(fields: Mapping[str, Any], value: Any) -> Fields:
    """The part of the set whose fields that value has."""
    result: Fields = {}
    for name, below in fields.items():
        child = value if name == "." else _child(value, name)
        if child is not MISSING:
            result[name] = within(below, child)
    return result


def _child(value: Any, name: str) -> Any:
    where = _where(value, name)
    return MISSING if where is None else value[where]


def _where(value: Any, name: str) -> Any:
    """The key or index of what the set names so, None when the value has no such member."""
    if name[:2] != "f:":
        return None if name == "." else _index(value, name)
    return name[2:] if isinstance(value, Mapping) and name[2:] in value else None


def _index(items: Any, name: str) -> int | None:
    """The index of a list's item that the set names by its keys (``k:``), its value (``v:``) or its index (``i:``)."""
    if not isinstance(items, list):
        return None
    mark, _colon, rest = name.partition(":")
    wanted = json.loads(rest)
    if mark == "i":
        return wanted if wanted < len(items) else None
    return next((index for index, item in enumerate(items) if _fits(item, wanted, mark)), None)


def _fits(item: Any, wanted: Any, mark: str) -> bool:
    if mark == "v" or not isinstance(item, Mapping):
        return bool(item == wanted)
    # A key that the item leaves out has its default.
    return all(item.get(key, value) == value for key, value in wanted.items())


def minus(fields: Mapping[str, Any], known: Mapping[str, Any]) -> Fields:
    """The part of the set that is not in ``known``, where a leaf stands for all that is below it."""
    result: Fields = {}
    for name, below in fields.items():
        if name not in known:
            result[name] = below
        elif known[name]:
            rest = minus(below, known[name])
            if any(field != "." for field in rest):
                result[name] = rest
    return result


def paths(fields: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The members of the set for people, such as ``spec.listeners[name=https]``."""
    for name, below in fields.items():
        if name == ".":
            continue
        path = prefix + _element(name, first=not prefix)
        if _is_whole(name, below):
            yield path
        else:
            yield from paths(below, path)


def _is_whole(name: str, below: Mapping[str, Any]) -> bool:
    """Whether the set means that member itself, not only something below it: a mapping is what is in it."""
    return not below or (name[:2] != "f:" and "." in below)


def _element(name: str, *, first: bool) -> str:
    mark, _colon, rest = name.partition(":")
    if mark == "f":
        return rest if first else f".{rest}"
    if mark == "k":
        return "[" + ",".join(f"{key}={value}" for key, value in json.loads(rest).items()) + "]"
    return f"[{rest}]"


def remove(value: Any, fields: Mapping[str, Any]) -> None:
    """Take the members of the set out of the value, in place, and what is empty then."""
    for name, below in fields.items():
        where = _where(value, name)
        if where is None:
            continue
        if not _is_whole(name, below):
            remove(value[where], below)
        if _is_whole(name, below) or value[where] in ({}, []):
            del value[where]
