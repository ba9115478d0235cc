# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Pod that runs here: its volumes, its containers, its status."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from ..api import CONFLICT, MERGE_PATCH, NOT_FOUND, STRATEGIC_PATCH, ApiError
from ..clock import timestamp
from . import volumes
from .container import GRACE_LIMIT, Container, Hooks
from .environment import environment, expand, references
from .fields import FieldError
from .images import ImageEntry
from .logs import ContainerLog
from .node import Node
from .objects import MissingError, SourceKind
from .placeholders import PlaceholderError, fill, relocate
from .podstatus import Containers, ContainerState, former_state, pod_status
from .ports import LOCAL_PORTS, PodPorts, PortError
from .probes import Prober
from .processes import Command
from .sources import PodSources

LOG = logging.getLogger(__name__)

_UNREACHABLE = (ApiError, aiohttp.ClientError, TimeoutError, OSError)
# Volumes are looked at this often even when nothing seems to have changed: tokens must be renewed in time.
_REFRESH_SECONDS = 30.0


class PodRunner:
    """Runs one Pod from its first sight to its deletion. start() once, then stop() once."""

    def __init__(self, pod: dict[str, Any], node: Node) -> None:
        meta = pod["metadata"]
        self.pod = pod
        self.uid: str = meta["uid"]
        self.name = f"{meta['namespace']}/{meta['name']}"
        self.path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self.address = node.addresses.assign(pod)
        self.ports = PodPorts(pod, node.ports)
        self.stopping = False
        self.references = references(pod)
        self._node = node
        self._sources = PodSources(node.api, pod)
        self._directory: Path = node.state / "pods" / self.uid
        self._logs: Path = node.state / "logs" / self.uid
        self._initialized = False
        init = pod["spec"].get("initContainers") or ()
        self._init = [former_state(pod, item, "initContainerStatuses") for item in init]
        self._main = [former_state(pod, item, "containerStatuses") for item in pod["spec"]["containers"]]
        self._running: list[Container] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._dirty = asyncio.Event()
        self._written: dict[str, Any] | None = None
        self._told: dict[int, int] = {}

    # --- what the routing needs

    @property
    def ready(self) -> bool:
        """True while every container is ready and the Pod is not being deleted."""
        return not self.stopping and self._initialized and all(state.ready for state in self._main)

    def selected_by(self, namespace: str, selector: Mapping[str, str]) -> bool:
        meta = self.pod["metadata"]
        labels = meta.get("labels") or {}
        return meta["namespace"] == namespace and all(labels.get(key) == value for key, value in selector.items())

    # --- life cycle

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._publish_forever()), asyncio.create_task(self._live())]
        self._dirty.set()

    def update(self, pod: dict[str, Any]) -> None:
        """Takes over a newer version of the Pod: its labels, and conditions that others write."""
        self.pod = pod

    def wake(self, kind: SourceKind | None = None, name: str = "") -> None:
        """A Secret or ConfigMap changed (any, when none is named)."""
        if kind is None or (kind, name) in self.references:
            self._wake.set()

    async def stop(self, grace: float, *, delete: bool) -> None:
        """Ends all processes; then removes the Pod from the API if delete, and its files."""
        self.stopping = True
        if delete:
            await self._event("Killing", "Stopping containers", False)
        await self._stop_containers(grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stop_containers(0)  # one that was just being started
        if delete:
            await delete_now(self._node, self.pod)
        self.ports.release()
        self._node.addresses.release(self.address)
        self._node.recorder.forget(self.uid)
        for directory in (self._directory, self._logs):
            shutil.rmtree(directory, ignore_errors=True)

    async def _stop_containers(self, grace: float) -> None:
        await asyncio.gather(*(container.stop(min(grace, GRACE_LIMIT)) for container in self._running))

    async def _live(self) -> None:
        try:
            await self._write_volumes_when_there()
            await self._tell_logs()
            await self._run_init_containers()
            self._initialized = True
            await self._run_containers()
        except asyncio.CancelledError:
            raise
        except Exception:
            LOG.exception("%s: could not be run", self.name)

    # --- volumes

    async def _write_volumes_when_there(self) -> None:
        while True:
            try:
                await self._write_volumes()
            except (MissingError, FieldError, ValueError) as error:
                await self._event("FailedMount", f"MountVolume.SetUp failed: {error}", True)
                await self._woken(5)
            except _UNREACHABLE as error:
                LOG.info("%s: volumes not ready: %s", self.name, error)
                await self._woken(1)
            else:
                break

    async def _write_volumes(self) -> bool:
        view = self._view()
        wanted = [(item["name"], await volumes.content(item, view, self._sources)) for item in self._volumes()]
        changed = False
        for name, files in wanted:
            directory = self._volume_directory(name)
            if files is None:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                changed |= volumes.write(directory, files)
        return changed

    def _volumes(self) -> list[dict[str, Any]]:
        return list(self.pod["spec"].get("volumes") or ())

    def _volume_directory(self, name: str) -> Path:
        for volume in self._volumes():
            if volume["name"] == name and volume.get("persistentVolumeClaim"):
                claim = volume["persistentVolumeClaim"]["claimName"]
                return self._node.state / "claims" / f"{self.pod['metadata']['namespace']}_{claim}"
        return self._directory / "volumes" / name

    async def _refresh_volumes_forever(self) -> None:
        while True:
            await self._woken(_REFRESH_SECONDS)
            try:
                if await self._write_volumes():
                    LOG.info("%s: volumes were refreshed", self.name)
            except (MissingError, FieldError, ValueError, *_UNREACHABLE) as error:
                LOG.info("%s: volumes stay as they are: %s", self.name, error)

    # --- containers

    async def _run_init_containers(self) -> None:
        for spec, state in zip(self.pod["spec"].get("initContainers") or (), self._init, strict=True):
            sidecar = spec.get("restartPolicy") == "Always"
            entry = self._node.images.current.match(spec["image"])
            if entry is None:
                self._simulate(state, completed=not sidecar)
            elif sidecar:
                self._tasks.append(asyncio.create_task(self._container(spec, state, entry).run("Always")))
            else:
                policy = "Never" if self._restart_policy == "Never" else "OnFailure"
                await self._container(spec, state, entry).run(policy)
                if state.exit_code:
                    await asyncio.Event().wait()  # a failed init container ends the Pod; only its deletion follows
                state.ready = True
            self._dirty.set()

    async def _run_containers(self) -> None:
        work = [self._refresh_volumes_forever()]
        for spec, state in zip(self.pod["spec"]["containers"], self._main, strict=True):
            entry = self._node.images.current.match(spec["image"])
            if entry is None:
                self._simulate(state, completed=False)
            else:
                work.append(self._container(spec, state, entry).run(self._restart_policy))
        self._dirty.set()
        await asyncio.gather(*work)

    @property
    def _restart_policy(self) -> str:
        return str(self.pod["spec"].get("restartPolicy") or "Always")

    def _simulate(self, state: ContainerState, *, completed: bool) -> None:
        """An image that is not in the map: only its status appears."""
        log = ContainerLog(self._logs, state.name)
        log.write("stdout", b"(this container is simulated: its image is not in the map)")
        state.run(timestamp(), "simulated")
        if completed:
            state.terminate({"exitCode": 0, "reason": "Completed", "startedAt": timestamp(), "finishedAt": timestamp()})
        state.ready = True
        state.started = not completed

    def _container(self, spec: Mapping[str, Any], state: ContainerState, entry: ImageEntry) -> Container:
        hooks = Hooks(
            command=lambda: self._command(spec, entry),
            prober=lambda command: Prober(self.ports, command),
            changed=self._dirty.set,
            event=self._event,
            woken=self._woken,
        )
        container = Container(spec, state, ContainerLog(self._logs, spec["name"]), self._node.records, hooks)
        self._running.append(container)
        return container

    async def _command(self, spec: Mapping[str, Any], entry: ImageEntry) -> Command:
        root = self._directory / "containers" / spec["name"] / "root"
        mounts = list(spec.get("volumeMounts") or ())
        volumes.mount(root, [(item["mountPath"], self._mount_source(item)) for item in mounts])
        for directory in (root / "tmp", root / "home"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths = [item["mountPath"] for item in mounts]
        values = self._placeholders(root)
        try:
            own = await environment(self._view(), spec, self._sources)
            env = self._base_environment(root, values)
            env |= {name: relocate(value, paths, str(root)) for name, value in own.items()}
            env |= {name: fill(value, values, self.ports.allocate) for name, value in entry.env.items()}
            argv = [fill(word, values, self.ports.allocate) for word in entry.command]
            own_words = [*([] if argv else spec.get("command") or ()), *entry.arguments(spec.get("args") or ())]
            argv += [relocate(expand(word, own), paths, str(root)) for word in own_words]
            argv += [fill(word, values, self.ports.allocate) for word in entry.args]
        except (FieldError, PlaceholderError, PortError) as error:
            raise ValueError(str(error)) from error
        except _UNREACHABLE as error:
            raise MissingError(str(error)) from error
        if not argv:
            raise ValueError(f"image {spec['image']}: neither the image map nor the container has a command")
        return Command(argv=argv, env=env, directory=root)

    def _mount_source(self, item: Mapping[str, Any]) -> Path:
        directory = self._volume_directory(item["name"])
        return volumes.inside(directory, str(item["subPath"])) if item.get("subPath") else directory

    def _placeholders(self, root: Path) -> dict[str, str]:
        meta = self.pod["metadata"]
        values = {
            "root": str(root),
            "tmp": str(root / "tmp"),
            "pod_name": meta["name"],
            "namespace": meta["namespace"],
            "pod_ip": self.address,
            "node_kubeconfig": str(self._node.api.kubeconfig.path),
            "service_names": str(self._node.service_names),
            "pod_network": str(self._node.pod_network),
        }
        token = self._token_file()
        if token is not None:
            path = self._directory / "kubeconfig"
            path.write_text(self._node.kubeconfig(token, meta["namespace"]), encoding="utf-8")
            values["kubeconfig"] = str(path)
        return values

    def _token_file(self) -> Path | None:
        """The ServiceAccount token that admission mounted, if the Pod wants one."""
        for volume in self._volumes():
            path = volumes.token_path(volume)
            if path:
                return self._volume_directory(volume["name"]) / path
        return None

    def _base_environment(self, root: Path, values: Mapping[str, str]) -> dict[str, str]:
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "HOSTNAME": self.pod["metadata"]["name"],
        }
        if "kubeconfig" in values:
            env["KUBECONFIG"] = values["kubeconfig"]
        return env

    # --- logs

    async def _tell_logs(self) -> None:
        """Lets KWOK, which serves the kubelet API of all nodes, know where this Pod's logs are."""
        containers = [state.name for state in (*self._init, *self._main)]
        await self._tell_kwok("Logs", "logs", {"logs": [self._log_entry(name) for name in containers]})

    async def _tell_ports(self, local: Mapping[int, int]) -> None:
        """Lets KWOK know where ``kubectl port-forward`` leads to."""
        forwards = [
            {"ports": [number], "target": {"address": "127.0.0.1", "port": port}} for number, port in local.items()
        ]
        await self._tell_kwok("PortForward", "portforwards", {"forwards": forwards})

    async def _tell_kwok(self, kind: str, plural: str, spec: Mapping[str, Any]) -> None:
        meta = self.pod["metadata"]
        owner = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": self.uid}
        body = {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "ownerReferences": [owner]},
            "spec": spec,
        }
        path = f"/apis/kwok.x-k8s.io/v1alpha1/namespaces/{meta['namespace']}/{plural}"
        try:
            try:
                await self._node.api.request("POST", path, body)
            except ApiError as error:
                if error.status != CONFLICT:
                    raise
                await self._node.api.request("PATCH", f"{path}/{meta['name']}", body, content_type=MERGE_PATCH)
        except _UNREACHABLE as error:
            LOG.warning("%s: its %s cannot be reached through the API: %s", self.name, plural, error)

    def _log_entry(self, name: str) -> dict[str, Any]:
        log = ContainerLog(self._logs, name)
        return {"containers": [name], "logsFile": str(log.path), "previousLogsFile": str(log.previous), "follow": True}

    # --- status

    def _view(self) -> dict[str, Any]:
        """The Pod with the addresses that its status will have."""
        status = (self.pod.get("status") or {}) | {"podIP": self.address, "hostIP": "127.0.0.1"}
        return self.pod | {"status": status}

    async def _publish_forever(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._publish()
            except ApiError as error:
                if error.status != NOT_FOUND:
                    LOG.warning("%s: status not written: %s", self.name, error)
                    await self._retry_publish()
            except _UNREACHABLE:
                await self._retry_publish()

    async def _retry_publish(self) -> None:
        await asyncio.sleep(1)
        self._dirty.set()

    async def _publish(self) -> None:
        containers = Containers(self._init, self._main, self._initialized)
        status = pod_status(self.pod, containers, self.address, timestamp())
        metadata = {"uid": self.uid, "annotations": {LOCAL_PORTS: self.ports.as_text()}}
        body = {"metadata": metadata, "status": status}
        text = json.loads(json.dumps(body))
        if text == self._written:
            return
        self.pod = await self._node.api.request("PATCH", f"{self.path}/status", body, content_type=STRATEGIC_PATCH)
        self._written = text
        if self._told != (local := dict(self.ports.allocated)):
            self._told = local
            await self._tell_ports(local)

    async def _event(self, reason: str, message: str, warning: bool) -> None:
        await self._node.recorder.record(self.pod, "Pod", reason, message, warning=warning)

    async def _woken(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()


async def delete_now(node: Node, pod: Mapping[str, Any]) -> None:
    """Removes a Pod whose processes have ended from the API; only that very Pod, not a new one of the same name."""
    meta = pod["metadata"]
    body = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
    try:
        await node.api.request("DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", body)
    except ApiError as error:
        if error.status not in {NOT_FOUND, CONFLICT}:
            LOG.warning("%s/%s: not deleted: %s", meta["namespace"], meta["name"], error)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        LOG.warning("%s/%s: not deleted: %s", meta["namespace"], meta["name"], error)
