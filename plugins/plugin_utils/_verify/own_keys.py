# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that the verification makes for itself and removes again.

The names of their Secrets are fixed, so that a run that was killed leaves none that the next one does not remove; the
id of the user changes, so that no run starts with what another one has counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import (
    GROUPS,
    KEY_ENTRY,
    KEY_LABELS,
    KUADRANT_NAMESPACE,
    PART_OF,
    USER,
    WATCHED,
)

SecretSpec = dict[str, Any]
"""An entry of ``secrets`` of the module secrets."""

PREFIX = "maas-verify"
LABELS = dict.fromkeys(PART_OF, "llmops-maas-verify")
# Secrets by their purpose.
REMOVED, REMOVED_VALUE, EXPIRED, BACKEND = "removed", "removed-value", "expired", "backend"
_LENGTH = 43
# Tiers whose probes are looked for at least: an earlier run may have had more of them.
_MOST_TIERS = 16


def secret_name(purpose: str) -> str:
    return f"{PREFIX}-{purpose}"


def secret_id(purpose: str) -> SecretSpec:
    return {"name": secret_name(purpose), "namespace": KUADRANT_NAMESPACE}


def tier_purpose(number: int) -> str:
    return f"tier-{number}"


def key_secret(purpose: str, user: str, groups: Sequence[str], **annotations: str) -> SecretSpec:
    """A Secret with a new key of a user that exists for this run alone."""
    return {
        **secret_id(purpose),
        "labels": {**KEY_LABELS, **WATCHED, **LABELS},
        "annotations": {USER: user, GROUPS: ",".join(groups), **annotations},
        "generate": {KEY_ENTRY: _LENGTH},
    }


def leftovers(tiers: int) -> list[SecretSpec]:
    """All Secrets that a run with so many tiers, or an earlier one, may have made."""
    numbers = range(max(tiers, _MOST_TIERS))
    return [secret_id(name) for name in (REMOVED, REMOVED_VALUE, EXPIRED, BACKEND, *map(tier_purpose, numbers))]
