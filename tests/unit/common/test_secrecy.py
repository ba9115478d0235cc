# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strange bytes in every place that puts a secret into a header, a URL, a file or JSON: nothing shows them, and no bad
key ends the run for the others. The server of these tests quotes all that it gets.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import call, hide
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import key_problem
from ansible_collections.llmops.maas.plugins.module_utils._common.masking import as_bytes
from ansible_collections.llmops.maas.plugins.module_utils._gateway.checks import GatewayChecker
from ansible_collections.llmops.maas.plugins.module_utils._gateway.credentials import GatewayCredentials
from ansible_collections.llmops.maas.plugins.module_utils._gateway.http import Answer
from ansible_collections.llmops.maas.plugins.module_utils._gateway.kinds import describe_answer
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import DeliveryError
from ansible_collections.llmops.maas.plugins.module_utils._keys.probe import Endpoint, Prober, ProbeTerms
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import KeyStore
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.modules import (
    api_key,
    api_key_info,
    api_key_rotation,
    gateway_check,
    manifests,
    secrets,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._action.key_action import ControllerReceiver
from tests.support.echo_server import EchoServer
from tests.support.odd_values import (
    GOOD,
    LINE_END,
    Cluster,
    Odd,
    bounded,
    connection,
    key_secret,
    odd,
    odd_bytes,
    odd_value,
    odds,
    run,
)

pytestmark = pytest.mark.usefixtures("alone")


@bounded
@given(secret=odds())
@example(secret=LINE_END)
def test_no_module_for_keys_shows_one(server: EchoServer, secret: Odd) -> None:
    raw = as_bytes(secret.value)
    good = odd_value("good-{}-{}")
    items = [key_secret("bad", "alice", raw), key_secret("good", "bob", good.value.encode())]
    server.answers = Cluster(*items)
    listed = run(api_key_info, connection(server), secret, good)
    assert [row["name"] for row in listed["api_keys"]] == ["bad", "good"]
    rotation = {"force": True, "grace": "0", "probe": {"method": "none"}}
    server.bodies.clear()
    rotated = run(api_key_rotation, connection(server, **rotation), secret, good)
    made = [json.loads(body) for body in server.bodies if body]
    for value in [body["data"]["api_key"] for body in made if "data" in body]:
        assert not Odd("", (value, base64.b64decode(value).decode())).is_in(json.dumps(rotated))
    assert {row["user"]: row["status"] for row in rotated["api_keys"]} == {"alice": "failed", "bob": "failed"}
    server.answers = Cluster(*items)
    kept = run(api_key, connection(server, user="alice", name="bad", groups=["a"]), secret, good)
    assert kept["failed"]
    new = run(api_key, connection(server, user="carl", value=secret.value, allow_weak=True), secret, good)
    assert new["failed"]
    server.answers = cluster = Cluster(*items)
    assert run(api_key, connection(server, user="alice", state="absent"), secret, good)["action"] == "deleted"
    assert cluster.deleted == ["bad"]


@bounded
@given(value=st.binary(min_size=1, max_size=40))
@example(value=b"\xff\xfe")
@example(value=b"maas_key\n")
def test_any_bytes_are_a_key_that_can_be_listed_and_revoked(server: EchoServer, value: bytes) -> None:
    server.answers = cluster = Cluster(key_secret("bad", "alice", value), GOOD)
    assert [row["name"] for row in run(api_key_info, connection(server))["api_keys"]] == ["bad", "good"]
    assert run(api_key, connection(server, user="alice", state="absent"))["action"] == "deleted"
    assert cluster.deleted == ["bad"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"maas_0123456789_abcdef\n", "ends in a line end"),
        (b" padded-key-0123456789", "begins or ends with white space"),
        (b"nul\0-key-0123456789", "holds control characters"),
        (b"\xff\xfe-binary-key", "is no text"),
        (b"", "is empty"),
    ],
)
def test_a_key_that_nobody_can_send_is_named_and_the_others_are_listed(
    server: EchoServer, value: bytes, words: str
) -> None:
    server.answers = Cluster(key_secret("bad", "dora", value), GOOD)
    warnings: list[str] = []
    store = KeyStore(Kube.connect(connection(server)), "kuadrant-system", {"app": "models-api"})
    names = [key.name for key in store.keys(warn=warnings.append)]
    assert names == (["bad", "good"] if value else ["good"])
    (warning,) = warnings
    assert warning.startswith(f"Secret kuadrant-system/bad: its api_key {words}")
    assert "key of user dora" in warning or not value


@bounded
@given(secret=odds(odd_bytes))
@example(secret=LINE_END)
@example(secret=odd_value("{}é€{}"))
def test_a_key_is_tried_with_its_own_bytes_or_not_at_all(server: EchoServer, secret: Odd) -> None:
    server.answers = lambda _method, _path: None
    server.authorizations.clear()
    prober = Prober(lambda: [Endpoint(f"{server.url}/check")], ProbeTerms(times=1, timeout=0))
    prober._endpoints = prober._find()
    trouble = prober.accepted(secret.value)
    if key_problem(secret.value):
        assert "cannot be sent" in trouble
        assert prober.refused(secret.value) == ""
        assert server.authorizations == []
    else:
        assert trouble == ""
        assert server.authorizations == [b"APIKEY " + secret.value.encode()]
    assert not secret.is_in(trouble)


@bounded
@given(secret=odds(odd_bytes), token=odds(), password=odds())
@example(secret=LINE_END, token=LINE_END, password=Odd("Zk3hR8vQ1xW6pT9mB4nL", ("Zk3hR8vQ1xW6", "pT9mB4nL")))
@example(secret=odd_value("{}{}"), token=odd_value("{}.{}.x"), password=LINE_END)
def test_checks_of_the_gateway_show_no_key_and_end_no_other(
    server: EchoServer, secret: Odd, token: Odd, password: Odd
) -> None:
    client = {
        "metadata": {"name": "client", "namespace": "keycloak"},
        "data": {
            "client_id": base64.b64encode(b"app").decode(),
            "client_secret": password.encoded,
            "token_url": base64.b64encode(f"{server.url}/token".encode()).decode(),
        },
    }
    keys = Cluster(key_secret("bad", "alice", as_bytes(secret.value)), GOOD)

    def answers(method: str, path: str) -> Any:
        if path == "/token":
            refused = {"error": {"message": f"{password.value} is wrong"}}
            return {"access_token": token.value} if token.value.isprintable() else refused
        if "/namespaces/" in path:
            return client if path.endswith("/client") else keys(method, path)
        return None

    server.answers = answers
    base = {"path": "/m", "host": "localhost", "expected": [422]}
    checks = [
        {**base, "name": "bad", "user": "alice", "expected": [200]},
        {**base, "name": "by name", "secret": "bad"},
        {**base, "name": "missing", "user": "nobody"},
        {**base, "name": "token", "credentials": "token", "secret": "client", "expected": [200]},
        {**base, "name": "forged", "credentials": "tampered_token", "secret": "client", "expected": [200]},
        {**base, "name": "burst", "user": "alice", "burst": 1},
        {**base, "name": "odd request", "user": "bob", "path": "/\n", "headers": {"x": "a\nb"}},
        {**base, "name": "good", "user": "bob"},
    ]
    result = run(gateway_check, connection(server, url=server.url, requests=checks), secret, token, password)
    passed = {row["name"]: row["passed"] for row in result["results"]}
    assert passed["good"], result["results"]
    assert not any(passed[name] for name in ("bad", "missing", "token", "forged", "burst", "odd request"))
    assert passed["by name"] is (not key_problem(secret.value))
    assert "this request cannot be sent" in {row["name"]: row["reason"] for row in result["results"]}["odd request"]


def test_a_check_that_fails_in_any_way_ends_no_other() -> None:
    secret = odd_value("{}-{}")

    def send(_method: str, path: str, _headers: Any, _body: Any) -> Answer:
        if path == "/bad":
            raise RuntimeError(f"the library cannot use {secret.encoded}")
        return Answer(200, 0.0)

    def connect(_url: str, _host: str) -> Any:
        return SimpleNamespace(send=send)

    nobody: Any = SimpleNamespace()
    checker = GatewayChecker(connect, GatewayCredentials(nobody, nobody, "APIKEY"))
    fields = {"section": "x", "model": "", "user": "", "kind": "plain", "method": "GET", "host": "h", "headers": {}}
    fields |= {"credentials": "none", "expected": [200], "settle": 0, "denied": False, "served_name": "", "names": []}
    fields |= {"url": "", "server_name": "", "target": "", "answer_headers": {}}
    checks = [
        {**fields, "name": "bad", "path": "/bad", "burst": 0},
        {**fields, "name": "bad burst", "path": "/bad", "burst": 1, "window": 60},
        {**fields, "name": "good", "path": "/good", "burst": 0},
    ]
    with call():
        hide(secret.value)
        results = checker.run(checks)
    assert [row["passed"] for row in results] == [False, False, True]
    assert "unexpected RuntimeError" in results[0]["reason"]
    assert not secret.is_in(str(results))


def test_an_answer_is_covered_before_it_is_cut() -> None:
    secret = odd_value("{}{}")
    with call():
        hide(secret.value)
        words = describe_answer(Answer(422, 0.0, {}, f"{'x' * 185} {secret.value}".encode()))
    assert words == f"{'x' * 185} ********"


@bounded
@given(secret=odds())
@example(secret=odd_value("{}/{}"))
def test_passwords_in_urls_are_not_shown(server: EchoServer, secret: Odd) -> None:
    server.answers = Cluster(GOOD)
    url = f"http://u:{quote(secret.value, safe='')}@{server.url[7:]}/m"
    probe = {"urls": [url], "timeout": "0", "times": 1}
    failed = run(api_key_rotation, connection(server, force=True, probe=probe), secret)
    assert "http://u:********@" in failed["msg"]
    checks = [{"name": "x", "path": "/m", "host": "localhost", "credentials": "token", "secret": "client"}]
    wrong = url.replace("http:", "ftp:")
    client = {"metadata": {"name": "client", "namespace": "keycloak"}}
    encoded = base64.b64encode(wrong.encode()).decode()
    client["data"] = {"client_id": "YQ==", "client_secret": "YQ==", "token_url": encoded}
    server.answers = lambda _method, path: client if path.endswith("/client") else None
    checked = run(gateway_check, connection(server, url=server.url, requests=checks), secret)
    assert "is no address of an issuer" in checked["results"][0]["reason"]


@bounded
@given(secret=odds())
@example(secret=odd_value('{}"\\\n{}'))
def test_kept_secrets_and_manifests_show_no_value(server: EchoServer, secret: Odd) -> None:
    server.answers = lambda method, _path: {} if method == "GET" else None
    kept = {"name": "s3", "namespace": "llm", "data": {"key": secret.value}, "compose": {"url": "s3://${key}@host"}}
    assert run(secrets, connection(server, secrets=[kept]), secret)["failed"]
    source = {"kind": "Secret", "metadata": {"name": "s3", "namespace": "llm"}, "data": {"key": secret.encoded}}
    server.answers = lambda method, path: source if method == "GET" and path.endswith("/s3") else None
    read = {"name": "copy", "namespace": "llm", "compose": {"key": "${key}"}}
    read["variables_from"] = {"name": "s3", "namespace": "llm"}
    assert run(secrets, connection(server, secrets=[read]), secret)["failed"]


DISCOVERY = {
    "kind": "APIGroupDiscoveryList",
    "items": [
        {
            "metadata": {"name": ""},
            "versions": [
                {
                    "version": "v1",
                    "resources": [
                        {"resource": "secrets", "scope": "Namespaced", "verbs": [], "responseKind": {"kind": "Secret"}}
                    ],
                }
            ],
        }
    ],
}


@bounded
@given(secret=odds())
def test_a_manifest_that_the_server_refuses_shows_no_value(server: EchoServer, secret: Odd) -> None:
    def answers(method: str, path: str) -> Any:
        if path in ("/api", "/apis"):
            return DISCOVERY
        return {"items": [], "metadata": {}} if method == "GET" else None

    server.answers = answers
    metadata = {"name": "s3", "namespace": "llm"}
    for part, value in (("stringData", secret.value), ("data", secret.encoded)):
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, part: {"key": value}}
        sealed = json.dumps({"definitions": [body]})
        result = run(manifests, connection(server, sealed=sealed, timeout=1), secret)
        assert result["failed"]


@pytest.mark.parametrize("module", [manifests, secrets])
def test_values_of_secrets_are_not_in_what_nobody_expected(
    server: EchoServer, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = odd_value("{}'{}")

    def fail(_kube: Any, method: str, _path: str, *, body: Any = None, **_options: Any) -> Any:
        if method == "GET":
            return DISCOVERY if _path in ("/api", "/apis") else {"items": [], "metadata": {}, **source}
        raise ValueError(f"cannot use {json.loads(body) if isinstance(body, bytes) else body!r}")

    source = {"data": {"key": secret.encoded}} if module is secrets else {}
    monkeypatch.setattr(Kube, "request", fail)
    identity = {"name": "copy", "namespace": "llm"}
    definition = {"apiVersion": "v1", "kind": "Secret", "metadata": identity, "data": {"key": secret.encoded}}
    options: dict[str, Any] = {"definitions": [definition]}
    if module is secrets:
        options = {"secrets": [{**identity, "compose": {"key2": "${key}"}, "variables_from": identity}]}
    result = run(module, connection(server, **options), secret)
    assert "unexpected ValueError in" in result["msg"]


@bounded
@given(secret=odds(), name=odd)
@example(secret=LINE_END, name="\0")
def test_a_key_goes_into_its_file_as_it_is_or_is_named_without_it(tmp_path: Path, secret: Odd, name: str) -> None:
    receiver = ControllerReceiver(str(tmp_path), [])
    path = f"out/{name[:20].replace('/', '-')}x"
    if "\0" in path:
        with pytest.raises(DeliveryError, match="cannot be written") as caught:
            receiver.file(path, secret.value)
        assert not secret.is_in(str(caught.value))
    else:
        receiver.file(path, secret.value)
        assert (tmp_path / path).read_bytes() == secret.value.encode()
