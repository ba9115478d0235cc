# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kuadrant's actions as Envoy's own filters: external authorization, and rate limits that the Limitador Pod counts.

An action reaches the Limitador stand-in as it is in the wasm configuration, together with what its expressions may ask
about the request: they are evaluated there (stand_ins.limitador.actions). So a limit's conditions, counters and token
counts are the operator's own, and Limitador's failure acts as the operator's failure mode says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..limitador.actions import ACTION, AUTH_DATA, HEADER, REQUEST_BODY, RESPONSE_BODY
from .kuadrant import AUTH, CHECK, LIMIT, REPORT, Kuadrant, Service

Json = dict[str, Any]

_TYPE = "type.googleapis.com/"
_EXT_AUTHZ = "envoy.filters.http.ext_authz"
_EXT_AUTHZ_PER_ROUTE = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
_POINTER = re.compile(r"""(request|response)BodyJSON\(\s*["']([^"']+)["']\s*\)""")
_HEADER = re.compile(r"""request\.headers\[\s*["']([A-Za-z0-9-]+)["']\s*\]""")
_BODIES = {"request": REQUEST_BODY, "response": RESPONSE_BODY}
# Read from the request as it came, not as it was rewritten on its way.
_REQUEST = {
    "request.method": "%REQ(:METHOD)%",
    "request.path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "request.host": "%REQ(:AUTHORITY)%",
    "source.address": "%DOWNSTREAM_REMOTE_ADDRESS%",
}


def typed(kind: str, content: Mapping[str, Any]) -> Json:
    return {"@type": _TYPE + kind, **content}


def stand_in_filters(kuadrant: Kuadrant) -> list[Json]:
    """The HTTP filters that act as Kuadrant's wasm filter does, in its order."""
    made = [_no_false_path()]
    made += [_authorization(name, service) for name, service in kuadrant.named(AUTH).items()]
    for kind in (LIMIT, CHECK, REPORT):
        made += [_rate_limit(name, service) for name, service in kuadrant.named(kind).items()]
    return made + _body_readers(kuadrant)


def route_policies(kuadrant: Kuadrant, actions: Iterable[Mapping[str, Any]]) -> Json:
    """``typed_per_filter_config`` of a route with these actions. What none of them asks for does nothing."""
    by_service: dict[str, list[Mapping[str, Any]]] = {name: [] for name in kuadrant.services}
    for action in actions:
        by_service.setdefault(str(action.get("service")), []).append(action)
    made: Json = {}
    for name, service in kuadrant.services.items():
        wanted = by_service[name]
        if not wanted:
            continue
        if service.kind == AUTH:
            # The scope is the host of the AuthConfig.
            settings = {"context_extensions": {"host": wanted[0]["scope"]}}
            made[name] = typed(_EXT_AUTHZ_PER_ROUTE, {"check_settings": settings})
        else:
            limits = [_descriptor(action, done=service.kind == REPORT) for action in wanted]
            made[name] = typed("envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute", {"rate_limits": limits})
    return made


def default_policies(kuadrant: Kuadrant) -> Json:
    """``typed_per_filter_config`` of all routes without one: Kuadrant's filter asks nobody where it has no rules.

    It cannot be the filter itself that is off by default: Envoy decides that before a filter has changed the host.
    """
    return {name: typed(_EXT_AUTHZ_PER_ROUTE, {"disabled": True}) for name in kuadrant.named(AUTH)}


def _no_false_path() -> Json:
    """A client must not choose what limits take for the path of its request."""
    content = {"mutations": {"request_mutations": [{"remove": "x-envoy-original-path"}]}}
    kind = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    return {"name": "no-false-path", "typed_config": typed(kind, content)}


def _authorization(name: str, service: Service) -> Json:
    content = {
        "transport_api_version": "V3",
        "failure_mode_allow": not service.deny_on_failure,
        "status_on_error": {"code": "InternalServerError"},
        "grpc_service": {"envoy_grpc": {"cluster_name": service.cluster}, "timeout": f"{service.timeout:g}s"},
    }
    return {"name": name, "typed_config": typed("envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", content)}


def _rate_limit(name: str, service: Service) -> Json:
    content = {
        "domain": service.kind,
        "failure_mode_deny": service.deny_on_failure,
        "timeout": f"{service.timeout:g}s",
        "disable_x_envoy_ratelimited_header": True,
        "rate_limit_service": {
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": service.cluster}},
        },
    }
    return {"name": name, "typed_config": typed("envoy.extensions.filters.http.ratelimit.v3.RateLimit", content)}


def _descriptor(action: Mapping[str, Any], *, done: bool) -> Json:
    """One rate limit: the action and the facts. ``done``: sent when the answer is complete, or not at all when it has
    none of the values that the action wants to know from it.
    """
    text = json.dumps(action, sort_keys=True)
    entries = [_entry(ACTION, text.replace("%", "%%")), _entry(AUTH_DATA, f"%DYNAMIC_METADATA({_EXT_AUTHZ})%", "{}")]
    entries += [_entry(name, value, "-") for name, value in _REQUEST.items()]
    entries += [_entry(HEADER + name.lower(), f"%REQ({name})%", "-") for name in sorted(set(_HEADER.findall(text)))]
    pointers = {which for which, _pointer in _POINTER.findall(json.loads(json.dumps(text)).replace('\\"', '"'))}
    if "request" in pointers:
        entries.append(_entry(REQUEST_BODY, f"%DYNAMIC_METADATA({REQUEST_BODY})%", "{}"))
    if "response" in pointers:
        entries.append(_entry(RESPONSE_BODY, f"%DYNAMIC_METADATA({RESPONSE_BODY})%"))
    return {"actions": entries, **({"apply_on_stream_done": True} if done else {})}


def _entry(name: str, value: str, default: str = "") -> Json:
    content = {"descriptor_key": name, "descriptor_value": value}
    return {"generic_key": content | ({"default_value": default} if default else {})}


def _body_readers(kuadrant: Kuadrant) -> list[Json]:
    """Filters that keep those values of JSON bodies, and of event streams, that some action asks for."""
    text = json.dumps([item.actions for item in kuadrant.action_sets]).replace('\\"', '"')
    wanted = sorted(set(_POINTER.findall(text)))
    if not wanted:
        return []
    rules = {
        f"{side}_rules": {
            "rules": [_json_rule(which, pointer) for which, pointer in wanted if which == side],
            "allow_content_types_regex": {"regex": "application/json.*"},
        }
        for side in sorted({which for which, _pointer in wanted})
    }
    made = [_body_reader("json_to_metadata", "json_to_metadata.v3.JsonToMetadata", rules)]
    events = [{"rule": _json_rule(which, pointer)} for which, pointer in wanted if which == "response"]
    if events:
        parser = {
            "name": "envoy.content_parsers.json",
            "typed_config": typed("envoy.extensions.content_parsers.json.v3.JsonContentParser", {"rules": events}),
        }
        content = {"response_rules": {"content_parser": parser, "max_event_size": 1024 * 1024}}
        made.append(_body_reader("sse_to_metadata", "sse_to_metadata.v3.SseToMetadata", content))
    return made


def _body_reader(name: str, kind: str, content: Json) -> Json:
    return {"name": name, "typed_config": typed(f"envoy.extensions.filters.http.{kind}", content)}


def _json_rule(which: str, pointer: str) -> Json:
    selectors = [{"key": part} for part in pointer.strip("/").split("/")]
    return {"selectors": selectors, "on_present": {"metadata_namespace": _BODIES[which], "key": pointer}}
