# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPRoutes to Envoy's virtual hosts, by the rules of the Gateway API (gateway-api.sigs.k8s.io, HTTPRoute)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .kuadrant import Address, Kuadrant, seconds
from .policies import route_policies

Json = dict[str, Any]

_POLICIES = "typed_per_filter_config"
_PATH_RANKS = {"Exact": 2, "PathPrefix": 1, "RegularExpression": 0}


@dataclass(frozen=True)
class Match:
    """One match of one rule of a route, for one host name."""

    hostname: str
    route: Mapping[str, Any]
    rule: Mapping[str, Any]
    content: Mapping[str, Any]
    position: tuple[int, int]

    @property
    def path(self) -> tuple[str, str]:
        path = self.content.get("path") or {}
        return str(path.get("type") or "PathPrefix"), str(path.get("value") or "/")

    @property
    def precedence(self) -> tuple[Any, ...]:
        """Sorts as the Gateway API wants it: path, method, headers, query, then the older route, then its name."""
        kind, value = self.path
        meta = self.route["metadata"]
        return (
            -_PATH_RANKS.get(kind, 0),
            -len(value),
            0 if self.content.get("method") else 1,
            -len(self.content.get("headers") or ()),
            -len(self.content.get("queryParams") or ()),
            meta.get("creationTimestamp") or "",
            f"{meta['namespace']}/{meta['name']}",
            self.position,
        )

    @property
    def predicates(self) -> tuple[str, ...]:
        """The predicates that the Kuadrant operator makes of this match."""
        kind, value = self.path
        found = [f"request.method == '{self.content['method']}'"] if self.content.get("method") else []
        if self.content.get("path"):
            found.append(_PREDICATES[kind].format(value))
        for header in self.content.get("headers") or ():
            name = str(header["name"]).lower()
            found.append(
                f"request.headers.exists(h, h.lowerAscii() == '{name}' && request.headers[h] == '{header['value']}')"
            )
        for query in self.content.get("queryParams") or ():
            look = f"queryMap(request.query)['{query['name']}']"
            found.append(f"'{query['name']}' in queryMap(request.query) ? {look} == '{query['value']}' : false")
        return tuple(found)

    @property
    def example(self) -> Json:
        """The least specific request that meets the match."""
        path = self.path[1]
        return {
            "path": path,
            "url_path": path,
            "method": self.content.get("method") or "",
            "host": self.hostname,
            "headers": {str(item["name"]).lower(): item["value"] for item in self.content.get("headers") or ()},
            "query": "",
            "query_map": {item["name"]: item["value"] for item in self.content.get("queryParams") or ()},
        }


_PREDICATES = {
    "Exact": "request.url_path == '{}'",
    "PathPrefix": "request.url_path.startsWith('{}')",
    "RegularExpression": "request.url_path.matches('{}')",
}


@dataclass
class Hosts:
    """Virtual hosts of one listener, and the Services that their routes lead to."""

    virtual_hosts: list[Json] = field(default_factory=list)
    backends: dict[str, Address] = field(default_factory=dict)


def attached(route: Mapping[str, Any], gateway: Mapping[str, Any], listener: Mapping[str, Any]) -> bool:
    """Whether Istio accepted the route for that listener of the Gateway."""
    for parent in (route.get("status") or {}).get("parents") or ():
        reference = parent["parentRef"]
        namespace = reference.get("namespace") or route["metadata"]["namespace"]
        if (namespace, reference["name"]) != (gateway["metadata"]["namespace"], gateway["metadata"]["name"]):
            continue
        if reference.get("sectionName") not in {None, listener["name"]}:
            continue
        if reference.get("port") not in {None, listener["port"]}:
            continue
        if any(item["type"] == "Accepted" and item["status"] == "True" for item in parent.get("conditions") or ()):
            return True
    return False


def common_hostnames(listener: str | None, route: Sequence[str]) -> list[str]:
    """Host names that both a listener and a route serve; the more specific of each pair."""
    if not route:
        return [listener or "*"]
    if not listener:
        return list(route)
    found = [name if _covers(listener, name) else listener for name in route if _overlap(listener, name)]
    return list(dict.fromkeys(found))


def _covers(pattern: str, name: str) -> bool:
    return pattern in {"*", name} or (pattern.startswith("*.") and name.endswith(pattern[1:]) and name != pattern[2:])


def _overlap(one: str, other: str) -> bool:
    return _covers(one, other) or _covers(other, one)


def virtual_hosts(listener: Mapping[str, Any], routes: Iterable[Mapping[str, Any]], kuadrant: Kuadrant) -> Hosts:
    """Everything that the routes attached to one listener say."""
    found = Hosts()
    by_host: dict[str, list[Match]] = {}
    for match in _matches(listener, routes):
        by_host.setdefault(match.hostname, []).append(match)
    for hostname, matches in sorted(by_host.items()):
        entries: list[Json] = []
        for match in sorted(matches, key=lambda item: item.precedence):
            entries += _routes(match, kuadrant, found.backends)
        found.virtual_hosts.append({"name": hostname, "domains": [hostname], "routes": entries})
    return found


def _matches(listener: Mapping[str, Any], routes: Iterable[Mapping[str, Any]]) -> Iterator[Match]:
    for route in routes:
        spec = route["spec"]
        for hostname in common_hostnames(listener.get("hostname"), spec.get("hostnames") or ()):
            for number, rule in enumerate(spec.get("rules") or ()):
                everything = [{"path": {"type": "PathPrefix", "value": "/"}}]
                for place, content in enumerate(rule.get("matches") or everything):
                    yield Match(hostname, route, rule, content, (number, place))


def _routes(match: Match, kuadrant: Kuadrant, backends: dict[str, Address]) -> list[Json]:
    """The match for hosts that Kuadrant's filter knows, then for those that Envoy alone takes for the same.

    Envoy compares hosts without regard to case. The filter (wasm-shim 0.14.1, src/kuadrant/pipeline/factory.rs,
    select_blueprint) compares bytes up to the first colon, and lets a request through for whose host it has no rules.
    """
    made = _route(match, backends)
    chosen = kuadrant.action_set(match.hostname, match.predicates, match.example)
    unknown = {**made, _POLICIES: route_policies(kuadrant, ())}
    if not chosen:
        return [unknown]
    same_bytes = {"name": ":authority", "string_match": {"safe_regex": {"regex": _host_bytes(match.hostname)}}}
    condition = {**made["match"], "headers": [*made["match"].get("headers", []), same_bytes]}
    return [{**made, "match": condition, _POLICIES: route_policies(kuadrant, chosen.actions)}, unknown]


def _host_bytes(hostname: str) -> str:
    if hostname == "*":
        return ".*"
    any_name, rest = ("[^:]+", hostname[1:]) if hostname.startswith("*") else ("", hostname)
    return f"{any_name}{re.escape(rest)}(:.*)?"


def _route(match: Match, backends: dict[str, Address]) -> Json:
    metadata = match.route["metadata"]
    # Istio's name of a rule (pilot/pkg/config/kube/gateway/conversion.go, convertHTTPRoute).
    name = match.rule.get("name") or f"{metadata['namespace']}.{metadata['name']}.{match.position[0]}"
    made: Json = {"name": name, "match": _condition(match)}
    filters = {item["type"]: item for item in match.rule.get("filters") or ()}
    redirect = filters.get("RequestRedirect")
    if redirect:
        made["redirect"] = _redirect(match, redirect["requestRedirect"])
    else:
        made |= _action(match, filters.get("URLRewrite"), backends)
    made |= _headers("request", filters.get("RequestHeaderModifier"))
    made |= _headers("response", filters.get("ResponseHeaderModifier"))
    return made


def _condition(match: Match) -> Json:
    kind, value = match.path
    condition: Json = {}
    if kind == "Exact":
        condition["path"] = value
    elif kind == "RegularExpression":
        condition["safe_regex"] = {"regex": value}
    elif value.rstrip("/"):
        condition["path_separated_prefix"] = value.rstrip("/")
    else:
        condition["prefix"] = "/"
    headers = [_header(item) for item in match.content.get("headers") or ()]
    if match.content.get("method"):
        headers.append({"name": ":method", "string_match": {"exact": match.content["method"]}})
    if headers:
        condition["headers"] = headers
    queries = [_header(item) for item in match.content.get("queryParams") or ()]
    if queries:
        condition["query_parameters"] = queries
    return condition


def _header(item: Mapping[str, Any]) -> Json:
    regex = item.get("type") == "RegularExpression"
    return {
        "name": item["name"],
        "string_match": {"safe_regex": {"regex": item["value"]}} if regex else {"exact": item["value"]},
    }


def _action(match: Match, rewrite: Mapping[str, Any] | None, backends: dict[str, Address]) -> Json:
    clusters = [_backend(match, item) for item in match.rule.get("backendRefs") or ()]
    weighted = [(name, address, weight) for name, address, weight in clusters if weight > 0]
    if not weighted or any(address is None for _name, address, _weight in weighted):
        return {"direct_response": {"status": 500}}
    backends.update({name: address for name, address, _weight in weighted if address is not None})
    action: Json = {"timeout": _timeout(match.rule.get("timeouts") or {})}
    if len(weighted) == 1:
        action["cluster"] = weighted[0][0]
    else:
        weights = [{"name": name, "weight": weight} for name, _address, weight in weighted]
        action["weighted_clusters"] = {"clusters": weights}
    if rewrite:
        action |= _rewrite(match, rewrite["urlRewrite"])
    return {"route": action}


def _backend(match: Match, item: Mapping[str, Any]) -> tuple[str, Address | None, int]:
    """Cluster name, Service and weight. A backend that Istio does not allow the route to use has no Service."""
    namespace = item.get("namespace") or match.route["metadata"]["namespace"]
    weight = int(item.get("weight", 1))
    if item.get("kind", "Service") != "Service" or (
        namespace != match.route["metadata"]["namespace"] and not _references_resolved(match.route)
    ):
        return "", None, weight
    address = Address(namespace, item["name"], int(item.get("port") or 0))
    return f"{address.namespace}/{address.service}:{address.port}", address, weight


def _references_resolved(route: Mapping[str, Any]) -> bool:
    conditions = [
        item for parent in (route.get("status") or {}).get("parents") or () for item in parent.get("conditions") or ()
    ]
    return not any(item["type"] == "ResolvedRefs" and item["status"] != "True" for item in conditions)


def _timeout(timeouts: Mapping[str, str]) -> str:
    """The shorter of both limits; without any a request may take as long as it likes."""
    limits = [seconds(text) for text in timeouts.values() if seconds(text) > 0]
    return f"{min(limits):g}s" if limits else "0s"


def _rewrite(match: Match, rewrite: Mapping[str, Any]) -> Json:
    made: Json = {}
    if rewrite.get("hostname"):
        made["host_rewrite_literal"] = rewrite["hostname"]
    path = rewrite.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        made["regex_rewrite"] = {"pattern": {"regex": "^.*$"}, "substitution": _literal(path["replaceFullPath"])}
    elif path.get("type") == "ReplacePrefixMatch":
        made["regex_rewrite"] = _replace_prefix(match.path[1], path["replacePrefixMatch"])
    return made


def _replace_prefix(prefix: str, replacement: str) -> Json:
    """Neither doubles the slash between both parts nor leaves the path without its first one."""
    matched, new = prefix.rstrip("/"), replacement.rstrip("/")
    if new:
        return {"pattern": {"regex": f"^{re.escape(matched)}(/.*)?$"}, "substitution": f"{_literal(new)}\\1"}
    return {"pattern": {"regex": f"^{re.escape(matched)}/*(.*)$"}, "substitution": "/\\1"}


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\")


def _redirect(match: Match, redirect: Mapping[str, Any]) -> Json:
    made: Json = {"response_code": "FOUND" if redirect.get("statusCode", 302) == 302 else "MOVED_PERMANENTLY"}
    for key, name in (("scheme", "scheme_redirect"), ("hostname", "host_redirect"), ("port", "port_redirect")):
        if redirect.get(key):
            made[name] = redirect[key]
    path = redirect.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        made["path_redirect"] = path["replaceFullPath"]
    elif path.get("type") == "ReplacePrefixMatch":
        made["regex_rewrite"] = _replace_prefix(match.path[1], path["replacePrefixMatch"])
    return made


def _headers(which: str, item: Mapping[str, Any] | None) -> Json:
    if not item:
        return {}
    content = item[f"{which}HeaderModifier"]
    changes = [(entry, "OVERWRITE_IF_EXISTS_OR_ADD") for entry in content.get("set") or ()]
    changes += [(entry, "APPEND_IF_EXISTS_OR_ADD") for entry in content.get("add") or ()]
    made: Json = {}
    if changes:
        made[f"{which}_headers_to_add"] = [
            {"header": {"key": entry["name"], "value": entry["value"].replace("%", "%%")}, "append_action": how}
            for entry, how in changes
        ]
    if content.get("remove"):
        made[f"{which}_headers_to_remove"] = content["remove"]
    return made
