# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The realm of the deployed Keycloak: clients, their rights and where they get tokens."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.filter.keycloak_plan import keycloak_plan
from tests.support.auth_platform import variables

CLIENTS = [{"name": "app", "groups": ["developer", "user"]}, {"name": "bare", "role": False}]


def made(**changes: Any) -> dict[str, Any]:
    return keycloak_plan(variables(**{"keycloak_clients": CLIENTS, **changes}), labels={"a": "b"})


def test_groups_that_are_roles_leave_the_role_alone() -> None:
    """A mapper for them would be one more claim of that name."""
    realm = made(oidc_groups_claim="realm_access.roles")["realm"]
    roles = {user["serviceAccountClientId"]: user["realmRoles"] for user in realm["users"]}
    assert roles["app"] == ["api-user", "developer", "user"]
    assert roles["maas-verify-no-role"] == ["admin"]
    names = [role["name"] for role in realm["roles"]["realm"]]
    assert names == ["api-user", "admin", "developer", "user", "readonly"]
    mappers = {mapper["name"] for client in realm["clients"] for mapper in client["protocolMappers"]}
    assert mappers == {"audience"}


def test_any_other_claim_with_groups_has_a_mapper() -> None:
    for claim in ("groups", "my.own.groups"):
        for client in made(oidc_groups_claim=claim)["realm"]["clients"]:
            assert client["protocolMappers"][0]["config"]["claim.name"] == claim


def test_full_paths_of_groups_are_their_names() -> None:
    groups = [{"name": f"/{group['name']}"} for group in variables()["groups"]]
    clients = [{**CLIENTS[0], "groups": ["/developer", "user"]}, CLIENTS[1]]
    assert made(groups=groups, keycloak_clients=clients, verify_probe_groups=["/admin"]) == made()


def test_where_no_role_is_asked_for_there_is_none() -> None:
    realm = made(oidc_role="")["realm"]
    assert realm["roles"] == {"realm": []}
    assert {str(user["realmRoles"]) for user in realm["users"]} == {"[]"}


@pytest.mark.parametrize("url", ["https://sso.example.com", "https://sso.example.com/"])
def test_secrets_say_where_tokens_come_from(url: str) -> None:
    plan = made(keycloak_url=url)
    assert plan["secrets"][0] == {
        "name": "keycloak-client-app",
        "namespace": "keycloak",
        "labels": {"a": "b"},
        "generate": {"client_secret": 43},
        "compose": {
            "client_id": "app",
            "token_url": "https://sso.example.com/realms/maas/protocol/openid-connect/token",
        },
    }
    assert plan["variables"][1] == {"name": "MAAS_CLIENT_SECRET_1", "secret": "keycloak-client-bare"}
    assert [client["secret"] for client in plan["realm"]["clients"]] == [
        f"${{{variable['name']}}}" for variable in plan["variables"]
    ]


def test_booleans_of_clients_may_be_texts() -> None:
    (client, *_others) = made(keycloak_clients=[{"name": "a", "role": "false", "audience": "no"}])["realm"]["clients"]
    assert [mapper["name"] for mapper in client["protocolMappers"]] == ["groups"]


def test_a_client_of_an_unknown_group_is_refused() -> None:
    clients = [CLIENTS[0], {"name": "other", "groups": ["user", "boss"]}]
    with pytest.raises(AnsibleFilterError) as error:
        made(keycloak_clients=clients)
    known = "admin, developer, user, readonly"
    assert f"maas_keycloak_clients[1] (other).groups[1]: 'boss' is not in maas_groups; known are {known}" in str(
        error.value
    )
