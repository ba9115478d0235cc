# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that the modules for API keys share, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import KEY_LABELS, KUADRANT_NAMESPACE
from ansible_collections.llmops.maas.plugins.module_utils._common.texts import NoTextError, texts_of
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import KeyStore
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import Clock, moment
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube

KEY_ARGUMENTS: dict[str, Any] = {
    "namespace": {"type": "str", "default": KUADRANT_NAMESPACE},
    "key_labels": {"type": "dict", "default": KEY_LABELS, "no_log": False},
    "now": {"type": "str"},
}
_LONGEST_USER = 256
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME = 200


class OptionError(ValueError):
    """An option that cannot be used; the message names it and the fix."""


@dataclass(frozen=True)
class KeyScope:
    """Which keys a task is about, and at what time.

    :param labels: those by which the AuthPolicies find keys.
    """

    namespace: str
    labels: Mapping[str, str]
    clock: Clock

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> KeyScope:
        """
        :raises OptionError: no labels, or labels or a namespace that Kubernetes does not take.
        :raises TimeError: ``now`` is no moment.
        """
        labels = label_option(params["key_labels"], "key_labels")
        if not labels:
            raise OptionError(f"key_labels: give the labels by which the AuthPolicies find keys, such as {KEY_LABELS}")
        clock = Clock(moment(params["now"], "now") if params["now"] else None)
        return cls(dns_name(params["namespace"], "namespace"), labels, clock)

    def store(self, kube: Kube) -> KeyStore:
        """The keys, on that cluster."""
        return KeyStore(kube, self.namespace, self.labels)


def label_option(labels: Mapping[Any, Any], option: str) -> dict[str, str]:
    """Labels with all values as text.

    :raises OptionError: a value that is no text, or a name given twice.
    """
    try:
        return texts_of(labels, option)
    except NoTextError as error:
        raise OptionError(str(error)) from error


def user_id(text: str) -> str:
    """A user id that fits into an annotation and a header.

    :raises OptionError: anything else.
    """
    if not text.strip() or text != text.strip() or len(text) > _LONGEST_USER or not text.isprintable():
        raise OptionError(
            f"user: {text!r} is no user id; use 1 to {_LONGEST_USER} printable characters without spaces at the ends"
        )
    return text


def dns_name(text: str, option: str) -> str:
    """A name for an object.

    :raises OptionError: Kubernetes would not take it.
    """
    if not _NAME.fullmatch(text) or len(text) > _LONGEST_NAME:
        raise OptionError(
            f"{option}: {text!r} is no name that Kubernetes takes; use lower-case letters, digits, '-' and '.', at most"
            f" {_LONGEST_NAME}"
        )
    return text
