# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the Pods that are ours to life and keeps the Services routed."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections.abc import Coroutine, Iterator
from typing import Any

import aiohttp

from ..api import MERGE_PATCH, ApiError
from ..watching import Watch, sleep_unless, watch_forever
from .container import GRACE_LIMIT
from .images import ImageMapError
from .names import ServiceNames
from .node import Node
from .objects import SourceKind
from .pod import PodRunner, delete_now
from .ports import LOCAL_PORTS
from .relay import Relays
from .services import Routes, Target

LOG = logging.getLogger(__name__)

_RESYNC_SECONDS = 30.0


class Pods:
    """The Pods that run here. Iterates over them for the routing."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._runners: dict[str, PodRunner] = {}
        self._background: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[PodRunner]:
        return iter(self._runners.values())

    def seen(self, kind: str | None, pod: dict[str, Any]) -> None:
        """An event of a Pod, or its present state when kind is None."""
        runner = self._runners.get(pod["metadata"]["uid"])
        if runner is None:
            self._first_seen(kind, pod)
            return
        runner.update(pod)
        if runner.stopping:
            return
        if kind == "DELETED":
            self._stop(runner, 0, delete=False)
        elif pod["metadata"].get("deletionTimestamp"):
            grace = pod["metadata"].get("deletionGracePeriodSeconds")
            self._stop(runner, GRACE_LIMIT if grace is None else float(grace), delete=True)

    def _first_seen(self, kind: str | None, pod: dict[str, Any]) -> None:
        if kind == "DELETED" or not pod["spec"].get("nodeName") or not self._node.images.current.covers(pod):
            return
        if pod["metadata"].get("deletionTimestamp"):
            self._spawn(delete_now(self._node, pod))
            return
        if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
            return
        runner = PodRunner(pod, self._node)
        LOG.info("%s: starting (address %s)", runner.name, runner.address)
        self._runners[runner.uid] = runner
        runner.start()

    def _stop(self, runner: PodRunner, grace: float, *, delete: bool) -> None:
        LOG.info("%s: stopping", runner.name)
        runner.stopping = True
        self._spawn(self._stopped(runner, grace, delete=delete))

    async def _stopped(self, runner: PodRunner, grace: float, *, delete: bool) -> None:
        try:
            await runner.stop(grace, delete=delete)
        finally:
            self._runners.pop(runner.uid, None)

    def source_changed(self, kind: SourceKind, obj: dict[str, Any]) -> None:
        meta = obj["metadata"]
        for runner in self:
            if runner.pod["metadata"]["namespace"] == meta["namespace"]:
                runner.wake(kind, meta["name"])

    async def resync(self) -> None:
        """Compares with the API, because events are lost when a watch breaks."""
        answer = await self._node.api.request("GET", "/api/v1/pods")
        present = {pod["metadata"]["uid"] for pod in answer["items"]}
        for pod in answer["items"]:
            self.seen(None, {"apiVersion": "v1", "kind": "Pod"} | pod)
        for runner in list(self):
            if runner.uid not in present and not runner.stopping:
                self._stop(runner, 0, delete=False)

    async def stop_all(self) -> None:
        """Ends every process; the Pods stay in the API and start again with the next stand-in."""
        runners = list(self)
        for runner in runners:
            runner.stopping = True
        await asyncio.gather(*(runner.stop(GRACE_LIMIT, delete=False) for runner in runners), return_exceptions=True)
        await asyncio.gather(*self._background, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


class ServiceRelays:
    """Keeps the relays and the names in step with the Services, one change after the other."""

    def __init__(self, node: Node, routes: Routes) -> None:
        self._node = node
        self._routes = routes
        self._names = ServiceNames(node.service_names)
        self._relays = Relays(routes, self._failed)
        self._changes: asyncio.Queue[tuple[list[Target], list[Target]]] = asyncio.Queue()
        self._services: dict[tuple[str, str], dict[str, Any]] = {}
        self._moved: dict[tuple[str, str], dict[str, int | None]] = {}

    def seen(self, kind: str | None, service: dict[str, Any]) -> None:
        meta = service["metadata"]
        self._services[meta["namespace"], meta["name"]] = service
        self._names.seen(kind, service)
        added, removed = self._routes.replace(service, deleted=kind == "DELETED")
        if added or removed:
            self._changes.put_nowait((added, removed))

    async def run(self) -> None:
        try:
            while True:
                added, removed = await self._changes.get()
                for target in removed:
                    await self._relays.remove(target)
                for target in added:
                    self._note(target, await self._relays.add(target))
                await self._tell({(target.namespace, target.service) for target in added})
        finally:
            await self._relays.close()

    def _note(self, target: Target, port: int | None) -> None:
        moved = self._moved.setdefault((target.namespace, target.service), {})
        moved.pop(str(target.port), None)
        if port not in {None, target.port}:
            moved[str(target.port)] = port

    async def _tell(self, services: set[tuple[str, str]]) -> None:
        """Writes into the Services which of their ports are relayed elsewhere."""
        for namespace, name in services:
            wanted = json.dumps(self._moved[namespace, name]) if self._moved[namespace, name] else None
            meta = self._services[namespace, name]["metadata"]
            if (meta.get("annotations") or {}).get(LOCAL_PORTS) == wanted:
                continue
            path = f"/api/v1/namespaces/{namespace}/services/{name}"
            body = {"metadata": {"annotations": {LOCAL_PORTS: wanted}}}
            try:
                await self._node.api.request("PATCH", path, body, content_type=MERGE_PATCH)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                LOG.warning("%s/%s: its ports are not written into it: %s", namespace, name, error)

    async def _failed(self, target: Target, message: str) -> None:
        service = self._services[target.namespace, target.service]
        await self._node.recorder.record(service, "Service", "NotRelayed", message, warning=True)


class Kubelet:
    """Runs until stop is set; then ends every process it started."""

    def __init__(self, node: Node, pods: Pods, services: ServiceRelays) -> None:
        self._node = node
        self._pods = pods
        self._services = services

    async def run(self, stop: asyncio.Event) -> None:
        ended = self._node.records.end_leftovers()
        if ended:
            LOG.warning("ended %d processes that a former stand-in left", ended)
        for name in ("pods", "logs"):
            shutil.rmtree(self._node.state / name, ignore_errors=True)
        watches = [
            Watch("", "v1", "pods", self._pods.seen),
            Watch("", "v1", "services", self._services.seen),
            Watch("", "v1", "secrets", lambda _, obj: self._pods.source_changed("secret", obj)),
            Watch("", "v1", "configmaps", lambda _, obj: self._pods.source_changed("configmap", obj)),
        ]
        tasks = [
            asyncio.create_task(watch_forever(self._node.api, watches, stop)),
            asyncio.create_task(self._resync_forever(stop)),
            asyncio.create_task(self._services.run()),
        ]
        await stop.wait()
        LOG.info("stopping all Pods")
        await self._pods.stop_all()
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks, timeout=3)

    async def _resync_forever(self, stop: asyncio.Event) -> None:
        while not await sleep_unless(stop, _RESYNC_SECONDS):
            try:
                if self._node.images.refresh():
                    LOG.info("the image map was read again")
                await self._pods.resync()
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                LOG.debug("no resync: %s", error)
            except (ImageMapError, OSError) as error:
                LOG.warning("%s", error)
