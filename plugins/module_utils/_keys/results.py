# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation reports of each key, and how a step that fails ends its own key alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import described
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import DeliveryError
from ansible_collections.llmops.maas.plugins.module_utils._keys.plan import ISSUING, KEEP, RETIRE, Step
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import GoneError, TakenError
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import explain
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import error_of

PLANNED, DONE, WAITING, FAILED, NOT_STARTED, KEPT = "planned", "done", "waiting", "failed", "not started", "kept"


class StepError(Exception):
    """A step that cannot go on; the message names the key and the fix."""


@dataclass
class KeyResult:
    """What happened to one key. It is shown, so it holds no value.

    :param new: name of the Secret of the key that follows it.
    :param retire_after: when its grace period ends (RFC 3339), empty while it has none.
    """

    step: Step
    status: str
    new: str = ""
    error: str = ""
    retire_after: str = ""
    delivered: list[str] = field(default_factory=list)
    retired: bool = False
    changed: bool = False

    def fail(self, words: str) -> None:
        self.status, self.error = FAILED, words

    def settle(self, future: Future[None]) -> bool:
        """Note the failure of a step, if it failed, and say whether the key is still well.

        Whatever went wrong, it ends no other key's rotation.
        """
        error = error_of(future)
        if error is not None:
            self.fail(words(error))
        return self.status != FAILED

    def report(self) -> dict[str, Any]:
        key = self.step.key
        return {
            "user": key.identity.user,
            "lineage": key.lineage,
            "name": key.name,
            "action": self.step.action,
            "reason": self.step.reason,
            "status": self.status,
            "successor": self.new,
            "delivered": self.delivered,
            "retire_after": self.retire_after,
            "retired": self.retired,
            "error": self.error,
        }


def words(error: Exception) -> str:
    """What to say of an error. One that nobody expected may hold a value, so only its kind is named."""
    if isinstance(error, KubeError):
        return explain(error)
    return str(error) if isinstance(error, GoneError | TakenError | StepError | DeliveryError) else described(error)


def counts(results: Sequence[KeyResult]) -> dict[str, int]:
    """How many keys ended how."""
    issued = [result for result in results if result.step.action in ISSUING]
    return {
        "keys": len(results),
        "due": len(issued),
        "rotated": sum(result.status in (DONE, WAITING) for result in issued),
        "retired": sum(result.retired for result in results),
        "waiting": sum(result.status == WAITING for result in results),
        "kept": sum(result.step.action == KEEP for result in results),
        "failed": sum(result.status == FAILED for result in results),
        "not_started": sum(result.status == NOT_STARTED for result in results),
        "to_retire": sum(result.step.action == RETIRE for result in results),
    }
