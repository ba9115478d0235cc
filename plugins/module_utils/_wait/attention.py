# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether anything shows that a controller has noticed an object as it is now. Pure functions over the object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject
from ansible_collections.llmops.maas.plugins.module_utils._wait.readiness import is_stale, webhook_configuration

# The API server writes conditions with this time itself, as defaults of the CRD: Gateway API apis/v1/gateway_types.go
# and gatewayclass_types.go.
_DEFAULT_TIME = "1970-01-01T00:00:00Z"
# Parts of a status that say nothing when no condition is in them.
_HOLDERS = frozenset({"conditions", "parents"})


def unnoticed(item: KubeObject) -> str:
    """What shows that no controller has noticed the object, in words; empty when one has."""
    if item.get("webhooks"):
        verdict = webhook_configuration(item)
        return "" if verdict.state == "ready" else verdict.message
    status = item.get("status") or {}
    entries = [entry for entry in _conditions(status) if entry.get("lastTransitionTime") != _DEFAULT_TIME]
    if not entries and not set(status) - _HOLDERS:
        return "it has no status"
    # Without conditions an observedGeneration of the status itself counts.
    if all(is_stale(item, entry) for entry in entries or [{}]):
        return "its status is of an older generation"
    return ""


def _conditions(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from status.get("conditions") or []
    for parent in status.get("parents") or []:
        conditions = parent.get("conditions") or []
        # Controllers of policies write entries of their own into the status of a route, without this one.
        if any(entry.get("type") == "Accepted" for entry in conditions):
            yield from conditions
