# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds the lock that keeps two runs from changing one platform at once, and who may take it.

The lock is a Lease (coordination.k8s.io/v1). Either one run holds it alone, or several share it, so the holders are a
list, as JSON in an annotation. The Lease's own fields repeat the first of them, for ``kubectl get leases``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

API_VERSION, KIND = "coordination.k8s.io/v1", "Lease"
HOLDERS = "llmops.maas/holders"
EXCLUSIVE, SHARED = "exclusive", "shared"
_MOMENTS = ("since", "renewed")


class LockError(Exception):
    """The lock cannot be used; the message names it and the fix."""


@dataclass(frozen=True)
class Holder:
    """A run that holds the lock, or wants to.

    ``id`` is new for each time that a run takes the lock. ``pid`` is that of ansible-playbook on ``host``, ``started``
    its start in clock ticks since the boot (0 where that is not known). ``since`` and ``renewed`` are times of the API
    server's clock; ``seconds`` after ``renewed`` the lock is free for others.
    """

    id: str
    mode: str
    user: str
    host: str
    pid: int
    started: int
    playbook: str
    seconds: int
    since: datetime
    renewed: datetime

    @property
    def identity(self) -> str:
        return f"{self.user}@{self.host}/{self.pid}-{self.id}"

    def age(self, now: datetime) -> float:
        """Seconds since it was renewed."""
        return (now - self.renewed).total_seconds()

    def stale(self, now: datetime) -> bool:
        return self.age(now) > self.seconds

    def excludes(self, other: Holder) -> bool:
        return EXCLUSIVE in (self.mode, other.mode)

    def same_run(self, other: Holder) -> bool:
        """Whether both are the same ansible-playbook, which does not wait for itself."""
        return (self.host, self.pid, self.started) == (other.host, other.pid, other.started)


@dataclass(frozen=True)
class Claim:
    """What taking the lock would mean: who would keep it beside us, who is in the way, who has died."""

    beside: Sequence[Holder]
    blocking: Sequence[Holder]
    stale: Sequence[Holder]


def claim(holders: Sequence[Holder], wanted: Holder, now: datetime) -> Claim:
    """What those holders mean for a run that wants the lock."""
    others = [holder for holder in holders if not holder.same_run(wanted)]
    living = [holder for holder in others if not holder.stale(now)]
    return Claim(
        beside=living,
        blocking=[holder for holder in living if holder.excludes(wanted)],
        stale=[holder for holder in others if holder.stale(now)],
    )


def read_holders(lease: Mapping[str, Any]) -> list[Holder]:
    """The holders that a Lease names. Raises LockError for a Lease that is not one of these locks."""
    metadata = lease["metadata"]
    try:
        entries = json.loads((metadata.get("annotations") or {})[HOLDERS])
        return [_holder(entry) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        name, namespace = metadata["name"], metadata["namespace"]
        raise LockError(
            f"the Lease {name} in namespace {namespace} does not say in its annotation {HOLDERS} who holds it. When no"
            f" run is under way, delete it: {clearing(namespace, name)}"
        ) from error


def _holder(entry: Mapping[str, Any]) -> Holder:
    # Only what is known here: a later version may note more.
    parts: dict[str, Any] = {part.name: entry[part.name] for part in fields(Holder)}
    for name in _MOMENTS:
        parts[name] = datetime.fromisoformat(parts[name]).astimezone(UTC)
    return Holder(**parts)


def lease_of(holders: Sequence[Holder], namespace: str, name: str, found: Mapping[str, Any] | None) -> dict[str, Any]:
    """The Lease with these holders (at least one), as a change of the one that was found, if any."""
    first = holders[0]
    metadata: dict[str, Any] = dict(found["metadata"]) if found else {"name": name, "namespace": namespace}
    entries = [{**asdict(holder), **{part: micro(getattr(holder, part)) for part in _MOMENTS}} for holder in holders]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), HOLDERS: json.dumps(entries)}
    # Whose answer it is, the caller knows; the API server keeps it.
    metadata.pop("managedFields", None)
    spec = {
        "holderIdentity": first.identity,
        "leaseDurationSeconds": first.seconds,
        "acquireTime": micro(first.since),
        "renewTime": micro(max(holder.renewed for holder in holders)),
    }
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def renewed(holders: Sequence[Holder], holder_id: str, now: datetime) -> list[Holder] | None:
    """The holders with a new time for that one; None when it is not among them any more."""
    if all(holder.id != holder_id for holder in holders):
        return None
    return [replace(holder, renewed=now) if holder.id == holder_id else holder for holder in holders]


def micro(when: datetime) -> str:
    """As Kubernetes writes a MicroTime (RFC 3339, UTC, six decimals)."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sentence(holder: Holder) -> str:
    """Who, where, what and since when."""
    since = holder.since.strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{holder.user} on {holder.host} (process {holder.pid}) has been running {holder.playbook} since {since}"


def clearing(namespace: str, name: str, kubectl: str = "kubectl") -> str:
    """The command that frees a lock by hand. ``kubectl`` is its call, with what it needs to find the cluster."""
    return f"{kubectl} --namespace {namespace} delete lease {name}"


def row_of(holder: Holder) -> dict[str, Any]:
    """What the module returns about a holder."""
    row = {part: getattr(holder, part) for part in ("identity", "mode", "user", "host", "pid", "playbook")}
    return {**row, "since": micro(holder.since), "renewed": micro(holder.renewed)}


def taken_over_from(holder: Holder, where: str) -> str:
    """The warning that a lock had gone stale; ``where`` is its namespace and name."""
    return (
        f"This run took over the lock {where}: {sentence(holder)}, but has not renewed it since"
        f" {micro(holder.renewed)}, so it was probably killed."
    )


def lost_to(intruders: Sequence[Holder], where: str) -> str:
    """The error that others have the lock that this run should have."""
    names = "; ".join(map(sentence, intruders))
    return (
        f"This run lost the lock {where} on its way: it was not renewed in time, or somebody deleted it, and now"
        f" {names}. Both may have changed the same objects. Run this playbook again when the other one has ended."
    )
