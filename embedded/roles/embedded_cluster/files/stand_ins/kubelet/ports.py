# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Local ports that stand for container ports."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Mapping
from typing import Any

# The annotation in which a Pod's local ports stand, as JSON by container port: its address cannot be dialled. In that
# of a Service stand those of its ports that are relayed on another one.
LOCAL_PORTS = "llmops.maas/local-ports"

# Below Linux's default range for outgoing connections (32768-60999), so that none of those takes a port between two
# starts of a container.
_FIRST, _LAST = 20000, 32000
_ATTEMPTS = 200


class PortError(Exception):
    """A container port has no local port; the message says which."""


class LocalPorts:
    """Gives out free ports of 127.0.0.1, each at most once."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        for _unused in range(_ATTEMPTS):
            port = random.randint(_FIRST, _LAST)  # noqa: S311  # not a secret
            if port not in self._taken and _is_free(port):
                self._taken.add(port)
                return port
        raise PortError(f"no free port between {_FIRST} and {_LAST} on 127.0.0.1")

    def give_back(self, port: int) -> None:
        self._taken.discard(port)


def _is_free(port: int) -> bool:
    # Both addresses: a few programs cannot be kept to loopback.
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104  # only to see whether the port is free
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


class PodPorts:
    """The container ports of one Pod, each with its local port: the same over all restarts of its containers."""

    def __init__(self, pod: Mapping[str, Any], pool: LocalPorts) -> None:
        self._pool = pool
        self._local: dict[int, int] = {}
        self._named = named_ports(pod)

    def number(self, port: str | int) -> int | None:
        """Container port for a number (also as text) or a name declared in the Pod."""
        text = str(port)
        return int(text) if text.isdigit() else self._named.get(text)

    def allocate(self, port: str | int) -> int:
        """Local port for a container port, taken when it is asked for first. Raises PortError for an unknown name."""
        number = self.number(port)
        if number is None:
            raise PortError(f"the Pod declares no port named {port!r}")
        if number not in self._local:
            self._local[number] = self._pool.take()
        return self._local[number]

    def local(self, port: str | int) -> int | None:
        """Local port already allocated for a container port, or None."""
        number = self.number(port)
        return None if number is None else self._local.get(number)

    @property
    def allocated(self) -> Mapping[int, int]:
        """Local port by container port."""
        return self._local

    def as_text(self) -> str:
        """The allocated ones for the annotation LOCAL_PORTS."""
        return json.dumps({str(number): port for number, port in sorted(self._local.items())})

    def release(self) -> None:
        for port in self._local.values():
            self._pool.give_back(port)
        self._local.clear()


def named_ports(pod: Mapping[str, Any]) -> dict[str, int]:
    """Name -> number of all ports that a Pod's containers declare."""
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    ports = [port for container in containers for port in container.get("ports") or ()]
    return {port["name"]: int(port["containerPort"]) for port in ports if port.get("name")}
