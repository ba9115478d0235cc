# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkPolicies made from flows."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.network import FlowError, network_policies

SERVER: dict[str, Any] = {"name": "server", "namespace": "b", "pods": {"app": "server"}}


def policies(*flows: Any, namespaces: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return network_policies(flows, namespaces, [443, 6443], {"part-of": "maas"})


def peer(namespace: str, **pods: str) -> dict[str, Any]:
    selector: dict[str, Any] = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    return {**selector, "podSelector": {"matchLabels": pods}} if pods else selector


def test_every_namespace_is_closed_once_but_for_names() -> None:
    [denied] = policies(namespaces=("a", "a"))
    assert denied == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": "a", "labels": {"part-of": "maas"}},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}],
        },
    }


def test_a_flow_names_its_pods_and_the_other_side() -> None:
    client = {"name": "client", "namespace": "a", "pods": {"app": "c"}, "egress": [{"ports": [80], "to": ["server"]}]}
    server = {**SERVER, "ingress": [{"ports": ["80"], "from": ["client", {"namespace": "m"}]}]}
    one, two = (policy["spec"] for policy in policies(client, server))
    port = [{"port": 80, "protocol": "TCP"}]
    assert one == {
        "podSelector": {"matchLabels": {"app": "c"}},
        "policyTypes": ["Egress"],
        "egress": [{"ports": port, "to": [peer("b", app="server")]}],
    }
    assert two["policyTypes"] == ["Ingress"]
    assert two["ingress"] == [{"ports": port, "from": [peer("a", app="c"), peer("m")]}]


def test_ports_without_peers_are_open_to_anybody() -> None:
    [policy] = policies({**SERVER, "ingress": [{"ports": [443]}]})
    assert policy["spec"]["ingress"] == [{"ports": [{"port": 443, "protocol": "TCP"}]}]


def test_words_stand_for_the_api_server_and_for_everything() -> None:
    one, two = policies({**SERVER, "egress": ["api_server"]}, {**SERVER, "name": "b", "egress": ["anywhere"]})
    assert [item["port"] for item in one["spec"]["egress"][0]["ports"]] == [443, 6443]
    assert two["spec"]["egress"] == [{}]


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        ("server", r"^flows\[0\]: 'server' is not a dictionary"),
        ({"name": "x", "namespace": "b", "ingress": []}, r"^flow b/x.pods: give the labels of the Pods"),
        ({**SERVER, "pods": {}, "ingress": []}, r"^flow b/server.pods: give the labels"),
        (SERVER, "^flow b/server: has neither ingress nor egress"),
        ({**SERVER, "ingres": []}, "^flow b/server: unknown field ingres; known are egress, ingress"),
        ({**SERVER, "ingress": "anywhere"}, "^flow b/server.ingress: 'anywhere' is not a list"),
        (
            {**SERVER, "ingress": ["api"]},
            r"^flow b/server.ingress\[0\]: 'api' is neither a dictionary nor one of api_server",
        ),
        ({**SERVER, "ingress": [{}]}, r"^flow b/server.ingress\[0\].ports: None is not a list with something in it"),
        ({**SERVER, "ingress": [{"ports": []}]}, r"ingress\[0\].ports: \[\] is not a list with something"),
        ({**SERVER, "ingress": [{"ports": [80], "from": []}]}, r"ingress\[0\].from: \[\] is not a list with something"),
        ({**SERVER, "ingress": [{"ports": [80], "to": []}]}, r"ingress\[0\]: unknown field to; known are from, ports"),
        ({**SERVER, "ingress": [{"ports": [0]}]}, "port 0 is not a number from 1 to 65535"),
        ({**SERVER, "ingress": [{"ports": ["http"]}]}, "port 'http' is not a number"),
        (
            {**SERVER, "ingress": [{"ports": [80], "from": ["x"]}]},
            r"from\[0\]: no flows are named 'x'; write the namespace",
        ),
        ({**SERVER, "ingress": [{"ports": [80], "from": [{"pods": {"a": "b"}}]}]}, r"from\[0\].namespace: is missing"),
    ],
)
def test_wrong_flows_are_refused(flow: Any, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        policies(flow)


def test_a_name_that_two_flows_have_says_too_little() -> None:
    one = {**SERVER, "ingress": ["anywhere"]}
    with pytest.raises(FlowError, match="2 flows are named 'server'"):
        policies(one, {**one, "namespace": "c", "egress": [{"ports": [80], "to": ["server"]}]})
