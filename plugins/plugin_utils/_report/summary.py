# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there of the platform, for people; the commands that go on from there are in ``_next_steps``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import KEY_PREFIX, KUADRANT_NAMESPACE
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.gateway_url import AddressError, gateway_url
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.api_key import ApiKeyMethod
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.jwt import JwtMethod
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.methods import takes
from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import Cell, Part, Text, table, text

Item = Mapping[str, Any]

_MOST_USERS = 20


@dataclass(frozen=True)
class SummarySettings:
    """The variables that the summary depends on, by the names that the role ``maas`` gives them there.

    :param models: the catalogue; ``users`` and ``groups`` are ``maas_users`` and ``maas_groups``.
    :param keycloak: ``namespace`` and ``clients`` where Keycloak is deployed, else empty.
    :param missing: controllers that the cluster cannot run.
    :param summary_variables: extra variables that the commands repeat, beside those that say which platform is meant.
    :param summary_commands: further commands, each with ``target`` of the Makefile, ``playbook`` and ``text``.
    :param issuer_type: type of the issuer of the Gateway's certificate.
    :param local_port: port of this machine that ``port_forward.yml`` forwards to the Gateway.
    """

    namespace: str
    gateway_name: str
    hostnames: Sequence[str]
    models: Sequence[Item]
    users: Sequence[Item] = ()
    groups: Sequence[Item] = ()
    auth_mode: str = "api_key"
    key_prefix: str = KEY_PREFIX
    keys_namespace: str = KUADRANT_NAMESPACE
    keycloak: Item = field(default_factory=dict)
    issuer_url: str = ""
    missing: Sequence[str] = ()
    summary_variables: Sequence[str] = ()
    summary_commands: Sequence[Item] = ()
    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False
    gateway_url: str = ""
    gateway_ca_cert: str = ""
    gateway_validate_certs: bool = True
    tls_secret: str = ""
    issuer_type: str = "selfsigned"
    local_port: int = 8000


@dataclass(frozen=True)
class SummaryObjects:
    """Objects of the platform's namespace, groups of the API, and keys as M(llmops.maas.api_key_info) gives them."""

    gateways: Sequence[Item]
    models: Sequence[Item]
    services: Sequence[Item]
    api_groups: Sequence[str] = ()
    keys: Sequence[Item] = ()

    def gateway(self, platform: SummarySettings) -> Item | None:
        return _named(self.gateways, platform.gateway_name)

    def service(self, platform: SummarySettings) -> Item | None:
        """That of the Gateway, which Istio names after it."""
        return _named(self.services, f"{platform.gateway_name}-istio")

    def readiness(self, model: str) -> str:
        """``True``, ``False`` or ``Unknown``, as KServe found; empty for a model that is not there."""
        item = _named(self.models, model)
        return str(_ready(item).get("status") or "Unknown") if item else ""


def address(platform: SummarySettings, found: SummaryObjects) -> tuple[str, str]:
    """The Gateway's URL from here, or an empty one and why there is none."""
    if platform.gateway_url:
        return platform.gateway_url.rstrip("/"), ""
    try:
        return gateway_url(found.gateway(platform), found.service(platform)), ""
    except AddressError as error:
        return "", str(error)


def summary(platform: SummarySettings, found: SummaryObjects) -> list[Part]:
    """The Gateway, users and models, as they are."""
    return [table(_facts(platform, found)), text("Models:", "heading"), table(_models(platform, found), indent=2)]


def _facts(platform: SummarySettings, found: SummaryObjects) -> list[list[Cell]]:
    gateway = found.gateway(platform) or {}
    addresses = [str(item["value"]) for item in (gateway.get("status") or {}).get("addresses") or ()]
    where = f"{platform.namespace}/{platform.gateway_name}, address {', '.join(addresses) or 'none yet'}"
    rows = [_fact("Gateway:", f"{where}, hosts {', '.join(platform.hostnames)}")]
    url, _reason = address(platform, found)
    if url:
        rows.append(_fact("Requests:", f"{url}, with the header Host: {platform.hostnames[0]}"))
    if takes(platform.auth_mode, JwtMethod.name):
        rows.append(_fact("Tokens:", _tokens(platform)))
    if takes(platform.auth_mode, ApiKeyMethod.name):
        rows.append(_fact("Users:", _users(platform)))
    if platform.missing:
        gone = ", ".join(platform.missing)
        rows.append([text("Missing:", "heading"), text(f"{gone}: see above; what needs them was left out", "warning")])
    return rows


def _fact(name: str, words: str) -> list[Cell]:
    return [text(name, "heading"), words]


def _tokens(platform: SummarySettings) -> str:
    if not platform.keycloak:
        return f"of {platform.issuer_url}"
    clients = ", ".join(str(client["name"]) for client in platform.keycloak["clients"])
    return f"of Keycloak, to clients {clients} (Secrets keycloak-client-<client> in {platform.keycloak['namespace']})"


def _users(platform: SummarySettings) -> str:
    names = [str(user["name"]) for user in platform.users]
    more = [f"and {len(names) - _MOST_USERS} more"] if len(names) > _MOST_USERS else []
    where = f"keys: Secrets api-key-<user> in {platform.keys_namespace}, after a rotation api-key-<user>-<id>"
    return f"{', '.join([*names[:_MOST_USERS], *more]) or 'none'} ({where})"


def _models(platform: SummarySettings, found: SummaryObjects) -> list[list[Cell]]:
    rows = [_model(model, _named(found.models, str(model["name"]))) for model in platform.models]
    return rows or [["none"]]


def _model(model: Item, item: Item | None) -> list[Cell]:
    ready = _ready(item) if item else {}
    reason = "" if ready.get("status") == "True" else str(ready.get("message") or ready.get("reason") or "")
    return [str(model["name"]), _state(item, ready), " ".join(model["paths"]), reason]


def _state(item: Item | None, ready: Item) -> Text:
    if item is None:
        return text("not deployed", "warning")
    if ready.get("status") == "True":
        return text("Ready", "ok")
    return text("not ready", "failed") if ready.get("status") == "False" else text("unknown", "warning")


def _ready(item: Item) -> Item:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry.get("type") == "Ready"), {})


def _named(items: Sequence[Item], name: str) -> Item | None:
    return next((item for item in items if item["metadata"]["name"] == name), None)
