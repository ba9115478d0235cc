# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retiring old keys: when its time has come, the newer key is proved again, the old one deleted and proved refused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import AUTHORINO_DEPLOYMENT, RETIRE_AFTER
from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import ApiKey
from ansible_collections.llmops.maas.plugins.module_utils._keys.probe import Prober
from ansible_collections.llmops.maas.plugins.module_utils._keys.results import (
    DONE,
    PLANNED,
    WAITING,
    KeyResult,
    StepError,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import KeyStore
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import Clock


@dataclass(frozen=True)
class KeyRetirer:
    """Deletes keys whose grace period is over. May be called from several threads.

    :param prober: None proves nothing.
    :param wait: seconds that a run waits for grace periods to end.
    """

    store: KeyStore
    prober: Prober | None
    clock: Clock
    wait: int

    def soon(self, results: Sequence[KeyResult]) -> list[KeyResult]:
        """Those whose key this run may delete."""
        latest = self.clock.now() + timedelta(seconds=self.wait)
        return [result for result in results if result.status in (PLANNED, WAITING) and _ended(result, latest)]

    def in_time(self, results: Sequence[KeyResult]) -> Iterator[list[KeyResult]]:
        """Those whose time has come, again and again until all have; each of them has a time."""
        left = list(results)
        while left:
            now = self.clock.now()
            ready = [result for result in left if _ended(result, now)]
            if ready:
                yield ready
                left = [result for result in left if not _ended(result, now)]
                continue
            first = min(result.step.key.retire_after for result in left if result.step.key.retire_after)
            time.sleep(max(0.01, (first - now).total_seconds()))

    def retire(self, result: KeyResult) -> None:
        """Delete the old key, and note in the result what was done.

        :raises StepError: no newer key is in use, or it is not accepted; or the old one still is.
        """
        old = result.step.key
        newer = self._replacement(old)
        if self.prober and not newer.disabled:
            trouble = self.prober.accepted(newer.value)
            if trouble:
                raise StepError(
                    f"{old.where} is not deleted, because its successor {newer.name} is not accepted: {trouble}"
                )
        result.changed = self.store.delete(old, still=lambda key: key.retire_after is not None) or result.changed
        result.retired = True
        trouble = self.prober.refused(old.value) if self.prober else ""
        if trouble:
            raise StepError(
                f"{old.where} was deleted, but the key is still accepted: {trouble}. Restart Authorino: kubectl -n"
                f" {self.store.namespace} rollout restart deployment {AUTHORINO_DEPLOYMENT}"
            )
        result.status = DONE

    def _replacement(self, old: ApiKey) -> ApiKey:
        """The key that has taken over from an old one, as it is now: proved, or itself followed by one that is."""
        name, seen = old.superseded_by, {old.name}
        while name and name not in seen:
            seen.add(name)
            found = self.store.get(name)
            if found is None:
                break
            if found.retire_after is None and not found.pending and (found.selected or found.disabled):
                return found
            name = found.superseded_by
        raise StepError(
            f"{old.where} is not deleted, because no newer key is in use in its place (it names"
            f" {old.superseded_by or 'none'}); remove its annotation {RETIRE_AFTER} to keep it, or delete it yourself"
        )


def _ended(result: KeyResult, moment: datetime) -> bool:
    """Whether the key has an end, and that is at or before the moment."""
    end = result.step.key.retire_after
    return end is not None and end <= moment
