# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of clients, asked for when they are needed (RFC 6749, section 4.4). Nothing here is ever shown."""

from __future__ import annotations

import base64
import json
import threading
from urllib.parse import quote, urlsplit

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import hide, hide_url, without_password
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import token_problem
from ansible_collections.llmops.maas.plugins.module_utils._gateway.http import Answer, Gateway, GatewayError
from ansible_collections.llmops.maas.plugins.module_utils._gateway.keys import CredentialSecrets, KeyMissingError
from ansible_collections.llmops.maas.plugins.module_utils._gateway.kinds import describe_answer


class ClientTokens:
    """Each client's token, asked for once."""

    def __init__(self, secrets: CredentialSecrets, *, token_url: str = "", timeout: float = 30.0) -> None:
        """
        :param secrets: Secrets with ``client_id``, ``client_secret`` and ``token_url``.
        :param token_url: where tokens come from, instead of what the Secrets say.
        :param timeout: seconds for each part of an answer.
        """
        self._secrets = secrets
        self._token_url = token_url
        self._timeout = timeout
        self._lock = threading.Lock()
        self._found: dict[str, str] = {}

    def token_of(self, secret: str) -> str:
        """The token of the client of that Secret.

        :raises KeyMissingError: the issuer gives none, or no header can carry it.
        """
        with self._lock:
            if secret not in self._found:
                self._found[secret] = self._asked(secret)
            return self._found[secret]

    def _asked(self, secret: str) -> str:
        url = self._token_url or self._secrets.value_in(secret, "token_url")
        name, password = (self._secrets.value_in(secret, entry) for entry in ("client_id", "client_secret"))
        hide(password)
        hide_url(url)
        pair = f"{quote(name, safe='')}:{quote(password, safe='')}"
        hide(pair)
        basic = base64.b64encode(pair.encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        try:
            parts = urlsplit(url)
            issuer = Gateway(f"{parts.scheme}://{parts.netloc}", parts.hostname or "", timeout=self._timeout)
        except (GatewayError, ValueError) as error:
            raise KeyMissingError(f"{without_password(url)!r} is no address of an issuer's token endpoint") from error
        answer = issuer.send("POST", parts.path, headers, b"grant_type=client_credentials")
        return _token(answer, name, url)


def tampered(token: str) -> str:
    """The token with another signature of the same length. It gives away as much as the token itself."""
    start, _dot, signature = token.rpartition(".")
    changed = f"{start}.{'A' if signature[:1] != 'A' else 'B'}{signature[1:]}"
    hide(changed)
    return changed


def _token(answer: Answer, client: str, url: str) -> str:
    try:
        content = json.loads(answer.body or b"{}")
    except ValueError:
        content = {}
    token = content.get("access_token") if isinstance(content, dict) else None
    if answer.status != 200 or not isinstance(token, str):
        what = f"answered {answer.status}" if answer.status else "did not answer"
        where = without_password(url)
        raise KeyMissingError(f"no token for client {client}: the issuer at {where} {what} ({describe_answer(answer)})")
    hide(token)
    problem = token_problem(token)
    if problem:
        raise KeyMissingError(f"the token for client {client} {problem}, so nobody can send it")
    return token
