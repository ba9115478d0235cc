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
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import LAST_APPLIED
from ansible_collections.llmops.maas.plugins.module_utils._manifests.field_sets import (
    Fields,
    minus,
    paths,
    remove,
    within,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.owned_fields import (
    drop_field,
    entries_of,
    is_applied_by,
    owned_fields,
    unite,
    united,
)

_KUBECTL = "kubectl-client-side-apply"


def has_client_fields(metadata: Mapping[str, Any]) -> bool:
    """Whether a client-side apply still owns fields of the object."""
    return any(map(_is_client, entries_of(metadata)))


def taken_over(
    metadata: Mapping[str, Any], manager: str, ignored: Sequence[str], lost: Mapping[str, Any], *, force: bool
) -> list[dict[str, Any]] | None:
    """The ``managedFields`` with ``manager`` as the owner of ``lost`` and, by force, of what client-side applies own.

    None when that is nothing. The fields in ``ignored`` get no owner: whoever changes them keeps them.
    """
    entries = entries_of(metadata)
    theirs = [entry for entry in entries if force and _is_client(entry)]
    ours = next((entry for entry in entries if is_applied_by(entry, manager)), None)
    if not theirs and not (lost and ours):
        return None
    fields = copy.deepcopy((ours or {}).get("fieldsV1") or {})
    if theirs:
        unite(fields, _client_fields(metadata, ignored))
    unite(fields, lost)
    merged = {**(ours or theirs[0]), "manager": manager, "operation": "Apply", "fieldsV1": fields}
    return [merged, *(entry for entry in entries if entry is not ours and entry not in theirs)]


def leftovers(live: Mapping[str, Any], manager: str, ignored: Sequence[str] = ()) -> list[str]:
    """The paths of the fields that a client-side apply set in ``live`` and that ``manager`` does not own."""
    metadata = live["metadata"]
    extra = minus(_written(metadata, ignored), owned_fields(metadata, manager) or {})
    return [path for path in paths(extra) if LAST_APPLIED not in path]


def without_client_fields(
    answer: Mapping[str, Any],
    metadata: Mapping[str, Any],
    ignored: Sequence[str],
    lost: Mapping[str, Any],
    *,
    force: bool,
) -> dict[str, Any]:
    """The answer to a dry run as it would be if the fields had been taken over before (taken_over), but for defaults.

    ``metadata`` is that of the object as it is. A dry run cannot follow on another one, so this is worked out here.
    """
    rest = [entry for entry in entries_of(answer["metadata"]) if not (force and _is_client(entry))]
    taken = _client_fields(metadata, ignored) if force else {}
    unite(taken, lost)
    result = copy.deepcopy(dict(answer))
    remove(result, minus(taken, united(rest)))
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
    fields = united(filter(_is_client, entries_of(metadata)))
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
    return within(fields, sent)
