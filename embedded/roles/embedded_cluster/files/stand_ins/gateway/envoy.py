# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy's configuration for one Gateway: what starts it, and the files that it follows."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .endpoints import local_ports
from .kuadrant import WASM, Address, Kuadrant
from .patches import BLACKHOLE, Patch, http_filters, ordered, virtual_host
from .policies import default_policies, stand_in_filters, typed
from .routes import Hosts, attached, virtual_hosts
from .telemetry import access_log

Json = dict[str, Any]

_LISTENER = "envoy.config.listener.v3.Listener"
_CLUSTER = "envoy.config.cluster.v3.Cluster"
_ROUTES = "envoy.config.route.v3.RouteConfiguration"
_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_CORS = "envoy.filters.http.cors"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(frozen=True)
class Objects:
    """The Kubernetes objects that a Gateway's configuration is made of."""

    gateway: Mapping[str, Any] | None = None
    routes: Sequence[Mapping[str, Any]] = ()
    envoy_filters: Sequence[Mapping[str, Any]] = ()
    services: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    pods: Sequence[Mapping[str, Any]] = ()
    secrets: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Resources:
    """Envoy's configuration, and what of the Gateway cannot be served here."""

    listeners: list[Json]
    routes: list[Json]
    clusters: list[Json]
    problems: list[str]

    def files(self) -> dict[str, Json]:
        """By name, in the order in which they have to be replaced: a route may only lead to a cluster that is known.

        Envoy reads one route configuration from a file, and any number of the others.
        """
        routes = {_routes_file(item["name"]): _response([item]) for item in self.routes}
        return {"cds.json": _response(self.clusters), **routes, "lds.json": _response(self.listeners)}


def _routes_file(name: str) -> str:
    return f"rds-{name}.json"


def _response(resources: list[Json]) -> Json:
    return {"resources": resources}


def resources(objects: Objects, kuadrant: Kuadrant, ports: Mapping[int, int], directory: Path) -> Resources:
    """Everything for one Gateway. ``ports``: the local port for each port of the Gateway that can be served."""
    made = Resources([], [], [], [])
    if objects.gateway is None:
        return made
    backends = dict(kuadrant.clusters)
    patches = ordered(objects.envoy_filters, objects.gateway)
    by_port: dict[int, list[Mapping[str, Any]]] = {}
    for listener in objects.gateway["spec"].get("listeners") or ():
        by_port.setdefault(int(listener["port"]), []).append(listener)
    for port, listeners in by_port.items():
        if port not in ports:
            made.problems.append(f"port {port} is not served here, only {', '.join(map(str, sorted(ports)))}")
            continue
        hosts = [_hosts(item, objects, kuadrant) for item in listeners]
        for item in hosts:
            backends |= item.backends
        filters = _http_filters(port, patches, kuadrant)
        chains = [_chain(listener, objects, filters, directory, made) for listener in listeners]
        used = [chain for chain in chains if chain is not None]
        if used:
            plain = listeners[0]["protocol"] == "HTTP"
            address = {"socket_address": {"address": "127.0.0.1", "port_value": ports[port]}}
            content = {"name": f"port-{port}", "address": address, "filter_chains": used[:1] if plain else used}
            if not plain:
                content["listener_filters"] = [_tls_inspector()]
            made.listeners.append(typed(_LISTENER, content))
        made.routes.extend(_route_configurations(listeners, hosts, patches, kuadrant))
    made.clusters.extend(
        _cluster(name, address, objects, name in kuadrant.clusters) for name, address in backends.items()
    )
    return made


def _hosts(listener: Mapping[str, Any], objects: Objects, kuadrant: Kuadrant) -> Hosts:
    gateway = objects.gateway or {}
    return virtual_hosts(listener, [route for route in objects.routes if attached(route, gateway, listener)], kuadrant)


def _routes_name(listener: Mapping[str, Any]) -> str:
    """Listeners of plain HTTP share their port's routes; one with TLS has a filter chain, and so routes, of its own."""
    return f"port-{listener['port']}" if listener["protocol"] == "HTTP" else f"listener-{listener['name']}"


def _route_configurations(
    listeners: Iterable[Mapping[str, Any]], hosts: Iterable[Hosts], patches: Sequence[Patch], kuadrant: Kuadrant
) -> list[Json]:
    by_name: dict[str, dict[str, Json]] = {}
    for listener, found in zip(listeners, hosts, strict=True):
        known = by_name.setdefault(_routes_name(listener), {})
        for host in found.virtual_hosts:
            known.setdefault(host["name"], host)
    empty = {"name": BLACKHOLE, "domains": ["*"], "routes": []}
    made = []
    for name, known in by_name.items():
        patched = [virtual_host(host, patches) for host in known.values() or [empty]]
        content = {"name": name, "virtual_hosts": patched, "ignore_port_in_host_matching": True}
        made.append(typed(_ROUTES, {**content, "typed_per_filter_config": default_policies(kuadrant)}))
    return made


def _chain(
    listener: Mapping[str, Any], objects: Objects, filters: Sequence[Json], directory: Path, made: Resources
) -> Json | None:
    manager = _connection_manager(_routes_name(listener), filters, directory)
    chain: Json = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if listener["protocol"] == "HTTP":
        return chain
    certificate = _certificate(listener, objects)
    if listener["protocol"] != "HTTPS" or certificate is None:
        made.problems.append(f"listener {listener['name']} is not served: no certificate, or not HTTP nor HTTPS")
        return None
    if listener.get("hostname"):
        chain["filter_chain_match"] = {"server_names": [listener["hostname"]]}
    context = {"common_tls_context": {"tls_certificates": [certificate], "alpn_protocols": ["h2", "http/1.1"]}}
    chain["transport_socket"] = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", context),
    }
    return chain


def _certificate(listener: Mapping[str, Any], objects: Objects) -> Json | None:
    for reference in (listener.get("tls") or {}).get("certificateRefs") or ():
        home = (objects.gateway or {})["metadata"]["namespace"]
        secret = objects.secrets.get((reference.get("namespace") or home, reference["name"])) or {}
        data = secret.get("data") or {}
        try:
            chain, key = (base64.b64decode(data[name]).decode() for name in ("tls.crt", "tls.key"))
        except (KeyError, binascii.Error, UnicodeDecodeError):
            continue
        return {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
    return None


def _tls_inspector() -> Json:
    kind = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    return {"name": "envoy.filters.listener.tls_inspector", "typed_config": typed(kind, {})}


def _http_filters(port: int, patches: Sequence[Patch], kuadrant: Kuadrant) -> list[Json]:
    """Istio's filters for a port and the EnvoyFilters' own; the stand-in's take the place of Kuadrant's wasm filter."""
    # The filter for CORS does nothing without settings for it.
    cors = {"name": _CORS, "typed_config": typed("envoy.extensions.filters.http.cors.v3.Cors", {})}
    router = {"name": "envoy.filters.http.router", "typed_config": _router()}
    found: list[Json] = []
    for item in http_filters([cors, router], patches, port):
        found += stand_in_filters(kuadrant) if item["name"] == WASM else [item]
    return found


def _connection_manager(routes: str, filters: Sequence[Json], directory: Path) -> Json:
    source = {"path_config_source": {"path": str(directory / _routes_file(routes))}, "resource_api_version": "V3"}
    content = {
        "stat_prefix": routes,
        "rds": {"route_config_name": routes, "config_source": source},
        "http_filters": list(filters),
        "access_log": [access_log()],
        "use_remote_address": True,
        "early_header_mutation_extensions": [_no_false_path()],
        "normalize_path": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        # A stream may be silent for as long as its route's time limit lets it.
        "stream_idle_timeout": "0s",
    }
    return typed(_MANAGER, content)


def _no_false_path() -> Json:
    """A client must not choose what limits take for the path of its request."""
    kind = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    content = {"mutations": [{"remove": "x-envoy-original-path"}]}
    return {"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": typed(kind, content)}


def _router() -> Json:
    return typed("envoy.extensions.filters.http.router.v3.Router", {})


def _cluster(name: str, address: Address, objects: Objects, http2: bool) -> Json:
    service = objects.services.get((address.namespace, address.service))
    content: Json = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _assignment(name, local_ports(service, address.port, objects.pods)),
    }
    if http2:
        options: Json = {"explicit_http_config": {"http2_protocol_options": {}}}
        content["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(_HTTP_OPTIONS, options)
        }
    return typed(_CLUSTER, content)


def _assignment(name: str, ports: Iterable[int]) -> Json:
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}} for port in ports
    ]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}] if endpoints else []}


def bootstrap(directory: Path, admin: int, status: int) -> Json:
    """What Envoy starts with: an administration port, and the readiness that the Pod of a gateway has."""

    def followed(name: str) -> Json:
        return {"path_config_source": {"path": str(directory / name)}, "resource_api_version": "V3"}

    local = {"socket_address": {"address": "127.0.0.1", "port_value": admin}}
    answer = {
        "stat_prefix": "status",
        "route_config": {"name": "status", "virtual_hosts": [_status_host()]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": _router()}],
    }
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": typed(_MANAGER, answer)}
    listener = {
        "name": "status",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": status}},
        "filter_chains": [{"filters": [manager]}],
    }
    endpoint = {"cluster_name": "admin", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": local}}]}]}
    # Lets the values of a limit's descriptor hold facts about the request.
    runtime = {"envoy.reloadable_features.enable_formatter_for_ratelimit_action_descriptor_value": True}
    return {
        "node": {"id": "gateway", "cluster": "gateway"},
        "admin": {"address": local},
        "dynamic_resources": {"cds_config": followed("cds.json"), "lds_config": followed("lds.json")},
        "static_resources": {
            "listeners": [listener],
            "clusters": [{"name": "admin", "type": "STATIC", "load_assignment": endpoint}],
        },
        "layered_runtime": {"layers": [{"name": "static", "static_layer": runtime}]},
    }


def _status_host() -> Json:
    ready = {"match": {"path": "/healthz/ready"}, "route": {"cluster": "admin", "prefix_rewrite": "/ready"}}
    return {"name": "status", "domains": ["*"], "routes": [ready]}
