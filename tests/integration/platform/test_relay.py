# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay between a real istiod and a real Envoy: what the platform sees of either going away, or refusing."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support import gateway_objects as objects
from tests.support.backends import Backend, serving
from tests.support.gateway_client import Client, until
from tests.support.local_gateway import LocalGateway

TLS = {"certificateRefs": [{"name": "gate-tls"}]}


@pytest.fixture(scope="module")
def backends() -> Iterator[list[int]]:
    """Ports of two."""
    with serving(Backend, 0, 0) as ports:
        yield ports


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, backends: list[int]) -> Iterator[LocalGateway]:
    made = LocalGateway(tmp_path_factory.mktemp("relay"))
    try:
        made.start(
            {"name": "http", "protocol": "HTTP", "port": 80, "hostname": objects.HOST},
            {"name": "https", "protocol": "HTTPS", "port": 443, "hostname": objects.HOST, "tls": TLS},
            {"name": "odd", "protocol": "HTTP", "port": 8088, "hostname": objects.HOST},
        )
        made.backend("model", "198.19.0.2", backends[0])
        made.apply(objects.certificate(), objects.route("m", objects.rule("/m", objects.rewrite("/"))))
        assert until(lambda: client(made).status("/m/x"), 200) == 200, made.log("gateway")
        yield made
    finally:
        made.stop()


def client(gateway: LocalGateway) -> Client:
    return Client("127.0.0.1", host=objects.HOST, port=gateway.ports["listener"])


def answered_by(gateway: LocalGateway) -> str:
    """The port of the backend that answered, or the status of another answer."""
    status, body = client(gateway).request("/m/x")
    return body.split()[0] if status == 200 else str(status)


def test_routes_are_istios(gateway: LocalGateway) -> None:
    assert client(gateway).request("/m/x")[1].split()[1] == "/x"
    assert client(gateway).status("/other") == 404
    names = {item["route_config"]["name"] for item in gateway.config("RoutesConfigDump")}
    assert {"http.80"} <= names
    with urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{gateway.ports['listener']}/m/x", headers={"Host": objects.HOST}),
        timeout=10,
    ) as answer:
        assert answer.headers["server"] == "istio-envoy"


def test_envoy_listens_on_loopback_alone_and_dials_nothing_else(gateway: LocalGateway) -> None:
    listeners = [item["address"] for item in gateway.listeners()]
    ports = {item["socket_address"]["port_value"] for item in listeners}
    assert ports == {gateway.ports["listener"], gateway.ports["tls"]}
    everything = json.dumps(
        [gateway.config("ClustersConfigDump"), gateway.config("EndpointsConfigDump", "?include_eds")]
    )
    addresses = set(re.findall(r'"address": "([^"]*)"', json.dumps(listeners) + everything))
    assert addresses
    assert all(address.startswith("127.") for address in addresses)
    assert "ORIGINAL_DST" not in everything
    assert "listener 0.0.0.0_8088 is not served here" in gateway.log("gateway")


def test_no_file_has_the_key_of_the_certificate_and_nobody_else_can_ask_for_it(gateway: LocalGateway) -> None:
    assert (gateway.directory / "envoy" / "relay.sock").stat().st_mode & 0o077 == 0
    secrets = gateway.config("SecretsConfigDump")
    assert [item["name"] for item in secrets] == ["kubernetes-gateway://llm/gate-tls"]
    for file in gateway.directory.rglob("*"):
        # The API server's own store and log have it, and istiod's are not ours.
        if file.is_file() and "api" not in file.relative_to(gateway.directory).parts:
            assert b"PRIVATE KEY" not in file.read_bytes(), file


def test_a_pods_other_port_is_known_without_istiod(gateway: LocalGateway, backends: list[int]) -> None:
    assert answered_by(gateway) == str(backends[0])
    gateway.apply(objects.pod("model", {"8080": backends[1]}, address="198.19.0.2"))
    assert until(lambda: answered_by(gateway), str(backends[1])) == str(backends[1])
    gateway.apply(objects.pod("model", {"8080": backends[0]}, address="198.19.0.2"))
    assert until(lambda: answered_by(gateway), str(backends[0])) == str(backends[0])


def test_what_envoy_refuses_is_told_to_istiod_and_the_last_configuration_stays(gateway: LocalGateway) -> None:
    value = {
        "name": "bad",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": "this is not Lua"},
        },
    }
    patch = {"operation": "INSERT_BEFORE", "value": value}
    bad = objects.envoy_filter("bad", {"applyTo": "HTTP_FILTER", "match": objects.before_router(), "patch": patch})
    gateway.apply(bad)
    try:
        assert until(lambda: "ADS:LDS: ACK ERROR gate-istio.llm" in gateway.log("istiod"), wanted=True)
        assert "script load error" in gateway.log("istiod")
        assert "Envoy refuses type.googleapis.com/envoy.config.listener.v3.Listener" in gateway.log("gateway")
        assert client(gateway).status("/m/x") == 200
        assert "bad" not in gateway.filters(80)
    finally:
        gateway.delete(bad)
    # What comes after it is taken again.
    gateway.apply(objects.route("later", objects.rule("/later", objects.rewrite("/"))))
    assert until(lambda: client(gateway).status("/later/x"), 200) == 200


def test_requests_are_served_while_istiod_is_away_and_news_come_with_it(gateway: LocalGateway) -> None:
    gateway.end("istiod")
    assert until(lambda: "no connection to istiod" in gateway.log("gateway"), wanted=True)
    assert client(gateway).status("/m/x") == 200
    gateway.apply(objects.route("new", objects.rule("/new", objects.rewrite("/"))))
    gateway.start_istiod()
    assert until(lambda: client(gateway).status("/new/x"), 200, 60) == 200


def test_a_gateway_is_not_ready_before_it_has_a_configuration(gateway: LocalGateway) -> None:
    def ready() -> int:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{gateway.ports['status']}/healthz/ready", timeout=5
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    assert ready() == 200
    gateway.end("gateway")
    gateway.end("istiod")
    gateway.start_gateway()
    assert until(lambda: "no connection to istiod" in gateway.log("gateway").rsplit("Envoy", 1)[-1], wanted=True)
    assert ready() != 200
    gateway.start_istiod()
    assert until(ready, 200, 60) == 200
