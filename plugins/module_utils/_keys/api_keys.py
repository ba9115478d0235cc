# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An API key as an object: what a Secret says about the key it holds, and the Secret for a new key.

Everything that is known about a key is on its Secret, in labels and annotations; there is no other record.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import (
    DISABLED,
    EXPIRES,
    GIVEN,
    GROUP_ANNOTATIONS,
    GROUP_LABELS,
    GROUPS,
    KEY_ENTRY,
    KEY_ID,
    LINEAGE,
    NAME_PREFIX,
    PART_OF,
    PROVED,
    RETIRE_AFTER,
    SUCCEEDS,
    SUPERSEDED_BY,
    USER,
    USER_ANNOTATIONS,
    USER_LABELS,
    WATCHED,
)
from ansible_collections.llmops.maas.plugins.module_utils._common.guard import hide
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import key_problem
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import fingerprint, generate, key_id, random_id
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import TimeError, moment, stamp

_NAME_LENGTH = 253
_SLUG_LENGTH = 40


class KeyObjectError(ValueError):
    """A Secret that cannot be used as a key; the message names it, its user and the fix, never a value.

    ``key`` is what the Secret says where only the value is wrong: such a key can still be replaced or revoked.
    """

    def __init__(self, message: str, key: ApiKey | None = None) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True)
class Identity:
    """What Authorino takes from the Secret; it is read once, so a change needs a new key.

    ``expires`` is the end of the user's access, or None.
    """

    user: str
    groups: tuple[str, ...] = ()
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, as its Secret has it.

    ``value`` is kept out of every representation; bytes of it that are not UTF-8 are surrogates (PEP 383).
    """

    name: str
    namespace: str
    uid: str
    version: str
    created: datetime
    identity: Identity
    value: str = field(repr=False)
    lineage: str = ""
    key_id: str = ""
    watched: bool = True
    selected: bool = True
    disabled: bool = False
    immutable: bool = True
    succeeds: str = ""
    proved: bool = False
    retire_after: datetime | None = None
    superseded_by: str = ""
    given: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def where(self) -> str:
        return f"Secret {self.namespace}/{self.name}"

    @property
    def managed(self) -> bool:
        """Whether it carries our labels; one of another scheme does not."""
        return bool(self.key_id)

    @property
    def pending(self) -> bool:
        """Whether it was made to follow another key, and nobody can have received it yet."""
        return bool(self.succeeds) and not self.proved

    def state(self, now: datetime) -> str:
        if self.identity.expires is not None and self.identity.expires <= now:
            return "expired"
        if not self.watched or not self.selected:
            return "unwatched"
        return "retiring" if self.retire_after is not None else "active"

    def report(self, now: datetime) -> dict[str, Any]:
        """What may be shown of it, as the modules return it."""
        return {
            "user": self.identity.user,
            "groups": list(self.identity.groups),
            "name": self.name,
            "namespace": self.namespace,
            "lineage": self.lineage,
            "key_id": self.key_id,
            "state": self.state(now),
            "disabled": self.disabled,
            "managed": self.managed,
            "age_seconds": max(0, int((now - self.created).total_seconds())),
            "created_at": stamp(self.created),
            "expires_at": stamp(self.identity.expires) if self.identity.expires else "",
            "retire_after": stamp(self.retire_after) if self.retire_after else "",
            "superseded_by": self.superseded_by,
            "fingerprint": fingerprint(self.value),
        }


def read_key(secret: Mapping[str, Any], selector: Mapping[str, str]) -> ApiKey | None:
    """The key that a Secret of the API holds; None when it holds none.

    :param selector: labels by which the AuthPolicy finds keys.
    :raises KeyObjectError: a moment in it that cannot be read, or a value that nobody could send.
    """
    encoded = (secret.get("data") or {}).get(KEY_ENTRY)
    if encoded is None:
        return None
    metadata = secret["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    where = f"Secret {metadata['namespace']}/{metadata['name']}"
    if not encoded:
        raise KeyObjectError(f"{where}: its {KEY_ENTRY} is empty, which Authorino takes for no key; delete the Secret")
    value = base64.b64decode(encoded).decode("utf-8", "surrogateescape")
    hide(value)
    try:
        expires, retire = (_moment(annotations, name) for name in (EXPIRES, RETIRE_AFTER))
    except TimeError as error:
        raise KeyObjectError(f"{where}: annotation {error}") from error
    groups = _first(annotations, GROUP_ANNOTATIONS) or _first(labels, GROUP_LABELS)
    key = ApiKey(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        created=moment(metadata["creationTimestamp"], "creationTimestamp"),
        identity=Identity(
            _first(annotations, USER_ANNOTATIONS) or _first(labels, USER_LABELS),
            tuple(group.strip() for group in groups.split(",") if group.strip()),
            expires,
        ),
        value=value,
        lineage=annotations.get(LINEAGE) or metadata["name"],
        key_id=labels.get(KEY_ID, ""),
        watched=WATCHED.items() <= labels.items(),
        selected=selector.items() <= labels.items(),
        disabled=DISABLED in labels,
        immutable=bool(secret.get("immutable")),
        succeeds=annotations.get(SUCCEEDS, ""),
        proved=PROVED in annotations,
        retire_after=retire,
        superseded_by=annotations.get(SUPERSEDED_BY, ""),
        given=annotations.get(GIVEN, ""),
        labels=labels,
    )
    problem = key_problem(value)
    if problem:
        whose = f"of user {key.identity.user}" if key.identity.user else "of nobody"
        raise KeyObjectError(
            f"{where}: its {KEY_ENTRY} {problem}, so nobody can send this key {whose}; rotate it, or delete the Secret",
            key,
        )
    return key


def _moment(annotations: Mapping[str, str], name: str) -> datetime | None:
    return moment(annotations[name], name) if name in annotations else None


def _first(values: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((values[name] for name in names if values.get(name)), "")


@dataclass(frozen=True)
class NewKey:
    """A key to be made. With an empty ``value``, one is generated when the Secret is."""

    name: str
    namespace: str
    lineage: str
    identity: Identity
    key_id: str
    labels: Mapping[str, str]
    succeeds: str = ""
    given: str = ""
    value: str = field(default="", repr=False)

    def secret(self) -> dict[str, Any]:
        """The body to create. A value that was not given is generated here, once."""
        value = self.value or generate(self.key_id)
        hide(value)
        annotations = {
            USER: self.identity.user,
            GROUPS: ",".join(self.identity.groups),
            LINEAGE: self.lineage,
            **({EXPIRES: stamp(self.identity.expires)} if self.identity.expires else {}),
            **({SUCCEEDS: self.succeeds} if self.succeeds else {}),
            **({GIVEN: self.given} if self.given else {}),
        }
        labels = {**self.labels, **WATCHED, **PART_OF, KEY_ID: self.key_id}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "immutable": True,
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": labels, "annotations": annotations},
            "data": {KEY_ENTRY: base64.b64encode(value.encode()).decode()},
        }


def successor(old: ApiKey, labels: Mapping[str, str], identity: Identity | None = None, value: str = "") -> NewKey:
    """The key that follows another. Its name and id depend on the old Secret's uid alone, so there can be only one."""
    new_id = key_id(old.uid)
    kept = {name: text for name, text in old.labels.items() if name not in (DISABLED, KEY_ID)}
    return NewKey(
        name=with_suffix(old.lineage, new_id),
        namespace=old.namespace,
        lineage=old.lineage,
        identity=identity or old.identity,
        key_id=new_id,
        labels={**kept, **labels},
        succeeds=old.uid,
        # So that a later run with the same given value knows that it was followed, not forgotten.
        given=fingerprint(value) if value else old.given or fingerprint(old.value),
        value=value,
    )


def first_key(lineage: str, namespace: str, identity: Identity, labels: Mapping[str, str], value: str = "") -> NewKey:
    """The first key of its name, which alone decides which of two runs makes it."""
    given = fingerprint(value) if value else ""
    return NewKey(lineage, namespace, lineage, identity, random_id(), labels, given=given, value=value)


def with_suffix(lineage: str, suffix: str) -> str:
    """The name of a Secret of that lineage, cut where it would become too long."""
    return f"{lineage[: _NAME_LENGTH - len(suffix) - 1].rstrip('.-')}-{suffix}"


def default_name(user: str) -> str:
    """``api-key-<user>``, made a name that Kubernetes takes: other characters give a digest of the whole user id."""
    slug = re.sub(r"[^a-z0-9-]+", "-", user.lower()).strip("-")[:_SLUG_LENGTH].strip("-")
    if slug == user:
        return f"{NAME_PREFIX}-{user}"
    digest = hashlib.sha256(user.encode()).hexdigest()[:8]
    return "-".join(part for part in (NAME_PREFIX, slug, digest) if part)
