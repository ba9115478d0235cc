# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The issuer in Keycloak's place reads the realm that the role renders, and signs the claims that Keycloak would."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

CHECKOUT = Path(__file__).resolve().parents[3]

from aiohttp.test_utils import TestClient, TestServer

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.oidc.issuer import Issuer
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.oidc.realm import RealmError, read
from ansible_collections.llmops.maas.plugins.filter.keycloak_plan import keycloak_plan

CLIENTS = [{"name": "app", "groups": ["developer", "user"], "token_seconds": 60}, {"name": "bare", "role": False}]
SECRETS = {f"MAAS_CLIENT_SECRET_{number}": f"secret-{number}" for number in range(4)}
BASE = "http://sso.example"
TOKEN = "/realms/maas/protocol/openid-connect/token"


def realm(groups_claim: str = "groups") -> dict[str, Any]:
    """The realm as the role has it."""
    platform = {
        "keycloak_realm": "maas",
        "keycloak_url": BASE,
        "keycloak_namespace": "keycloak",
        "oidc_audience": "maas-api",
        "oidc_role": "api-user",
        "oidc_groups_claim": groups_claim,
        "groups": [{"name": "admin"}, {"name": "developer"}, {"name": "user"}],
        "keycloak_clients": CLIENTS,
        "verify_probe_groups": ["admin"],
    }
    content: dict[str, Any] = keycloak_plan(platform)["realm"]
    return content


def answers(*requests: tuple[str, str, dict[str, str]]) -> list[tuple[int, Any]]:
    """Status and content of each request (method, path, form) to an issuer."""

    async def asked() -> list[tuple[int, Any]]:
        issuer = Issuer(read(realm(), SECRETS), BASE)
        async with TestClient(TestServer(issuer.application())) as client:
            found = []
            for method, path, form in requests:
                answer = await client.request(method, path, data=form or None)
                found.append((answer.status, await answer.json()))
            return found

    return asyncio.run(asked())


def form(client: str, secret: str, grant: str = "client_credentials") -> dict[str, str]:
    return {"grant_type": grant, "client_id": client, "client_secret": secret}


def test_a_token_has_the_claims_of_the_client_and_is_signed_with_the_published_key() -> None:
    keys, answer = answers(
        ("GET", "/realms/maas/protocol/openid-connect/certs", {}), ("POST", TOKEN, form("app", "secret-0"))
    )
    assert answer[0] == 200
    assert answer[1]["expires_in"] == 60
    token = jwt.decode(answer[1]["access_token"], KeySet.import_key_set(keys[1]))
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["azp"]) == (f"{BASE}/realms/maas", "maas-api", "app")
    assert (claims["groups"], claims["realm_access"]) == (["developer", "user"], {"roles": ["api-user"]})
    assert claims["exp"] - claims["iat"] == 60
    assert abs(claims["iat"] - time.time()) < 60
    assert "d" not in keys[1]["keys"][0]


def test_what_a_client_is_not_given_its_tokens_lack() -> None:
    clients = read(realm(), SECRETS).clients
    assert clients["bare"].claims["realm_access"] == {"roles": []}
    assert clients["bare"].claims["groups"] == []
    assert "aud" not in clients["maas-verify-no-audience"].claims
    assert clients["maas-verify-no-role"].claims["realm_access"] == {"roles": []}
    assert clients["maas-verify-no-role"].claims["groups"] == ["admin"]
    assert len({client.claims["sub"] for client in clients.values()}) == 4


@pytest.mark.parametrize(
    ("claim", "path", "more"),
    [
        ("groups", ["groups"], []),
        ("my.own.groups", ["my", "own", "groups"], []),
        (r"my\.groups", ["my.groups"], []),
        ("realm_access.roles", ["realm_access", "roles"], ["api-user"]),
    ],
)
def test_dots_in_the_name_of_a_claim_nest_it(claim: str, path: list[str], more: list[str]) -> None:
    found: Any = read(realm(claim), SECRETS).clients["app"].claims
    for part in path:
        found = found[part]
    assert found == [*more, "developer", "user"]


@pytest.mark.parametrize(
    ("asked", "status", "error"),
    [
        (form("app", "secret-1"), 401, "invalid_client"),
        (form("nobody", "secret-0"), 401, "invalid_client"),
        (form("app", ""), 401, "invalid_client"),
        (form("app", "secret-0", "password"), 400, "unsupported_grant_type"),
    ],
)
def test_who_is_not_a_client_gets_no_token(asked: dict[str, str], status: int, error: str) -> None:
    ((found, content),) = answers(("POST", TOKEN, asked))
    assert (found, content["error"]) == (status, error)


def test_discovery_names_the_issuer_and_where_it_was_asked() -> None:
    ((_status, content),) = answers(("GET", "/realms/maas/.well-known/openid-configuration", {}))
    assert content["issuer"] == f"{BASE}/realms/maas"
    assert content["jwks_uri"].startswith("http://127.0.0.1:")


def test_a_secret_that_is_missing_is_named() -> None:
    with pytest.raises(RealmError, match="MAAS_CLIENT_SECRET_3"):
        read(realm(), {name: value for name, value in SECRETS.items() if not name.endswith("3")})


def test_no_secret_is_in_the_realm() -> None:
    assert [client["secret"] for client in realm()["clients"]] == [f"${{{name}}}" for name in SECRETS]
