# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the objects of one Gateway and keeps Envoy's files in step with them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from ..api import Api, ApiError
from ..watching import EventHandler, Watch, sleep_unless
from .envoy import Objects, resources
from .kuadrant import read

LOG = logging.getLogger(__name__)

# Objects mostly change together: one new configuration for all of them.
_SETTLE_SECONDS = 0.1
_RESYNC_SECONDS = 30.0

Key = tuple[str, str]

_KINDS = {
    "gateways": ("gateway.networking.k8s.io", "v1"),
    "httproutes": ("gateway.networking.k8s.io", "v1"),
    "envoyfilters": ("networking.istio.io", "v1alpha3"),
    "services": ("", "v1"),
    "pods": ("", "v1"),
    "secrets": ("", "v1"),
}


class Gateway:
    """One Gateway by namespace and name, and the directory with Envoy's files."""

    def __init__(self, key: Key, ports: Mapping[int, int], directory: Path) -> None:
        self.key = key
        self._ports = ports
        self._directory = directory
        self._objects: dict[str, dict[Key, dict[str, Any]]] = {kind: {} for kind in _KINDS}
        self._changed = asyncio.Event()
        self._written: dict[str, str] = {}
        self._problems: list[str] = []

    async def load(self, api: Api) -> None:
        """Lists everything: first so that the first configuration is whole, later because watches may lose events."""
        for kind, (group, version) in _KINDS.items():
            root = f"/apis/{group}/{version}" if group else f"/api/{version}"
            answer = await api.request("GET", f"{root}/{kind}")
            known, self._objects[kind] = self._objects[kind], {}
            for item in answer["items"]:
                former = known.get(_key(item))
                # A watch may have been quicker than the list.
                self._seen(kind, None, former if former and _version(former) > _version(item) else item)

    async def load_again(self, api: Api, stop: asyncio.Event) -> None:
        """Every now and then, until stop is set."""
        while not await sleep_unless(stop, _RESYNC_SECONDS):
            try:
                await self.load(api)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                LOG.debug("not listed: %s", error)

    def watches(self) -> list[Watch]:
        return [Watch(group, version, kind, self._handler(kind)) for kind, (group, version) in _KINDS.items()]

    def _handler(self, kind: str) -> EventHandler:
        return lambda event, item: self._seen(kind, event, item)

    def _seen(self, kind: str, event: str | None, item: dict[str, Any]) -> None:
        key = _key(item)
        if event == "DELETED":
            self._objects[kind].pop(key, None)
        elif kind != "secrets" or item.get("type") == "kubernetes.io/tls":
            self._objects[kind][key] = item
        self._changed.set()

    async def follow(self, stop: asyncio.Event) -> None:
        """Writes the files whenever something has changed."""
        while not stop.is_set():
            if await sleep_unless(self._changed, 1):
                await asyncio.sleep(_SETTLE_SECONDS)
                self._changed.clear()
                self.write()

    def write(self) -> None:
        """Replaces the files whose content has changed; a configuration that cannot be made leaves the last one."""
        try:
            kuadrant = read(self._objects["envoyfilters"].values(), *self.key)
            made = resources(self._snapshot(), kuadrant, self._ports, self._directory)
        except (KeyError, TypeError, ValueError):
            LOG.exception("no new configuration can be made of these objects; the last one stays")
            return
        if made.problems != self._problems:
            self._problems = made.problems
            for problem in made.problems:
                LOG.warning("%s", problem)
        for name, content in made.files().items():
            text = json.dumps(content, indent=1)
            if self._written.get(name) != text:
                self._written[name] = text
                # Envoy watches for a file that is moved there.
                temporary = self._directory / f".{name}"
                temporary.write_text(text, encoding="utf-8")
                temporary.replace(self._directory / name)
                LOG.info("%s was replaced", name)

    def _snapshot(self) -> Objects:
        found = self._objects
        return Objects(
            gateway=found["gateways"].get(self.key),
            routes=list(found["httproutes"].values()),
            envoy_filters=list(found["envoyfilters"].values()),
            services=found["services"],
            pods=list(found["pods"].values()),
            secrets=found["secrets"],
        )


def _key(item: Mapping[str, Any]) -> Key:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _version(item: Mapping[str, Any]) -> int:
    return int(item["metadata"]["resourceVersion"])
