# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all Pods of the stand-in share."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..api import Api
from ..events import Recorder
from .images import ImageMapFile
from .ports import LocalPorts
from .processes import ProcessRecords


class Addresses:
    """Pod addresses, which lead somewhere through the stand-in's proxy only (relay.py).

    EndpointSlices refuse loopback addresses, so they come from a range that is reserved for documentation and tests
    (RFC 2544: 198.18.0.0/15).
    """

    def __init__(self, network: str) -> None:
        self._network = ipaddress.ip_network(network)
        self._taken: dict[str, str] = {}

    def assign(self, pod: Mapping[str, Any]) -> str:
        """The Pod's former address if it has one of this range, else a free one."""
        uid = pod["metadata"]["uid"]
        former = (pod.get("status") or {}).get("podIP")
        if former and ipaddress.ip_address(former) in self._network and self._taken.get(former, uid) == uid:
            self._taken[former] = uid
            return str(former)
        size = self._network.num_addresses
        start = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big")
        for step in range(size):
            address = str(self._network[(start + step) % (size - 2) + 1])
            if address not in self._taken:
                self._taken[address] = uid
                return address
        raise RuntimeError(f"no free Pod address in {self._network}")

    def release(self, address: str) -> None:
        self._taken.pop(address, None)


@dataclass
class Node:
    """The stand-in's own resources: API access, image map, state directory, ports and addresses.

    ``pod_network``: the socket of the proxy that leads to Pods and Services.
    """

    api: Api
    images: ImageMapFile
    state: Path
    addresses: Addresses
    recorder: Recorder
    records: ProcessRecords
    pod_network: Path
    ports: LocalPorts = field(default_factory=LocalPorts)

    @property
    def service_names(self) -> Path:
        """The hosts file with the names of the Services."""
        return self.state / "service-names"

    def kubeconfig(self, token_file: Path, namespace: str) -> str:
        """A kubeconfig (JSON, which is YAML too) that reads its token from token_file."""
        ca_field = {}
        if self.api.kubeconfig.cluster.get("certificate-authority-data"):
            ca_field = {"certificate-authority-data": self.api.kubeconfig.cluster["certificate-authority-data"]}
        elif self.api.kubeconfig.ca_file:
            ca_field = {"certificate-authority": str(self.api.kubeconfig.ca_file)}
        context = {"cluster": "cluster", "user": "pod", "namespace": namespace}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "cluster", "cluster": {"server": self.api.kubeconfig.server} | ca_field}],
                "users": [{"name": "pod", "user": {"tokenFile": str(token_file)}}],
                "contexts": [{"name": "pod", "context": context}],
                "current-context": "pod",
            }
        )
