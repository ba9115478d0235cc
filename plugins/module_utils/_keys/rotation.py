# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotating API keys without a moment in which a user has none that works.

For each key that is due: make its successor, prove that it is accepted, deliver it, and only then mark the old one with
the time at which it ends. When that time has come: prove the new one again, delete the old one, prove that it is
refused. Each write is decided on what the objects say and is refused by the API server when they have changed, so a
run may be killed at any point, and two may run at once.

Who may do what to a successor that is not proved yet is decided by its `proved-at` annotation: it is written before
the key is delivered to anybody, and only a key without it is ever withdrawn. Both are writes to the same object with
its resourceVersion, so one of two runs that want both gets a conflict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import described
from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import Identity, Key, successor
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import Delivery, DeliveryError
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import random_id
from ansible_collections.llmops.maas.plugins.module_utils._keys.names import (
    AUTHORINO_DEPLOYMENT,
    KEY_ID,
    LINEAGE,
    PROVED,
    RETIRE_AFTER,
    SUPERSEDED_BY,
    USER,
    WATCHED,
)
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
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import GoneError, KeyStore, TakenError, duplicates
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import Clock, stamp
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import explain
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import error_of, in_parallel

PLANNED, DONE, WAITING, FAILED, NOT_STARTED, KEPT = "planned", "done", "waiting", "failed", "not started", "kept"


class StepError(Exception):
    """A step that cannot go on; the message names the key and the mend."""


@dataclass(frozen=True)
class Options:
    """`grace` and `retire_wait` in seconds; `expires_in` seconds from now for new keys, None keeps the user's end."""

    due: Due
    grace: int
    retire_wait: int
    expires_in: int | None = None
    batch_size: int = 100
    concurrency: int = 8
    max_failures: int = 0
    adopt_selectors: Sequence[str] = ()


@dataclass
class Row:
    """What happened to one key. It is shown, so it holds no value."""

    step: Step
    status: str
    new: str = ""
    error: str = ""
    retire_after: str = ""
    delivered: list[str] = field(default_factory=list)
    retired: bool = False
    changed: bool = False

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


class Rotation:
    """One run over the keys of a namespace."""

    def __init__(
        self,
        store: KeyStore,
        prober: Prober | None,
        delivery: Delivery,
        options: Options,
        clock: Clock,
        warn: Callable[[str], None],
    ) -> None:
        self._store = store
        self._prober = prober
        self._delivery = delivery
        self._options = options
        self._clock = clock
        self._warn = warn
        self.rows: list[Row] = []
        self.adopted: list[str] = []
        self.stopped = False
        self._soon_planned = False

    @property
    def changed(self) -> bool:
        """Whether something was changed; after check mode, whether it would be."""
        planned = [row for row in self.rows if row.status == PLANNED and row.step.action in ISSUING]
        begun = any(row.changed for row in self.rows)
        return begun or bool(self.adopted or planned or self._soon_planned)

    def run(self, *, check: bool) -> None:
        """Do all that can be done now. Raises KubeError or ProbeError when nothing was begun; else failures are in the
        rows.
        """
        keys = self._store.keys(self._options.adopt_selectors, self._warn)
        steps = plan(keys, self._options.due, self._clock.now())
        self.rows = [Row(step, KEPT if step.action == KEEP else PLANNED) for step in steps]
        self._name_planned()
        self._refuse_impossible(keys)
        strangers = self._strangers(keys)
        if check:
            self.adopted = [key.name for key in strangers]
            self._soon_planned = bool(self._soon())
            return
        issue = [row for row in self.rows if row.status == PLANNED and row.step.action in ISSUING]
        if self._prober and (issue or self._soon()):
            self._prober.prepare()
        self._adopt(strangers)
        self._issue_all(issue)
        self._retire_all()

    def _name_planned(self) -> None:
        for row in self.rows:
            if row.step.action in ISSUING:
                known = row.step.successor
                row.new = known.name if known else successor(row.step.key, self._store.labels).name
            elif row.step.key.retire_after is not None:
                row.new = row.step.key.superseded_by
                row.retire_after = stamp(row.step.key.retire_after)

    def _refuse_impossible(self, keys: Sequence[Key]) -> None:
        """Fail the steps that cannot end well, before anything is changed."""
        shared = duplicates(keys)
        issued = [row for row in self.rows if row.step.action in ISSUING]
        clashes = self._delivery.clashes([row.step.key for row in issued], keys)
        for row in self.rows:
            same = shared.get(row.step.key.uid)
            if same and row.status == PLANNED:
                names = ", ".join(sorted(key.name for key in same))
                _fail(
                    row, f"the Secrets {names} hold the same key, and deleting one would revoke it: delete all but one"
                )
            elif row.step.action in ISSUING and row.step.key.uid in clashes:
                _fail(row, clashes[row.step.key.uid])

    def _strangers(self, keys: Sequence[Key]) -> list[Key]:
        """Keys that were made otherwise and that the AuthPolicy accepts; those without a user are only told."""
        found = [key for key in keys if not key.managed and key.selected]
        nameless = [key.name for key in found if not key.identity.user]
        if nameless:
            self._warn(
                f"These Secrets are keys without a user id, which no policy lets in: {', '.join(nameless)}. Set the"
                f" annotation {USER}, or delete them"
            )
        return [key for key in found if key.identity.user and self._options.due.covers(key)]

    def _adopt(self, strangers: Sequence[Key]) -> None:
        if not strangers:
            return
        names = ", ".join(key.name for key in strangers)
        self._warn(
            f"These keys were not made by this collection and are looked after from now on: {names}. Without the label"
            f" {next(iter(WATCHED))} Authorino does not see them change"
        )
        adopted: dict[str, Key] = {}
        for key, future in in_parallel(lambda key: adopt(self._store, key), strangers, self._options.concurrency):
            error = error_of(future)
            if error is not None:
                self._warn(f"{key.where} could not be labelled: {_words(error)}")
                continue
            adopted[key.uid] = future.result()
            self.adopted.append(key.name)
        for row in self.rows:
            if row.step.key.uid in adopted:
                now = adopted[row.step.key.uid]
                row.step = Step(row.step.action, now, row.step.reason, row.step.successor)

    def _issue_all(self, rows: Sequence[Row]) -> None:
        failures = 0
        for batch in chunks(rows, self._options.batch_size):
            if failures > self._options.max_failures:
                self.stopped = True
                for row in batch:
                    row.status = NOT_STARTED
                continue
            for row, future in in_parallel(self._issue, batch, self._options.concurrency):
                failures += not _settle(row, future)

    def _issue(self, row: Row) -> None:
        step = row.step
        if step.action == "finish":
            new = step.key
        elif step.successor is not None:
            new = step.successor
        else:
            new, made = self._store.create(successor(step.key, self._store.labels, self._identity(step.key)))
            row.changed = row.changed or made
        row.new = new.name
        new = self._prove(new, row)
        row.delivered, delivered = self._delivery.deliver(new)
        row.changed = row.changed or delivered
        if step.action == "finish":
            row.status = DONE
            return
        old, marked = mark(self._store, step.key, new, self._clock.now() + timedelta(seconds=self._options.grace))
        row.changed = row.changed or marked
        row.step = Step(step.action, old, step.reason, new)
        row.retire_after = stamp(old.retire_after) if old.retire_after else ""
        row.status = WAITING

    def _identity(self, old: Key) -> Identity:
        if self._options.expires_in is None:
            return old.identity
        end = self._clock.now() + timedelta(seconds=self._options.expires_in)
        return Identity(old.identity.user, old.identity.groups, end)

    def _prove(self, new: Key, row: Row) -> Key:
        trouble = self._prober.accepted(new.value) if self._prober else ""
        if not trouble:
            changes = {"annotations": {PROVED: stamp(self._clock.now())}}
            proved, changed = self._store.change(new, changes, lambda key: key.proved, lambda _key: True)
            row.changed = row.changed or changed
            return proved
        if new.proved:
            raise StepError(f"the new key {new.name} is not accepted any more: {trouble}. The old one stays; run again")
        self._withdraw(new, row)
        raise StepError(f"the new key was not accepted and has been withdrawn: {trouble}. The old one stays")

    def _withdraw(self, new: Key, row: Row) -> None:
        try:
            self._store.delete(new, still=lambda key: not key.proved)
        except GoneError as error:
            raise StepError(f"another run proved the new key {new.name} meanwhile; run again") from error
        row.new = ""
        row.changed = True

    def _retire_all(self) -> None:
        """Delete the keys whose time has come or comes soon, each when it is time."""
        for row in self.rows:
            if row.status == PLANNED and row.step.action == RETIRE:
                row.status = WAITING
        for batch in self._in_time(self._soon()):
            for row, future in in_parallel(self._retire, batch, self._options.concurrency):
                _settle(row, future)

    def _soon(self) -> list[Row]:
        """Keys that this run may delete."""
        latest = self._clock.now() + timedelta(seconds=self._options.retire_wait)
        marked = [row for row in self.rows if row.status in (PLANNED, WAITING) and row.step.key.retire_after]
        return [row for row in marked if row.step.key.retire_after and row.step.key.retire_after <= latest]

    def _in_time(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        """Those whose time has come, again and again until all have."""
        left = list(rows)
        while left:
            now = self._clock.now()
            ready = [row for row in left if row.step.key.retire_after and row.step.key.retire_after <= now]
            if ready:
                yield ready
                left = [row for row in left if row.step.key.retire_after and row.step.key.retire_after > now]
                continue
            first = min(row.step.key.retire_after for row in left if row.step.key.retire_after)
            time.sleep(max(0.01, (first - now).total_seconds()))

    def _retire(self, row: Row) -> None:
        old = row.step.key
        newer = self._replacement(old)
        if self._prober and not newer.disabled:
            trouble = self._prober.accepted(newer.value)
            if trouble:
                raise StepError(
                    f"{old.where} is not deleted, for its successor {newer.name} is not accepted: {trouble}"
                )
        if not old.watched:
            old, _changed = watch(self._store, old)
        row.changed = self._store.delete(old, still=lambda key: key.retire_after is not None) or row.changed
        row.retired = True
        trouble = self._prober.refused(old.value) if self._prober else ""
        if trouble:
            raise StepError(
                f"{old.where} was deleted, but the key is still accepted: {trouble}. Restart Authorino: kubectl -n"
                f" {self._store.namespace} rollout restart deployment {AUTHORINO_DEPLOYMENT}"
            )
        row.status = DONE

    def _replacement(self, old: Key) -> Key:
        """The key that has taken over from an old one, as it is now: proved, or itself followed by one that is."""
        name, seen = old.superseded_by, {old.name}
        while name and name not in seen:
            seen.add(name)
            found = self._store.get(name)
            if found is None:
                break
            if found.retire_after is None and not found.pending and (found.selected or found.disabled):
                return found
            name = found.superseded_by
        raise StepError(
            f"{old.where} is not deleted, for no newer key is in use in its place (it names"
            f" {old.superseded_by or 'none'}); remove its annotation {RETIRE_AFTER} to keep it, or delete it yourself"
        )


def _fail(row: Row, words: str) -> None:
    row.status, row.error = FAILED, words


def _settle(row: Row, future: Future[None]) -> bool:
    """Note the failure of a step, if it failed. Whatever it was, it ends no other key's rotation."""
    error = error_of(future)
    if error is not None:
        _fail(row, _words(error))
    return row.status != FAILED


def _words(error: Exception) -> str:
    if isinstance(error, KubeError):
        return explain(error)
    return str(error) if isinstance(error, GoneError | TakenError | StepError | DeliveryError) else described(error)


def adopt(store: KeyStore, key: Key, lineage: str = "") -> Key:
    """Give a key that was made otherwise our labels, and that name if any. Its value stays, and cannot be changed in
    place any more.
    """
    changes = {
        "labels": {**WATCHED, KEY_ID: key.key_id or random_id()},
        "annotations": {LINEAGE: lineage or key.lineage},
        "immutable": True,
    }
    adopted, _changed = store.change(key, changes, lambda now: now.managed and now.watched, lambda _now: True)
    return adopted


def watch(store: KeyStore, key: Key) -> tuple[Key, bool]:
    """Let Authorino see what happens to the Secret: it would not notice the deletion of another."""
    return store.change(key, {"labels": WATCHED}, lambda now: now.watched, lambda _now: True)


def mark(store: KeyStore, old: Key, new: Key, when: datetime) -> tuple[Key, bool]:
    """Note on the old key when it ends and what follows it; a time that is there already stays.

    Rounded up to whole seconds, so that nobody gets less time than was said.
    """
    when += timedelta(microseconds=-when.microsecond % 1_000_000)
    changes = {"annotations": {RETIRE_AFTER: stamp(when), SUPERSEDED_BY: new.name}}
    return store.change(old, changes, lambda key: key.retire_after is not None, lambda _key: True)


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many keys ended how."""
    issued = [row for row in rows if row.step.action in ISSUING]
    return {
        "keys": len(rows),
        "due": len(issued),
        "rotated": sum(row.status in (DONE, WAITING) for row in issued),
        "retired": sum(row.retired for row in rows),
        "waiting": sum(row.status == WAITING for row in rows),
        "kept": sum(row.step.action == KEEP for row in rows),
        "failed": sum(row.status == FAILED for row in rows),
        "not_started": sum(row.status == NOT_STARTED for row in rows),
        "to_retire": sum(row.step.action == RETIRE for row in rows),
    }
