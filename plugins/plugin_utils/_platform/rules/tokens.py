# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of an OpenID Connect issuer, and Keycloak, which issues them where nobody else does."""

from __future__ import annotations

from urllib.parse import urlsplit

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.jwt import claim_path
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.values import Values

_DATABASE = ("url", "username", "password")


def groups_claim(values: Values, problems: Problems) -> None:
    claim = values["oidc_groups_claim"]
    if not all(claim_path(claim)):
        problems.add(
            "maas_oidc_groups_claim",
            f"{claim!r} is no claim; write its name, such as groups, or its path, such as realm_access.roles",
        )


def keycloak(values: Values, problems: Problems) -> None:
    parts = urlsplit(values["keycloak_url"])
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
        problems.add(
            "maas_keycloak_url",
            f"{values['keycloak_url']!r} must be an address without a path, such as https://sso.example.com",
        )
    if not values["keycloak_realm"] or "/" in values["keycloak_realm"]:
        problems.add("maas_keycloak_realm", f"{values['keycloak_realm']!r} is no name of a realm")
    given = values["keycloak_database"]
    for field in _DATABASE:
        if given and not given.get(field):
            problems.add(f"maas_keycloak_database.{field}", "is missing; set it, or leave the database out")


def clients(values: Values, problems: Problems) -> None:
    known = [group["name"] for group in values["groups"]]
    seen: dict[str, int] = {}
    for index, client in enumerate(values["keycloak_clients"]):
        where = f"maas_keycloak_clients[{index}]"
        if client["name"] in seen:
            problems.add(f"{where}.name", f"{client['name']!r} is in entry {seen[client['name']]} already; keep one")
        seen.setdefault(client["name"], index)
        for number, group in enumerate(client.get("groups") or []):
            if group not in known:
                problems.add(
                    f"{where}.groups[{number}]",
                    f"{group!r} is not in maas_groups; known are {', '.join(known) or 'none'}",
                )


RULES = (groups_claim, keycloak, clients)
