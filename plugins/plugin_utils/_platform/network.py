# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may talk to whom, as NetworkPolicies: all traffic is denied but names (DNS) and the flows of the components.

A flow names Pods by ``namespace`` and labels (``pods``) and lists what comes to them (``ingress``) and goes from them
(``egress``). An entry of these has ``ports``, and ``from`` or ``to`` with peers: the name of another flow means its
Pods, a dictionary has a ``namespace`` and may have ``pods``. Without peers it is anybody: the API server, which calls
webhooks and whose address no selector can name, and clients outside the cluster. The word ``api_server`` stands for its
ports, ``anywhere`` for everything. Kubelets are never held back
(https://kubernetes.io/docs/concepts/services-networking/network-policies/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.fields import DataFieldError, DataFields

NetworkPolicy = dict[str, Any]
# Direction, and the field of its rules that names the other side.
_SIDES = {"ingress": "from", "egress": "to"}
# Names, whoever resolves them.
_NAMES = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}


class FlowError(ValueError):
    """A flow that cannot be a NetworkPolicy; the message names it, its field and the fix."""


@dataclass(frozen=True)
class Pods:
    """Pods of a namespace, by labels; all of them where there are none."""

    namespace: str
    labels: Mapping[str, str] | None = None

    def peer(self) -> dict[str, Any]:
        selector: dict[str, Any] = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}
        }
        return selector if self.labels is None else {**selector, "podSelector": {"matchLabels": dict(self.labels)}}


def network_policies(
    flows: Sequence[Any], namespaces: Sequence[str], api_server_ports: Sequence[int], labels: Mapping[str, str]
) -> list[NetworkPolicy]:
    """The NetworkPolicies: one per namespace that denies everything, and one per flow.

    :param flows: see above.
    :param namespaces: namespaces to close.
    :param api_server_ports: ports on which the API server may listen.
    :param labels: labels of the NetworkPolicies.
    :raises FlowError: for a flow that is wrong.
    """
    try:
        read = [DataFields.of(flow, _place(flow, index)) for index, flow in enumerate(flows)]
        known = _Known(read, [_port(port) for port in api_server_ports])
        denied = [_policy("default-deny", name, labels, _deny()) for name in dict.fromkeys(namespaces)]
        return denied + [_allowed(fields, known, labels) for fields in read]
    except DataFieldError as error:
        raise FlowError(str(error)) from error


class _Known:
    """What words in a flow stand for."""

    def __init__(self, flows: Sequence[DataFields], api_server_ports: list[dict[str, Any]]) -> None:
        self._pods: dict[str, list[Pods]] = {}
        for fields in flows:
            self._pods.setdefault(fields.text("name"), []).append(_pods(fields))
        self._rules: dict[str, dict[str, Any]] = {"api_server": {"ports": api_server_ports}, "anywhere": {}}

    def rule(self, word: str, where: str) -> dict[str, Any]:
        if word not in self._rules:
            raise FlowError(f"{where}: {word!r} is neither a dictionary nor one of {', '.join(self._rules)}")
        return self._rules[word]

    def peer(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, str):
            fields = DataFields.of(value, where)
            fields.refuse_others("namespace", "pods")
            return _pods(fields).peer()
        found = self._pods.get(value, [])
        if len(found) != 1:
            raise FlowError(
                f"{where}: {len(found) or 'no'} flows are named {value!r}; write the namespace and its Pods"
            )
        return found[0].peer()


def _place(flow: Any, index: int) -> str:
    name = flow.get("name") if isinstance(flow, Mapping) else None
    return f"flow {flow.get('namespace')}/{name}" if name else f"flows[{index}]"


def _pods(fields: DataFields) -> Pods:
    labels = fields.inner("pods").all_texts() if "pods" in fields.content else None
    return Pods(fields.text("namespace"), labels)


def _allowed(fields: DataFields, known: _Known, labels: Mapping[str, str]) -> NetworkPolicy:
    fields.refuse_others("name", "namespace", "pods", *_SIDES)
    pods = _pods(fields)
    if not pods.labels:
        raise FlowError(f"{fields.where}.pods: give the labels of the Pods; without them it would be every Pod")
    spec: dict[str, Any] = {"podSelector": {"matchLabels": dict(pods.labels)}, "policyTypes": []}
    for direction, side in _SIDES.items():
        if direction in fields.content:
            spec["policyTypes"].append(direction.capitalize())
            spec[direction] = _rules(fields, direction, side, known)
    if not spec["policyTypes"]:
        raise FlowError(f"{fields.where}: has neither ingress nor egress")
    return _policy(fields.text("name"), pods.namespace, labels, spec)


def _rules(fields: DataFields, direction: str, side: str, known: _Known) -> list[dict[str, Any]]:
    rules = fields.content[direction]
    if isinstance(rules, str) or not isinstance(rules, Sequence):
        raise FlowError(f"{fields.where}.{direction}: {rules!r} is not a list")
    return [_rule(rule, f"{fields.where}.{direction}[{index}]", side, known) for index, rule in enumerate(rules)]


def _rule(rule: Any, where: str, side: str, known: _Known) -> dict[str, Any]:
    if isinstance(rule, str):
        return known.rule(rule, where)
    fields = DataFields.of(rule, where)
    fields.refuse_others("ports", side)
    # No list of ports and no list of peers would both mean everything, so each has to say something.
    made: dict[str, Any] = {"ports": [_port(port) for port in _some(fields, "ports")]}
    if side in fields.content:
        made[side] = [known.peer(peer, f"{where}.{side}[{at}]") for at, peer in enumerate(_some(fields, side))]
    return made


def _some(fields: DataFields, name: str) -> Sequence[Any]:
    """A list that is not empty: an empty one in a NetworkPolicy allows everything."""
    values = fields.content.get(name)
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise FlowError(f"{fields.where}.{name}: {values!r} is not a list with something in it")
    return values


def _port(port: Any) -> dict[str, Any]:
    if isinstance(port, bool) or not str(port).isdecimal() or not 0 < int(str(port)) < 65536:
        raise FlowError(f"port {port!r} is not a number from 1 to 65535")
    return {"port": int(str(port)), "protocol": "TCP"}


def _deny() -> dict[str, Any]:
    return {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [_NAMES]}


def _policy(name: str, namespace: str, labels: Mapping[str, str], spec: Mapping[str, Any]) -> NetworkPolicy:
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": dict(spec)}
