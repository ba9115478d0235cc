# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the addresses of the cluster are on this machine: those of Pods, and the names of Services."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ..api import Api, ApiError
from ..kubelet.names import names
from ..kubelet.ports import LOCAL_PORTS
from ..watching import EventHandler, Watch, sleep_unless

LOG = logging.getLogger(__name__)

_RESYNC_SECONDS = 30.0
# Labels of an EndpointSlice (k8s.io/api, discovery/v1, well_known_labels.go; core/v1, well_known_labels.go)
_SERVICE = "kubernetes.io/service-name"
_HEADLESS = "service.kubernetes.io/headless"

_KINDS = {"pods": ("", "v1"), "services": ("", "v1"), "endpointslices": ("discovery.k8s.io", "v1")}
_POD = "127.0.0.1"

Key = tuple[str, str]


@dataclass(frozen=True)
class Found:
    """What one object says: under these names is that address, with the local port for each port, or are others."""

    names: tuple[str, ...] = ()
    address: str = ""
    ports: Mapping[int, int] = field(default_factory=dict)
    others: tuple[str, ...] = ()


class Places:
    """Follows Pods, Services and, for Services without an address of their own, their endpoints.

    The kubelet stand-in writes local ports into an annotation: of Pods, as their addresses cannot be dialled here, and
    of Services for ports that are moved.
    """

    def __init__(self) -> None:
        self._found: dict[str, dict[Key, tuple[Found, int]]] = {kind: {} for kind in _KINDS}
        self._by_name: dict[str, list[Found]] = {}
        self._listeners: set[asyncio.Event] = set()

    def local(self, address: str, port: int) -> list[tuple[str, int]]:
        """Where a port of a Pod's address or of a Service's name is here; [] if nothing runs here for it."""
        if _loopback(address):
            return [(address, port)]
        return [place for found in self._by_name.get(address, ()) for place in self._of(found, port)]

    def _of(self, found: Found, port: int) -> list[tuple[str, int]]:
        if found.address == _POD:
            return [(_POD, found.ports[port])] if port in found.ports else []
        if found.address:
            return [(found.address, found.ports.get(port, port))]
        return [place for other in found.others for place in self.local(other, port)]

    def listen(self, event: asyncio.Event) -> None:
        """From now on the event is set whenever a place has changed."""
        self._listeners.add(event)

    def forget(self, event: asyncio.Event) -> None:
        self._listeners.discard(event)

    def watches(self) -> list[Watch]:
        return [Watch(group, version, kind, self._handler(kind)) for kind, (group, version) in _KINDS.items()]

    def _handler(self, kind: str) -> EventHandler:
        return lambda event, item: self.seen(kind, event, item)

    async def load(self, api: Api) -> None:
        """Lists everything: first so that the first configuration is whole, later because watches may lose events."""
        for kind, (group, version) in _KINDS.items():
            answer = await api.request("GET", f"/apis/{group}/{version}/{kind}" if group else f"/api/{version}/{kind}")
            for item in answer["items"]:
                self.seen(kind, None, item)
            there = {_key(item) for item in answer["items"]}
            listed = int(answer["metadata"]["resourceVersion"])
            known = self._found[kind]
            for key in [key for key, (_found, seen) in known.items() if key not in there and seen < listed]:
                del known[key]
        self._changed()

    async def load_again(self, api: Api, stop: asyncio.Event) -> None:
        """Every now and then, until stop is set."""
        while not await sleep_unless(stop, _RESYNC_SECONDS):
            try:
                await self.load(api)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                LOG.debug("not listed: %s", error)

    def seen(self, kind: str, event: str | None, item: Mapping[str, Any]) -> None:
        key, version = _key(item), int(item["metadata"]["resourceVersion"])
        known = self._found[kind]
        if event == "DELETED":
            known.pop(key, None)
        elif key not in known or known[key][1] <= version:
            known[key] = _READERS[kind](item), version
        self._changed()

    def _changed(self) -> None:
        by_name: dict[str, list[Found]] = {}
        for known in self._found.values():
            for found, _version in known.values():
                for name in found.names:
                    by_name.setdefault(name, []).append(found)
        if by_name != self._by_name:
            self._by_name = by_name
            for event in self._listeners:
                event.set()


def _key(item: Mapping[str, Any]) -> Key:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _pod(pod: Mapping[str, Any]) -> Found:
    status = pod.get("status") or {}
    if not status.get("podIP") or status.get("phase") in {"Succeeded", "Failed"}:
        return Found()
    return Found((str(status["podIP"]),), _POD, _ports(pod))


def _service(service: Mapping[str, Any]) -> Found:
    address = str(service["spec"].get("clusterIP") or "")
    return Found(tuple(names(*_key(service))), address, _ports(service)) if _loopback(address) else Found()


def _endpoints(item: Mapping[str, Any]) -> Found:
    """The endpoints of a Service without an address: what the cluster's DNS gives for its name."""
    labels = item["metadata"].get("labels") or {}
    if _HEADLESS not in labels or item.get("addressType") == "FQDN":
        return Found()
    ready = [one for one in item.get("endpoints") or () if (one.get("conditions") or {}).get("ready") is not False]
    others = tuple(sorted(str(address) for one in ready for address in one["addresses"]))
    return Found(tuple(names(_key(item)[0], labels[_SERVICE])), others=others)


_READERS: dict[str, Callable[[Mapping[str, Any]], Found]] = {
    "pods": _pod,
    "services": _service,
    "endpointslices": _endpoints,
}


def _ports(item: Mapping[str, Any]) -> dict[int, int]:
    known = json.loads((item["metadata"].get("annotations") or {}).get(LOCAL_PORTS) or "{}")
    return {int(number): int(port) for number, port in known.items()}
