# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found in the cluster, as a verification needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import KUADRANT_NAMESPACE
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.gateway_url import (
    AddressError,
    gateway_url,
    reachable,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.keycloak import (
    SERVICE,
    inside_url,
    realm_url,
    token_url,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.policies import POLICIES
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import VerifyError
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.settings import VerifySettings

Objects = Sequence[Mapping[str, Any]]


def kinds_to_read(settings: VerifySettings) -> list[dict[str, str]]:
    """What a verification looks at, as ``resources`` of the module cluster_info."""
    return [
        {"kind": "Gateway", "api_version": "gateway.networking.k8s.io/v1", "namespace": settings.namespace},
        {"kind": "Service", "api_version": "v1"},
        {"kind": "HTTPRoute", "api_version": "gateway.networking.k8s.io/v1"},
        *({"kind": policy.kind, "api_version": policy.api_version} for policy in POLICIES),
        {"kind": "Kuadrant", "api_version": "kuadrant.io/v1beta1"},
        {"kind": "Deployment", "api_version": "apps/v1", "namespace": KUADRANT_NAMESPACE},
        {"kind": "EnvoyFilter", "api_version": "networking.istio.io/v1alpha3"},
    ]


@dataclass(frozen=True)
class Survey:
    """The platform as its variables and its cluster describe it.

    :param objects: objects by kind.
    :param url: address of the Gateway; ``urls`` has it by scheme. Of a given address only that one is known.
    :param probe: id of the user that requests with keys of the verification's own are counted for.
    """

    settings: VerifySettings
    objects: Mapping[str, Objects]
    url: str
    urls: Mapping[str, str]
    probe: str

    @property
    def gateway(self) -> Mapping[str, Any]:
        return _gateway(self.settings, self.objects)

    def named(self, kind: str, name: str) -> Mapping[str, Any]:
        """The object of that name next to the Gateway; empty where there is none."""
        return _find(self.objects[kind], self.settings.namespace, name)

    @property
    def token_url(self) -> str:
        """Where tokens come from, where the Secrets' own address is not to be used: a cluster without
        DNS resolves no name of a Service.
        """
        settings = self.settings
        if settings.token_url or not settings.keycloak_namespace:
            return settings.token_url
        service = _find(self.objects["Service"], settings.keycloak_namespace, SERVICE)
        if settings.cluster_dns or not service:
            return ""
        address = inside_url(settings.keycloak_namespace, [service], dns=False)
        return token_url(realm_url(address, settings.keycloak_realm))


def survey(settings: VerifySettings, resources: Sequence[Objects], probe: str) -> Survey:
    """Put together what ``kinds_to_read`` has found, in its order.

    :raises VerifyError: the Gateway has no address that can be reached from here, and none is given.
    """
    kinds = [entry["kind"] for entry in kinds_to_read(settings)]
    objects = dict(zip(kinds, resources, strict=True))
    gateway = _gateway(settings, objects)
    service = _find(objects["Service"], settings.namespace, f"{settings.gateway_name}-istio")
    urls = reachable(gateway, service, settings.gateway_url)
    try:
        url = settings.gateway_url or gateway_url(gateway or None, service or None)
    except AddressError as error:
        raise VerifyError(str(error)) from error
    return Survey(settings, objects, url, urls, probe)


def _gateway(settings: VerifySettings, objects: Mapping[str, Objects]) -> Mapping[str, Any]:
    return _find(objects["Gateway"], settings.namespace, settings.gateway_name)


def _find(items: Objects, namespace: str, name: str) -> Mapping[str, Any]:
    wanted = (namespace, name)
    return next((item for item in items if (item["metadata"]["namespace"], item["metadata"]["name"]) == wanted), {})
