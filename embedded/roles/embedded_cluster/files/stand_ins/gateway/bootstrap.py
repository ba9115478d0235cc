# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Envoy starts with: who it is to istiod, where it gets everything else from, and its own status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .policies import typed

Json = dict[str, Any]

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_META = "ISTIO_META_"


def node(pod: Mapping[str, Any], address: str, environment: Mapping[str, str]) -> Json:
    """The node of a gateway's Pod, as pilot-agent makes it (istio/istio, pkg/bootstrap/config.go, getNodeMetaData)."""
    metadata, spec = pod["metadata"], pod["spec"]
    name, namespace = metadata["name"], metadata["namespace"]
    (image,) = [item["image"] for item in spec["containers"] if item["name"] == "istio-proxy"]
    return {
        "id": f"router~{address}~{name}.{namespace}~{namespace}.svc.cluster.local",
        "cluster": f"{environment.get(f'{_META}WORKLOAD_NAME', name)}.{namespace}",
        "metadata": {
            **{key.removeprefix(_META): value for key, value in environment.items() if key.startswith(_META)},
            "NAME": name,
            "NAMESPACE": namespace,
            "INSTANCE_IPS": address,
            "SERVICE_ACCOUNT": spec.get("serviceAccountName") or "default",
            "LABELS": metadata.get("labels") or {},
            "ISTIO_VERSION": image.rpartition(":")[2],
        },
    }


def bootstrap(who: Json, relay: str, admin: int, status: int) -> Json:
    """``relay``: the socket of the relay; ``status``: the port of the readiness of a gateway's Pod."""
    # As in Istio's own: until it has its first configuration, Envoy is not ready.
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    local = {"socket_address": {"address": "127.0.0.1", "port_value": admin}}
    service = {"envoy_grpc": {"cluster_name": "relay"}}
    # Lets the values of a limit's descriptor hold facts about the request.
    runtime = {"envoy.reloadable_features.enable_formatter_for_ratelimit_action_descriptor_value": True}
    return {
        "node": who,
        "admin": {"address": local},
        "dynamic_resources": {
            "ads_config": {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [service]},
            "cds_config": source,
            "lds_config": source,
        },
        "static_resources": {
            "listeners": [_status(status)],
            "clusters": [_cluster("admin", local), _relay(relay)],
        },
        "layered_runtime": {"layers": [{"name": "static", "static_layer": runtime}]},
    }


def _cluster(name: str, address: Json) -> Json:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _relay(path: str) -> Json:
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = typed(kind, {"explicit_http_config": {"http2_protocol_options": {}}})
    return {**_cluster("relay", {"pipe": {"path": path}}), "typed_extension_protocol_options": {kind: http2}}


def _status(port: int) -> Json:
    routes = [{"match": {"path": "/healthz/ready"}, "route": {"cluster": "admin", "prefix_rewrite": "/ready"}}]
    router = typed("envoy.extensions.filters.http.router.v3.Router", {})
    content = {
        "stat_prefix": "status",
        "route_config": {"name": "status", "virtual_hosts": [{"name": "status", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": typed(_MANAGER, content)}
    return {
        "name": "status",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [manager]}],
    }
