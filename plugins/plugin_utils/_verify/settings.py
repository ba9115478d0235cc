# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform's variables say about its verification, typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.booleans import BooleanError, as_boolean
from ansible_collections.llmops.maas.plugins.module_utils._common.names import as_text, named
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import ExpectedStatuses, read_expected
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, VerifyError

# Clients of the deployed Keycloak that lack something a token needs; the role keycloak makes them for the verification.
_LACKING = {"maas-verify-no-role": "role", "maas-verify-no-audience": "audience"}
_JWT, _API_KEY = "jwt", "api_key"


@dataclass(frozen=True)
class VerifySettings:
    """The platform as its variables describe it. Fields that are not explained are those of the role maas.

    :param users: ``name`` and ``groups`` of those whose keys can be tried; none where only tokens are taken.
    :param clients: clients of the deployed Keycloak whose tokens say what they can: ``name``, ``groups``, ``secret``
        (name of the Secret with what gets a token), and ``lacks`` for one without a role or an audience.
    :param keycloak_namespace: empty where no Keycloak is deployed.
    :param tls_secret: empty without https.
    :param only: sections to run; empty for all.
    """

    namespace: str
    gateway_name: str
    gateway_url: str
    gateway_ca_cert: str
    gateway_validate_certs: bool
    hostnames: Sequence[str]
    tls_secret: str
    plain_http: str
    hsts: str
    credential_headers: Sequence[str]
    models: Sequence[Model]
    tiers: Sequence[Mapping[str, Any]]
    auth_mode: str
    users: Sequence[Mapping[str, Any]]
    key_prefix: str
    clients: Sequence[Mapping[str, Any]]
    keycloak_namespace: str
    keycloak_realm: str
    token_url: str
    model_list: bool
    only: Sequence[str]
    expected: ExpectedStatuses
    credentials: Mapping[str, int]
    unauthenticated: Sequence[int]
    open_routes: Sequence[str]
    hidden_hosts: Sequence[str]
    hidden_paths: Sequence[str]
    failure_modes: Mapping[str, str]
    limits: Mapping[str, Any]
    probe_groups: Sequence[str]

    @property
    def host(self) -> str:
        """The host name that requests are for."""
        return self.hostnames[0]

    @property
    def user(self) -> str:
        """The first user whose key can be tried; empty without any."""
        return str(self.users[0]["name"]) if self.users else ""

    @property
    def gateway(self) -> dict[str, str]:
        return {"namespace": self.namespace, "name": self.gateway_name}

    @property
    def takes_keys(self) -> bool:
        return self.auth_mode != _JWT

    @property
    def takes_tokens(self) -> bool:
        """Whether tokens are taken whose issuer the platform knows well enough to get some."""
        return self.auth_mode != _API_KEY and bool(self.keycloak_namespace)


def read_settings(platform: Mapping[str, Any]) -> VerifySettings:
    """Settings from the variables of the role maas, by their names without ``maas_``.

    :raises VerifyError: a table that cannot be used, or no user whose key could be tried.
    """
    users = [{"name": user["name"], "groups": user.get("groups") or []} for user in named(platform["users"])]
    if not users and platform["auth_mode"] != _JWT:
        raise VerifyError("maas_users: name at least one user, whose key the requests carry")
    keycloak = _flag(platform, "keycloak_enabled")
    probe_groups = [as_text(group) for group in platform["verify_probe_groups"]]
    return VerifySettings(
        namespace=platform["namespace"],
        gateway_name=platform["gateway_name"],
        gateway_url=platform["gateway_url"],
        gateway_ca_cert=platform["gateway_ca_cert"],
        gateway_validate_certs=_flag(platform, "gateway_validate_certs"),
        hostnames=platform["hostnames"],
        tls_secret=platform["tls_secret"] if _flag(platform, "tls_enabled") else "",
        plain_http=platform["plain_http"],
        hsts=platform["hsts"],
        credential_headers=platform["credential_headers"],
        models=platform["catalogue"],
        tiers=named(platform["tiers"]),
        auth_mode=platform["auth_mode"],
        users=users if platform["auth_mode"] != _JWT else [],
        key_prefix=platform["api_key_prefix"],
        clients=_clients(platform["keycloak_clients"], probe_groups),
        keycloak_namespace=platform["keycloak_namespace"] if keycloak else "",
        keycloak_realm=platform["keycloak_realm"] if keycloak else "",
        token_url=platform["verify_token_url"].strip(),
        model_list=_flag(platform, "model_list"),
        only=platform["verify_only"],
        expected=read_expected(platform["verify_expected"], platform["verify_exceptions"]),
        credentials=platform["verify_credentials"],
        unauthenticated=platform["verify_unauthenticated"],
        open_routes=platform["verify_open_routes"],
        hidden_hosts=platform["verify_hidden_hosts"],
        hidden_paths=platform["verify_hidden_paths"],
        failure_modes=platform["verify_failure_modes"],
        limits=platform["verify_limits"],
        probe_groups=probe_groups,
    )


def _flag(platform: Mapping[str, Any], name: str) -> bool:
    return _boolean(platform[name], f"maas_{name}")


def _boolean(value: Any, where: str) -> bool:
    try:
        return as_boolean(value, where)
    except BooleanError as error:
        raise VerifyError(str(error)) from error


def _clients(given: Sequence[Mapping[str, Any]], probe_groups: Sequence[str]) -> list[dict[str, Any]]:
    """Those whose tokens have all that a token needs, and those that the role keycloak makes without it."""
    entries = [*named(given), *({"name": name, "groups": probe_groups, "lacks": _LACKING[name]} for name in _LACKING)]
    return [
        {**client, "secret": f"keycloak-client-{client['name']}"}
        for number, client in enumerate(entries)
        if _has_rights(client, f"maas_keycloak_clients[{number}]")
    ]


def _has_rights(client: Mapping[str, Any], where: str) -> bool:
    return all(_boolean(client.get(field, True), f"{where}.{field}") for field in ("role", "audience"))
