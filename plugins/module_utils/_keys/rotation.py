# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotating API keys without a moment in which a user has none that works: the order of a run.

For each key that is due: make its successor, prove that it is accepted, deliver it, and only then mark the old one with
the time at which it ends (``_keys.issue``). When that time has come: prove the new one again, delete the old one, prove
that it is refused (``_keys.retire``). Each write is decided on what the objects say and is refused by the API server
when they have changed, so a run may be killed at any point, and two may run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import USER, WATCHED
from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import ApiKey, successor
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import Delivery
from ansible_collections.llmops.maas.plugins.module_utils._keys.issue import KeyIssuer
from ansible_collections.llmops.maas.plugins.module_utils._keys.plan import (
    ISSUING,
    KEEP,
    RETIRE,
    Due,
    Step,
    chunks,
    plan,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.probe import Prober
from ansible_collections.llmops.maas.plugins.module_utils._keys.results import (
    KEPT,
    NOT_STARTED,
    PLANNED,
    WAITING,
    KeyResult,
    words,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.retire import KeyRetirer
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import KeyStore, duplicates
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import Clock, stamp
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import error_of, in_parallel


@dataclass(frozen=True)
class RotationOptions:
    """How keys are rotated.

    :param grace: seconds for which an old key stays valid.
    :param retire_wait: seconds that a run waits for grace periods to end.
    :param expires_in: seconds from now after which new keys end; None keeps the user's end.
    """

    due: Due
    grace: int
    retire_wait: int
    expires_in: int | None = None
    batch_size: int = 100
    concurrency: int = 8
    max_failures: int = 0
    adopt_selectors: Sequence[str] = ()


class Rotation:
    """One run over the keys of a namespace."""

    def __init__(
        self,
        store: KeyStore,
        prober: Prober | None,
        delivery: Delivery,
        options: RotationOptions,
        clock: Clock,
        warn: Callable[[str], None],
    ) -> None:
        self._store = store
        self._prober = prober
        self._delivery = delivery
        self._options = options
        self._clock = clock
        self._warn = warn
        self._issuer = KeyIssuer(store, prober, delivery, clock, options.grace, options.expires_in)
        self._retirer = KeyRetirer(store, prober, clock, options.retire_wait)
        self.results: list[KeyResult] = []
        self.adopted: list[str] = []
        self.stopped = False
        self._soon_planned = False

    @property
    def changed(self) -> bool:
        """Whether something was changed; after check mode, whether it would be."""
        planned = [result for result in self.results if result.status == PLANNED and result.step.action in ISSUING]
        begun = any(result.changed for result in self.results)
        return begun or bool(self.adopted or planned or self._soon_planned)

    def run(self, *, check: bool) -> None:
        """Do all that can be done now. Failures of keys are in the results.

        :raises KubeError: nothing was begun, because the keys cannot be listed.
        :raises ProbeError: nothing was begun, because keys cannot be tried.
        """
        keys = self._store.keys(self._options.adopt_selectors, self._warn)
        steps = plan(keys, self._options.due, self._clock.now())
        self.results = [KeyResult(step, KEPT if step.action == KEEP else PLANNED) for step in steps]
        self._name_planned()
        self._refuse_impossible(keys)
        unmanaged = self._unmanaged(keys)
        soon = self._retirer.soon(self.results)
        if check:
            self.adopted = [key.name for key in unmanaged]
            self._soon_planned = bool(soon)
            return
        issue = [result for result in self.results if result.status == PLANNED and result.step.action in ISSUING]
        if self._prober and (issue or soon):
            self._prober.prepare()
        self._adopt(unmanaged)
        self._issue_all(issue)
        self._retire_all()

    def _name_planned(self) -> None:
        for result in self.results:
            step = result.step
            if step.action in ISSUING:
                result.new = (step.successor or successor(step.key, self._store.labels)).name
            elif step.key.retire_after is not None:
                result.new = step.key.superseded_by
                result.retire_after = stamp(step.key.retire_after)

    def _refuse_impossible(self, keys: Sequence[ApiKey]) -> None:
        """Fail the steps that cannot end well, before anything is changed."""
        shared = duplicates(keys)
        issued = [result for result in self.results if result.step.action in ISSUING]
        clashes = self._delivery.clashes([result.step.key for result in issued], keys)
        for result in self.results:
            same = shared.get(result.step.key.uid)
            if same and result.status == PLANNED:
                names = ", ".join(sorted(key.name for key in same))
                result.fail(
                    f"the Secrets {names} hold the same key, and deleting one would revoke it: delete all but one"
                )
            elif result.step.action in ISSUING and result.step.key.uid in clashes:
                result.fail(clashes[result.step.key.uid])

    def _unmanaged(self, keys: Sequence[ApiKey]) -> list[ApiKey]:
        """Keys that were made by another scheme and that the AuthPolicies accept; one without a user gets a warning."""
        found = [key for key in keys if not key.managed and key.selected]
        nameless = [key.name for key in found if not key.identity.user]
        if nameless:
            self._warn(
                f"These Secrets are keys without a user id, which no policy lets in: {', '.join(nameless)}. Set the"
                f" annotation {USER}, or delete them"
            )
        return [key for key in found if key.identity.user and self._options.due.covers(key)]

    def _adopt(self, unmanaged: Sequence[ApiKey]) -> None:
        if not unmanaged:
            return
        names = ", ".join(key.name for key in unmanaged)
        self._warn(
            f"These keys were not made by this collection and are looked after from now on: {names}. Without the label"
            f" {next(iter(WATCHED))} Authorino does not see them change"
        )
        adopted: dict[str, ApiKey] = {}
        for key, future in in_parallel(self._store.adopt, unmanaged, self._options.concurrency):
            error = error_of(future)
            if error is not None:
                self._warn(f"{key.where} could not be labelled: {words(error)}")
                continue
            adopted[key.uid] = future.result()
            self.adopted.append(key.name)
        for result in self.results:
            step = result.step
            if step.key.uid in adopted:
                result.step = Step(step.action, adopted[step.key.uid], step.reason, step.successor)

    def _issue_all(self, results: Sequence[KeyResult]) -> None:
        failures = 0
        for batch in chunks(results, self._options.batch_size):
            if failures > self._options.max_failures:
                self.stopped = True
                for result in batch:
                    result.status = NOT_STARTED
                continue
            for result, future in in_parallel(self._issuer.issue, batch, self._options.concurrency):
                failures += not result.settle(future)

    def _retire_all(self) -> None:
        """Delete the keys whose time has come or comes soon, each when it is time."""
        for result in self.results:
            if result.status == PLANNED and result.step.action == RETIRE:
                result.status = WAITING
        for batch in self._retirer.in_time(self._retirer.soon(self.results)):
            for result, future in in_parallel(self._retirer.retire, batch, self._options.concurrency):
                result.settle(future)
