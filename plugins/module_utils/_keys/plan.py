# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which keys are rotated, completed and retired: decided from the keys alone, without a request or a value.

A rotation leaves its state on the Secrets, so that any run can go on where another one ended:

=========================================  ============================================================
what is there                              what a run does
=========================================  ============================================================
a key, due                                 makes its successor
a key, and its successor                   goes on: proof, delivery, then marks the key with a time
a successor, its key gone                  proof and delivery
a key marked with a time                   deletes it when the time has come
=========================================  ============================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import ApiKey

ROTATE, RESUME, FINISH, RETIRE, KEEP = "rotate", "resume", "finish", "retire", "keep"
ISSUING = (ROTATE, RESUME, FINISH)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Due:
    """Which keys are due: those older than ``max_age`` seconds, or all with ``force``; only of these users, and with
    these labels, if any.
    """

    max_age: int
    force: bool = False
    users: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    def covers(self, key: ApiKey) -> bool:
        """Whether a run may touch the key at all."""
        return (not self.users or key.identity.user in self.users) and self.labels.items() <= key.labels.items()


@dataclass(frozen=True)
class Step:
    """What to do with one key. ``reason`` says why, in words."""

    action: str
    key: ApiKey
    reason: str
    successor: ApiKey | None = None


def plan(keys: Sequence[ApiKey], due: Due, now: datetime) -> list[Step]:
    """One step for each key, in order of users; a successor that its predecessor's step deals with has none."""
    successors = {key.succeeds: key for key in keys if key.succeeds}
    by_uid = {key.uid: key for key in keys}
    chosen = [key for key in keys if due.covers(key)]
    steps = (_step(key, due, now, successors.get(key.uid), by_uid.get(key.succeeds)) for key in chosen)
    found = [step for step in steps if step is not None]
    return sorted(found, key=lambda step: (step.key.identity.user, step.key.lineage, step.key.created, step.key.name))


def _step(key: ApiKey, due: Due, now: datetime, successor: ApiKey | None, predecessor: ApiKey | None) -> Step | None:
    if key.retire_after is not None:
        return Step(RETIRE, key, "its grace period ends or ended", successor)
    if successor is not None:
        return Step(RESUME, key, "an earlier run began it", successor)
    if predecessor is not None and predecessor.retire_after is None:
        return None
    if key.pending:
        return Step(FINISH, key, "an earlier run began it, and the key before it is gone")
    reason = _not_due(key, due, now, predecessor)
    return Step(KEEP, key, reason) if reason else Step(ROTATE, key, "forced" if due.force else "older than max_age")


def _not_due(key: ApiKey, due: Due, now: datetime, predecessor: ApiKey | None) -> str:
    """Why a key is left as it is; empty when it is due."""
    if not key.identity.user:
        return "it does not say whose it is"
    if key.disabled:
        return "disabled"
    if key.state(now) == "expired":
        return "expired"
    if predecessor is not None:
        # So that two runs at once, or one forced twice, do not rotate what has just been rotated.
        return "its predecessor is still in its grace period"
    if due.force or (now - key.created).total_seconds() >= due.max_age:
        return ""
    return "not due"


def chunks(items: Sequence[Item], size: int) -> Iterable[Sequence[Item]]:
    """The items in batches."""
    return (items[start : start + size] for start in range(0, len(items), size))
