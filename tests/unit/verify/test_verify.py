# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a verification, its judgements and its reports."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._gateway.checks import judged, judged_burst
from ansible_collections.llmops.maas.plugins.module_utils._gateway.http import Answer
from ansible_collections.llmops.maas.plugins.module_utils._gateway.keys import KeyMissingError, newest
from ansible_collections.llmops.maas.plugins.module_utils._gateway.kinds import KINDS
from ansible_collections.llmops.maas.plugins.module_utils._gateway.tokens import ClientTokens, tampered
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.gateway_url import AddressError, gateway_url
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.keycloak import Client
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.access import access, main_access, paths
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.credentials import credentials
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import TableError, read_expected
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.junit import junit
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.limits import bursts, smallest
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.model_list import lists
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.routes import routes
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.settings import read_settings
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.state import component_rows, failure_modes, policies
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.tokens import tokens
from tests.support.verification import platform

CHAT_MODEL = {
    "name": "qwen3",
    "task": "generate",
    "served_names": ["qwen3", "qwen"],
    "paths": ["/qwen3", "/qwen"],
    "rates": [{"limit": 1500, "window": "1h"}, {"limit": 150, "window": "1m"}],
}
EMBED_MODEL = {**CHAT_MODEL, "name": "nomic", "task": "embed", "served_names": ["nomic"], "paths": ["/nomic"]}
ALL = dict.fromkeys(("chat", "completion", "stream", "embeddings", "models"), 200)
GATEWAY = {
    "metadata": {"namespace": "llm", "name": "gw"},
    "spec": {"listeners": [{"hostname": "localhost", "port": 80}]},
}
WHERE = {"namespace": "llm", "name": "gw"}


def test_each_user_asks_each_model_for_what_its_task_supports() -> None:
    users = [{"name": "alice", "groups": ["admin"]}, {"name": "bob", "groups": ["readonly"]}]
    table = read_expected({"admin": ALL, "readonly": {**ALL, "chat": 403}}, [])
    rows = access([CHAT_MODEL, EMBED_MODEL], users, table, "localhost")
    found = {(row["model"], row["user"], row["kind"]): row["expected"] for row in rows}
    assert len(found) == len(rows) == 2 * (4 + 2)
    assert found["qwen3", "alice", "chat"] == [200]
    assert found["qwen3", "bob", "chat"] == [403]
    assert found["nomic", "bob", "embeddings"] == [200]
    assert ("nomic", "alice", "chat") not in found


def test_a_quick_look_asks_for_the_main_thing_alone() -> None:
    users = [{"name": "bob", "groups": ["user"]}]
    rows = main_access([CHAT_MODEL, EMBED_MODEL], users, read_expected({"user": ALL}, []), "localhost")
    assert [(row["model"], row["kind"]) for row in rows] == [("qwen3", "chat"), ("nomic", "embeddings")]


def test_users_and_groups_that_yaml_reads_as_numbers_are_their_text() -> None:
    users = [{"name": 1001, "groups": [100]}, {"name": "bob", "groups": ["200"]}]
    table = {"100": ALL, 200: {**ALL, "chat": 403}}
    exceptions = [{"group": 100, "kind": "models", "expected": 404}]
    settings = read_settings(platform(users=users, verify_expected=table, verify_exceptions=exceptions))
    rows = access([CHAT_MODEL], settings.users, settings.expected, "localhost")
    found = {(row["user"], row["kind"]): row["expected"] for row in rows}
    assert found["1001", "chat"] == [200]
    assert found["1001", "models"] == [404]
    assert found["bob", "chat"] == [403]
    assert {row["user"] for row in paths([CHAT_MODEL], settings.user, "localhost")} == {"1001"}


def test_the_last_exception_that_fits_counts() -> None:
    exceptions = [
        {"group": "user", "expected": 403},
        {"group": "user", "model": "qwen3", "kind": "chat", "expected": 200},
    ]
    table = read_expected({"user": ALL}, exceptions)
    rows = access([CHAT_MODEL], [{"name": "u", "groups": ["user"]}], table, "localhost")
    assert {row["kind"]: row["expected"] for row in rows} == {
        "chat": [200],
        "completion": [403],
        "stream": [403],
        "models": [403],
    }


@pytest.mark.parametrize(
    ("expected", "exceptions", "message"),
    [
        ({"admin": ALL}, [], "maas_verify_expected: has none of the groups of user u"),
        ({"user": {"chat": 200}}, [], "maas_verify_expected.user: has no status for completion"),
        ({"user": {"talk": 200}}, [], "maas_verify_expected.user: unknown kind talk"),
        ({"user": ALL}, [{"models": "x", "expected": 1}], "maas_verify_exceptions[0]: needs expected"),
        ({"user": ALL}, [{"model": "x"}], "maas_verify_exceptions[0]: needs expected"),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(expected: Any, exceptions: Any, message: str) -> None:
    with pytest.raises(TableError) as error:
        access([CHAT_MODEL], [{"name": "u", "groups": ["user"]}], read_expected(expected, exceptions), "localhost")
    assert message in str(error.value)


def test_the_list_of_models_is_expected_to_hold_those_that_the_table_lets_a_user_list() -> None:
    users = [{"name": name, "groups": [name]} for name in ("admin", "user", "guest")]
    table = {"admin": {**ALL, "list": 200}, "user": {**ALL, "models": 403, "list": 403}, "guest": ALL}
    expected = read_expected(table, [{"model": "nomic", "kind": "models", "expected": 403}])
    rows = lists([CHAT_MODEL, EMBED_MODEL], users, expected, "h")
    assert [(row["user"], row["names"], row["expected"]) for row in rows] == [
        ("admin", ["qwen3", "qwen"], [200]),
        ("user", [], [403]),
    ]


def test_tokens_are_tried_for_each_client_and_model_and_one_that_was_tampered_with() -> None:
    clients = [Client("app", ["admin"]), Client("reader", ["readonly"]), Client("no-role", ["admin"], role=False)]
    statuses = {"tampered_token": 401, "token_without_role": 403}
    rows = tokens([CHAT_MODEL, EMBED_MODEL], clients, TABLE, statuses, "localhost")
    assert [(row["model"], row["secret"], row["credentials"], row["expected"]) for row in rows[:4]] == [
        ("qwen3", "keycloak-client-app", "token", [200]),
        ("qwen3", "keycloak-client-reader", "token", [403]),
        ("qwen3", "keycloak-client-no-role", "token", [403]),
        ("qwen3", "keycloak-client-app", "tampered_token", [401]),
    ]
    assert [row["kind"] for row in rows[4:]] == ["embeddings"] * 4
    with pytest.raises(TableError, match="none of the groups of client x"):
        tokens([CHAT_MODEL], [Client("x")], TABLE, statuses, "localhost")


def test_a_case_without_an_expected_status_is_named() -> None:
    with pytest.raises(TableError, match=r"maas_verify_credentials: has no status for wrong_key; add it"):
        credentials([CHAT_MODEL], "", {"none": 401}, "localhost")
    with pytest.raises(TableError, match="no status for token_without_role"):
        tokens([CHAT_MODEL], [Client("n", ["admin"], role=False)], TABLE, {}, "h")


@pytest.mark.parametrize("token", ["a.b.Axyz", "a.b.xyz"])
def test_a_tampered_token_differs_in_its_signature_alone(token: str) -> None:
    changed = tampered(token)
    assert changed != token
    assert (changed.rpartition(".")[0], len(changed)) == ("a.b", len(token))


def test_an_issuer_that_gives_no_token_is_named_and_the_secret_is_not() -> None:
    secrets = {"client_id": "app", "client_secret": "hidden-value", "token_url": "http://127.0.0.1:9/token"}
    reader: Any = SimpleNamespace(value_in=lambda _name, entry: secrets[entry])
    with pytest.raises(KeyMissingError, match="no token for client app: the issuer at http:") as error:
        ClientTokens(reader, timeout=1).token_of("keycloak-client-app")
    assert "hidden-value" not in str(error.value)
    with pytest.raises(KeyMissingError, match="is no address of an issuer"):
        ClientTokens(reader, token_url="nowhere", timeout=1).token_of("keycloak-client-app")


TIERS = [
    {"name": "premium", "groups": ["admin"], "user": "probe-premium", "secret": "premium"},
    {"name": "free", "groups": ["readonly", "user"], "requests_factor": 0.33, "user": "probe-free", "secret": "free"},
    {"name": "own", "groups": ["user"], "requests": "12/30s, 90/h", "user": "probe-own", "secret": "own"},
    {"name": "none", "groups": ["readonly"], "user": "probe-none", "secret": "none"},
]
TABLE = read_expected({"admin": ALL, "user": ALL, "readonly": {**ALL, "chat": 403}}, [])


def test_bursts_try_the_shortest_limit_up_to_a_minute_of_every_tier_that_may() -> None:
    hourly = {**CHAT_MODEL, "name": "hourly", "rates": [{"limit": 9, "window": "1h"}]}
    rows = bursts([CHAT_MODEL, hourly], TIERS, {}, TABLE, "localhost")
    assert [(row["model"], row["secret"], row["burst"], row["window"]) for row in rows] == [
        ("qwen3", "premium", 150, 60),
        ("qwen3", "free", 49, 60),
        ("qwen3", "own", 12, 30),
        ("hourly", "own", 12, 30),
    ]
    assert {row["user"] for row in rows} == {"probe-premium", "probe-free", "probe-own"}


def test_limits_to_try_may_be_given_by_model_and_by_tier() -> None:
    own = {**CHAT_MODEL, "name": "own"}
    given = {"qwen3": {"premium": 7, "own": 0}, "own": 5}
    expected = read_expected(TABLE.by_group, [{"group": "admin", "model": "own", "expected": 403}])
    rows = bursts([CHAT_MODEL, own], TIERS, given, expected, "h")
    assert [(row["model"], row["secret"], row["burst"]) for row in rows] == [
        ("qwen3", "premium", 7),
        ("qwen3", "free", 49),
        ("own", "free", 5),
        ("own", "own", 5),
    ]


def test_the_smallest_limit_is_that_of_the_model_with_the_lowest_first_rate() -> None:
    small = {**CHAT_MODEL, "name": "small", "rates": [{"limit": 9, "window": "1m"}]}
    assert smallest([CHAT_MODEL, small, {**EMBED_MODEL, "rates": []}]) == [small]
    assert smallest([{**EMBED_MODEL, "rates": []}]) == []


def route(name: str, namespace: str = "llm", **spec: Any) -> dict[str, Any]:
    parents = [{"name": "gw", "namespace": "llm"}]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"parentRefs": parents, **spec}}


def test_every_match_of_every_route_of_the_gateway_is_probed_without_credentials() -> None:
    matches = [
        {"path": {"type": "PathPrefix", "value": "/a"}, "method": "POST", "headers": [{"name": "x", "value": "1"}]},
        {"path": {"type": "RegularExpression", "value": "/r/[0-9]+"}, "queryParams": [{"name": "q", "value": "2"}]},
    ]
    foreign = route("foreign", "elsewhere", hostnames=["a.example", "*.b.example"], rules=[{"matches": matches}, {}])
    other = {**route("other"), "spec": {"parentRefs": [{"name": "another"}], "rules": [{}]}}
    rows = routes([foreign, other, route("health", rules=[{}])], GATEWAY, [401], ["llm/health"])
    assert {row["host"] for row in rows} == {"a.example", "verify.b.example"}
    assert [(row["method"], row["path"], row["headers"]) for row in rows[:3]] == [
        ("POST", "/a", {"x": "1"}),
        ("GET", "/r/x?q=2", {}),
        ("GET", "/", {}),
    ]
    assert len(rows) == 6
    assert {row["credentials"] for row in rows} == {"none"}
    assert all("elsewhere/foreign" in row["name"] for row in rows)


def test_a_route_without_hosts_is_probed_at_those_of_the_listeners() -> None:
    assert [row["host"] for row in routes([route("r", rules=[{}])], GATEWAY, [401])] == ["localhost"]


def answer(content: Any, status: int = 200, kind: str = "application/json") -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status, 0.01, {"content-type": kind}, body)


USAGE = {"total_tokens": 3}
CHUNK = {"model": "qwen3", "choices": [{"delta": {"content": "a"}}]}


def stream(*chunks: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("kind", "content", "content_type", "problem"),
    [
        ("list", {"data": [{"id": "qwen"}, {"id": "qwen3"}]}, "application/json", ""),
        ("list", {"data": [{"id": "qwen3"}]}, "application/json", "the list of models does not hold qwen"),
        (
            "list",
            {"data": [{"id": "qwen3"}, {"id": "other"}]},
            "application/json",
            "the list of models does not hold qwen and holds other as well",
        ),
        ("chat", {"model": "qwen", "choices": [{"message": {"content": "a"}}], "usage": USAGE}, "", ""),
        (
            "chat",
            {"model": "granite", "choices": [{"message": {"content": "a"}}], "usage": USAGE},
            "",
            "granite answered",
        ),
        ("chat", {"model": "qwen", "choices": [{"message": {"content": "a"}}]}, "", "reports no usage"),
        ("chat", b"<html>", "", "no chat completion"),
        ("completion", {"model": "qwen", "choices": [{"text": "a"}], "usage": USAGE}, "", ""),
        ("completion", {"model": "qwen", "choices": []}, "", "no completion"),
        ("embeddings", {"model": "qwen", "data": [{"embedding": [0.1]}], "usage": USAGE}, "", ""),
        ("embeddings", {"model": "qwen", "data": [{"embedding": []}], "usage": USAGE}, "", "no embedding"),
        ("models", {"data": [{"id": "qwen3"}, {"id": "qwen"}]}, "", ""),
        ("models", {"data": [{"id": "qwen3"}]}, "", "does not hold qwen"),
        ("stream", stream(CHUNK, {"usage": USAGE, "choices": []}), "text/event-stream", ""),
        ("stream", stream(CHUNK), "text/event-stream", "no usage unless it is asked to"),
        ("stream", stream(CHUNK, {"usage": USAGE}), "application/json", "does not stream"),
        ("stream", stream({"usage": USAGE}), "text/event-stream", "no chunk of an answer"),
        ("stream", stream(CHUNK, {"usage": USAGE})[:-20], "text/event-stream", "does not end with [DONE]"),
    ],
)
def test_an_answer_200_must_be_what_was_asked_for(kind: str, content: Any, content_type: str, problem: str) -> None:
    found = KINDS[kind].problem(answer(content, kind=content_type), ["qwen3", "qwen"])
    assert (problem in found) if problem else found == ""


CHECK = {
    "kind": "plain",
    "denied": False,
    "answer_headers": {},
    "expected": [200],
    "model": "",
    "served_name": "",
    "window": 60,
}


def test_an_unexpected_status_is_explained() -> None:
    denied = answer({"error": {"message": "Send a valid key"}}, 401)
    assert judged(CHECK, denied) == "Send a valid key"
    assert "no route" in judged(CHECK, answer(b"", 404))
    assert "refused" in judged(CHECK, Answer(0, 0.1, error="connection refused"))


@pytest.mark.parametrize(
    ("statuses", "over", "seconds", "passed", "words"),
    [
        ([200] * 3, [429] * 3, 1, True, "without Retry-After"),
        ([200, 200, 429], [429] * 3, 1, False, "before the limit was reached"),
        ([200] * 3, [200, 200, 429], 1, False, "request 4 should be refused"),
        ([200, 500, 200], [429] * 3, 1, False, "could not ask"),
        ([200] * 3, [429] * 3, 61, False, "proves nothing"),
    ],
)
def test_a_burst_passes_only_exactly_up_to_its_limit(
    statuses: list[int], over: list[int], seconds: float, passed: bool, words: str
) -> None:
    answers, further = ([answer(b"", status) for status in found] for found in (statuses, over))
    result = judged_burst(CHECK, answers, further, seconds)
    assert result[0] is passed
    assert words in result[1]


def test_a_denial_must_be_the_gateways_own() -> None:
    check = {**CHECK, "denied": True, "expected": [401, 404]}
    assert judged(check, answer(b"", 404)) == ""
    passed_on = Answer(404, 0.1, {"x-envoy-upstream-service-time": "1"})
    assert "let it pass" in judged(check, passed_on)
    assert judged({**check, "denied": False}, passed_on) == ""


def secret(name: str, user: str, created: str, **annotations: str) -> dict[str, Any]:
    found = {"secret.kuadrant.io/user-id": user, **{f"llmops.maas/{key}": value for key, value in annotations.items()}}
    return {"metadata": {"name": name, "annotations": found, "creationTimestamp": created}}


def test_the_newest_key_that_does_not_retire_is_used() -> None:
    items = [
        secret("old", "alice", "2026-01-01T00:00:00Z"),
        secret("new", "alice", "2026-02-01T00:00:00Z"),
        secret("retired", "alice", "2026-03-01T00:00:00Z", **{"retire-after": "2026-03-02T00:00:00Z"}),
        secret("other", "bob", "2026-04-01T00:00:00Z"),
    ]
    chosen = newest(items, "alice")
    assert chosen is not None
    assert chosen["metadata"]["name"] == "new"
    assert newest(items[2:3], "alice") is items[2]
    assert newest(items, "carol") is None


@pytest.mark.parametrize(
    ("addresses", "service", "url"),
    [
        ([], {"spec": {"clusterIP": "127.100.0.9"}}, "http://127.100.0.9"),
        (
            [],
            {
                "spec": {"clusterIP": "127.100.0.9"},
                "metadata": {"annotations": {"llmops.maas/local-ports": '{"80": 8080}'}},
            },
            "http://127.100.0.9:8080",
        ),
        (["203.0.113.7"], {"spec": {"clusterIP": "10.0.0.1"}}, "http://203.0.113.7"),
        (["gw.llm.svc.cluster.local", "lb.example"], {}, "http://lb.example"),
    ],
)
def test_the_address_of_the_gateway(addresses: list[str], service: dict[str, Any], url: str) -> None:
    status = {"addresses": [{"value": value} for value in addresses]}
    assert gateway_url({**GATEWAY, "status": status}, service) == url


def test_an_address_inside_of_the_cluster_is_refused_with_the_fix() -> None:
    status = {"addresses": [{"value": "gw.llm.svc.cluster.local"}]}
    with pytest.raises(AddressError, match="set maas_gateway_url"):
        gateway_url({**GATEWAY, "status": status}, {"spec": {"clusterIP": "10.0.0.1"}})


def policy(target: tuple[str, str], **conditions: str) -> dict[str, Any]:
    status = [{"type": kind, "status": value, "reason": "R", "message": "M"} for kind, value in conditions.items()]
    return {
        "metadata": {"namespace": "llm", "name": "p"},
        "spec": {"targetRef": {"kind": target[0], "name": target[1]}},
        "status": {"conditions": status},
    }


def test_missing_and_unenforced_policies_are_named_with_what_holds_them_back() -> None:
    found = {
        "AuthPolicy": [
            policy(("HTTPRoute", "qwen3"), Accepted="True", Enforced="False"),
            policy(("Gateway", "gw"), Accepted="True", Enforced="False"),
        ],
        "RateLimitPolicy": [],
        "TokenRateLimitPolicy": [],
    }
    deployments = [{"metadata": {"name": "authorino"}, "spec": {"replicas": 1}, "status": {}}]
    components = component_rows([], deployments)
    rows = {row["name"]: row for row in policies([CHAT_MODEL], [{"tokens": "9/min"}], found, WHERE, components)}
    broken = rows["AuthPolicy of HTTPRoute llm/qwen3"]
    assert (broken["passed"], broken["got"]) == (False, "Enforced=False (R)")
    assert "Deployment authorino is 0 of 1 available" in broken["reason"]
    assert rows["RateLimitPolicy of HTTPRoute llm/qwen3"]["got"] == "missing"
    assert rows["TokenRateLimitPolicy of HTTPRoute llm/qwen3"]["got"] == "missing"
    assert rows["AuthPolicy of Gateway llm/gw"]["passed"]


def envoy_filter(mode: str) -> dict[str, Any]:
    services = {"auth-service": {"type": "auth", "failureMode": mode}}
    config = {"config": {"configuration": {"value": json.dumps({"services": services})}}}
    value = {"name": "envoy.filters.http.wasm", "typed_config": {"value": config}}
    return {
        "metadata": {"namespace": "llm"},
        "spec": {"targetRefs": [{"kind": "Gateway", "name": "gw"}], "configPatches": [{"patch": {"value": value}}]},
    }


@pytest.mark.parametrize(
    ("filters", "got"), [([envoy_filter("deny")], "deny"), ([envoy_filter("allow")], "allow"), ([], "missing")]
)
def test_a_failure_mode_that_is_open_or_unknown_fails(filters: list[Any], got: str) -> None:
    (row,) = failure_modes(filters, WHERE, {"auth": "deny"})
    assert (row["got"], row["passed"]) == (got, got == "deny")


def test_the_junit_report_counts_and_explains_failures() -> None:
    base = {"model": "", "user": "", "kind": "chat", "latency_ms": 500.0, "expected": "200"}
    results = [
        {**base, "section": "access", "name": "a", "got": "200", "passed": True, "reason": ""},
        {**base, "section": "limits", "name": "b", "got": "<500>", "passed": False, "reason": "bad\x00 & worse"},
    ]
    root = ET.fromstring(junit(results, "verify"))
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert [suite.get("name") for suite in root] == ["access", "limits"]
    failure = root.find("testsuite[@name='limits']/testcase/failure")
    assert failure is not None
    assert failure.get("message") == "expected 200, got <500>"
    assert failure.text == "bad? & worse"
    assert root.find("testsuite[@name='access']/testcase/failure") is None
