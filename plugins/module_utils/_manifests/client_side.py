# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fields that ``kubectl apply`` without --server-side has set: whose they become, and which of them a manifest lacks.

Such an apply owns its fields as an Update, and notes what it sent in an annotation. A server-side apply of another
manager leaves them alone for ever, also those that the new manifest dropped. ``kubectl apply --server-side`` therefore
makes them its own first (k8s.io/client-go/util/csaupgrade); so does this module where it may take fields over.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import LAST_APPLIED
from ansible_collections.llmops.maas.plugins.module_utils._manifests.owned_fields import (
    MISSING,
    drop_field,
    is_applied_by,
    owned_fields,
    unite,
)

_KUBECTL = "kubectl-client-side-apply"

Fields = dict[str, Any]


def has_client_fields(metadata: Mapping[str, Any]) -> bool:
    """Whether a client-side apply still owns fields of the object."""
    return any(_is_client(entry) for entry in metadata.get("managedFields") or [])


def taken_over(metadata: Mapping[str, Any], manager: str, ignored: Sequence[str]) -> list[dict[str, Any]] | None:
    """The ``managedFields`` with ``manager`` as the owner of what client-side applies own; None when that is nothing.

    The fields in ``ignored`` get no owner: whoever changes them keeps them.
    """
    entries = metadata.get("managedFields") or []
    theirs = [entry for entry in entries if _is_client(entry)]
    if not theirs:
        return None
    ours = next((entry for entry in entries if is_applied_by(entry, manager)), None)
    fields = copy.deepcopy((ours or {}).get("fieldsV1") or {})
    unite(fields, _client_fields(metadata, ignored))
    merged = {**(ours or theirs[0]), "manager": manager, "operation": "Apply", "fieldsV1": fields}
    return [merged, *(entry for entry in entries if entry is not ours and entry not in theirs)]


def leftovers(live: Mapping[str, Any], manager: str, ignored: Sequence[str] = ()) -> list[str]:
    """The paths of the fields that a client-side apply set in ``live`` and that ``manager`` does not own."""
    metadata = live["metadata"]
    extra = _minus(_written(metadata, ignored), owned_fields(metadata, manager) or {})
    return [path for path in _paths(extra) if LAST_APPLIED not in path]


def without_client_fields(
    answer: Mapping[str, Any], metadata: Mapping[str, Any], ignored: Sequence[str]
) -> dict[str, Any]:
    """The answer to a dry run as it would be if the fields had been taken over before, but for defaults.

    ``metadata`` is that of the object as it is. A dry run cannot follow on another one, so this is worked out here.
    """
    rest = [entry for entry in answer["metadata"].get("managedFields") or [] if not _is_client(entry)]
    kept: Fields = {}
    for entry in rest:
        unite(kept, entry.get("fieldsV1") or {})
    result = copy.deepcopy(dict(answer))
    _remove(result, _minus(_client_fields(metadata, ignored), kept))
    result["metadata"]["managedFields"] = rest
    return result


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) that makes ``after`` of ``before``."""
    patch: dict[str, Any] = dict.fromkeys(name for name in before if name not in after)
    for name, value in after.items():
        known = before.get(name)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            below = merge_patch(known, value)
            patch.update({name: below} if below else {})
        elif name not in before or known != value:
            patch[name] = value
    return patch


def _is_client(entry: Mapping[str, Any]) -> bool:
    if entry.get("operation") != "Update" or entry.get("subresource"):
        return False
    annotations = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
    return entry.get("manager") == _KUBECTL or f"f:{LAST_APPLIED}" in annotations


def _client_fields(metadata: Mapping[str, Any], ignored: Sequence[str]) -> Fields:
    fields: Fields = {}
    for entry in metadata.get("managedFields") or []:
        if _is_client(entry):
            unite(fields, entry.get("fieldsV1") or {})
    for path in ignored:
        fields = drop_field(fields, path)
    return fields


def _written(metadata: Mapping[str, Any], ignored: Sequence[str]) -> Fields:
    """What a client-side apply owns and has sent: not the defaults that the server put in, which it owns as well."""
    fields = _client_fields(metadata, ignored)
    try:
        sent = json.loads((metadata.get("annotations") or {})[LAST_APPLIED])
    except (KeyError, ValueError):
        return fields
    return _within(fields, sent)


def _within(fields: Mapping[str, Any], value: Any) -> Fields:
    """The part of the set whose fields that value has."""
    result: Fields = {}
    for name, below in fields.items():
        child = value if name == "." else _child(value, name)
        if child is not MISSING:
            result[name] = _within(below, child)
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


def _minus(fields: Mapping[str, Any], known: Mapping[str, Any]) -> Fields:
    """The part of the set that is not in ``known``, where a leaf stands for all that is below it."""
    result: Fields = {}
    for name, below in fields.items():
        if name not in known:
            result[name] = below
        elif known[name]:
            rest = _minus(below, known[name])
            if any(field != "." for field in rest):
                result[name] = rest
    return result


def _paths(fields: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, below in fields.items():
        if name == ".":
            continue
        path = prefix + _element(name, first=not prefix)
        if _is_whole(name, below):
            yield path
        else:
            yield from _paths(below, path)


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


def _remove(value: Any, fields: Mapping[str, Any]) -> None:
    for name, below in fields.items():
        where = _where(value, name)
        if where is None:
            continue
        if not _is_whole(name, below):
            _remove(value[where], below)
        if _is_whole(name, below) or value[where] in ({}, []):
            del value[where]
