# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is changed in istiod's configuration of a gateway, so that an Envoy of this machine can serve by it.

- Listeners are on loopback, at the local ports of the Gateway's Pod; those at other ports are left out.
- Addresses of Pods and names of Services become what they are on this machine; what does not run here is left out, and
  so are clusters that would dial whatever a client asks for.
- TLS between sidecars is left out, as there are none.
- Istio's filter for metrics, which only Istio's own Envoy has, is left out; a log is written instead, see telemetry.py.
- The stand-in's filters take the place of Kuadrant's wasm filter, with settings on the routes that it has rules for.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import xds
from .kuadrant import WASM, ActionSet, Kuadrant, read
from .places import Places
from .policies import default_policies, route_policies, stand_in_filters
from .telemetry import access_log

Json = dict[str, Any]

LOG = logging.getLogger(__name__)

# It comes with Istio's default provider of metrics, which is no option of istiod.
_STATS = "istio.stats"


class Rewriting:
    """``ports``: the local port for each port of the Gateway that can be served."""

    def __init__(self, ports: Mapping[int, int], places: Places) -> None:
        self._ports = ports
        self._places = places
        self._kuadrant = Kuadrant()
        self._problems: set[str] = set()

    def name(self, kind: str, resource: Any) -> str:
        """Of a resource that istiod may send without the others of its kind; "" for one of the other kinds."""
        if kind == xds.ENDPOINTS:
            return str(xds.ClusterLoadAssignment.FromString(resource.value).cluster_name)
        return str(xds.RouteConfiguration.FromString(resource.value).name) if kind == xds.ROUTES else ""

    def resources(self, kind: str, found: Iterable[Any]) -> list[Any]:
        """The resources of one kind, as Envoy gets them. Routes go by the listeners that were seen last."""
        if kind == xds.LISTENER:
            return self._listeners(found)
        change = self._changes().get(kind)
        if change is None:
            return list(found)
        made = []
        for item in found:
            content = change(item.value)
            if content is not None:
                made.append(_any(kind, content))
        return made

    def _changes(self) -> dict[str, Callable[[bytes], Any | None]]:
        return {xds.CLUSTER: self._cluster, xds.ENDPOINTS: self._endpoints, xds.ROUTES: self._routes}

    # --- listeners

    def _listeners(self, found: Iterable[Any]) -> list[Any]:
        parsed = [xds.Listener.FromString(item.value) for item in found]
        managers = [(place, manager) for listener in parsed for place, manager in _managers(listener)]
        configurations = [text for _place, manager in managers for text in map(_wasm, manager.http_filters) if text]
        # Every listener of the Gateway has the same.
        self._kuadrant = read(configurations[0]) if configurations else Kuadrant()
        for place, manager in managers:
            filters = [made for item in manager.http_filters for made in self._filters(item)]
            del manager.http_filters[:]
            manager.http_filters.extend(filters)
            logged = access_log()
            manager.access_log.add(name=logged["name"], typed_config=xds.packed(logged["typed_config"]))
            place.typed_config.value = _written(manager)
        return [_any(xds.LISTENER, item) for item in parsed if self._bound(item)]

    def _bound(self, listener: Any) -> bool:
        """Moves a listener to where it is served here. False for one that is not."""
        address = listener.address.socket_address
        here = self._ports.get(address.port_value)
        if here is None:
            served = ", ".join(map(str, sorted(self._ports)))
            self._problem(f"listener {listener.name} is not served here, only those of the ports {served}")
            return False
        address.address, address.port_value = "127.0.0.1", here
        listener.ClearField("additional_addresses")
        return True

    def _problem(self, text: str) -> None:
        if text not in self._problems:
            self._problems.add(text)
            LOG.warning("%s", text)

    def _filters(self, item: Any) -> list[Any]:
        if item.name == _STATS:
            return []
        if item.name != WASM:
            return [item]
        made = stand_in_filters(self._kuadrant)
        return [xds.HttpFilter(name=one["name"], typed_config=xds.packed(one["typed_config"])) for one in made]

    # --- clusters and their endpoints

    def _cluster(self, content: bytes) -> Any | None:
        cluster = xds.Cluster.FromString(content)
        if cluster.type == xds.ORIGINAL_DST:
            return None
        cluster.ClearField("transport_socket_matches")
        if cluster.type != xds.EDS:
            # A Service's name has become an address.
            cluster.ClearField("type")
            self._move(cluster.load_assignment)
        return cluster

    def _endpoints(self, content: bytes) -> Any:
        return self._move(xds.ClusterLoadAssignment.FromString(content))

    def _move(self, assignment: Any) -> Any:
        for locality in assignment.endpoints:
            moved = [item for endpoint in locality.lb_endpoints for item in self._moved(endpoint)]
            del locality.lb_endpoints[:]
            locality.lb_endpoints.extend(moved)
        return assignment

    def _moved(self, endpoint: Any) -> list[Any]:
        """The endpoint at each place that its address stands for."""
        former = endpoint.endpoint.address.socket_address
        made = []
        for address, port in self._places.local(former.address, former.port_value):
            item = xds.LbEndpoint()
            item.CopyFrom(endpoint)
            socket = item.endpoint.address.socket_address
            socket.address, socket.port_value = address, port
            made.append(item)
        return made

    # --- routes

    def _routes(self, content: bytes) -> Any:
        configuration = xds.RouteConfiguration.FromString(content)
        _settings(configuration, default_policies(self._kuadrant))
        for host in configuration.virtual_hosts:
            hostname = str(host.domains[0])
            routes = [made for item in host.routes for made in self._by_host(hostname, item)]
            del host.routes[:]
            host.routes.extend(routes)
        return configuration

    def _by_host(self, hostname: str, route: Any) -> list[Any]:
        """The route for hosts that Kuadrant's filter knows, then for those that Envoy alone takes for the same.

        Envoy compares hosts without regard to case. The filter (wasm-shim 0.14.1, src/kuadrant/pipeline/factory.rs,
        select_blueprint) compares bytes up to the first colon, and lets a request through for whose host it has no
        rules.
        """
        chosen = self._chosen(hostname, route)
        if chosen is None:
            return [route]
        known = xds.Route()
        known.CopyFrom(route)
        condition = known.match.headers.add(name=":authority")
        condition.string_match.safe_regex.regex = _host_bytes(hostname)
        _settings(known, route_policies(self._kuadrant, chosen.actions))
        return [known, route]

    def _chosen(self, hostname: str, route: Any) -> ActionSet | None:
        if any(item.key == WASM for item in route.typed_per_filter_config):
            # The route has the filter switched off: there is nothing else that could be said of it.
            return None
        return self._kuadrant.action_set(hostname, predicates(route.match), _example(hostname, route.match))


def _managers(listener: Any) -> list[tuple[Any, Any]]:
    """The filters of a listener that serve HTTP, each with its settings."""
    chains = [*listener.filter_chains]
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    places = [place for chain in chains for place in chain.filters if place.typed_config.type_url == xds.MANAGER]
    return [(place, xds.ConnectionManager.FromString(place.typed_config.value)) for place in places]


def _wasm(item: Any) -> str:
    """The configuration of Kuadrant's filter; "" for any other."""
    content = xds.unpacked(item.typed_config) if item.name == WASM else None
    return str(content["config"]["configuration"]["value"]) if content else ""


def _any(kind: str, content: Any) -> Any:
    return xds.AnyMessage(type_url=kind, value=_written(content))


def _written(content: Any) -> bytes:
    # What has not changed must be the same bytes again.
    return bytes(content.SerializeToString(deterministic=True))


def _settings(owner: Any, settings: Mapping[str, Json]) -> None:
    for name, content in settings.items():
        owner.typed_per_filter_config.add(key=name).value.CopyFrom(xds.packed(content))


def _host_bytes(hostname: str) -> str:
    if hostname == "*":
        return ".*"
    any_name, rest = ("[^:]+", hostname[1:]) if hostname.startswith("*") else ("", hostname)
    return f"{any_name}{re.escape(rest)}(:.*)?"


def predicates(match: Any) -> tuple[str, ...]:
    """The predicates that the Kuadrant operator makes of what istiod made this match of."""
    method = [f"request.method == '{item.string_match.exact}'" for item in match.headers if item.name == ":method"]
    headers = [
        f"request.headers.exists(h, h.lowerAscii() == '{item.name.lower()}' && "
        f"request.headers[h] == '{item.string_match.exact}')"
        for item in match.headers
        if not item.name.startswith(":")
    ]
    queries = [
        f"'{item.name}' in queryMap(request.query) ? "
        f"queryMap(request.query)['{item.name}'] == '{item.string_match.exact}' : false"
        for item in match.query_parameters
    ]
    return (*method, *_path_predicate(match), *headers, *queries)


def _path_predicate(match: Any) -> list[str]:
    prefix = match.path_separated_prefix or match.prefix
    if prefix:
        return [f"request.url_path.startsWith('{prefix}')"]
    if match.path:
        return [f"request.url_path == '{match.path}'"]
    return [f"request.url_path.matches('{match.safe_regex.regex}')"]


def _example(hostname: str, match: Any) -> Json:
    """The least specific request that meets the match."""
    separated = f"{match.path_separated_prefix}/" if match.path_separated_prefix else ""
    path = str(separated or match.prefix or match.path or match.safe_regex.regex)
    headers = {item.name.lower(): item.string_match.exact for item in match.headers}
    return {
        "path": path,
        "url_path": path,
        "method": headers.pop(":method", ""),
        "host": hostname,
        "headers": headers,
        "query": "",
        "query_map": {item.name: item.string_match.exact for item in match.query_parameters},
    }
