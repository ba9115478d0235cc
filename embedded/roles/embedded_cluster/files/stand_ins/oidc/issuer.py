# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints: discovery, keys, and tokens by client_credentials (RFC 6749, section 4.4; RFC 9068's claims)."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
import uuid
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from .realm import Client, Realm

_ALGORITHM = "RS256"
_KEY_BITS = 2048


class Issuer:
    """Tokens of one realm. ``base`` is what they name as their issuer, without the realm's path."""

    def __init__(self, realm: Realm, base: str) -> None:
        self._realm = realm
        self._issuer = f"{base.rstrip('/')}/realms/{realm.name}"
        # As Keycloak without a database: new keys with each start.
        self._key = RSAKey.generate_key(_KEY_BITS, {"use": "sig", "alg": _ALGORITHM}, auto_kid=True)

    def application(self) -> web.Application:
        application = web.Application()
        root = f"/realms/{self._realm.name}"
        application.router.add_get(f"{root}/.well-known/openid-configuration", self._discovery)
        application.router.add_get(f"{root}/protocol/openid-connect/certs", self._keys)
        application.router.add_post(f"{root}/protocol/openid-connect/token", self._token)
        return application

    def token(self, client: Client) -> str:
        now = int(time.time())
        issued = {"iss": self._issuer, "iat": now, "exp": now + client.seconds, "jti": str(uuid.uuid4())}
        claims = {**client.claims, **issued, "typ": "Bearer", "scope": "profile email"}
        return jwt.encode({"alg": _ALGORITHM, "kid": self._key.kid, "typ": "JWT"}, claims, self._key)

    async def _discovery(self, request: web.Request) -> web.Response:
        # Endpoints follow the name that was asked, the issuer does not.
        here = f"{request.scheme}://{request.host}/realms/{self._realm.name}/protocol/openid-connect"
        return web.json_response(
            {
                "issuer": self._issuer,
                "token_endpoint": f"{here}/token",
                "jwks_uri": f"{here}/certs",
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": ["none"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [_ALGORITHM],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            }
        )

    async def _keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self._key.as_dict(private=False)]})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "Unsupported grant_type")
        client = self._authenticated(_credentials(request, dict(form)))
        if client is None:
            return _refused(401, "invalid_client", "Invalid client or Invalid client credentials")
        content = {"access_token": self.token(client), "token_type": "Bearer", "expires_in": client.seconds}
        return web.json_response(content, headers={"Cache-Control": "no-store"})

    def _authenticated(self, credentials: tuple[str, str]) -> Client | None:
        name, secret = credentials
        client = self._realm.clients.get(name)
        if client is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
            return None
        return client


def _credentials(request: web.Request, form: dict[str, Any]) -> tuple[str, str]:
    word, _space, encoded = request.headers.get("Authorization", "").partition(" ")
    if word.lower() == "basic":
        try:
            name, _colon, secret = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return unquote(name), unquote(secret)
    return str(form.get("client_id") or ""), str(form.get("client_secret") or "")


def _refused(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)
