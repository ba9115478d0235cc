# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seal of the Gateway, its listeners, and the requests that prove both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._gateway.checks import judged, leaked
from ansible_collections.llmops.maas.plugins.module_utils._gateway.http import Answer
from ansible_collections.llmops.maas.plugins.module_utils._gateway.kinds import KINDS
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway import entry_checks as _entry_checks
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway import seal as _seal
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.gateway_url import gateway_urls
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.listeners import listeners
from tests.support.auth_platform import planned

ROLES = Path(__file__).resolve().parents[3] / "roles"
GATE = {"namespace": "llm", "name": "gate"}
MODEL = {"name": "qwen3", "paths": ["/qwen3", "/qwen"], "served_names": ["qwen3"]}
URLS = {"http": "http://127.0.0.1:80", "https": "https://127.0.0.1:443"}


def seal(**options: Any) -> dict[str, Any]:
    return _seal.envoy_filter(GATE, **{"credential_headers": ["Authorization", "X-API-Key"], **options})


def test_strict_transport_is_said_only_where_it_is_wanted() -> None:
    assert "max-age=60" in json.dumps(seal(hsts="max-age=60"))
    assert "strict-transport" not in json.dumps(seal())


def patch(item: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [
        entry["patch"]["value"]["typed_config"]
        for entry in item["spec"]["configPatches"]
        if entry["patch"]["value"]["name"] == f"llmops.maas.{name}"
    ]
    return dict(found)


def test_credentials_are_removed_whatever_their_header_is_called() -> None:
    mutations = patch(seal(), "credentials")["mutations"]["request_mutations"]
    assert mutations == [{"remove": "authorization"}, {"remove": "x-api-key"}]


def test_open_routes_are_named_rule_by_rule_and_nothing_else_is() -> None:
    policies = patch(seal(open_routes=["llm/public"]), "seal")["rules"]["policies"]
    assert set(policies) == {"admitted-by-a-policy", "no-route-or-open-by-name"}
    text = json.dumps(policies["no-route-or-open-by-name"]["condition"])
    assert '"llm.public.0"' in text
    assert '"llm.public.15"' in text
    assert "llm.public.16" not in text
    assert "public" not in json.dumps(patch(seal(), "seal"))


def test_paths_are_open_only_where_they_are_asked_for() -> None:
    policies = patch(seal(open_paths=["/.well-known/acme-challenge/"]), "seal")["rules"]["policies"]
    assert policies["open-by-path"]["permissions"] == [
        {"url_path": {"path": {"prefix": "/.well-known/acme-challenge/"}}}
    ]


@pytest.mark.parametrize("route", ["public", "llm/", "llm/public/0", "LLM/public", "llm/.*", "", "llm.x/public"])
def test_what_is_no_route_is_refused(route: str) -> None:
    with pytest.raises(_seal.SealError, match=r"maas_verify_open_routes\[1\].*write namespace/name"):
        seal(open_routes=["llm/fine", route])


def test_policies_set_the_headers_that_the_seal_goes_by() -> None:
    plan = planned("api_key")
    assert (plan["user_header"], plan["list_header"]) == (_seal.USER_HEADER, _seal.MODELS_HEADER)
    template = (ROLES / "auth/templates/policies.yaml.j2").read_text()
    assert template.count("{{ plan.user_header }}:") == 1
    assert template.count("{{ plan.list_header }}:") == 1


@pytest.mark.parametrize(
    ("plain_http", "serving", "redirecting"),
    [
        ("redirect", ["https", "https-2"], ["http", "http-2"]),
        ("refuse", ["https", "https-2"], []),
        ("allow", ["http", "http-2", "https", "https-2"], []),
    ],
)
def test_with_tls_models_are_served_over_https(plain_http: str, serving: list[str], redirecting: list[str]) -> None:
    found = listeners(["a.example.com", "b.example.com"], tls_secret="tls", plain_http=plain_http)
    assert (found.serving, found.redirecting) == (serving, redirecting)
    assert [(item["name"], item["port"], item["hostname"]) for item in found.listeners] == [
        ("http", 80, "a.example.com"),
        ("https", 443, "a.example.com"),
        ("http-2", 80, "b.example.com"),
        ("https-2", 443, "b.example.com"),
    ]
    assert found.listeners[1]["tls"]["certificateRefs"][0]["name"] == "tls"


def test_without_tls_models_are_served_over_http() -> None:
    found = listeners(["localhost"], tls_secret="", plain_http="redirect")
    assert (found.serving, found.redirecting) == (["http"], [])
    assert "tls" not in found.listeners[0]


def test_hosts_are_written_in_every_form_for_each_model_and_listener() -> None:
    rows = _entry_checks.hosts([MODEL], ["localhost"], URLS, [{"name": "alice"}])
    denied = [row for row in rows if row["denied"]] if all("denied" in row for row in rows) else rows[:-1]
    assert len(denied) == len(_entry_checks.FORMS) * 3 * 2
    sent = {(row["host"], row["target"]) for row in denied}
    assert ("LOCALHOST", "") in sent
    assert ("localhost.", "") in sent
    assert ("localhost", "http://LOCALHOST/qwen3/v1/models") in sent
    assert {row["server_name"] for row in rows} == {"localhost"}
    (served,) = [row for row in rows if row["expected"] == [200]]
    assert (served["host"], served["user"], served["url"]) == ("LOCALHOST", "alice", URLS["https"])
    for row in denied:
        assert 200 not in row["expected"]
        assert (301 in row["expected"]) == row["url"].startswith("http:")


def test_nothing_is_asked_over_http_where_there_is_no_https() -> None:
    only = {"http": URLS["http"]}
    assert _entry_checks.transport([MODEL], "localhost", only, plain_http="redirect", hsts="x") == []


CHECK = {"kind": "plain", "denied": True, "expected": [301], "names": [], "model": "", "served_name": ""}


@pytest.mark.parametrize(("plain_http", "expected"), [("redirect", [301]), ("refuse", [404]), ("allow", None)])
def test_http_must_do_what_was_chosen(plain_http: str, expected: list[int] | None) -> None:
    rows = _entry_checks.transport([MODEL], "localhost", URLS, plain_http=plain_http, hsts="max-age=1")
    assert [row["expected"] for row in rows if row["url"] == URLS["http"]] == ([expected] if expected else [])
    check = {**CHECK, "expected": [403], "answer_headers": rows[-1]["answer_headers"]}
    assert judged(check, Answer(403, 0.1, {"strict-transport-security": "max-age=1"})) == ""
    assert "not max" in judged(check, Answer(403, 0.1, {"strict-transport-security": "max-age=10"}))


@pytest.mark.parametrize(
    "hsts", ["max-age=31536000; includeSubDomains", "max-age=1 (a+b)", "a.b*", "[x]", "a|b", "\\d"]
)
def test_strict_transport_security_is_compared_as_text(hsts: str) -> None:
    (row,) = _entry_checks.transport([], "localhost", URLS, plain_http="allow", hsts=hsts)
    check = {**CHECK, "expected": [403], "answer_headers": row["answer_headers"]}
    assert judged(check, Answer(403, 0.1, {"strict-transport-security": hsts})) == ""
    for other in (f"{hsts}x", hsts.replace(".", "x").replace("b*", "bb"), "a", "x", "7"):
        if other != hsts:
            assert judged(check, Answer(403, 0.1, {"strict-transport-security": other})), other


def test_a_header_of_the_answer_is_compared_as_a_whole() -> None:
    check = {**CHECK, "answer_headers": {"location": "https://localhost(:443)?/x"}}
    assert judged(check, Answer(301, 0.1, {"location": "https://localhost/x"})) == ""
    assert "not https" in judged(check, Answer(301, 0.1, {"location": "http://localhost/x"}))
    assert "is missing" in judged(check, Answer(301, 0.1))


def test_only_the_seals_own_refusal_proves_it() -> None:
    check = {**CHECK, "kind": "seal", "expected": [403], "answer_headers": {}}
    assert judged(check, Answer(403, 0.1, body=b"RBAC: access denied")) == ""
    assert "something else" in judged(check, Answer(403, 0.1, body=b'{"error": {"message": "No policy allows"}}'))
    assert "the seal is open" in judged(check, Answer(200, 0.1))
    assert "has no seal" in judged(check, Answer(404, 0.1))


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"accept": "*/*", "x-request-id": "1"}, ""),
        ({"authorization": "APIKEY k"}, "the backend got authorization"),
        ({"x-maas-user": "admin", "x-maas-groups": "a"}, "the backend got x-maas-groups, x-maas-user"),
    ],
)
def test_what_a_backend_got_is_judged_by_the_names_of_headers(headers: dict[str, str], problem: str) -> None:
    (row,) = _entry_checks.backend(MODEL, "localhost", {"secret": "s"}, ["Authorization"])
    assert (
        KINDS["echo"].problem(Answer(200, 0.1, body=json.dumps({"headers": headers}).encode()), row["names"]) == problem
    )


def test_a_credential_under_another_name_is_found_too() -> None:
    sent = {"Authorization": "APIKEY s3cr3t-key"}
    body = json.dumps({"headers": {"x-original-key": "s3cr3t-key"}}).encode()
    assert "credential" in leaked({"kind": "echo"}, Answer(200, 0.1, body=body), sent)
    assert leaked({"kind": "echo"}, Answer(200, 0.1, body=b'{"headers": {}}'), sent) == ""


def test_a_gateway_has_an_address_for_each_scheme() -> None:
    gateway = {"spec": {"listeners": [{"port": 80, "protocol": "HTTP"}, {"port": 443, "protocol": "HTTPS"}]}}
    moved = {"llmops.maas/local-ports": '{"443": 20443}'}
    service = {"metadata": {"annotations": moved}, "spec": {"clusterIP": "127.100.0.9"}}
    assert gateway_urls(gateway, service) == {"http": "http://127.100.0.9", "https": "https://127.100.0.9:20443"}
