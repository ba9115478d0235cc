# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and writing the Secrets of API keys, so that no two writers undo each other's work.

Every write names what it was decided on: a create fails when the name is taken, a change and a delete carry uid and
resourceVersion. A lost answer is asked for again, which those conditions make safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import Key, KeyObjectError, NewKey, read_key
from ansible_collections.llmops.maas.plugins.module_utils._keys.names import KEY_ID, KEY_LABELS, label_selector
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, ConnectError, Kube, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import worth_retrying

MANAGER = {"fieldManager": "llmops.maas.api-keys"}
# A page of 500 Secrets is about 1 MB; more at once would only need more memory.
PAGE = 500
RETRY_SECONDS = 60.0
_LONGEST_PAUSE = 2.0
_CONFLICTS = 8
_MERGE = "application/merge-patch+json"
Answer = TypeVar("Answer")


class GoneError(Exception):
    """The Secret is not there any more, or another one has its name."""


class TakenError(Exception):
    """The Secret's name is used by something that is not the key that should be made."""


class KeyStore:
    """The keys of one namespace. Methods may be called from several threads."""

    def __init__(
        self, kube: Kube, namespace: str, labels: Mapping[str, str], retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._kube = kube
        self.namespace = self._namespace = namespace
        self._retry_seconds = retry_seconds
        self.labels = labels

    def keys(self, further: Sequence[str] = (), warn: Callable[[str], None] | None = None) -> list[Key]:
        """Every key: found by the labels of the AuthPolicy, by our own label, and by `further` label selectors.

        Secrets that cannot be read as keys are skipped with a warning; keys that nobody can send only get one.
        """
        found: dict[str, Key | None] = {}
        chosen = [label_selector(self.labels), KEY_ID, *further]
        for selector in chosen:
            for secret in self._list(selector):
                self._collect(secret, found, warn)
        return sorted((key for key in found.values() if key is not None), key=lambda key: key.name)

    def _collect(
        self, secret: Mapping[str, Any], found: dict[str, Key | None], warn: Callable[[str], None] | None
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

    def get(self, name: str) -> Key | None:
        """The key of that name as it is now."""
        try:
            return self._read(self._retried("GET", self._path(name)))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _read(self, secret: Mapping[str, Any]) -> Key | None:
        try:
            return read_key(secret, self.labels)
        except KeyObjectError as error:
            if error.key is None:
                raise KubeError(str(error)) from error
            return error.key

    def create(self, new: NewKey) -> tuple[Key, bool]:
        """Make the key, or find the one that another run (or this one, before its connection broke) has made.

        Returns it, and whether this call made it.

        :raises TakenError: the name is used by another Secret.
        """
        try:
            answer = self._retried("POST", self._path(), query=MANAGER, body=new.secret())
        except ApiError as error:
            if error.status != 409:
                raise
            return self._found(new), False
        return self._stored(answer), True

    def _stored(self, answer: Mapping[str, Any]) -> Key:
        key = self._read(answer)
        if key is None:
            raise KubeError(
                f"the API server's answer about Secret {answer['metadata']['name']} holds no key; run again"
            )
        return key

    def _found(self, new: NewKey) -> Key:
        there = self.get(new.name)
        if there is None:
            raise TakenError(
                f"Secret {new.namespace}/{new.name} was there and holds no key (or was removed just now): run again, or"
                " rename it"
            )
        if there.identity.user != new.identity.user or there.succeeds != new.succeeds:
            raise TakenError(f"{there.where} is the key of another user or follows another key: rename it")
        return there

    def change(
        self, key: Key, changes: Mapping[str, Any], done: Callable[[Key], bool], still: Callable[[Key], bool]
    ) -> tuple[Key, bool]:
        """Merge `changes` (`labels`, `annotations`, `immutable`) into the Secret; returns it and whether it changed.

        :param done: whether a key has the change already.
        :param still: whether the change may be made to the key as another writer has left it.
        :raises GoneError: the Secret is gone, replaced, or `still` says no.
        """
        for _attempt in range(_CONFLICTS):
            if done(key):
                return key, False
            metadata = {name: value for name, value in changes.items() if name != "immutable"}
            body: dict[str, Any] = {"metadata": {"resourceVersion": key.version, "uid": key.uid, **metadata}}
            if "immutable" in changes:
                body["immutable"] = changes["immutable"]
            try:
                answer = self._retried("PATCH", self._path(key.name), query=MANAGER, body=body, content_type=_MERGE)
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                key = self._again(key, still)
                continue
            return self._stored(answer), True
        raise GoneError(f"{key.where} is changed by others all the time; find out by whom, then run again")

    def _again(self, key: Key, still: Callable[[Key], bool]) -> Key:
        now = self.get(key.name)
        if now is None or now.uid != key.uid:
            raise GoneError(f"{key.where} was removed by another run or a person meanwhile")
        if not still(now):
            raise GoneError(f"{key.where} was changed by another run or a person meanwhile; run again")
        return now

    def delete(self, key: Key, still: Callable[[Key], bool] = lambda _key: True) -> bool:
        """Delete the Secret while it is the one that was looked at; returns whether this call did it.

        :raises GoneError: another writer changed it such that `still` says no.
        """
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
                now = self.get(key.name)
                if now is None or now.uid != key.uid:
                    return False
                if not still(now):
                    raise GoneError(
                        f"{key.where} was changed by another run or a person meanwhile; run again"
                    ) from error
                key = now
                continue
            return True
        raise GoneError(f"{key.where} is changed by others all the time; find out by whom, then run again")

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
        query = {**MANAGER, "force": "true", "fieldValidation": "Strict"}
        self._retried("PATCH", path, query=query, body=body, content_type="application/apply-patch+yaml")
        return True

    def read(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Any other object."""
        return self._retried("GET", path, query=query)

    def _retried(self, method: str, path: str, **request: Any) -> Any:
        """Send a request again while the server is restarting or overloaded. A conflict is the caller's to judge."""
        deadline = time.monotonic() + self._retry_seconds
        pause = 0.05
        while True:
            try:
                return self._kube.request(method, path, **request)
            except KubeError as error:
                if not _passing(error) or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _path(self, name: str = "") -> str:
        root = f"/api/v1/namespaces/{quote(self._namespace, safe='')}/secrets"
        return f"{root}/{quote(name, safe='')}" if name else root


def _passing(error: KubeError) -> bool:
    if isinstance(error, ConnectError):
        return True
    return isinstance(error, ApiError) and error.status != 409 and worth_retrying(error)


def duplicates(keys: Iterable[Key]) -> dict[str, list[Key]]:
    """Keys that share their value with others, by fingerprint: Authorino knows the value for one of them only."""
    by_value: dict[str, list[Key]] = {}
    for key in keys:
        by_value.setdefault(key.value, []).append(key)
    return {key.uid: group for group in by_value.values() if len(group) > 1 for key in group}
