# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a request shows to the Gateway: a key or a token, a wrong one, or nothing. Nothing here is ever shown."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import header_value
from ansible_collections.llmops.maas.plugins.module_utils._gateway.keys import CredentialSecrets
from ansible_collections.llmops.maas.plugins.module_utils._gateway.tokens import ClientTokens, tampered

# How long an invented key is: long enough that nobody has it.
_INVENTED_BYTES = 32


@dataclass(frozen=True)
class GatewayCredentials:
    """Makes the header ``Authorization`` of requests. ``prefix`` is the word before a key."""

    secrets: CredentialSecrets
    tokens: ClientTokens
    prefix: str

    def header(self, check: Mapping[str, Any]) -> str:
        """The header's value; empty where the request carries no credentials.

        :param check: ``credentials``, one of ``CREDENTIALS``, and where they are from: ``user``, or ``secret`` and
            ``secret_entry``.
        :raises KeyMissingError: there are no such credentials, or no header can carry them.
        """
        return header_value(CREDENTIALS[check["credentials"]](self, check))

    def key(self, check: Mapping[str, Any]) -> str:
        if check["secret"]:
            return self.secrets.key_in_secret(check["secret"], check["secret_entry"])
        return self.secrets.key_of(check["user"])

    def token(self, check: Mapping[str, Any]) -> str:
        return self.tokens.token_of(check["secret"])


# The choices of the option ``credentials``.
CREDENTIALS: dict[str, Callable[[GatewayCredentials, Mapping[str, Any]], str]] = {
    "key": lambda own, check: f"{own.prefix} {own.key(check)}",
    "none": lambda _own, _check: "",
    "wrong_key": lambda own, _check: f"{own.prefix} {secrets.token_urlsafe(_INVENTED_BYTES)}",
    "wrong_prefix": lambda own, check: f"X{own.prefix} {own.key(check)}",
    "token": lambda own, check: f"Bearer {own.token(check)}",
    "tampered_token": lambda own, check: f"Bearer {tampered(own.token(check))}",
}
