# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping one user's key as it was asked for: issued, adopted, followed by a new version, disabled or revoked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import (
    Identity,
    Key,
    NewKey,
    first_key,
    successor,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import Delivery
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import fingerprint
from ansible_collections.llmops.maas.plugins.module_utils._keys.names import DISABLED
from ansible_collections.llmops.maas.plugins.module_utils._keys.rotation import adopt, mark, watch
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import KeyStore
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import Clock


class KeepError(Exception):
    """What was asked for cannot be had; the message names the key and the mend."""


@dataclass(frozen=True)
class Wanted:
    """One user's key. `lineage` is its name; `value` empty means generated. `grace` in seconds.

    `groups` None leaves them as they are; `expires` counts only with `end_given`, as None it takes an end away.
    """

    lineage: str
    user: str
    labels: Mapping[str, str]
    grace: int
    groups: tuple[str, ...] | None = None
    expires: datetime | None = None
    end_given: bool = False
    value: str = field(default="", repr=False)

    def identity(self, current: Key | None) -> Identity:
        """What the key should say, given the one there is."""
        groups = self.groups if self.groups is not None else current.identity.groups if current else ()
        expires = self.expires if self.end_given or current is None else current.identity.expires
        return Identity(self.user, groups, expires)


@dataclass
class Kept:
    """What was done, or would be: the key that is in use, and words for people about each change."""

    action: str = "unchanged"
    key: Key | None = None
    name: str = ""
    lineage: str = ""
    changes: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)

    def note(self, action: str, change: str) -> None:
        # The first action is the one that matters; what follows from it are details.
        self.action = action if self.action == "unchanged" else self.action
        self.changes.append(change)


class Keeper:
    """Keeps keys of one namespace. In check mode it only says what it would do, and generates nothing."""

    def __init__(self, store: KeyStore, clock: Clock, warn: Callable[[str], None], *, check: bool) -> None:
        self._store = store
        self._clock = clock
        self._warn = warn
        self._check = check

    def present(self, wanted: Wanted, delivery: Delivery) -> Kept:
        """Have the user's key, and let it be accepted."""
        keys = self._store.keys(warn=self._warn)
        self._refuse_other_user(wanted.user, wanted.lineage, keys)
        kept = Kept(lineage=wanted.lineage)
        current = self._current(keys, wanted.lineage) or self._stranger(keys, wanted)
        if current is None or not self._fits(current, wanted):
            self._issue(wanted, keys, current, kept)
        else:
            kept.key, kept.name = self._mend(current, wanted, kept), current.name
        self._retire(keys, wanted.lineage, kept)
        self._enable(kept)
        self._deliver(delivery, keys, kept)
        return kept

    def absent(self, keys: Sequence[Key], kept: Kept) -> None:
        """Revoke the keys at once."""
        for key in keys:
            kept.note("deleted", f"{key.name}: deleted")
            self._delete(key)

    def disable(self, keys: Sequence[Key], kept: Kept) -> None:
        """Keep the keys' Secrets, but let nobody in with them."""
        for key in keys:
            if key.disabled and not key.selected:
                continue
            kept.note("disabled", f"{key.name}: disabled")
            if self._check:
                continue
            if not key.watched:
                # Without that label Authorino would not see the other one go.
                key, _changed = watch(self._store, key)  # noqa: PLW2901 - the key as it is now
            # Not the watch label: then Authorino would take it up again the next time it reads all keys.
            labels = {**dict.fromkeys(self._store.labels), DISABLED: "true"}
            self._store.change(key, {"labels": labels}, lambda now: now.disabled and not now.selected, _always)

    def of(self, user: str, lineage: str) -> list[Key]:
        """The keys of that name, or all of the user's when none is given."""
        keys = self._store.keys(warn=self._warn)
        if lineage:
            self._refuse_other_user(user, lineage, keys)
            return [key for key in keys if key.lineage == lineage]
        return [key for key in keys if key.identity.user == user]

    @staticmethod
    def _refuse_other_user(user: str, lineage: str, keys: Sequence[Key]) -> None:
        others = sorted({key.identity.user for key in keys if key.lineage == lineage} - {user})
        if others:
            raise KeepError(f"the key {lineage} belongs to {others[0] or 'nobody'}, not to {user}; choose another name")

    @staticmethod
    def _current(keys: Sequence[Key], lineage: str) -> Key | None:
        """The key in use: the youngest that is not being retired. One that was begun and never proved does not count
        while the one before it is there.
        """
        found = [key for key in keys if key.lineage == lineage and key.retire_after is None]
        older = [key for key in found if not key.pending] or found
        return max(older, key=lambda key: (key.created, key.name), default=None)

    @staticmethod
    def _stranger(keys: Sequence[Key], wanted: Wanted) -> Key | None:
        """The given key in a Secret that was made otherwise, for the same user, under another name."""
        if not wanted.value:
            return None
        mine = (key for key in keys if not key.managed and key.identity.user == wanted.user)
        return next((key for key in mine if key.value == wanted.value), None)

    def _fits(self, current: Key, wanted: Wanted) -> bool:
        """Whether the key there is the one that was asked for, or what followed it in a rotation."""
        if current.identity != wanted.identity(current):
            return False
        given = fingerprint(wanted.value) if wanted.value else ""
        return not given or given in (current.given, fingerprint(current.value))

    def _issue(self, wanted: Wanted, keys: Sequence[Key], current: Key | None, kept: Kept) -> None:
        new = self._new(wanted, keys, current)
        if new.identity.expires is not None and new.identity.expires <= self._clock.now():
            raise KeepError(f"the key of {wanted.user} would be expired at once: set expires_at to a later moment")
        self._refuse_reuse(wanted, keys, current)
        kept.name = new.name
        if current is None:
            kept.note("created", f"{new.name}: issued")
        else:
            kept.note("superseded", f"{new.name}: issued, for {_difference(current, wanted)}")
            kept.note("superseded", f"{current.name}: ends in {wanted.grace} s")
        if self._check:
            return
        kept.key = self._make(new)
        if current is not None:
            self._end(current, kept.key, wanted.grace)

    def _make(self, new: NewKey) -> Key:
        """Make the key. One that another run has begun for something else, and given to nobody, gives way."""
        found, _made = self._store.create(new)
        if found.pending and not _same(found, new):
            self._store.delete(found, still=lambda key: not key.proved)
            found, _made = self._store.create(new)
        if not _same(found, new):
            raise KeepError(f"{found.where} was made by another run, for something else; run again")
        return found

    def _end(self, old: Key, new: Key, grace: int) -> None:
        if not old.watched:
            old, _changed = watch(self._store, old)
        ended, _marked = mark(self._store, old, new, self._clock.now() + timedelta(seconds=grace))
        if grace == 0:
            self._store.delete(ended)

    def _new(self, wanted: Wanted, keys: Sequence[Key], current: Key | None) -> NewKey:
        labels = {**self._store.labels, **wanted.labels}
        versions = [key for key in keys if key.lineage == wanted.lineage]
        former = current or max(versions, key=lambda key: key.created, default=None)
        if former is not None:
            return successor(former, labels, wanted.identity(former), wanted.value)
        return first_key(wanted.lineage, self._store.namespace, wanted.identity(None), labels, wanted.value)

    @staticmethod
    def _refuse_reuse(wanted: Wanted, keys: Sequence[Key], current: Key | None) -> None:
        same = next((key for key in keys if wanted.value and key.value == wanted.value), None)
        if same is None:
            return
        if same is current:
            raise KeepError(
                f"{same.where}: Authorino does not take over other groups or another end ({_difference(same, wanted)})"
                " while the key's value stays the same, and one value in two Secrets revokes both: give another key,"
                " leave it out to have one generated, or revoke the old one first (state: absent)"
            )
        raise KeepError(f"the given key is that of {same.where} already; give every key a value of its own")

    def _mend(self, key: Key, wanted: Wanted, kept: Kept) -> Key:
        """Add labels that are missing; for a key that was made otherwise, ours."""
        if not key.managed or not key.watched:
            self._warn(
                f"{key.where} was not made by this collection, or has lost its labels; it is looked after from now on"
            )
            kept.note("adopted", f"{key.name}: labelled")
            key = key if self._check else adopt(self._store, key, wanted.lineage)
        missing = {name: str(value) for name, value in wanted.labels.items() if key.labels.get(name) != str(value)}
        if missing:
            kept.note("configured", f"{key.name}: labels {', '.join(sorted(missing))}")
            if not self._check:
                key, _changed = self._store.change(
                    key, {"labels": missing}, lambda now: missing.items() <= now.labels.items(), _always
                )
        return key

    def _enable(self, kept: Kept) -> None:
        key = kept.key
        if key is None or (key.selected and not key.disabled):
            return
        kept.note("enabled", f"{key.name}: enabled")
        if not self._check:
            labels = {**self._store.labels, DISABLED: None}
            kept.key, _changed = self._store.change(
                key, {"labels": labels}, lambda now: now.selected and not now.disabled, _always
            )

    def _retire(self, keys: Sequence[Key], lineage: str, kept: Kept) -> None:
        """Delete former versions whose grace period is over, now that there is a newer one."""
        now = self._clock.now()
        for key in keys:
            if key.lineage == lineage and key.retire_after is not None and key.retire_after <= now:
                kept.note("retired", f"{key.name}: deleted, its grace period is over")
                self._delete(key)

    def _delete(self, key: Key) -> None:
        if self._check:
            return
        if not key.watched:
            key, _changed = watch(self._store, key)
        self._store.delete(key)

    def _deliver(self, delivery: Delivery, keys: Sequence[Key], kept: Kept) -> None:
        if kept.key is None or self._check:
            return
        problem = delivery.clashes([kept.key], keys).get(kept.key.uid)
        if problem:
            raise KeepError(problem)
        kept.delivered, changed = delivery.deliver(kept.key)
        if changed:
            kept.note("delivered", f"{kept.key.name}: delivered to {', '.join(kept.delivered)}")


def _always(_key: Key) -> bool:
    return True


def _same(found: Key, new: NewKey) -> bool:
    return found.identity == new.identity and new.value in ("", found.value)


def _difference(current: Key, wanted: Wanted) -> str:
    """What a new version is for; never a value."""
    asked = wanted.identity(current)
    names = {"groups": "groups", "expires": "expires_at"}
    differs = [words for name, words in names.items() if getattr(current.identity, name) != getattr(asked, name)]
    return ", ".join(differs) or "another key was given"


def described(kept: Kept) -> list[dict[str, Any]]:
    """The diff: names and words, never a value."""
    if not kept.changes:
        return []
    return [{"before": "", "after": "".join(f"{change} (value hidden)\n" for change in kept.changes)}]
