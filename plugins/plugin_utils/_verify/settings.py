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
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.access import group_name
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.api_key import ApiKeyMethod
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.jwt import JwtMethod
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.methods import takes
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.keycloak import (
    LACKING,
    Client,
    ClientError,
    clients,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import ExpectedStatuses, read_expected
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, VerifyError, VerifyUser


@dataclass(frozen=True)
class VerifySettings:
    """The platform as its variables describe it. Fields that are not explained are those of the role maas.

    :param users: those whose keys can be tried; none where only tokens are taken.
    :param clients: clients of the deployed Keycloak with all rights, then those that the verification has there, each
        of which lacks one.
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
    users: Sequence[VerifyUser]
    key_prefix: str
    clients: Sequence[Client]
    keycloak_namespace: str
    keycloak_realm: str
    token_url: str
    cluster_dns: bool
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
        return takes(self.auth_mode, ApiKeyMethod.name)

    @property
    def takes_tokens(self) -> bool:
        """Whether tokens are taken whose issuer the platform knows well enough to get some."""
        return takes(self.auth_mode, JwtMethod.name) and bool(self.keycloak_namespace)


def read_settings(platform: Mapping[str, Any]) -> VerifySettings:
    """Settings from the variables of the role maas, by their names without ``maas_``.

    :raises VerifyError: a table that cannot be used, or no user whose key could be tried.
    """
    takes_keys = takes(platform["auth_mode"], ApiKeyMethod.name)
    if takes_keys and not platform["users"]:
        raise VerifyError("maas_users: name at least one user, whose key the requests carry")
    keycloak = _flag(platform, "keycloak_enabled")
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
        tiers=[{**tier, "groups": _groups(tier.get("groups"))} for tier in named(platform["tiers"])],
        auth_mode=platform["auth_mode"],
        users=_users(platform["users"]) if takes_keys else [],
        key_prefix=platform["api_key_prefix"],
        clients=_clients(platform) if keycloak else [],
        keycloak_namespace=platform["keycloak_namespace"] if keycloak else "",
        keycloak_realm=platform["keycloak_realm"] if keycloak else "",
        token_url=platform["verify_token_url"].strip(),
        cluster_dns=_flag(platform, "cluster_dns"),
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
        probe_groups=_groups(platform["verify_probe_groups"]),
    )


def _flag(platform: Mapping[str, Any], name: str) -> bool:
    return _boolean(platform[name], f"maas_{name}")


def _boolean(value: Any, where: str) -> bool:
    try:
        return as_boolean(value, where)
    except BooleanError as error:
        raise VerifyError(str(error)) from error


def _users(given: Sequence[Mapping[str, Any]]) -> list[VerifyUser]:
    return [{"name": as_text(user["name"]), "groups": _groups(user.get("groups"))} for user in given]


def _groups(given: Sequence[Any] | None) -> list[str]:
    return [group_name(as_text(group)) for group in given or ()]


def _clients(platform: Mapping[str, Any]) -> list[Client]:
    """Those that lack nothing, and those of the verification."""
    groups = _groups([group["name"] for group in platform["groups"]])
    try:
        made = clients(platform["keycloak_clients"], groups, platform["verify_probe_groups"])
    except ClientError as error:
        raise VerifyError(str(error)) from error
    return [client for client in made if not client.lacks or client.name == LACKING[client.lacks]]
