# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches objects with kopf, without kopf ever writing to them.

Only ``kopf.on.event`` handlers are used: the other kinds keep their progress in annotations and finalizers of the
watched objects, which a kubelet must not do to Pods.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import kopf

from .api import Api, ApiError, Kubeconfig

LOG = logging.getLogger(__name__)

_STOP_SECONDS = 2.0

# Called with the event's type (ADDED, MODIFIED, DELETED; None while listing) and the object.
EventHandler = Callable[[str | None, dict[str, Any]], None]


@dataclass(frozen=True)
class Watch:
    """One resource to watch, e.g. Watch("", "v1", "pods", handler).

    Handlers must be quick: they only note the event.
    """

    group: str
    version: str
    plural: str
    handler: EventHandler


async def watch_forever(api: Api, watches: Sequence[Watch], stop: asyncio.Event) -> None:
    """Feeds the handlers until stop is set; survives restarts of the API server."""
    while not stop.is_set():
        await wait_for_server(api, stop)
        if stop.is_set():
            return
        try:
            await _watch_until(stop, _registry(api.kubeconfig, watches))
        except Exception:  # whatever ends kopf, watching must go on
            LOG.warning("watching was interrupted; it starts again", exc_info=True)
        await sleep_unless(stop, 1)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Sets stop on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _watch_until(stop: asyncio.Event, registry: kopf.OperatorRegistry) -> None:
    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(registry=registry, settings=_settings(), clusterwide=True, standalone=True)
    # kopf takes the signals for itself, and its own way to stop waits for its streams: ten seconds and more.
    stop_on_signals(stop)
    operator = asyncio.create_task(kopf.run_tasks(tasks, ignored=others))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({operator, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if operator.done():
        operator.result()
        return
    operator.cancel()
    await asyncio.wait({operator}, timeout=_STOP_SECONDS)


async def wait_for_server(api: Api, stop: asyncio.Event) -> None:
    """Returns when the API server is ready, or stop is set."""
    while not stop.is_set():
        try:
            await api.request("GET", "/readyz")
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            LOG.debug("API server is not ready yet: %s", error)
            await sleep_unless(stop, 0.5)
        else:
            return


async def sleep_unless(event: asyncio.Event, seconds: float) -> bool:
    """Waits for at most so many seconds; true when the event was set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _registry(kubeconfig: Kubeconfig, watches: Sequence[Watch]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    async def login(**_: Any) -> kopf.AiohttpSession:
        # kopf asks again when a token is refused, so a rotated one is picked up here.
        token = kubeconfig.token()
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=kubeconfig.ssl_context(), limit=0),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            trust_env=False,
        )
        return kopf.AiohttpSession(server=kubeconfig.server, aiohttp_session=session)

    kopf.on.login(registry=registry, errors=kopf.ErrorsMode.TEMPORARY)(login)
    for watch in watches:
        _register(registry, watch)
    return registry


def _register(registry: kopf.OperatorRegistry, watch: Watch) -> None:
    async def handle(event: Any, **_: Any) -> None:
        watch.handler(event["type"], event["object"])

    decorate = kopf.on.event(
        group=watch.group, version=watch.version, plural=watch.plural, id=watch.plural, registry=registry
    )
    decorate(handle)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # What is watched exists before this starts; no need to watch CRDs and namespaces, nor the rights for it.
    settings.scanning.disabled = True
    settings.watching.reconnect_backoff = 0.2
    settings.networking.error_backoffs = (0.2, 0.5, 1, 2)
    return settings
