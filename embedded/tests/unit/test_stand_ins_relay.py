# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the gateway's relay answers for Envoy and istiod, and what Envoy starts with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway import (
    bootstrap,
    kuadrant,
    policies,
    xds,
)
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway.places import Places
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway.relay import Sent
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway.rewriting import (
    Rewriting,
)
from tests.support import gateway_objects as objects
from tests.support.discovery import (
    PORTS,
    assignment,
    dialled,
    listener,
    numbered,
    places,
    route,
    routes,
    wasm,
)

ENVOY = Path(sys.executable).with_name("envoy")


def response(kind: str, nonce: str, *resources: Any) -> Any:
    return xds.Response(type_url=kind, nonce=nonce, version_info=f"v{nonce}", resources=resources)


def test_routes_are_sent_again_when_kuadrants_rules_have_changed() -> None:
    sent = Sent(Rewriting(PORTS, Places()))
    sent.answer(response(xds.LISTENER, "1", listener(wasm())))
    sent.answer(response(xds.ROUTES, "2", routes(route("/qwen"))))
    changed, again = sent.answer(response(xds.LISTENER, "3", listener(wasm(objects.action_set("/qwen")))))
    assert (changed.type_url, changed.nonce, changed.version_info) == (xds.LISTENER, "3", "v3")
    assert (again.type_url, again.nonce, again.version_info) == (xds.ROUTES, "relay/1", "v2")
    (host,) = xds.RouteConfiguration.FromString(again.resources[0].value).virtual_hosts
    assert len(host.routes) == 2
    assert sent.again() == []


def test_endpoints_are_sent_again_when_a_pod_has_other_ports_and_only_those() -> None:
    known = places(objects.pod("model", {"8080": 21000}, address="198.19.0.2"))
    sent = Sent(Rewriting(PORTS, known))
    other = xds.ClusterLoadAssignment(cluster_name="other")
    items = [
        xds.AnyMessage(type_url=xds.ENDPOINTS, value=item.SerializeToString())
        for item in (assignment(("198.19.0.2", 8080)), other)
    ]
    sent.answer(response(xds.ENDPOINTS, "1", *items))
    known.seen("pods", "MODIFIED", numbered(objects.pod("model", {"8080": 21001}, address="198.19.0.2"), 2))
    (again,) = sent.again()
    (item,) = again.resources
    assert dialled(xds.ClusterLoadAssignment.FromString(item.value)) == [("127.0.0.1", 21001)]


def test_istiod_hears_what_envoy_says_with_its_own_last_answer() -> None:
    sent = Sent(Rewriting(PORTS, Places()))
    sent.answer(response(xds.ROUTES, "7", routes(route("/qwen"))))
    refusal = xds.Request(type_url=xds.ROUTES, response_nonce="relay/1", version_info="v6")
    refusal.error_detail.message = "unknown cluster"
    passed = xds.Request.FromString(sent.request(refusal.SerializeToString()))
    assert (passed.response_nonce, passed.version_info) == ("7", "v6")
    assert passed.error_detail.message == "unknown cluster"
    accepted = xds.Request(type_url=xds.ROUTES, response_nonce="7").SerializeToString() + b"\x1a\x01x"
    assert sent.request(accepted) == accepted


def test_what_else_istiod_sends_is_passed_on_as_it_is() -> None:
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    given = response(kind, "1", xds.AnyMessage(type_url=kind, value=b"private"))
    assert Sent(Rewriting(PORTS, Places())).answer(given) == [given]


def test_a_kind_of_which_nothing_is_left_is_empty_for_envoy_too() -> None:
    sent = Sent(Rewriting(PORTS, Places()))
    sent.answer(response(xds.LISTENER, "1", listener(wasm(objects.action_set("/qwen")))))
    sent.answer(response(xds.ROUTES, "2", routes(route("/qwen"))))
    empty, again = sent.answer(response(xds.LISTENER, "3"))
    assert (list(empty.resources), empty.nonce) == ([], "3")
    # Without Kuadrant's filter the routes are Istio's.
    assert list(again.resources) == [routes(route("/qwen"))]


# --- Envoy


def test_a_node_is_what_pilot_agent_says_of_the_pod() -> None:
    pod = objects.pod("gate-istio", {}, address="198.19.0.1", image="docker.io/istio/proxyv2:1.26.2")
    made = bootstrap.node(pod, "198.19.0.1", {"ISTIO_META_CLUSTER_ID": "Kubernetes", "OTHER": "x"})
    assert made["id"] == "router~198.19.0.1~gate-istio.llm~llm.svc.cluster.local"
    assert made["metadata"]["ISTIO_VERSION"] == "1.26.2"
    assert made["metadata"]["CLUSTER_ID"] == "Kubernetes"
    assert made["metadata"]["LABELS"] == {"app": "gate-istio"}
    assert "OTHER" not in made["metadata"]


def test_envoy_accepts_what_it_starts_with(tmp_path: Path) -> None:
    pod = objects.pod("gate-istio", {}, address="198.19.0.1", image="proxyv2:1.26.2")
    content = bootstrap.bootstrap(bootstrap.node(pod, "198.19.0.1", {}), "relay.sock", 20001, 20002)
    # With Envoy's own limit of 15 s it would be ready without a configuration.
    assert content["dynamic_resources"]["lds_config"]["initial_fetch_timeout"] == "0s"
    # In the words of the filters that take the place of Kuadrant's, which come with a listener later.
    found = kuadrant.read(objects.wasm_configuration(objects.action_set("/qwen", objects.limit_action())))
    (status,) = content["static_resources"]["listeners"]
    manager = status["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [*policies.stand_in_filters(found), *manager["http_filters"]]
    for name in ("kuadrant-auth-service", "kuadrant-ratelimit-service"):
        content["static_resources"]["clusters"].append({"name": name, "type": "STATIC"})
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(content))
    command = [str(ENVOY), "--mode", "validate", "--config-path", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
