# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources as istiod sends them to a gateway, and what the relay makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway import xds
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway.places import Places
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway.rewriting import Rewriting
from tests.support import gateway_objects as objects
from tests.support.gateway_objects import HOST, Json

PORTS = {80: 20080, 443: 20443}
ROUTER: Json = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}
STATS: Json = {"name": "istio.stats", "typed_config": {"@type": "type.googleapis.com/stats.PluginConfig"}}


def wasm(*action_sets: Json, limits: str = "allow") -> Json:
    return objects.wasm_filter(objects.wasm_configuration(*action_sets, limits=limits))


def typed_struct(content: Json) -> Any:
    """As istiod passes on what an EnvoyFilter has."""
    if "type_url" not in content:
        return xds.packed(content)
    message = xds.packed({"@type": content["type_url"], **content["value"]})
    message.type_url = content["@type"]
    return message


def listener(*filters: Json, port: int = 80) -> Any:
    manager = xds.ConnectionManager()
    for item in (*filters, ROUTER):
        manager.http_filters.add(name=item["name"], typed_config=typed_struct(item["typed_config"]))
    made = xds.Listener(name=f"0.0.0.0_{port}")
    made.address.socket_address.address, made.address.socket_address.port_value = "0.0.0.0", port
    place = made.filter_chains.add().filters.add(name="envoy.filters.network.http_connection_manager")
    place.typed_config.type_url, place.typed_config.value = xds.MANAGER, manager.SerializeToString()
    return xds.AnyMessage(type_url=xds.LISTENER, value=made.SerializeToString())


def routes(*entries: Any, hostname: str = HOST) -> Any:
    made = xds.RouteConfiguration(name="http.80")
    made.virtual_hosts.add(name=hostname, domains=[hostname]).routes.extend(entries)
    return xds.AnyMessage(type_url=xds.ROUTES, value=made.SerializeToString())


def route(prefix: str = "", path: str = "", method: str = "") -> Any:
    made = xds.Route(name=f"llm.{prefix or path}")
    if prefix:
        made.match.path_separated_prefix = prefix
    else:
        made.match.path = path
    if method:
        made.match.headers.add(name=":method").string_match.exact = method
    return made


def assignment(*addresses: tuple[str, int]) -> Any:
    made = xds.ClusterLoadAssignment(cluster_name="outbound|80||model")
    locality = made.endpoints.add()
    for address, port in addresses:
        socket = locality.lb_endpoints.add().endpoint.address.socket_address
        socket.address, socket.port_value = address, port
    return made


def dialled(made: Any) -> list[tuple[str, int]]:
    sockets = [item.endpoint.address.socket_address for part in made.endpoints for item in part.lb_endpoints]
    return [(socket.address, socket.port_value) for socket in sockets]


def numbered(item: Json, version: int = 1) -> Json:
    return {**item, "metadata": {**item["metadata"], "resourceVersion": str(version)}}


def service(name: str, address: str, moved: Json | None = None) -> Json:
    made = objects.service(name, 80, 8080)
    made["spec"]["clusterIP"] = address
    if moved:
        made["metadata"]["annotations"] = {"llmops.maas/local-ports": json.dumps(moved)}
    return numbered(made)


def places(*pods: Json, services: Sequence[Json] = ()) -> Places:
    made = Places()
    for item in pods:
        made.seen("pods", "ADDED", numbered(item))
    for item in services:
        made.seen("services", "ADDED", item)
    return made


def rewriting(*filters: Json, known: Places | None = None) -> Rewriting:
    """One that has seen a listener with these filters."""
    made = Rewriting(PORTS, known or Places())
    made.resources(xds.LISTENER, [listener(*filters)])
    return made


def filters(item: Any) -> dict[str, Json]:
    """The HTTP filters of a listener by name, those of ours with their settings."""
    (place,) = xds.Listener.FromString(item.value).filter_chains[0].filters
    manager = xds.ConnectionManager.FromString(place.typed_config.value)
    return {one.name: xds.unpacked(one.typed_config) or {} for one in manager.http_filters}


def rewritten(*entries: Any, by: Rewriting) -> list[Any]:
    (made,) = by.resources(xds.ROUTES, [routes(*entries)])
    (host,) = xds.RouteConfiguration.FromString(made.value).virtual_hosts
    return list(host.routes)


def settings(owner: Any) -> dict[str, Json]:
    return {item.key: xds.unpacked(item.value) or {} for item in owner.typed_per_filter_config}
