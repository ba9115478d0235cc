# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and writing the Secrets of API keys, so that no two writers undo each other's work.

Every write names what it was decided on: a create fails when the name is taken, a change and a delete carry uid and
resourceVersion. A lost answer is asked for again, which those conditions make safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import (
    DISABLED,
    KEY_ID,
    KEY_LABELS,
    LINEAGE,
    PROVED,
    RETIRE_AFTER,
    SUPERSEDED_BY,
    WATCHED,
    label_selector,
)
from ansible_collections.llmops.maas.plugins.module_utils._common.retry import Deadline
from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import ApiKey, KeyObjectError, NewKey, read_key
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import random_id
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import stamp
from ansible_collections.llmops.maas.plugins.module_utils._kube.apply import MERGE_PATCH, persist, server_side_apply
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, ConnectError, Kube, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import worth_retrying

MANAGER = "llmops.maas.api-keys"
# A page of 500 Secrets is about 1 MB; more at once would only need more memory.
PAGE = 500
RETRY_SECONDS = 60.0
_MANAGED = {"fieldManager": MANAGER}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_CONFLICTS = 8


class GoneError(Exception):
    """The Secret is not there any more, or another one has its name."""


class TakenError(Exception):
    """The Secret's name is used by something that is not the key that should be made."""


def _always(_key: ApiKey) -> bool:
    return True


class KeyStore:
    """The keys of one namespace. Methods may be called from several threads."""

    def __init__(
        self, kube: Kube, namespace: str, labels: Mapping[str, str], retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._kube = kube
        self.namespace = namespace
        self._retry_seconds = retry_seconds
        self.labels = labels

    def keys(self, further: Sequence[str] = (), warn: Callable[[str], None] | None = None) -> list[ApiKey]:
        """Every key: found by the labels of the AuthPolicy, by our own label, and by ``further`` label selectors.

        Secrets that cannot be read as keys are skipped with a warning; keys that nobody can send only get one.
        """
        found: dict[str, ApiKey | None] = {}
        chosen = [label_selector(self.labels), KEY_ID, *further]
        for selector in chosen:
            for secret in self._list(selector):
                self._collect(secret, found, warn)
        return sorted((key for key in found.values() if key is not None), key=lambda key: key.name)

    def _collect(
        self, secret: Mapping[str, Any], found: dict[str, ApiKey | None], warn: Callable[[str], None] | None
    ) -> None:
        uid = secret["metadata"]["uid"]
        if uid in found or secret["metadata"].get("deletionTimestamp"):
            return
        try:
            key = read_key(secret, self.labels)
        except KeyObjectError as error:
            if warn:
                warn(str(error))
            key = error.key
        found[uid] = key

    def _list(self, selector: str) -> Iterator[Mapping[str, Any]]:
        query: dict[str, Any] = {"labelSelector": selector, "fieldSelector": "type=Opaque", "limit": PAGE}
        while True:
            try:
                answer = self._retried("GET", self._path(), query=query)
            except ApiError as error:
                if error.status != 400:
                    raise
                raise KubeError(
                    f"adopt_selectors, key_labels: {selector!r} is no label selector ({error}); write it as"
                    f" {label_selector(KEY_LABELS)}"
                ) from error
            yield from answer["items"]
            following = answer["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    def get(self, name: str) -> ApiKey | None:
        """The key of that name as it is now."""
        try:
            return self._read(self._retried("GET", self._path(name)))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _read(self, secret: Mapping[str, Any]) -> ApiKey | None:
        try:
            return read_key(secret, self.labels)
        except KeyObjectError as error:
            if error.key is None:
                raise KubeError(str(error)) from error
            return error.key

    def create(self, new: NewKey) -> tuple[ApiKey, bool]:
        """Make the key, or find the one that another run (or this one, before its connection broke) has made.

        Returns it, and whether this call made it.

        :raises TakenError: the name is used by another Secret.
        """
        try:
            answer = self._retried("POST", self._path(), query=_MANAGED, body=new.secret())
        except ApiError as error:
            if error.status != 409:
                raise
            return self._found(new), False
        return self._stored(answer), True

    def _stored(self, answer: Mapping[str, Any]) -> ApiKey:
        key = self._read(answer)
        if key is None:
            raise KubeError(
                f"the API server's answer about Secret {answer['metadata']['name']} holds no key; run again"
            )
        return key

    def _found(self, new: NewKey) -> ApiKey:
        there = self.get(new.name)
        if there is None:
            raise TakenError(
                f"Secret {new.namespace}/{new.name} was there and holds no key (or was removed just now): run again, or"
                " rename it"
            )
        if there.identity.user != new.identity.user or there.succeeds != new.succeeds:
            raise TakenError(f"{there.where} is the key of another user or follows another key: rename it")
        return there

    def adopt(self, key: ApiKey, lineage: str = "") -> ApiKey:
        """Give a key that was made by another scheme our labels, and that name if any.

        Its value stays, and cannot be changed in place any more.
        """
        labels = {**WATCHED, KEY_ID: key.key_id or random_id()}
        changes = {"labels": labels, "annotations": {LINEAGE: lineage or key.lineage}, "immutable": True}
        return self._change(key, changes, lambda now: now.managed and now.watched)[0]

    def watch(self, key: ApiKey) -> ApiKey:
        """Let Authorino see what happens to the Secret: it would not notice the deletion of another."""
        return self._change(key, {"labels": WATCHED}, lambda now: now.watched)[0]

    def prove(self, key: ApiKey, when: datetime) -> tuple[ApiKey, bool]:
        """Note that the key is accepted; returns it and whether the note is new."""
        return self._change(key, {"annotations": {PROVED: stamp(when)}}, lambda now: now.proved)

    def mark(self, old: ApiKey, new: ApiKey, when: datetime) -> tuple[ApiKey, bool]:
        """Note on the old key when it ends and what follows it; a time that is there already stays.

        Returns it and whether the note is new. The time is rounded up to whole seconds, so that nobody gets less than
        was said.
        """
        when += timedelta(microseconds=-when.microsecond % 1_000_000)
        changes = {"annotations": {RETIRE_AFTER: stamp(when), SUPERSEDED_BY: new.name}}
        return self._change(old, changes, lambda now: now.retire_after is not None)

    def disable(self, key: ApiKey) -> ApiKey:
        """Let nobody in with the key any more."""
        if not key.watched:
            # Without that label Authorino would not see the others go.
            key = self.watch(key)
        # Not the label by which it is watched: Authorino would take the key up again when it next reads all keys.
        labels = {**dict.fromkeys(self.labels), DISABLED: "true"}
        return self._change(key, {"labels": labels}, lambda now: now.disabled and not now.selected)[0]

    def enable(self, key: ApiKey) -> ApiKey:
        """Have the AuthPolicies find the key."""
        labels = {**self.labels, DISABLED: None}
        return self._change(key, {"labels": labels}, lambda now: now.selected and not now.disabled)[0]

    def label(self, key: ApiKey, labels: Mapping[str, str]) -> ApiKey:
        """Add labels."""
        return self._change(key, {"labels": labels}, lambda now: labels.items() <= now.labels.items())[0]

    def _change(self, key: ApiKey, changes: Mapping[str, Any], done: Callable[[ApiKey], bool]) -> tuple[ApiKey, bool]:
        """Merge ``labels``, ``annotations`` and ``immutable`` into the Secret; returns it and whether it changed.

        :param done: whether a key has the change already.
        :raises GoneError: the Secret is gone or was replaced.
        """
        for _attempt in range(_CONFLICTS):
            if done(key):
                return key, False
            metadata = {name: value for name, value in changes.items() if name != "immutable"}
            body: dict[str, Any] = {"metadata": {"resourceVersion": key.version, "uid": key.uid, **metadata}}
            if "immutable" in changes:
                body["immutable"] = changes["immutable"]
            try:
                answer = self._retried(
                    "PATCH", self._path(key.name), query=_MANAGED, body=body, content_type=MERGE_PATCH
                )
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                key = self._again(key)
                continue
            return self._stored(answer), True
        raise GoneError(_always_changed(key))

    def _again(self, key: ApiKey) -> ApiKey:
        now = self.get(key.name)
        if now is None or now.uid != key.uid:
            raise GoneError(f"{key.where} was removed by another run or a person meanwhile")
        return now

    def delete(self, key: ApiKey, still: Callable[[ApiKey], bool] = _always) -> bool:
        """Delete the Secret while it is the one that was looked at; returns whether this call did it.

        :raises GoneError: another writer changed it such that ``still`` says no.
        """
        if not key.watched:
            # Authorino would not see it go.
            key = self.watch(key)
            _refuse_changed(key, still)
        for _attempt in range(_CONFLICTS):
            conditions = {"uid": key.uid, "resourceVersion": key.version}
            body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
            try:
                self._retried("DELETE", self._path(key.name), body=body)
            except ApiError as error:
                if error.status == 404:
                    return False
                if error.status != 409:
                    raise
            else:
                return True
            now = self.get(key.name)
            if now is None or now.uid != key.uid:
                return False
            _refuse_changed(now, still)
            key = now
        raise GoneError(_always_changed(key))

    def apply(self, namespace: str, name: str, data: Mapping[str, str], labels: Mapping[str, str]) -> bool:
        """Keep these (base64) values in a Secret elsewhere by server-side apply; returns whether it changed."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets/{quote(name, safe='')}"
        try:
            there = self._retried("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            there = {}
        if data.items() <= (there.get("data") or {}).items():
            return False
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
            "data": dict(data),
        }
        server_side_apply(self._retried, path, body, manager=MANAGER)
        return True

    def read(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Any other object."""
        return self._retried("GET", path, query=query)

    def _retried(self, method: str, path: str, **request: Any) -> Any:
        """Send a request again while the server is restarting or overloaded. A conflict is the caller's to judge."""
        return persist(
            lambda: self._kube.request(method, path, **request),
            Deadline(self._retry_seconds),
            _may_pass,
            first=_FIRST_PAUSE,
            longest=_LONGEST_PAUSE,
        )

    def _path(self, name: str = "") -> str:
        root = f"/api/v1/namespaces/{quote(self.namespace, safe='')}/secrets"
        return f"{root}/{quote(name, safe='')}" if name else root


def _refuse_changed(key: ApiKey, still: Callable[[ApiKey], bool]) -> None:
    if not still(key):
        raise GoneError(f"{key.where} was changed by another run or a person meanwhile; run again")


def _always_changed(key: ApiKey) -> str:
    return f"{key.where} is changed by others all the time; find out by whom, then run again"


def _may_pass(error: KubeError) -> bool:
    if isinstance(error, ConnectError):
        return True
    return isinstance(error, ApiError) and error.status != 409 and worth_retrying(error)


def duplicates(keys: Iterable[ApiKey]) -> dict[str, list[ApiKey]]:
    """Keys that share their value with others, by fingerprint: Authorino knows the value for one of them only."""
    by_value: dict[str, list[ApiKey]] = {}
    for key in keys:
        by_value.setdefault(key.value, []).append(key)
    return {key.uid: group for group in by_value.values() if len(group) > 1 for key in group}
