# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API keys: Secrets that Authorino finds by their labels. Their annotations say whose they are."""

from __future__ import annotations

from ansible_collections.llmops.maas.plugins.module_utils._common import fixed_names as names
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.method import Json, Method, WrongCredential
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.cel import quoted


def annotation(name: str) -> str:
    """CEL: the optional annotation of a key's Secret. An identity without any, such as a token, has none."""
    return f"auth.identity.?metadata.?annotations[?{quoted(name)}]"


class ApiKeyMethod(Method):
    """See the module."""

    name = "api_key"
    credential = "key"
    is_own = "has(auth.identity.metadata)"
    wrong = (
        WrongCredential("wrong_key", "a wrong key", "wrong_key"),
        WrongCredential("wrong_prefix", "a wrong word before the key", "wrong_prefix", of="user"),
        WrongCredential("removed", "a removed key", "key", of="probe"),
        WrongCredential("expired", "an expired key", "key", of="probe"),
    )

    @property
    def word(self) -> str:
        return self._identities.api_key_prefix

    def user(self) -> str:
        return f'{annotation(names.USER)}.orValue("")'

    def groups(self) -> str:
        return f'{annotation(names.GROUPS)}.orValue("")'

    def authentication(self) -> Json:
        selector = {"matchLabels": dict(self._identities.key_labels)}
        return {
            "api-key-users": {
                "apiKey": {"selector": selector},
                "credentials": {"authorizationHeader": {"prefix": self.word}},
            }
        }


def not_expired() -> str:
    """CEL: whether a key's end, if it has one, is still to come.

    In CEL and not in Rego: the Authorino of this Kuadrant release refuses every Rego rule, for its AuthConfig has no
    field for the language's version. CEL has no clock of its own, so the time is that of the request, which the
    gateway's filter sends. Where it is missing (plain HTTP to Authorino) a key with an end is refused, never let in.
    """
    end = f"auth.identity.metadata.annotations[{quoted(names.EXPIRES)}]"
    return f"!{annotation(names.EXPIRES)}.hasValue() || timestamp({end}) > timestamp(int(request.time.seconds))"
