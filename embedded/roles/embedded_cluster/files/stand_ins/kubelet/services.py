# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which local port answers for a Service's ClusterIP and port."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .ports import PodPorts


class Backend(Protocol):
    """A Pod as the routing sees it."""

    address: str
    ports: PodPorts
    stopping: bool

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""

    def selected_by(self, namespace: str, selector: Mapping[str, str]) -> bool:
        """Whether it is in the namespace and has these labels."""


@dataclass(frozen=True)
class Target:
    """One TCP port of one Service."""

    address: str
    port: int
    target: str | int
    namespace: str
    service: str
    selector: tuple[tuple[str, str], ...]
    unready_too: bool

    @property
    def key(self) -> tuple[str, int]:
        return self.address, self.port


def targets(service: Mapping[str, Any], network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> list[Target]:
    """The TCP ports of a Service whose ClusterIP lies in network and on loopback; [] for headless ones and others.

    Loopback is demanded again here, so that a wrong network can never make this machine listen anywhere else.
    """
    spec = service["spec"]
    address = spec.get("clusterIP")
    if not address or address == "None":
        return []
    parsed = ipaddress.ip_address(address)
    if parsed not in network or not parsed.is_loopback:
        return []
    meta = service["metadata"]
    return [
        Target(
            address=address,
            port=int(port["port"]),
            target=port.get("targetPort") or port["port"],
            namespace=meta["namespace"],
            service=meta["name"],
            selector=tuple(sorted((spec.get("selector") or {}).items())),
            unready_too=bool(spec.get("publishNotReadyAddresses")),
        )
        for port in spec.get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    ]


class Routes:
    """All Services' ports, and round robin over the Pods behind each."""

    def __init__(
        self,
        network: ipaddress.IPv4Network | ipaddress.IPv6Network,
        backends: Iterable[Backend],
        api_server: tuple[str, int],
    ) -> None:
        self._network = network
        self._backends = backends
        self._api_server = api_server
        self._targets: dict[tuple[str, int], Target] = {}
        self._turns: dict[tuple[str, int], int] = {}

    def replace(self, service: Mapping[str, Any], *, deleted: bool) -> tuple[list[Target], list[Target]]:
        """Takes over a Service's ports; returns (new ones, vanished ones)."""
        meta = service["metadata"]
        owned = (meta["namespace"], meta["name"])
        former = {key: item for key, item in self._targets.items() if (item.namespace, item.service) == owned}
        current = {} if deleted else {item.key: item for item in targets(service, self._network)}
        for key in former:
            del self._targets[key]
        self._targets |= current
        return [current[key] for key in current.keys() - former], [former[key] for key in former.keys() - current]

    def knows(self, address: str, port: int) -> bool:
        return (address, port) in self._targets

    def pick(self, address: str, port: int) -> tuple[str, int] | None:
        """Where a new connection goes: (host, port) on loopback, or None while no ready Pod runs here for it."""
        target = self._targets.get((address, port))
        if target is None:
            return None
        if (target.namespace, target.service) == ("default", "kubernetes"):
            return self._api_server
        choices = self._choices(target)
        if not choices:
            return None
        turn = self._turns.get(target.key, 0)
        self._turns[target.key] = turn + 1
        return "127.0.0.1", choices[turn % len(choices)]

    def pod_port(self, address: str, port: int) -> tuple[str, int] | None:
        """Where a container port of the Pod with this address is, ready or not; None when no such Pod runs here."""
        for backend in self._backends:
            if backend.address == address and (local := backend.ports.local(port)) is not None:
                return "127.0.0.1", local
        return None

    def _choices(self, target: Target) -> list[int]:
        selector = dict(target.selector)
        if not selector:
            return []
        found = []
        for backend in self._backends:
            if not backend.selected_by(target.namespace, selector):
                continue
            if backend.ready or (target.unready_too and not backend.stopping):
                local = backend.ports.local(target.target)
                if local is not None:
                    found.append(local)
        return found
