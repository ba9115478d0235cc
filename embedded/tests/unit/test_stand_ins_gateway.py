# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway stand-in: from Gateway, HTTPRoutes and the Kuadrant operator's EnvoyFilters to Envoy's configuration."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway import (
    endpoints,
    envoy,
    kuadrant,
    routes,
    telemetry,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.seal import envoy_filter
from tests.support import gateway_objects as objects
from tests.support.gateway_objects import HOST, Json

PORTS = {80: 20080, 443: 20443}
ENVOY = Path(sys.executable).with_name("envoy")


def made(
    *found: Json, filters: list[Json] | None = None, gate: Json | None = None, secrets: Json | None = None
) -> envoy.Resources:
    """Envoy's resources for these routes."""
    everything = envoy.Objects(
        gateway=gate or objects.gateway(),
        routes=found,
        envoy_filters=filters or [],
        services={("llm", "model"): objects.service("model", 80, "http")},
        pods=[objects.pod("model", {"8080": 21000})],
        secrets=secrets or {},
    )
    return envoy.resources(everything, kuadrant.read(filters or [], "llm", "gate"), PORTS, Path("/run/envoy"))


def entries(resources: envoy.Resources) -> list[Json]:
    """The routes of the one virtual host, without those for spellings of the host that Kuadrant's filter overlooks."""
    (host,) = resources.routes[0]["virtual_hosts"]
    assert host["domains"] == [HOST]
    names = [item["name"] for item in host["routes"]]
    return [item for place, item in enumerate(host["routes"]) if names.index(item["name"]) == place]


def chain(resources: envoy.Resources, listener: int = 0) -> list[str]:
    """Names of a listener's HTTP filters."""
    manager = resources.listeners[listener]["filter_chains"][0]["filters"][0]["typed_config"]
    return [item["name"] for item in manager["http_filters"]]


def matched(resources: envoy.Resources) -> list[str]:
    return [next(iter(item["match"].values())) for item in entries(resources)]


def rewritten(action: Json, path: str) -> str:
    """What Envoy makes of a path: RE2 and Python's expressions agree on these."""
    rule = action["route"]["regex_rewrite"]
    return re.sub(rule["pattern"]["regex"], rule["substitution"], path)


def test_routes_are_sorted_by_the_rules_of_the_gateway_api() -> None:
    resources = made(
        objects.route("short", objects.rule("/qwen"), objects.rule("/qwen/v1")),
        objects.route("long", objects.rule("/qwen3")),
        objects.route("exact", objects.rule("/q", kind="Exact")),
        objects.route("post", objects.rule("/qwen", method="POST")),
    )
    assert matched(resources) == ["/q", "/qwen/v1", "/qwen3", "/qwen", "/qwen"]
    assert entries(resources)[3]["match"]["headers"] == [{"name": ":method", "string_match": {"exact": "POST"}}]


def test_the_older_of_two_equal_routes_wins() -> None:
    younger = objects.route("a", objects.rule("/x", service="younger"), created="2026-02-01T00:00:00Z")
    older = objects.route("b", objects.rule("/x", service="older"), created="2026-01-01T00:00:00Z")
    assert [item["route"]["cluster"] for item in entries(made(younger, older))] == ["llm/older:80", "llm/younger:80"]


def test_a_route_that_istio_did_not_accept_is_left_out() -> None:
    (host,) = made(objects.route("x", objects.rule("/x"), accepted="False")).routes[0]["virtual_hosts"]
    assert (host["name"], host["routes"]) == ("blackhole:404", [])


@pytest.mark.parametrize(
    ("listener", "route", "common"),
    [
        (None, [], ["*"]),
        ("a.example.com", [], ["a.example.com"]),
        (None, ["a.example.com"], ["a.example.com"]),
        ("*.example.com", ["a.example.com", "a.other.com"], ["a.example.com"]),
        ("a.example.com", ["*.example.com"], ["a.example.com"]),
        ("*.example.com", ["example.com"], []),
    ],
)
def test_host_names_of_listener_and_route(listener: str | None, route: list[str], common: list[str]) -> None:
    assert routes.common_hostnames(listener, route) == common


@pytest.mark.parametrize(
    ("prefix", "new", "path", "expected"),
    [
        ("/qwen", "/", "/qwen/v1/models", "/v1/models"),
        ("/qwen", "/", "/qwen", "/"),
        ("/qwen", "/", "/qwen/", "/"),
        ("/qwen/models", "/v1/models", "/qwen/models", "/v1/models"),
        ("/qwen/models", "/v1/models", "/qwen/models/one", "/v1/models/one"),
        ("/", "/base", "/x", "/base/x"),
    ],
)
def test_a_prefix_is_replaced(prefix: str, new: str, path: str, expected: str) -> None:
    (action,) = entries(made(objects.route("x", objects.rule(prefix, objects.rewrite(new)))))
    assert rewritten(action, path) == expected


def test_time_limits_and_missing_backends() -> None:
    slow = {**objects.rule("/slow"), "timeouts": {"request": "10m", "backendRequest": "1m30s"}}
    nothing = {**objects.rule("/nothing"), "backendRefs": []}
    by_path = dict(zip(["/nothing", "/slow"], entries(made(objects.route("x", slow, nothing))), strict=True))
    assert by_path["/slow"]["route"]["timeout"] == "90s"
    assert by_path["/nothing"]["direct_response"] == {"status": 500}


def test_an_action_set_decides_about_its_route() -> None:
    filters = objects.envoy_filters(objects.action_set("/qwen", objects.limit_action()))
    (action,) = entries(made(objects.route("x", objects.rule("/qwen")), filters=filters))
    policies = action["typed_per_filter_config"]
    assert policies["auth-service"]["check_settings"] == {"context_extensions": {"host": "auth-1"}}
    (limit,) = policies["ratelimit-service"]["rate_limits"]
    values = {
        item["generic_key"]["descriptor_key"]: item["generic_key"]["descriptor_value"] for item in limit["actions"]
    }
    assert json.loads(values["kuadrant.action"]) == objects.limit_action()
    assert "apply_on_stream_done" not in limit
    assert "ratelimit-report-service" not in policies


def test_a_route_that_kuadrant_does_not_know_is_open_as_upstream() -> None:
    filters = objects.envoy_filters(objects.action_set("/qwen"))
    (action,) = entries(made(objects.route("x", objects.rule("/other")), filters=filters))
    assert action["typed_per_filter_config"] == {}


def test_an_action_set_of_a_wider_path_covers_a_narrower_route() -> None:
    filters = objects.envoy_filters(objects.action_set("/qwen"))
    (action,) = entries(made(objects.route("new", objects.rule("/qwen/new")), filters=filters))
    assert action["typed_per_filter_config"]["auth-service"]["check_settings"]


def test_token_counts_are_read_from_answers_and_reported_at_their_end() -> None:
    hits = 'responseBodyJSON("/usage/total_tokens")'
    report = objects.limit_action(kind="ratelimit-report", hits=hits)
    filters = objects.envoy_filters(objects.action_set("/qwen", report))
    resources = made(objects.route("x", objects.rule("/qwen")), filters=filters)
    (limit,) = entries(resources)[0]["typed_per_filter_config"]["ratelimit-report-service"]["rate_limits"]
    assert limit["apply_on_stream_done"] is True
    assert limit["actions"][-1]["generic_key"]["descriptor_value"] == "%DYNAMIC_METADATA(kuadrant.response.body)%"
    chain = resources.listeners[0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    assert [item["name"] for item in chain][-3:] == ["json_to_metadata", "sse_to_metadata", "envoy.filters.http.router"]


@pytest.mark.parametrize(("mode", "deny"), [("allow", False), ("deny", True)])
def test_failure_modes_and_time_limits_are_the_operators(mode: str, deny: bool) -> None:
    filters = objects.envoy_filters(objects.action_set("/qwen"), limits=mode)
    resources = made(objects.route("x", objects.rule("/qwen")), filters=filters)
    chain = resources.listeners[0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    by_name = {item["name"]: item["typed_config"] for item in chain}
    assert resources.routes[0]["typed_per_filter_config"]["auth-service"]["disabled"] is True
    assert by_name["auth-service"]["failure_mode_allow"] is False
    assert by_name["auth-service"]["grpc_service"]["timeout"] == "0.2s"
    assert by_name["ratelimit-service"]["failure_mode_deny"] is deny
    assert by_name["ratelimit-service"]["timeout"] == "0.1s"


def test_filters_of_another_gateway_do_not_count() -> None:
    (item,) = objects.envoy_filters(objects.action_set("/qwen"))
    assert kuadrant.read([item], "llm", "other") == kuadrant.Kuadrant()
    assert kuadrant.read([item], "other", "gate") == kuadrant.Kuadrant()


def test_settings_for_virtual_hosts_are_merged_from_the_gateways_envoy_filters() -> None:
    settings = {"envoy.filters.http.cors": {"@type": "cors"}}
    patch = {"applyTo": "VIRTUAL_HOST", "patch": {"operation": "MERGE", "value": {"typed_per_filter_config": settings}}}
    spec = {"targetRefs": [{"kind": "Gateway", "name": "gate"}], "configPatches": [patch]}
    item = {"metadata": {"name": "cors", "namespace": "llm"}, "spec": spec}
    route = objects.route("model", objects.rule("/qwen"))
    (host,) = made(route, filters=[item]).routes[0]["virtual_hosts"]
    assert host["typed_per_filter_config"] == settings
    spec["targetRefs"] = [{"kind": "Gateway", "name": "other"}]
    (host,) = made(route, filters=[item]).routes[0]["virtual_hosts"]
    assert "typed_per_filter_config" not in host


def test_the_filter_for_cors_comes_before_those_that_ask_for_a_key() -> None:
    listener = made(objects.route("model", objects.rule("/qwen"))).listeners[0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["http_filters"][0]["name"] == "envoy.filters.http.cors"


def test_clusters_lead_to_the_local_processes_of_ready_pods() -> None:
    service = objects.service("model", 80, "http")
    pods = [
        objects.pod("model", {"8080": 21000}),
        objects.pod("model", {"8080": 21001}, ready="False"),
        objects.pod("model", {"8080": 21002}, deletionTimestamp="2026-01-01T00:00:00Z"),
        objects.pod("other", {"8080": 21003}),
        objects.pod("model", {"8080": 21004}, namespace="elsewhere"),
        objects.pod("model", {}),
    ]
    assert endpoints.local_ports(service, 80, pods) == [21000]
    assert endpoints.local_ports(service, 81, pods) == []
    assert endpoints.local_ports(None, 80, pods) == []


@pytest.mark.parametrize(("text", "value"), [("200ms", 0.2), ("1m30s", 90.0), ("1h", 3600.0), ("0s", 0.0)])
def test_durations(text: str, value: float) -> None:
    assert kuadrant.seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "1d", "1 s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        kuadrant.seconds(text)


def test_a_port_without_a_local_one_is_reported() -> None:
    gate = objects.gateway({"name": "odd", "protocol": "HTTP", "port": 8088})
    assert made(gate=gate).problems == ["port 8088 is not served here, only 80, 443"]


def with_tls() -> envoy.Resources:
    reference = {"certificateRefs": [{"name": "gate-tls"}]}
    secure = {"name": "https", "protocol": "HTTPS", "port": 443, "hostname": HOST, "tls": reference}
    gate = objects.gateway({"name": "http", "protocol": "HTTP", "port": 80, "hostname": HOST}, secure)
    hits = 'responseBodyJSON("/usage/total_tokens")'
    actions = [objects.limit_action(), objects.limit_action(kind="ratelimit-report", hits=hits)]
    seal = {"open_routes": ["llm/x"], "open_paths": ["/.well-known/"], "credential_headers": ["a"], "hsts": "max-age=1"}
    gate_name = {"namespace": "llm", "name": "gate"}
    filters = [*objects.envoy_filters(objects.action_set("/qwen", *actions)), envoy_filter(gate_name, **seal)]
    header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X-A", "value": "50%"}]}}
    found = objects.route("x", objects.rule("/qwen", objects.rewrite("/"), header), objects.rule("/a", kind="Exact"))
    return made(found, filters=filters, gate=gate, secrets={("llm", "gate-tls"): objects.certificate()})


def test_a_listener_with_tls_has_its_certificate_and_its_own_routes() -> None:
    resources = with_tls()
    plain, secure = resources.listeners
    assert "transport_socket" not in plain["filter_chains"][0]
    assert secure["filter_chains"][0]["filter_chain_match"] == {"server_names": [HOST]}
    files = resources.files()
    assert list(files) == ["cds.json", "rds-port-80.json", "rds-listener-https.json", "lds.json"]
    # Envoy takes no more than one from a file.
    assert [len(content["resources"]) for name, content in files.items() if name.startswith("rds")] == [1, 1]


def test_envoy_accepts_the_configuration(tmp_path: Path) -> None:
    resources = with_tls()
    assert not resources.problems
    content: dict[str, Any] = envoy.bootstrap(tmp_path, 20001, 20002)
    del content["dynamic_resources"]
    by_name = {item["name"]: item for item in resources.routes}
    for listener in resources.listeners:
        for chain in listener["filter_chains"]:
            manager = chain["filters"][0]["typed_config"]
            manager["route_config"] = by_name[manager.pop("rds")["route_config_name"]]
    for kind, found in (("listeners", resources.listeners), ("clusters", resources.clusters)):
        content["static_resources"][kind] += [{**item, "@type": None} for item in found]
        for item in content["static_resources"][kind]:
            item.pop("@type", None)
    for item in resources.routes:
        item.pop("@type")
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(content))
    command = [str(ENVOY), "--mode", "validate", "--config-path", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_each_file_of_routes_has_the_one_configuration_that_a_listener_follows() -> None:
    found = with_tls().files()
    assert list(found) == ["cds.json", "rds-port-80.json", "rds-listener-https.json", "lds.json"]
    managers = [item["filter_chains"][0]["filters"][0]["typed_config"] for item in found["lds.json"]["resources"]]
    for manager in managers:
        source = manager["rds"]["config_source"]["path_config_source"]["path"]
        (routes,) = found[Path(source).name]["resources"]
        assert routes["name"] == manager["rds"]["route_config_name"]


def logged(**fields: Any) -> bytes:
    """A line that Envoy writes for a request; the fields are those of the log's format."""
    (log,) = made(objects.route("x", objects.rule("/qwen"))).listeners[0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]["access_log"]
    known = log["typed_config"]["log_format"]["json_format"]
    assert not set(fields) - set(known)
    return json.dumps({"kind": known["kind"], **fields}).encode() + b"\n"


@pytest.mark.parametrize("cluster", ["llm/model:80", "outbound|80||model.llm.svc.cluster.local"])
def test_requests_are_counted_under_istios_names(cluster: str) -> None:
    counts = telemetry.Telemetry("llm", "gate-istio")
    for code, milliseconds, leads_to in ((200, 12, cluster), (200, 700, cluster), (404, 1, None)):
        line = logged(response_code=code, response_flags=None, milliseconds=milliseconds, cluster=leads_to)
        assert counts.count(line)
    samples = {
        (sample.name, sample.labels["response_code"], sample.labels.get("le")): sample
        for family in text_string_to_metric_families(counts.text().decode())
        for sample in family.samples
    }
    served = samples["istio_requests_total", "200", None]
    assert (served.value, samples["istio_requests_total", "404", None].value) == (2, 1)
    assert served.labels["destination_service"] == "model.llm.svc.cluster.local"
    assert served.labels["source_workload"] == "gate-istio"
    assert samples["istio_requests_total", "404", None].labels["destination_service"] == "unknown"
    histogram = "istio_request_duration_milliseconds"
    assert [samples[f"{histogram}_bucket", "200", le].value for le in ("10.0", "25.0", "+Inf")] == [0, 1, 2]
    assert samples[f"{histogram}_sum", "200", None].value == 712


@pytest.mark.parametrize("line", [b"", b"something else\n", b"[1]\n", b'{"kind": "other"}\n'])
def test_other_lines_are_no_requests(line: bytes) -> None:
    assert not telemetry.Telemetry("llm", "gate-istio").count(line)


def test_hosts_are_compared_byte_by_byte_as_kuadrants_filter_does() -> None:
    filters = objects.envoy_filters(objects.action_set("/qwen"))
    (host,) = made(objects.route("x", objects.rule("/qwen")), filters=filters).routes[0]["virtual_hosts"]
    known, overlooked = host["routes"]
    (condition,) = known["match"]["headers"]
    expression = condition["string_match"]["safe_regex"]["regex"]
    assert [
        name for name in (HOST, f"{HOST}:80", HOST.upper(), f"{HOST}.", f"x{HOST}") if re.fullmatch(expression, name)
    ] == [HOST, f"{HOST}:80"]
    assert known["typed_per_filter_config"]["auth-service"]["check_settings"]
    assert overlooked["typed_per_filter_config"] == {}
    assert overlooked["route"] == known["route"]


def test_routes_have_istios_names() -> None:
    filters = objects.envoy_filters(objects.action_set("/qwen"))
    rules = [objects.rule("/qwen"), {**objects.rule("/named"), "name": "chosen"}]
    names = {item["name"] for item in entries(made(objects.route("x", *rules), filters=filters))}
    assert names == {"llm.x.0", "chosen"}


def test_envoy_filters_are_applied_by_priority_then_age() -> None:
    def inserted(name: str, priority: int, when: str, operation: str = "INSERT_BEFORE") -> Json:
        patch = {"operation": operation, "value": {"name": name, "typed_config": {}}}
        spec = {
            "targetRefs": [{"kind": "Gateway", "name": "gate"}],
            "priority": priority,
            "configPatches": [{"applyTo": "HTTP_FILTER", "match": objects.before_router(), "patch": patch}],
        }
        return {"metadata": {"name": name, "namespace": "llm", "creationTimestamp": when}, "spec": spec}

    items = [
        inserted("last", 10, "2026-01-01T00:00:00Z"),
        inserted("second", 0, "2026-01-02T00:00:00Z"),
        inserted("first", 0, "2026-01-01T00:00:00Z"),
        inserted("top", 20, "2026-01-01T00:00:00Z", "INSERT_FIRST"),
    ]
    expected = ["top", "envoy.filters.http.cors", "first", "second", "last", "envoy.filters.http.router"]
    assert chain(made(filters=items)) == expected


def test_what_an_envoy_filter_inserts_beside_nothing_is_left_out() -> None:
    match: Json = json.loads(json.dumps(objects.before_router()))
    match["listener"]["filterChain"]["filter"]["subFilter"]["name"] = "missing"
    patch = {"operation": "INSERT_BEFORE", "value": {"name": "x", "typed_config": {}}}
    spec = {
        "targetRefs": [{"kind": "Gateway", "name": "gate"}],
        "configPatches": [{"applyTo": "HTTP_FILTER", "match": match, "patch": patch}],
    }
    assert "x" not in chain(made(filters=[{"metadata": {"name": "x", "namespace": "llm"}, "spec": spec}]))
