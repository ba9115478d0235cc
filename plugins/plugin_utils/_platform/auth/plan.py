# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role ``auth`` makes and waits for: policies, routes and the list of models, as data for its templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common import fixed_names as names
from ansible_collections.llmops.maas.plugins.module_utils._common.names import as_text
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway import listeners as _listeners
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway import seal as _seal
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.gateway_url import reachable
from ansible_collections.llmops.maas.plugins.plugin_utils._kuadrant import routes, wasm
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import keycloak, model_rules, policies
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.access import read_access
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.method import Identities, Json
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.methods import Authentication

Platform = Mapping[str, Any]
"""The variables of the role ``maas``, valid, by their names without the prefix ``maas_``."""
Objects = Sequence[Mapping[str, Any]]

_ROUTE_VERSION = f"{routes.GATEWAY_GROUP}/v1"


@dataclass(frozen=True)
class ClusterObjects:
    """What there is already: Gateways and Services of the platform's namespace, and Services of Keycloak's."""

    gateways: Objects = ()
    services: Objects = ()
    keycloak_services: Objects = ()


def plan(platform: Platform, cluster: ClusterObjects) -> Json:
    """What to make; see RETURN of the filter ``auth_plan``.

    :raises AccessError: groups or tiers that cannot be enforced.
    :raises RateError: limits of the list of models that cannot be read.
    :raises ModeError: methods that cannot go together.
    :raises NameTakenError: a model has the name of the list.
    """
    authentication = Authentication(platform["auth_mode"], identities(platform, cluster))
    groups = authentication.groups()
    entries, lists = _entries(platform, groups)
    listeners = _listeners.listeners(
        platform["hostnames"],
        tls_secret=platform["tls_secret"] if platform["tls_enabled"] else "",
        plain_http=platform["plain_http"],
    )
    modes = policies.failure_modes(platform["limits_failure_mode"])
    return {
        "user": authentication.user(),
        "groups": groups,
        "authentication": authentication.authentication(),
        "authorization": authentication.authorization(),
        "unauthenticated": authentication.unauthenticated(),
        "unauthorized": authentication.unauthorized(),
        "entries": [{**entry, "limits": model_rules.limits_of(entry)} for entry in [*entries, *lists]],
        "lists": [entry["name"] for entry in lists],
        "list_path": model_rules.LIST_PATH,
        "user_header": _seal.USER_HEADER,
        "list_header": _seal.MODELS_HEADER,
        "listeners": {"serving": listeners.serving, "redirecting": listeners.redirecting},
        "redirect": _listeners.REDIRECT_ROUTE,
        "wanted": _wanted(platform, [*entries, *lists], lists, redirects=bool(listeners.redirecting)),
        "configured": wasm.configured(_gateway(platform), modes),
        "urls": _urls(platform, cluster),
    }


def identities(platform: Platform, cluster: ClusterObjects) -> Identities:
    """What the methods have to know. Without an issuer of somebody's own it is the deployed Keycloak."""
    realm = platform["keycloak_realm"]
    jwks_url = platform["oidc_jwks_url"]
    if not jwks_url and platform["keycloak_enabled"]:
        inside = keycloak.inside_url(
            platform["keycloak_namespace"], cluster.keycloak_services, dns=platform["cluster_dns"]
        )
        jwks_url = keycloak.keys_url(keycloak.realm_url(inside, realm))
    return Identities(
        api_key_prefix=platform["api_key_prefix"],
        key_labels=names.KEY_LABELS,
        issuer_url=platform["oidc_issuer_url"] or keycloak.realm_url(platform["keycloak_url"], realm),
        jwks_url=jwks_url,
        oidc_audience=platform["oidc_audience"],
        oidc_role=platform["oidc_role"],
        oidc_groups_claim=platform["oidc_groups_claim"],
    )


def _entries(platform: Platform, groups: str) -> tuple[list[Json], list[Json]]:
    """Entries of the models, and none or one of their list."""
    catalogue = platform["catalogue"]
    taken = [as_text(model["name"]) for model in platform["models"]]
    table = read_access(platform["groups"], platform["tiers"], (), taken)
    entries = model_rules.of_models(catalogue, table, groups)
    if not (platform["model_list"] and catalogue):
        return entries, []
    limits = platform["model_list_limits"]
    listed = model_rules.of_list(catalogue, table, groups, name=model_rules.LIST_NAME, taken=taken, limits=limits)
    return entries, [listed]


def _wanted(platform: Platform, entries: Objects, lists: Objects, *, redirects: bool) -> list[Json]:
    """What has to be ready. A kind of policy that no model has cannot be waited for."""
    here = {"namespace": platform["namespace"]}
    of_models = {**here, "label_selector": names.MODEL_LABEL}
    wanted = [{"api_version": _ROUTE_VERSION, "kind": "HTTPRoute", **of_models}]
    wanted += [
        {"api_version": kind.api_version, "kind": kind.kind, **of_models} for kind in policies.kinds_for(entries)
    ]
    if redirects:
        admits = policies.of_kind("AuthPolicy").api_version
        wanted.append({"api_version": _ROUTE_VERSION, "kind": "HTTPRoute", **here, "name": _listeners.REDIRECT_ROUTE})
        wanted.append({"api_version": admits, "kind": "AuthPolicy", **here, "name": _listeners.REDIRECT_ROUTE})
    wanted += [{"api_version": "apps/v1", "kind": "Deployment", **here, "name": entry["name"]} for entry in lists]
    return wanted


def _gateway(platform: Platform) -> dict[str, str]:
    return {"namespace": platform["namespace"], "name": platform["gateway_name"]}


def _urls(platform: Platform, cluster: ClusterObjects) -> dict[str, str]:
    """Where the Gateway can be asked from here, by scheme. Istio names its Service after it."""
    name = platform["gateway_name"]
    found = reachable(
        _named(cluster.gateways, name), _named(cluster.services, f"{name}-istio"), platform["gateway_url"]
    )
    return dict(found)


def _named(items: Objects, name: str) -> Mapping[str, Any] | None:
    return next((item for item in items if item["metadata"]["name"] == name), None)
