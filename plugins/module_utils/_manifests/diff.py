# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Differences to show, without anything that is secret."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import ObjectKey
from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import LAST_APPLIED

# Where PyYAML is missing the module says so before it comes here.
with contextlib.suppress(ImportError):
    import yaml

HIDDEN = "(hidden)"
HIDDEN_CHANGED = "(hidden, differs)"
# As Ansible's MAX_FILE_SIZE_FOR_DIFF: of larger objects only the fields that differ are shown.
_LARGE = 104448
_SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")


def content(live: Mapping[str, Any] | None) -> dict[str, Any]:
    """What of a live object counts as its content: not status, nor what the server keeps about it."""
    if live is None:
        return {}
    result = {name: value for name, value in live.items() if name != "status"}
    metadata = result.get("metadata") or {}
    result["metadata"] = {name: value for name, value in metadata.items() if name not in _SERVER_FIELDS}
    return result


def managers(live: Mapping[str, Any] | None) -> list[str]:
    """Names of those who own fields of the object by apply."""
    entries = ((live or {}).get("metadata") or {}).get("managedFields") or []
    return sorted({str(entry.get("manager")) for entry in entries if entry.get("operation") == "Apply"})


def difference(key: ObjectKey, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, str]:
    """One entry of the ``diff`` return value: YAML before and after, with a header, Secrets' values hidden."""
    old, new = redact_pair(content(before), content(after))
    if old == new and before is not None and after is not None:
        # Only ownership changed: that is what there is to show.
        old["managers"], new["managers"] = managers(before), managers(after)
    old_text, new_text = _text(old), _text(new)
    if min(len(old_text), len(new_text)) > _LARGE:
        old_text, new_text = _text(_differing(old, new)), _text(_differing(new, old))
    return {"before_header": str(key), "after_header": str(key), "before": old_text, "after": new_text}


def redact_pair(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Copies of both in which a Secret's values say only whether they differ."""
    left, right = copy.deepcopy(dict(old)), copy.deepcopy(dict(new))
    if not (_is_secret(left) or _is_secret(right)):
        return left, right
    for part in ("data", "stringData"):
        values, others = left.get(part) or {}, right.get(part) or {}
        for name in set(values) | set(others):
            same = values.get(name) == others.get(name)
            if name in values:
                values[name] = HIDDEN
            if name in others:
                others[name] = HIDDEN if same or not old else HIDDEN_CHANGED
    for item in (left, right):
        ((item.get("metadata") or {}).get("annotations") or {}).pop(LAST_APPLIED, None)
    return left, right


def _is_secret(item: Mapping[str, Any]) -> bool:
    return item.get("kind") == "Secret"


def _text(item: Mapping[str, Any]) -> str:
    if not any(item.values()):
        return ""
    return yaml.dump(dict(item), Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=True, width=120)


def _differing(one: Any, other: Any) -> Any:
    """What of ``one`` is not the same in ``other``; lists as mappings of index to item."""
    if isinstance(one, list) and isinstance(other, list):
        one, other = dict(enumerate(one)), dict(enumerate(other))
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one
    return {
        name: _differing(value, other[name]) if name in other else value
        for name, value in one.items()
        if name not in other or value != other[name]
    }
