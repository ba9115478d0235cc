# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API key of a user, read from the Secrets when it is needed. Nothing here is ever shown."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import (
    KEY_ENTRY,
    RETIRE_AFTER,
    USER,
    WATCHED,
    label_selector,
)
from ansible_collections.llmops.maas.plugins.module_utils._common.guard import hide
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import key_problem
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import PARTIAL_LIST, ApiError, Kube


class KeyMissingError(Exception):
    """There is no such key, or nobody can send it; the message names the Secret and the fault, never a value."""


class CredentialSecrets:
    """Secrets of one namespace that hold credentials. Keys are found by Authorino's label and those of the policies."""

    def __init__(self, kube: Kube, namespace: str, labels: Mapping[str, str]) -> None:
        self._kube = kube
        self._path = f"/api/v1/namespaces/{namespace}/secrets"
        self._namespace = namespace
        self._labels = {**labels, **WATCHED}
        self._found: list[dict[str, Any]] | None = None

    def key_of(self, user: str) -> str:
        """The newest key of a user, one that is about to retire only when there is no other.

        :raises KeyMissingError: there is none, or no header can carry it.
        """
        if self._found is None:
            query = {"labelSelector": label_selector(self._labels)}
            self._found = self._kube.request("GET", self._path, query=query).get("items") or []
        chosen = newest(self._found, user)
        if chosen is None:
            raise KeyMissingError(self._why_missing(user))
        return sendable(chosen, KEY_ENTRY)

    def key_in_secret(self, name: str, entry: str) -> str:
        """The key that is one entry of one Secret.

        :raises KeyMissingError: there is none, or no header can carry it.
        """
        return sendable(self._read(name), entry)

    def value_in(self, name: str, entry: str) -> str:
        """The value of one entry of one Secret.

        :raises KeyMissingError: there is none.
        """
        return decoded(self._read(name), entry)

    def _read(self, name: str) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = self._kube.request("GET", f"{self._path}/{name}")
        except ApiError as error:
            if error.status == 404:
                raise KeyMissingError(f"there is no Secret {self._namespace}/{name}") from error
            raise
        return found

    def _why_missing(self, user: str) -> str:
        # Metadata alone: values of other Secrets are not needed here.
        items = self._kube.request("GET", self._path, accept=PARTIAL_LIST).get("items") or []
        for item in items:
            metadata = item["metadata"]
            if (metadata.get("annotations") or {}).get(USER) == user:
                lacking = self._labels.items() - (metadata.get("labels") or {}).items()
                words = ", ".join(f"{name}={value}" for name, value in sorted(lacking))
                return f"Secret {self._namespace}/{metadata['name']} of user {user} lacks the label {words}"
        return f"no Secret in {self._namespace} is a key of user {user} (annotation {USER})"


def newest(secrets: Sequence[Mapping[str, Any]], user: str) -> Mapping[str, Any] | None:
    """The Secret that holds the user's key, None when none does."""

    def rank(secret: Mapping[str, Any]) -> tuple[bool, str, str]:
        metadata = secret["metadata"]
        retired = RETIRE_AFTER in (metadata.get("annotations") or {})
        return not retired, str(metadata.get("creationTimestamp") or ""), str(metadata["name"])

    found = [secret for secret in secrets if (secret["metadata"].get("annotations") or {}).get(USER) == user]
    return max(found, key=rank, default=None)


def sendable(secret: Mapping[str, Any], entry: str) -> str:
    """One value of a Secret, which a header is to carry and nobody is to see."""
    value = decoded(secret, entry)
    hide(value)
    problem = key_problem(value) if value else "is empty"
    if problem:
        metadata = secret["metadata"]
        raise KeyMissingError(
            f"Secret {metadata['namespace']}/{metadata['name']}: its {entry} {problem}, so nobody can send it"
        )
    return value


def decoded(secret: Mapping[str, Any], entry: str) -> str:
    """One value of a Secret of the API as text."""
    where = f"Secret {secret['metadata']['namespace']}/{secret['metadata']['name']}"
    try:
        return base64.b64decode((secret.get("data") or {})[entry]).decode()
    except KeyError as error:
        raise KeyMissingError(f"{where} has no {entry}") from error
    except (binascii.Error, UnicodeDecodeError) as error:
        raise KeyMissingError(f"{where}: its {entry} is no text") from error
