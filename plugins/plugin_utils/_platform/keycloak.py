# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Keycloak that the platform deploys: its addresses, and the realm that it imports at its start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llmops.maas.plugins.module_utils._common.names import named
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.access import group_name

Json = dict[str, Any]

SERVICE = "keycloak"
TOKEN_SECONDS = 300
# The claim in which Keycloak itself names the roles of the realm.
ROLES_CLAIM = "realm_access.roles"
# Clients of the verification. What each lacks is proved to be asked for.
LACKING = {"role": "maas-verify-no-role", "audience": "maas-verify-no-audience"}


class ClientError(ValueError):
    """A client that cannot be made; the message names the variable, the entry and the fix."""


@dataclass(frozen=True)
class Client:
    """A client that gets tokens for itself (``client_credentials``), by the rights that its tokens show."""

    name: str
    groups: Sequence[str] = ()
    role: bool = True
    audience: bool = True
    token_seconds: int = TOKEN_SECONDS

    @property
    def secret(self) -> str:
        """Name of the Secret with its credentials."""
        return f"keycloak-client-{self.name}"

    @property
    def lacks(self) -> str:
        """``role`` or ``audience``; empty for a client that lacks neither."""
        return "" if self.role and self.audience else "audience" if self.role else "role"


def realm_url(base: str, realm: str) -> str:
    """The address of a realm, which its tokens name as their issuer."""
    return f"{base.rstrip('/')}/realms/{realm}"


def keys_url(realm_address: str) -> str:
    """Where the keys are that sign the realm's tokens."""
    return f"{realm_address}/protocol/openid-connect/certs"


def token_url(realm_address: str) -> str:
    """Where the realm's clients get tokens."""
    return f"{realm_address}/protocol/openid-connect/token"


def inside_url(namespace: str, services: Iterable[Mapping[str, Any]], *, dns: bool) -> str:
    """Keycloak's address for the cluster's own Pods. Without DNS it is that of its Service.

    :param services: the Services of its namespace.
    """
    found = [item for item in services if item["metadata"]["name"] == SERVICE]
    host = f"{SERVICE}.{namespace}.svc.cluster.local"
    return f"http://{found[0]['spec']['clusterIP'] if found and not dns else host}:8080"


def clients(given: Sequence[Mapping[str, Any]], groups: Sequence[str], probe_groups: Sequence[str]) -> list[Client]:
    """The clients of the realm: those of ``maas_keycloak_clients``, and two that lack something.

    :param groups: names of ``maas_groups``.
    :param probe_groups: ``maas_verify_probe_groups``.
    :raises ClientError: at the first client of an unknown group.
    """
    known = [group_name(name) for name in groups]
    made = [_client(entry, f"maas_keycloak_clients[{index}]", known) for index, entry in enumerate(named(given))]
    probe = [group_name(name) for name in probe_groups]
    return [*made, *(Client(name, probe, **{right: False}) for right, name in LACKING.items())]


def _client(entry: Mapping[str, Any], where: str, known: Sequence[str]) -> Client:
    groups = [group_name(name) for name in entry.get("groups") or ()]
    for index, name in enumerate(groups):
        if name not in known:
            raise ClientError(
                f"{where} ({entry['name']}).groups[{index}]: {name!r} is not in maas_groups; known are"
                f" {', '.join(known) or 'none'}"
            )
    rights = {right: boolean(entry.get(right, True), strict=False) for right in LACKING}
    return Client(str(entry["name"]), groups, token_seconds=int(entry.get("token_seconds", TOKEN_SECONDS)), **rights)


def realm(
    name: str, members: Sequence[Client], *, groups: Iterable[str], audience: str, role: str, groups_claim: str
) -> Json:
    """The realm in the form of Keycloak's exports (org.keycloak.representations.idm.RealmRepresentation).

    Keycloak puts the secrets of the clients in the place of the variables when it imports the realm.

    :param role: the role of those who may use the models; empty for none.
    :param groups_claim: name of the claim with the groups, as its mappers have it. Where that is the claim with the
        realm's roles, groups are roles as well, for no mapper adds to it.
    """
    names = [group_name(group) for group in groups]
    of_groups = [name for name in names if name != role] if groups_claim == ROLES_CLAIM else []
    granted = [{"name": role, "description": "May use the models"}] if role else []
    return {
        "realm": name,
        "enabled": True,
        "accessTokenLifespan": TOKEN_SECONDS,
        "roles": {"realm": [*granted, *({"name": name} for name in of_groups)]},
        "groups": [{"name": name} for name in names],
        "clients": [_client_of(client, n, audience, groups_claim) for n, client in enumerate(members)],
        "users": [_account_of(client, role, of_groups) for client in members],
    }


def secret_variable(number: int) -> str:
    """The variable of Keycloak's environment with the secret of this client of the realm."""
    return f"MAAS_CLIENT_SECRET_{number}"


def _client_of(client: Client, number: int, audience: str, groups_claim: str) -> Json:
    mappers = []
    if groups_claim != ROLES_CLAIM:
        config = {"claim.name": groups_claim, "full.path": "false", "userinfo.token.claim": "false"}
        mappers.append(_mapper("groups", "oidc-group-membership-mapper", config))
    if client.audience:
        mappers.append(_mapper("audience", "oidc-audience-mapper", {"included.custom.audience": audience}))
    return {
        "clientId": client.name,
        "enabled": True,
        "publicClient": False,
        "secret": f"${{{secret_variable(number)}}}",
        "standardFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": True,
        "attributes": {"access.token.lifespan": str(client.token_seconds)},
        "protocolMappers": mappers,
    }


def _mapper(name: str, kind: str, config: Mapping[str, str]) -> Json:
    tokens = {"access.token.claim": "true", "id.token.claim": "false"}
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": {**config, **tokens}}


def _account_of(client: Client, role: str, of_groups: Sequence[str]) -> Json:
    return {
        "username": f"service-account-{client.name}",
        "enabled": True,
        "serviceAccountClientId": client.name,
        "realmRoles": ([role] if role and client.role else []) + [name for name in client.groups if name in of_groups],
        "groups": [f"/{group}" for group in client.groups],
    }


def client_secrets(members: Iterable[Client], *, namespace: str, realm_address: str, labels: Mapping[str, str]) -> Any:
    """A kept Secret for each client (an entry of the module secrets): its generated secret and where it gets tokens."""
    return [
        {
            "name": client.secret,
            "namespace": namespace,
            "labels": dict(labels),
            "generate": {"client_secret": 43},
            "compose": {"client_id": client.name, "token_url": token_url(realm_address)},
        }
        for client in members
    ]
