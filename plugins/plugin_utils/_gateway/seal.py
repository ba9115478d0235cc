# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seal of the Gateway: an EnvoyFilter of plain Envoy filters around Kuadrant's own.

Kuadrant's filter lets a request through for whose host and path it has no rules: a spelling of the host that Envoy
takes for the same, a route that is newer than its configuration, a policy that was deleted, a filter that could not be
loaded. So the filter does not have the last word. Before it, the header that says who the caller is, is removed from
every request; the AuthPolicies alone add it; after it, a request that lacks it is refused with 403.

In the order in which a request passes them:

1. ``header_mutation`` removes the headers that only policies may set.
2. ``lua`` writes the host in lower case, as Kuadrant's filter compares bytes, and removes what looks like such a
   header.
3. Istio's own filters, then Kuadrant's.
4. ``rbac`` refuses what no policy has admitted. A request that no route serves gets 404 as ever.
5. ``header_to_metadata`` moves the user into the metadata ``llmops.maas: user``, where access logs find it.
6. ``header_mutation`` removes the caller's credentials, so that no backend sees them.

The order holds whatever else is there: 1 and 2 are inserted first, and the rest directly before the router by an
EnvoyFilter that Istio applies after Kuadrant's, which has the priority 0 (Istio, EnvoyFilter ``priority``). Were the
order ever another one, requests would be refused, not let through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import PART_OF
from ansible_collections.llmops.maas.plugins.plugin_utils._kuadrant.wasm import FILTER

Json = dict[str, Any]

# Headers that policies set: who the caller is, and the models that the caller may use (for the Pod that lists them).
USER_HEADER = "x-maas-user"
MODELS_HEADER = "x-maas-models"
# Kuadrant's EnvoyFilters have 0.
_PRIORITY = 10
# A path that Envoy answers itself and that Kuadrant's filter is not asked about: 403 there proves that the seal is in
# force.
PROBE_PATH = "/.well-known/llmops-maas/seal"
# No rule of an HTTPRoute can have this name, for a slash is not allowed in it.
_NO_ROUTE = "llmops.maas/no-route"
# The most rules that an HTTPRoute may have (Gateway API, HTTPRouteSpec).
_RULES = 16
_EXTENSIONS = "type.googleapis.com/envoy.extensions.filters.http."
_ROUTE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_LUA = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  local host = headers:get(":authority")
  if host and host ~= string.lower(host) then
    headers:replace(":authority", string.lower(host))
  end
  local forged = {}
  for name, _ in pairs(headers) do
    if string.find(name, "^x[-_]maas[-_]") then
      table.insert(forged, name)
    end
  end
  for _, name in ipairs(forged) do
    headers:remove(name)
  end
end
"""


class SealError(ValueError):
    """The seal cannot be made as it is asked for; the message names the variable, the entry and the fix."""


def envoy_filter(
    gateway: Mapping[str, str],
    *,
    open_routes: Sequence[str] = (),
    open_paths: Sequence[str] = (),
    credential_headers: Sequence[str] = (),
    hsts: str = "",
) -> Json:
    """The EnvoyFilter for a Gateway.

    :param gateway: ``namespace`` and ``name`` of the Gateway.
    :param open_routes: ``namespace/name`` of the HTTPRoutes that anybody may use. Raises SealError for another form.
    :param open_paths: beginnings of paths that anybody may use, such as that of an ACME server's questions.
    :param credential_headers: headers that carry callers' credentials, in any case.
    :param hsts: value of ``Strict-Transport-Security`` on port 443; empty for none.
    """
    for number, route in enumerate(open_routes):
        if not _ROUTE_NAME.fullmatch(route):
            raise SealError(f"maas_verify_open_routes[{number}]: {route!r} is no route; write namespace/name")
    forged = {"request_mutations": [{"remove": name} for name in (USER_HEADER, MODELS_HEADER)]}
    credentials = [{"remove": name.lower()} for name in dict.fromkeys(credential_headers)]
    patches = [
        _first("host", "lua.v3.Lua", {"default_source_code": {"inline_string": _LUA}}),
        _first("identity", "header_mutation.v3.HeaderMutation", {"mutations": forged}),
        _last("seal", "rbac.v3.RBAC", {"rules": _rules(open_routes, open_paths)}),
        _last("user", "header_to_metadata.v3.Config", {"request_rules": [_user_rule()]}),
        _last("credentials", "header_mutation.v3.HeaderMutation", {"mutations": {"request_mutations": credentials}}),
        *_answers(),
    ]
    if hsts:
        patches.append(_strict_transport(hsts))
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {
            "name": f"{gateway['name']}-seal",
            "namespace": gateway["namespace"],
            "labels": PART_OF,
        },
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway["name"]}],
            "priority": _PRIORITY,
            "configPatches": patches,
        },
    }


def _rules(open_routes: Sequence[str], open_paths: Sequence[str]) -> Json:
    """Rules of the RBAC filter: admitted by a policy, or no route at all, or open by the route's name or path."""
    anybody: Json = {"permissions": [{"any": True}], "principals": [{"any": True}]}
    admitted = {**anybody, "permissions": [{"header": {"name": USER_HEADER, "present_match": True}}]}
    # Istio's names of a route's rules (pilot/pkg/config/kube/gateway/conversion.go, convertHTTPRoute).
    names = [f"{route.replace('/', '.')}.{rule}" for route in open_routes for rule in range(_RULES)]
    policies = {
        "admitted-by-a-policy": admitted,
        "no-route-or-open-by-name": {**anybody, "condition": _route_name_in([_NO_ROUTE, *names])},
    }
    if open_paths:
        paths = [{"url_path": {"path": {"prefix": path}}} for path in open_paths]
        policies["open-by-path"] = {**anybody, "permissions": paths}
    return {"action": "ALLOW", "policies": policies}


def _route_name_in(names: Sequence[str]) -> Json:
    """The CEL expression ``xds.route_name in [...]``, parsed, as Envoy's RBAC takes it (google.api.expr.v1alpha1)."""
    route = {"select_expr": {"operand": {"ident_expr": {"name": "xds"}}, "field": "route_name"}}
    elements = [{"const_expr": {"string_value": name}} for name in names]
    return {"call_expr": {"function": "@in", "args": [route, {"list_expr": {"elements": elements}}]}}


def _user_rule() -> Json:
    present = {"metadata_namespace": "llmops.maas", "key": "user"}
    return {"header": USER_HEADER, "on_header_present": present, "remove": True}


def _answers() -> list[Json]:
    """Two routes of every virtual host: the path that only the seal refuses, and what no other route serves.

    A policy of a route that has every path would else answer for the seal.
    """
    off = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
    probe = {
        "name": "llmops.maas/seal",
        "match": {"path": PROBE_PATH},
        "direct_response": {"status": 200},
        "typed_per_filter_config": {FILTER: off},
    }
    nothing = {"name": _NO_ROUTE, "match": {"prefix": "/"}, "direct_response": {"status": 404}}
    return [
        {"applyTo": "HTTP_ROUTE", "match": {"context": "GATEWAY"}, "patch": {"operation": operation, "value": value}}
        for operation, value in (("INSERT_FIRST", probe), ("ADD", nothing))
    ]


def _strict_transport(value: str) -> Json:
    """On every answer of port 443, also on those of Envoy and of Kuadrant's filter (RFC 6797, section 7.2)."""
    header = {"key": "strict-transport-security", "value": value}
    mutation = {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    content = {"mutations": {"response_mutations": [mutation]}}
    patch = _first("strict-transport", "header_mutation.v3.HeaderMutation", content)
    patch["match"]["listener"]["portNumber"] = 443
    return patch


def _first(name: str, kind: str, content: Json) -> Json:
    return _http_filter("INSERT_FIRST", name, kind, content)


def _last(name: str, kind: str, content: Json) -> Json:
    """Directly before the router, after what was inserted there earlier."""
    return _http_filter("INSERT_BEFORE", name, kind, content, {"subFilter": {"name": "envoy.filters.http.router"}})


def _http_filter(operation: str, name: str, kind: str, content: Json, anchor: Json | None = None) -> Json:
    manager = {"name": "envoy.filters.network.http_connection_manager", **(anchor or {})}
    value = {"name": f"llmops.maas.{name}", "typed_config": {"@type": _EXTENSIONS + kind, **content}}
    match = {"context": "GATEWAY", "listener": {"filterChain": {"filter": manager}}}
    return {"applyTo": "HTTP_FILTER", "match": match, "patch": {"operation": operation, "value": value}}
