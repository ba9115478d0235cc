# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking, renewing and releasing the Lease that is the lock of runs.

Each write names the resourceVersion that it was decided on, so of two runs that want the lock at once the API server
refuses one (as client-go's leader election does), which then looks again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import Deadline
from ansible_collections.llmops.maas.plugins.module_utils._kube.apply import persist, server_side_apply
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, Kube, ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._lock.lock import (
    API_VERSION,
    KIND,
    Holder,
    LockError,
    claim,
    lease_of,
    read_holders,
    renewed,
)

_LEASES = ResourceType(API_VERSION, KIND, "leases", namespaced=True)
_NAMESPACES = ResourceType("v1", "Namespace", "namespaces", namespaced=False)
_MANAGER = {"fieldManager": "llmops.maas-run-lock"}
# That of the module manifests, so that the namespace is its own when it applies it later.
_NAMESPACE_MANAGER = "llmops.maas"
_ATTEMPTS = 20
_LONGEST_PAUSE = 0.2
# An answer about one small object takes milliseconds; a server that hangs must not keep the lock from being renewed.
_ANSWER_SECONDS = 10.0
_RETRY_PAUSE = 0.5
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Attempt:
    """How taking the lock went.

    ``held`` when it is ours, ``replaced`` being the dead runs whose place we took. Otherwise either ``blocking`` names
    the runs in the way, or ``obstacle`` what else is. Without both there is no namespace, so there is nothing to guard.
    """

    held: bool = False
    replaced: Sequence[Holder] = ()
    blocking: Sequence[Holder] = ()
    obstacle: str = ""


class _LostRaceError(Exception):
    """The Lease is not as it was when the write was decided on."""


class LeaseLock:
    """The lock with that name. Methods raise KubeError, and LockError for a Lease that cannot be understood."""

    def __init__(
        self, kube: Kube, namespace: str, name: str, namespace_labels: Mapping[str, str] | None = None
    ) -> None:
        """With ``namespace_labels`` a namespace that is missing is made, with these labels, when the lock is taken."""
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._labels = namespace_labels

    def look(self, wanted: Holder) -> Sequence[Holder]:
        """Who is in the way; nothing is written."""
        lease = self._read()
        return claim(read_holders(lease), wanted, self._kube.now()).blocking if lease else ()

    def take(self, wanted: Holder) -> Attempt:
        """Take the lock unless somebody is in the way. Who holds it already takes it anew."""
        return self._undisturbed(lambda: self._take(wanted))

    def _take(self, wanted: Holder) -> Attempt:
        lease = self._read()
        now = self._kube.now()
        found = claim(read_holders(lease) if lease else (), wanted, now)
        if found.blocking:
            return Attempt(blocking=found.blocking)
        holders = [*found.beside, replace(wanted, since=now, renewed=now)]
        if lease:
            self._update(lease, holders)
            return Attempt(held=True, replaced=found.stale)
        return self._create(holders)

    def renew(self, holder_id: str) -> bool:
        """Note that the holder lives; False when it does not hold the lock any more."""
        return self._undisturbed(lambda: self._renew(holder_id))

    def _renew(self, holder_id: str) -> bool:
        lease = self._read()
        holders = renewed(read_holders(lease), holder_id, self._kube.now()) if lease else None
        if lease is None or holders is None:
            return False
        self._update(lease, holders)
        return True

    def release(self, ours: Callable[[Holder], bool]) -> tuple[bool, Sequence[Holder]]:
        """Give the lock up; returns whether it was ours, and who else holds it."""
        return self._undisturbed(lambda: self._release(ours))

    def _release(self, ours: Callable[[Holder], bool]) -> tuple[bool, Sequence[Holder]]:
        lease = self._read()
        holders = read_holders(lease) if lease else []
        others = [holder for holder in holders if not ours(holder)]
        if lease is None or len(others) == len(holders):
            return False, others
        if others:
            self._update(lease, others)
        else:
            self._delete(lease)
        return True, others

    def _undisturbed(self, step: Callable[[], Answer]) -> Answer:
        """The step's result, once nobody wrote the Lease between its reading and its writing."""
        for _attempt in range(_ATTEMPTS):
            try:
                return step()
            except _LostRaceError:
                # Not all at the same time again.
                time.sleep(secrets.SystemRandom().uniform(0, _LONGEST_PAUSE))
        raise LockError(
            f"the Lease {self._name} in namespace {self._namespace} is changed by other runs all the time: try again"
        )

    def _read(self) -> Any:
        """The Lease, None when there is none."""
        try:
            return self._kube.request("GET", self._path(self._name), timeout=_ANSWER_SECONDS)
        except ApiError as error:
            if error.status != 404:
                raise
        return None

    def _create(self, holders: Sequence[Holder]) -> Attempt:
        body = lease_of(holders, self._namespace, self._name, None)
        try:
            self._write("POST", self._path(), body)
        except ApiError as error:
            if error.status == 404 and error.details.get("kind") == "namespaces":
                return self._without_namespace()
            if any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or []):
                return self._in_ending_namespace()
            raise
        return Attempt(held=True)

    def _without_namespace(self) -> Attempt:
        if self._labels is None:
            return Attempt()
        metadata = {"name": self._namespace, "labels": dict(self._labels)}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        path = _NAMESPACES.path(name=self._namespace)
        server_side_apply(self._kube.request, path, body, manager=_NAMESPACE_MANAGER, force=False, validation="Warn")
        raise _LostRaceError

    def _in_ending_namespace(self) -> Attempt:
        # Who would not make it has nothing left to guard in it.
        return Attempt(obstacle=f"the namespace {self._namespace} is being deleted" if self._labels is not None else "")

    def _update(self, lease: Mapping[str, Any], holders: Sequence[Holder]) -> None:
        self._write("PUT", self._path(self._name), lease_of(holders, self._namespace, self._name, lease))

    def _delete(self, lease: Mapping[str, Any]) -> None:
        exact = {part: lease["metadata"][part] for part in ("uid", "resourceVersion")}
        self._write("DELETE", self._path(self._name), {"preconditions": exact})

    def _write(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        query = _MANAGER if method != "DELETE" else None
        try:
            self._kube.request(method, path, query=query, body=body, timeout=_ANSWER_SECONDS)
        except ApiError as error:
            # 404: deleted meanwhile. A Lease that is to be made can only lack its namespace.
            if error.status == 409 or (error.status == 404 and method != "POST"):
                raise _LostRaceError from error
            raise

    def _path(self, name: str | None = None) -> str:
        return _LEASES.path(self._namespace, name)


def patiently(step: Callable[[], Answer], seconds: float) -> Answer:
    """The step's result; tried again for that many seconds while the API server is overloaded or cannot be reached."""
    return persist(step, Deadline(seconds), first=_RETRY_PAUSE, longest=_RETRY_PAUSE)
