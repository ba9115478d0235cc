# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the Limitador stand-in; takes Limitador's own arguments: the limits file, and where to count."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web

from .. import service_names
from . import rls
from .actions import ExpressionError, Question, question
from .limits import Counters, Limit, LimitsFile
from .metrics import LimitMetrics
from .storage import SharedStorage, StorageUnavailableError

LOG = logging.getLogger(__name__)

_REFRESH_SECONDS = 1.0
# Where the operator puts the URL (limitador-operator, pkg/limitador/redis_storage_options.go). Its argument names this
# variable, but is left out: the password would be in the list of processes.
_URL_VARIABLE = "LIMITADOR_OPERATOR_REDIS_URL"
# The storages that count in Redis; Limitador's cache before it is left out.
_REDIS = {"redis", "redis_cached"}


class Service:
    """Answers Envoy. The domain of a request is the kind of the service that Kuadrant's filter would have asked."""

    def __init__(
        self, limits: LimitsFile, counters: Counters | None = None, metrics: LimitMetrics | None = None
    ) -> None:
        self._limits = limits
        self._counters = counters or Counters()
        self.metrics = metrics or LimitMetrics()

    async def should_rate_limit(self, request: Any, context: Any) -> Any:
        for descriptor in request.descriptors:
            facts = {entry.key: entry.value for entry in descriptor.entries}
            try:
                refused = await self.refused(request.domain, facts)
            except (ExpressionError, KeyError, ValueError) as error:
                LOG.warning("not evaluated, so the failure mode decides: %s", error)
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            except StorageUnavailableError as error:
                self.metrics.partitioned(True)
                # In Limitador's words (limitador-server/src/envoy_rls/server.rs); the failure mode decides.
                LOG.error("Error: %s", error)  # noqa: TRY400  # the message says it all
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Service unavailable")
            if refused:
                return rls.Response(overall_code=rls.OVER_LIMIT, raw_body=b"Too Many Requests\n")
        return rls.Response(overall_code=rls.OK)

    async def refused(self, kind: str, facts: dict[str, str]) -> bool:
        """Whether one action of this kind refuses the request; counts it where the kind says so."""
        asked = question(facts)
        if asked is None:
            return False
        refusing = await self._ask(kind, asked)
        self.metrics.partitioned(False)
        if refusing is not None:
            self.metrics.limited(asked.namespace, refusing.name)
            return True
        if kind != "ratelimit-report":
            self.metrics.authorized(asked.namespace)
        if kind != "ratelimit-check":
            self.metrics.hit(asked.namespace, asked.hits)
        return False

    async def _ask(self, kind: str, asked: Question) -> Limit | None:
        limits = self._limits.current
        if kind == "ratelimit-report":
            await self._counters.add(limits, asked.namespace, asked.entries, asked.hits)
            return None
        if kind == "ratelimit-check":
            return await self._counters.check(limits, asked.namespace, asked.entries)
        return await self._counters.check_and_add(limits, asked.namespace, asked.entries, asked.hits)


async def run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    limits = LimitsFile(options.limits)
    limits.refresh()
    metrics = LimitMetrics(options.limit_name_in_labels)
    if options.storage not in _REDIS:
        await _serve(options, Service(limits, metrics=metrics), limits, stop)
        return
    service_names.install()
    storage = SharedStorage(options.url)
    # It ends where Redis is not there, and the kubelet starts it again, as Limitador.
    await storage.connect()
    try:
        await _serve(options, Service(limits, Counters(storage), metrics), limits, stop)
    finally:
        await storage.close()


async def _serve(options: argparse.Namespace, service: Service, limits: LimitsFile, stop: asyncio.Event) -> None:
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        service.should_rate_limit,
        request_deserializer=rls.Request.FromString,
        response_serializer=rls.Response.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(rls.SERVICE, {rls.METHOD: handler}),))
    server.add_insecure_port(f"127.0.0.1:{options.rls_port}")
    await server.start()
    status = await _status_server(options.http_port, service.metrics)
    try:
        while not stop.is_set():
            _refresh(limits)
            await _wait(stop)
    finally:
        await status.cleanup()
        await server.stop(1)


def _refresh(limits: LimitsFile) -> None:
    try:
        if limits.refresh():
            LOG.info("%d limits are in force", len(limits.current))
    except OSError as error:
        LOG.warning("the limits stay as they are: %s", error)


async def _wait(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), _REFRESH_SECONDS)
    except TimeoutError:
        return


async def _status_server(port: int, counted: LimitMetrics) -> web.AppRunner:
    async def status(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=counted.text(), content_type="text/plain", charset="utf-8")

    application = web.Application()
    application.router.add_get("/status", status)
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stand_ins.limitador", description=__doc__)
    parser.add_argument("--rls-port", type=int, required=True, help="of the rate limit service, on loopback")
    parser.add_argument("--http-port", type=int, required=True, help="of /status and /metrics, on loopback")
    parser.add_argument("limits", type=Path, help="limits file (YAML); read again when it changes")
    parser.add_argument("storage", nargs="?", default="memory", help="redis: counts there; all others: in memory")
    parser.add_argument("url", nargs="?", help=f"of Redis, else in ${_URL_VARIABLE}")
    parser.add_argument("--limit-name-in-labels", action="store_true", help="the name of a limit that refused")
    for ignored in ("metric-labels-default", "batch-size", "flush-period", "max-cached", "response-timeout"):
        parser.add_argument(f"--{ignored}", help="ignored")
    options, _ignored = parser.parse_known_args()
    if options.storage in _REDIS:
        options.url = options.url or os.environ.get(_URL_VARIABLE)
        if not options.url:
            parser.error(f"{options.storage} needs a URL, as an argument or in ${_URL_VARIABLE}")
    return options


def main() -> int:
    options = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        asyncio.run(run(options))
    except (StorageUnavailableError, ValueError, OSError, RuntimeError) as error:
        print(f"Limitador stand-in: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
