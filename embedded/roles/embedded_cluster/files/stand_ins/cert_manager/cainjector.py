# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills caBundle fields of the objects that ask for it by annotation.

Annotations (https://cert-manager.io/docs/concepts/ca-injector/):

- ``cert-manager.io/inject-ca-from: <namespace>/<Certificate>``
- ``cert-manager.io/inject-ca-from-secret: <namespace>/<Secret>``; the Secret must allow it
- ``cert-manager.io/inject-apiserver-ca: "true"``
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from ..api import JSON_PATCH, Api, ApiError
from ..watching import Watch, sleep_unless, wait_for_server, watch_forever
from .workqueue import WorkQueue

LOG = logging.getLogger(__name__)

FROM_CERTIFICATE = "cert-manager.io/inject-ca-from"
FROM_SECRET = "cert-manager.io/inject-ca-from-secret"  # noqa: S105  # the name of an annotation
FROM_API_SERVER = "cert-manager.io/inject-apiserver-ca"
ALLOW_DIRECT = "cert-manager.io/allow-direct-injection"

# Collections whose objects can ask for a caBundle.
TARGETS = (
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/apiregistration.k8s.io/v1/apiservices",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
)
_RESCAN_SECONDS = 3.0


@dataclass(frozen=True)
class Target:
    collection: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.name}"


def patch_for(obj: Mapping[str, Any], bundle: str) -> list[dict[str, Any]]:
    """JSON patch that sets every caBundle of an object to bundle (base64); [] when all are right.

    The resourceVersion is tested, so that a list of webhooks that changed meanwhile is not patched by position.
    """
    operations = []
    for path, config in _client_configs(obj):
        if config.get("caBundle") != bundle:
            operations.append({"op": "add", "path": f"{path}/caBundle", "value": bundle})
    if not operations:
        return []
    version = obj["metadata"]["resourceVersion"]
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *operations]


def _client_configs(obj: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """(JSON pointer, value) of everything in an object that has a caBundle."""
    if "webhooks" in obj:
        hooks = enumerate(obj["webhooks"])
        return [(f"/webhooks/{number}/clientConfig", hook["clientConfig"]) for number, hook in hooks]
    spec = obj.get("spec") or {}
    if "conversion" in spec:
        webhook = spec["conversion"].get("webhook") or {}
        if spec["conversion"].get("strategy") != "Webhook" or "clientConfig" not in webhook:
            return []
        return [("/spec/conversion/webhook/clientConfig", webhook["clientConfig"])]
    # An APIService without a Service is served by kube-apiserver itself.
    return [("/spec", spec)] if spec.get("service") else []


class CaInjector:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._queue = WorkQueue(self._handle)
        self._sources: dict[Target, dict[str, str]] = {}
        self._versions: dict[Target, str] = {}

    async def run(self, stop: asyncio.Event) -> None:
        # Only metadata is listed, for CRDs are large; Secrets and Certificates wake the objects that depend on them.
        await wait_for_server(self._api, stop)
        tasks = [asyncio.create_task(self._queue.run()), asyncio.create_task(self._scan_forever(stop))]
        watches = [
            Watch("", "v1", "secrets", lambda *_: self._add_all()),
            Watch("cert-manager.io", "v1", "certificates", lambda *_: self._add_all()),
        ]
        await watch_forever(self._api, watches, stop)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _add_all(self) -> None:
        for target in self._sources:
            self._queue.add(target)

    async def _scan_forever(self, stop: asyncio.Event) -> None:
        while True:
            try:
                await self._scan()
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                LOG.warning("objects not listed: %s", error)
            if await sleep_unless(stop, _RESCAN_SECONDS):
                return

    async def _scan(self) -> None:
        """Notes which objects ask for a caBundle now, and handles those that changed."""
        found = set()
        for collection in TARGETS:
            for meta in await self._api.metadata(collection):
                wishes = _wishes(meta.get("annotations") or {})
                if wishes:
                    target = Target(collection, meta["name"])
                    found.add(target)
                    self._sources[target] = wishes
                    if self._versions.get(target) != meta["resourceVersion"]:
                        self._versions[target] = meta["resourceVersion"]
                        self._queue.add(target)
        for target in self._sources.keys() - found:
            del self._sources[target]

    async def _handle(self, target: Target) -> float | None:
        wishes = self._sources.get(target)
        bundle = await self._bundle(wishes) if wishes else None
        if bundle is None:
            return None
        obj = await self._api.find(target.path)
        patch = patch_for(obj, bundle) if obj else []
        if patch:
            await self._api.request("PATCH", target.path, patch, content_type=JSON_PATCH)
            LOG.info("caBundle set: %s", target.path)
        return None

    async def _bundle(self, wishes: Mapping[str, str]) -> str | None:
        """The CA (base64 of PEM) an object is to get, or None while it is not there."""
        if FROM_API_SERVER in wishes:
            ca = self._api.kubeconfig.ca_certificate
            return base64.b64encode(ca).decode() if ca else None
        namespace, _unused, name = (wishes.get(FROM_CERTIFICATE) or wishes[FROM_SECRET]).partition("/")
        if FROM_CERTIFICATE in wishes:
            certificate = await self._api.find(f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates/{name}")
            if certificate is None:
                return None
            name = certificate["spec"]["secretName"]
        secret = await self._api.find(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if secret is None:
            return None
        if FROM_CERTIFICATE not in wishes and (secret["metadata"].get("annotations") or {}).get(ALLOW_DIRECT) != "true":
            LOG.warning("Secret %s/%s has no annotation %s: its CA is not used", namespace, name, ALLOW_DIRECT)
            return None
        return (secret.get("data") or {}).get("ca.crt") or None


def _wishes(annotations: Mapping[str, str]) -> dict[str, str]:
    wishes = {key: annotations[key] for key in (FROM_CERTIFICATE, FROM_SECRET) if annotations.get(key)}
    if annotations.get(FROM_API_SERVER) == "true":
        wishes[FROM_API_SERVER] = "true"
    return wishes
