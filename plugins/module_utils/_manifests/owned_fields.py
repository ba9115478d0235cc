# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which fields of a live object are ours, and a digest of their values.

The API server notes in ``metadata.managedFields`` who owns which field; our entry is the one of our field manager with
operation Apply. Format of the sets: structured-merge-diff, ``f:`` field, ``k:`` list item by its keys, ``v:`` set
value, ``i:`` index, ``.`` the item itself; an empty set is a leaf.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import short_digest

MISSING = "\0missing"


def owned_fields(metadata: Mapping[str, Any], manager: str) -> dict[str, Any] | None:
    """The set of fields that ``manager`` owns by apply, or None when it owns none."""
    for entry in entries_of(metadata):
        if is_applied_by(entry, manager):
            return dict(entry.get("fieldsV1") or {})
    return None


def is_applied_by(entry: Mapping[str, Any], manager: str) -> bool:
    """Whether that entry of ``managedFields`` is the one of ``manager`` by apply."""
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def metadata_digest(
    metadata: Mapping[str, Any],
    manager: str,
    ignored: Sequence[str] = (),
    applied: Mapping[str, Any] | None = None,
) -> str:
    """Digest of a set of fields and of the values of those in metadata; "" when there is no set.

    The set is ``applied``, else what ``manager`` owns now. ``ignored`` are fields (see ``drop_field``) that do not
    count.
    """
    fields = _fields(metadata, manager, ignored, applied)
    if fields is None:
        return ""
    below = {name: value for name, value in fields.items() if name == "f:metadata"}
    return _digest([fields, _items(below, {"metadata": metadata}, _others(metadata, manager))])


def body_digest(
    live: Mapping[str, Any], manager: str, ignored: Sequence[str] = (), applied: Mapping[str, Any] | None = None
) -> str:
    """Digest of the values of a set's fields outside of metadata; the set as in ``metadata_digest``."""
    metadata = live.get("metadata") or {}
    fields = _fields(metadata, manager, ignored, applied)
    if fields is None:
        return ""
    below = {name: value for name, value in fields.items() if name != "f:metadata"}
    return _digest(_items(below, live, _others(metadata, manager)))


def owns_more(
    metadata: Mapping[str, Any], manager: str, ignored: Sequence[str], applied: Mapping[str, Any] | None
) -> bool:
    """Whether we own a field now that is not in the set ``applied``: somebody applied more under our name."""
    now = _fields(metadata, manager, ignored, None)
    then = _fields(metadata, manager, ignored, applied)
    return _exceeds(now or {}, then or {})


def _exceeds(fields: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return any(name not in known or _exceeds(below, known[name]) for name, below in fields.items() if name != ".")


def owns_field(metadata: Mapping[str, Any], manager: str, path: str) -> bool:
    """Whether we own that field (in any item, where the path holds ``[*]``)."""
    fields = owned_fields(metadata, manager)
    return fields is not None and _digest(fields) != _digest(drop_field(fields, path))


def drop_field(fields: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The set without the field at ``path``, such as ``webhooks[*].failurePolicy``."""
    return _drop(fields, path_parts(path))


def path_parts(path: str) -> list[str]:
    """``a.b[*].c`` as ``["a", "b", "*", "c"]``."""
    return [part for part in path.replace("[*]", ".*").split(".") if part]


def _drop(fields: Mapping[str, Any], parts: Sequence[str]) -> dict[str, Any]:
    result = dict(fields)
    for name, below in fields.items():
        if name != "f:" + parts[0] and not (parts[0] == "*" and name[:2] in ("k:", "v:", "i:")):
            continue
        rest = _drop(below, parts[1:]) if len(parts) > 1 else {}
        if any(field != "." for field in rest):
            result[name] = rest
        else:
            # Not ignored behind empty: an empty set is a leaf, which stands for the whole value.
            del result[name]
    return result


def _fields(
    metadata: Mapping[str, Any], manager: str, ignored: Sequence[str], applied: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    fields = owned_fields(metadata, manager) if applied is None else dict(applied)
    if fields is not None:
        # A schema's default for status is ours for the moment between our apply and the controller's first write.
        for path in ("status", *ignored):
            fields = drop_field(fields, path)
    return fields


def _others(metadata: Mapping[str, Any], manager: str) -> dict[str, Any]:
    """Union of what all other entries own."""
    return united(entry for entry in entries_of(metadata) if not is_applied_by(entry, manager))


def entries_of(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    return metadata.get("managedFields") or []


def united(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Union of what these entries of ``managedFields`` own."""
    union: dict[str, Any] = {}
    for entry in entries:
        unite(union, entry.get("fieldsV1") or {})
    return union


def unite(union: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Add the set ``fields`` to the set ``union``, in place."""
    for name, below in fields.items():
        if name in union and bool(union[name]) != bool(below):
            # One of the two is a leaf, which the other says by a point.
            union[name]["."] = {}
        unite(union.setdefault(name, {}), below)


def _values(fields: Mapping[str, Any], value: Any, others: Mapping[str, Any]) -> Any:
    """The value cut down to the set. A leaf takes all of it, but what others own below.

    Others own something below a leaf of ours where we applied an empty mapping (``annotations: {}``): what they put
    into it is not ours.
    """
    if all(name == "." for name in fields):
        return _without(value, others)
    return _items(fields, value, others)


def _items(fields: Mapping[str, Any], value: Any, others: Mapping[str, Any]) -> dict[str, Any]:
    """The values of every member of the set, which may be empty here."""
    return {
        name: _values(below, _child(value, name), others.get(name) or {})
        for name, below in fields.items()
        if name != "."
    }


def _child(value: Any, name: str) -> Any:
    mark, _colon, rest = name.partition(":")
    if mark == "f":
        return value.get(rest, MISSING) if isinstance(value, Mapping) else MISSING
    if not isinstance(value, list):
        return MISSING
    if mark == "i":
        return value[int(rest)] if int(rest) < len(value) else MISSING
    wanted = json.loads(rest)
    if mark == "v":
        return wanted if wanted in value else MISSING
    return _item(value, wanted)


def _item(items: Iterable[Any], keys: Mapping[str, Any]) -> Any:
    for item in items:
        if isinstance(item, Mapping) and all(item.get(name) == wanted for name, wanted in keys.items()):
            return item
    return MISSING


def _without(value: Any, others: Mapping[str, Any]) -> Any:
    below = [name for name in others if name != "."]
    if below and isinstance(value, list):
        return [item for item in value if not any(_is_item(item, name) for name in below)]
    if not below or not isinstance(value, Mapping):
        return value
    result = dict(value)
    for name in below:
        field_name = name.partition(":")[2]
        if field_name not in result:
            continue
        rest = _without(result[field_name], others[name])
        if rest == result[field_name] or not rest:
            del result[field_name]
        else:
            result[field_name] = rest
    return result


def _is_item(item: Any, name: str) -> bool:
    mark, _colon, rest = name.partition(":")
    if mark == "v":
        return bool(item == json.loads(rest))
    return mark == "k" and _item([item], json.loads(rest)) is item


def _digest(value: Any) -> str:
    return short_digest(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
