# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway's relay changes in istiod's configuration."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway import (
    kuadrant,
    xds,
)
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway.places import Places
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway.rewriting import (
    Rewriting,
    predicates,
)
from tests.support import gateway_objects as objects
from tests.support.discovery import (
    PORTS,
    ROUTER,
    STATS,
    assignment,
    dialled,
    filters,
    listener,
    numbered,
    places,
    rewriting,
    rewritten,
    route,
    routes,
    service,
    settings,
    wasm,
)
from tests.support.gateway_objects import HOST

# --- listeners


def test_listeners_are_moved_to_loopback_and_others_are_left_out() -> None:
    made = Rewriting(PORTS, Places()).resources(xds.LISTENER, [listener(), listener(port=8088), listener(port=443)])
    sockets = [xds.Listener.FromString(item.value).address.socket_address for item in made]
    assert [(item.address, item.port_value) for item in sockets] == [("127.0.0.1", 20080), ("127.0.0.1", 20443)]


def test_a_listener_that_is_left_out_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    by = Rewriting(PORTS, Places())
    for _unused in range(2):
        by.resources(xds.LISTENER, [listener(port=8088)])
    assert caplog.messages == ["listener 0.0.0.0_8088 is not served here, only those of the ports 80, 443"]


def test_our_filters_are_where_kuadrants_is_and_istios_metrics_are_left_out() -> None:
    before, after = ({"name": name, "typed_config": ROUTER["typed_config"]} for name in ("before", "after"))
    (made,) = Rewriting(PORTS, Places()).resources(xds.LISTENER, [listener(STATS, before, wasm(), after)])
    names = list(filters(made))
    assert (names[0], names[-2:]) == ("before", ["after", "envoy.filters.http.router"])
    assert names[1:3] == ["no-false-path", "auth-service"]
    assert {"ratelimit-service", "ratelimit-check-service", "ratelimit-report-service"} <= set(names)


def test_what_is_not_changed_stays_byte_by_byte() -> None:
    given = listener(ROUTER)
    parsed = xds.Listener.FromString(given.value)
    # A field that is not declared here, and one that is set to its default.
    extended = given.value + b"\xfa\x7f\x03abc"
    (made,) = Rewriting({80: 80}, Places()).resources(
        xds.LISTENER, [xds.AnyMessage(type_url=xds.LISTENER, value=extended)]
    )
    assert b"\xfa\x7f\x03abc" in made.value
    changed = xds.Listener.FromString(made.value)
    ((place,),) = (chain.filters for chain in changed.filter_chains)
    manager = xds.ConnectionManager.FromString(place.typed_config.value)
    # But for the log by which requests are counted.
    assert [log.name for log in manager.access_log] == ["envoy.access_loggers.stdout"]
    del manager.access_log[:]
    place.typed_config.value = manager.SerializeToString(deterministic=True)
    assert changed.filter_chains == parsed.filter_chains
    empty = xds.Route()
    empty.match.prefix = ""
    assert xds.Route.FromString(empty.SerializeToString()).match.HasField("prefix")


@pytest.mark.parametrize(("mode", "deny"), [("allow", False), ("deny", True)])
def test_failure_modes_and_time_limits_are_the_operators(mode: str, deny: bool) -> None:
    given = listener(wasm(objects.action_set("/qwen"), limits=mode))
    (made,) = Rewriting(PORTS, Places()).resources(xds.LISTENER, [given])
    by_name = filters(made)
    assert by_name["auth-service"]["failure_mode_allow"] is False
    assert by_name["auth-service"]["grpc_service"]["timeout"] == "0.2s"
    assert by_name["ratelimit-service"]["failure_mode_deny"] is deny
    assert by_name["ratelimit-service"]["timeout"] == "0.1s"


def test_token_counts_are_read_from_answers_and_reported_at_their_end() -> None:
    hits = 'responseBodyJSON("/usage/total_tokens")'
    report = objects.limit_action(kind="ratelimit-report", hits=hits)
    given = listener(wasm(objects.action_set("/qwen", report)))
    by = Rewriting(PORTS, Places())
    (made,) = by.resources(xds.LISTENER, [given])
    assert list(filters(made))[-3:] == ["json_to_metadata", "sse_to_metadata", "envoy.filters.http.router"]
    (limit,) = settings(rewritten(route("/qwen"), by=by)[0])["ratelimit-report-service"]["rate_limits"]
    assert limit["apply_on_stream_done"] is True
    assert limit["actions"][-1]["generic_key"]["descriptor_value"] == "%DYNAMIC_METADATA(kuadrant.response.body)%"


# --- clusters and endpoints


def cluster(kind: int, *addresses: tuple[str, int]) -> Any:
    made = xds.Cluster(name="c", type=kind, transport_socket_matches=[b"mutual TLS"])
    made.load_assignment.CopyFrom(assignment(*addresses))
    return xds.AnyMessage(type_url=xds.CLUSTER, value=made.SerializeToString())


def test_endpoints_lead_to_local_processes_and_the_others_are_left_out() -> None:
    known = places(
        objects.pod("model", {"8080": 21000}, address="198.19.0.2"), objects.pod("simulated", {}, address="198.19.0.3")
    )
    given = assignment(("198.19.0.2", 8080), ("198.19.0.2", 9090), ("198.19.0.3", 8080), ("192.0.2.1", 80))
    item = xds.AnyMessage(type_url=xds.ENDPOINTS, value=given.SerializeToString())
    (made,) = Rewriting(PORTS, known).resources(xds.ENDPOINTS, [item])
    assert dialled(xds.ClusterLoadAssignment.FromString(made.value)) == [("127.0.0.1", 21000)]


def test_names_of_services_become_addresses() -> None:
    known = places(services=[service("authorino", "127.100.0.9"), service("low", "127.100.0.8", {"80": 8080})])
    names = [("authorino.llm.svc.cluster.local", 50051), ("low.llm.svc", 80), ("example.com", 443)]
    (made,) = Rewriting(PORTS, known).resources(xds.CLUSTER, [cluster(xds.STRICT_DNS, *names)])
    changed = xds.Cluster.FromString(made.value)
    assert dialled(changed.load_assignment) == [("127.100.0.9", 50051), ("127.100.0.8", 8080)]
    assert changed.type == xds.STATIC


def test_a_cluster_that_dials_what_it_is_told_is_left_out_and_so_is_tls_between_sidecars() -> None:
    by = Rewriting(PORTS, Places())
    assert by.resources(xds.CLUSTER, [cluster(xds.ORIGINAL_DST)]) == []
    (made,) = by.resources(xds.CLUSTER, [cluster(xds.EDS)])
    changed = xds.Cluster.FromString(made.value)
    assert (changed.type, list(changed.transport_socket_matches)) == (xds.EDS, [])


def test_a_service_outside_loopback_is_nowhere() -> None:
    known = places(services=[service("none", "None"), service("outside", "10.0.0.1")])
    assert known.local("none.llm.svc", 80) == []
    assert known.local("outside.llm.svc", 80) == []


def test_the_name_of_a_service_without_an_address_stands_for_its_ready_pods() -> None:
    known = places(
        objects.pod("one", {"8081": 21001}, address="198.19.0.2"),
        objects.pod("two", {"8081": 21002}, address="198.19.0.3"),
        objects.pod("three", {"8081": 21003}, address="198.19.0.4"),
        services=[service("limitador", "None")],
    )
    found = numbered(objects.endpoints("limitador", "198.19.0.2", 8081))
    other = {"addresses": ["198.19.0.3"], "conditions": {}}
    unready = {"addresses": ["198.19.0.4"], "conditions": {"ready": False}}
    item = {**found, "endpoints": [*found["endpoints"], other, unready]}
    known.seen("endpointslices", "ADDED", item)
    assert known.local("limitador.llm.svc.cluster.local", 8081) == []
    item["metadata"]["labels"]["service.kubernetes.io/headless"] = ""
    known.seen("endpointslices", "MODIFIED", numbered(item, 2))
    given = cluster(xds.STRICT_DNS, ("limitador.llm.svc.cluster.local", 8081))
    (made,) = Rewriting(PORTS, known).resources(xds.CLUSTER, [given])
    assert dialled(xds.Cluster.FromString(made.value).load_assignment) == [("127.0.0.1", 21001), ("127.0.0.1", 21002)]


def test_an_address_belongs_to_the_newest_state_of_its_pod() -> None:
    known = Places()
    changed = asyncio.Event()
    known.listen(changed)
    pod = objects.pod("model", {"8080": 21000}, address="198.19.0.2")
    known.seen("pods", "ADDED", numbered(pod, 5))
    assert changed.is_set()
    known.seen("pods", None, numbered(objects.pod("model", {"8080": 20999}, address="198.19.0.2"), 4))
    assert known.local("198.19.0.2", 8080) == [("127.0.0.1", 21000)]
    changed.clear()
    known.seen("pods", "MODIFIED", numbered(pod, 6))
    assert not changed.is_set()
    known.seen("pods", "MODIFIED", numbered({**pod, "status": {**pod["status"], "phase": "Failed"}}, 7))
    assert known.local("198.19.0.2", 8080) == []


# --- routes


def test_an_action_set_decides_about_its_route() -> None:
    by = rewriting(wasm(objects.action_set("/qwen", objects.limit_action())))
    found = settings(rewritten(route("/qwen"), by=by)[0])
    assert found["auth-service"]["check_settings"] == {"context_extensions": {"host": "auth-1"}}
    (limit,) = found["ratelimit-service"]["rate_limits"]
    values = {
        item["generic_key"]["descriptor_key"]: item["generic_key"]["descriptor_value"] for item in limit["actions"]
    }
    assert json.loads(values["kuadrant.action"]) == objects.limit_action()
    assert "apply_on_stream_done" not in limit
    assert "ratelimit-report-service" not in found


def test_a_route_that_kuadrant_does_not_know_is_open_as_upstream() -> None:
    by = rewriting(wasm(objects.action_set("/qwen")))
    (only,) = rewritten(route("/other"), by=by)
    assert only == route("/other")
    (made,) = by.resources(xds.ROUTES, [routes(route("/other"))])
    assert settings(xds.RouteConfiguration.FromString(made.value))["auth-service"] == {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
        "disabled": True,
    }


def test_without_kuadrants_filter_routes_are_istios() -> None:
    given = routes(route("/qwen"))
    assert rewriting().resources(xds.ROUTES, [given]) == [given]


def test_an_action_set_of_a_wider_path_covers_a_narrower_route() -> None:
    by = rewriting(wasm(objects.action_set("/qwen")))
    assert settings(rewritten(route("/qwen/new"), by=by)[0])["auth-service"]["check_settings"]
    assert settings(rewritten(route(path="/qwen/exact"), by=by)[0])["auth-service"]["check_settings"]


def test_the_slash_at_the_end_of_a_prefix_makes_no_difference() -> None:
    by = rewriting(wasm(objects.action_set("/qwen/")))
    assert settings(rewritten(route("/qwen"), by=by)[0])["auth-service"]["check_settings"]


def test_hosts_are_compared_byte_by_byte_as_kuadrants_filter_does() -> None:
    known, overlooked = rewritten(route("/qwen", method="GET"), by=rewriting(wasm(objects.action_set("/qwen"))))
    method, condition = known.match.headers
    assert (method.name, condition.name) == (":method", ":authority")
    expression = condition.string_match.safe_regex.regex
    assert [
        name for name in (HOST, f"{HOST}:80", HOST.upper(), f"{HOST}.", f"x{HOST}") if re.fullmatch(expression, name)
    ] == [HOST, f"{HOST}:80"]
    assert settings(known)["auth-service"]["check_settings"]
    assert overlooked == route("/qwen", method="GET")


def test_a_route_without_kuadrants_filter_has_none_of_ours() -> None:
    off = route("/qwen")
    off.typed_per_filter_config.add(key="envoy.filters.http.wasm")
    assert rewritten(off, by=rewriting(wasm(objects.action_set("/qwen")))) == [off]


def test_matches_have_the_predicates_that_the_operator_makes_of_them() -> None:
    made = route("/qwen", method="POST")
    made.match.headers.add(name="X-Tier").string_match.exact = "gold"
    made.match.query_parameters.add(name="v").string_match.exact = "1"
    assert predicates(made.match) == (
        "request.method == 'POST'",
        "request.url_path.startsWith('/qwen')",
        "request.headers.exists(h, h.lowerAscii() == 'x-tier' && request.headers[h] == 'gold')",
        "'v' in queryMap(request.query) ? queryMap(request.query)['v'] == '1' : false",
    )
    assert predicates(route(path="/x").match) == ("request.url_path == '/x'",)


@pytest.mark.parametrize(("text", "value"), [("200ms", 0.2), ("1m30s", 90.0), ("1h", 3600.0), ("0s", 0.0)])
def test_durations(text: str, value: float) -> None:
    assert kuadrant.seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "1d", "1 s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        kuadrant.seconds(text)
