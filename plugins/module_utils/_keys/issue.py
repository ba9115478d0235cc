# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issuing the key that follows another: made, proved, delivered, and only then the old one is marked with its end.

Who may do what to a successor that is not proved yet is decided by its annotation ``llmops.maas/proved-at``: it is
written before the key is delivered to anybody, and only a key without it is ever withdrawn. Both are writes to the same
object with its resourceVersion, so one of two runs that want both gets a conflict.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import ApiKey, Identity, successor
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import Delivery
from ansible_collections.llmops.maas.plugins.module_utils._keys.plan import FINISH, Step
from ansible_collections.llmops.maas.plugins.module_utils._keys.probe import Prober
from ansible_collections.llmops.maas.plugins.module_utils._keys.results import DONE, WAITING, KeyResult, StepError
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import GoneError, KeyStore
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import Clock, stamp


@dataclass(frozen=True)
class KeyIssuer:
    """Issues successors. May be called from several threads.

    :param prober: None proves every key without a request.
    :param grace: seconds for which the old key stays valid.
    :param expires_in: seconds from now after which new keys end; None keeps the end of the old one.
    """

    store: KeyStore
    prober: Prober | None
    delivery: Delivery
    clock: Clock
    grace: int
    expires_in: int | None

    def issue(self, result: KeyResult) -> None:
        """Do the step, and note in the result what was done.

        :raises StepError: the new key is not accepted; where nobody can have got it, it is withdrawn.
        """
        step = result.step
        new = self._prove(self._made(result), result)
        result.delivered, delivered = self.delivery.deliver(new, self.store)
        result.changed = result.changed or delivered
        if step.action == FINISH:
            result.status = DONE
            return
        old, marked = self.store.mark(step.key, new, self.clock.now() + timedelta(seconds=self.grace))
        result.changed = result.changed or marked
        result.step = Step(step.action, old, step.reason, new)
        result.retire_after = stamp(old.retire_after) if old.retire_after else ""
        result.status = WAITING

    def _made(self, result: KeyResult) -> ApiKey:
        """The new key: one that an earlier run began, or one that is made now."""
        step = result.step
        new = step.key if step.action == FINISH else step.successor
        if new is None:
            wanted = successor(step.key, self.store.labels, self._identity(step.key))
            new, made = self.store.create(wanted)
            result.changed = result.changed or made
        result.new = new.name
        return new

    def _identity(self, old: ApiKey) -> Identity:
        if self.expires_in is None:
            return old.identity
        end = self.clock.now() + timedelta(seconds=self.expires_in)
        return Identity(old.identity.user, old.identity.groups, end)

    def _prove(self, new: ApiKey, result: KeyResult) -> ApiKey:
        trouble = self.prober.accepted(new.value) if self.prober else ""
        if not trouble:
            proved, changed = self.store.prove(new, self.clock.now())
            result.changed = result.changed or changed
            return proved
        if new.proved:
            raise StepError(f"the new key {new.name} is not accepted any more: {trouble}. The old one stays; run again")
        self._withdraw(new, result)
        raise StepError(f"the new key was not accepted and has been withdrawn: {trouble}. The old one stays")

    def _withdraw(self, new: ApiKey, result: KeyResult) -> None:
        try:
            self.store.delete(new, still=lambda key: not key.proved)
        except GoneError as error:
            raise StepError(f"another run proved the new key {new.name} meanwhile; run again") from error
        result.new = ""
        result.changed = True
