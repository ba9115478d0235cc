# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A realm as Keycloak imports it, as far as it matters for tokens of clients."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Dots in the name of a claim nest it, but for those after a backslash (OIDCAttributeMapperHelper.splitClaimPath).
_DOT = re.compile(r"(?<!\\)\.")
_AUDIENCE, _GROUPS = "oidc-audience-mapper", "oidc-group-membership-mapper"
_DEFAULT_SECONDS = 300


class RealmError(Exception):
    """The realm cannot be served; the message names what it lacks."""


@dataclass(frozen=True)
class Client:
    """A client that gets tokens for itself. `claims` are those that its mappers and its service account give it."""

    name: str
    secret: str
    seconds: int
    claims: Mapping[str, Any]


@dataclass(frozen=True)
class Realm:
    name: str
    clients: Mapping[str, Client]


def read(content: Mapping[str, Any], environment: Mapping[str, str]) -> Realm:
    """The realm; variables in secrets are taken from the environment. Raises RealmError for one that is not there."""
    accounts = {user["serviceAccountClientId"]: user for user in content.get("users") or () if user.get("enabled")}
    clients = [
        _client(item, accounts[item["clientId"]], environment, str(content["realm"]), content)
        for item in content.get("clients") or ()
        if item.get("enabled") and item.get("serviceAccountsEnabled") and item["clientId"] in accounts
    ]
    return Realm(str(content["realm"]), {client.name: client for client in clients})


def _client(
    item: Mapping[str, Any],
    account: Mapping[str, Any],
    environment: Mapping[str, str],
    realm: str,
    content: Mapping[str, Any],
) -> Client:
    name = str(item["clientId"])
    lifespan = (item.get("attributes") or {}).get("access.token.lifespan") or content.get("accessTokenLifespan")
    claims: dict[str, Any] = {
        "sub": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{realm}/{name}")),
        "azp": name,
        "client_id": name,
        "preferred_username": account["username"],
        "realm_access": {"roles": list(account.get("realmRoles") or ())},
    }
    for mapper in item.get("protocolMappers") or ():
        claims |= _mapped(mapper, account)
    return Client(name, _filled(str(item["secret"]), environment), int(lifespan or _DEFAULT_SECONDS), claims)


def _mapped(mapper: Mapping[str, Any], account: Mapping[str, Any]) -> dict[str, Any]:
    config = mapper.get("config") or {}
    if config.get("access.token.claim") != "true":
        return {}
    if mapper["protocolMapper"] == _AUDIENCE:
        return {"aud": config["included.custom.audience"]}
    if mapper["protocolMapper"] == _GROUPS:
        paths = [str(path) for path in account.get("groups") or ()]
        full = config.get("full.path") != "false"
        return _nested(config["claim.name"], paths if full else [path.rpartition("/")[2] for path in paths])
    return {}


def _nested(claim: str, value: Any) -> dict[str, Any]:
    for part in reversed(_DOT.split(claim)):
        value = {part.replace("\\.", "."): value}
    found: dict[str, Any] = value
    return found


def _filled(text: str, environment: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise RealmError(f"the environment has no {match[1]}, which the realm asks for")
        return environment[match[1]]

    return _VARIABLE.sub(value, text)
