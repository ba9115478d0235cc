# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's metrics under Istio's names, which its filter ``istio.stats`` counts and stock Envoy lacks.

Envoy logs each request when it has ended, as that filter counts it, and the stand-in counts what is logged. Names,
labels and buckets: https://istio.io/latest/docs/reference/config/metrics/. Labels that say more about the client and
the workload of the model than a log of the gateway does are left out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from typing import Any, Final

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from .policies import typed

LOG = logging.getLogger(__name__)

Json = dict[str, Any]

_PATH: Final = "/stats/prometheus"
_FIELDS: Final = {
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "milliseconds": "%DURATION%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "protocol": "%PROTOCOL%",
}
# Tells the lines of the log apart from whatever else Envoy may print.
_MARK: Final = "llmops.maas/request"
_LABELS: Final = [
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "request_protocol",
    "response_code",
    "response_flags",
]
# Envoy's own, in milliseconds.
_BUCKETS: Final = [
    *(0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000),
    *(60000, 300000, 600000, 1800000, 3600000),
]
_CLUSTER = re.compile(r"outbound\|\d+\|[^|]*\|(?P<name>[^.]+)\.(?P<namespace>[^.]+)\.svc\b.*")
_UNKNOWN = "unknown"
_ENVOY_SECONDS = 5


def access_log() -> Json:
    """What a connection manager needs, so that its requests are counted."""
    fields = {"kind": _MARK, **_FIELDS}
    content = {"log_format": {"json_format": fields}}
    config = typed("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", content)
    return {"name": "envoy.access_loggers.stdout", "typed_config": config}


class Telemetry:
    """Counts the requests of one gateway."""

    def __init__(self, namespace: str, workload: str) -> None:
        self._registry = CollectorRegistry()
        self._source = {
            "reporter": "source",
            "source_workload": workload,
            "source_workload_namespace": namespace,
        }
        self._requests = Counter("istio_requests", "Requests by answer", _LABELS, registry=self._registry)
        self._duration = Histogram(
            "istio_request_duration_milliseconds",
            "How long requests took",
            _LABELS,
            buckets=_BUCKETS,
            registry=self._registry,
        )

    async def follow(self, log: asyncio.StreamReader) -> None:
        """Counts until the log ends; other lines are passed on."""
        while line := await log.readline():
            if not self.count(line):
                sys.stdout.write(line.decode(errors="replace"))

    def count(self, line: bytes) -> bool:
        """Whether the line is of a request, which is counted then."""
        try:
            request = json.loads(line)
        except ValueError:
            return False
        if not isinstance(request, dict) or request.get("kind") != _MARK:
            return False
        labels = {
            **self._source,
            **destination(request.get("cluster")),
            "request_protocol": "http",
            "response_code": str(request["response_code"]),
            "response_flags": request.get("response_flags") or "-",
        }
        self._requests.labels(**labels).inc()
        self._duration.labels(**labels).observe(float(request["milliseconds"] or 0))
        return True

    def text(self) -> bytes:
        return generate_latest(self._registry)


def destination(cluster: str | None) -> dict[str, str]:
    """The labels of the Service that a cluster of Envoy leads to; none for a request that was not routed."""
    found = _CLUSTER.fullmatch(cluster or "")
    if found is None:
        name = namespace = host = _UNKNOWN
    else:
        name, namespace = found["name"], found["namespace"]
        host = f"{name}.{namespace}.svc.cluster.local"
    return {
        "destination_service": host,
        "destination_service_name": name,
        "destination_service_namespace": namespace,
    }


async def serve(telemetry: Telemetry, port: int, admin: int) -> web.AppRunner:
    """The metrics of Envoy and these, on one path, as pilot-agent has them. ``admin``: Envoy's administration port."""

    async def metrics(_request: web.Request) -> web.Response:
        body = telemetry.text() + await _envoy_metrics(admin)
        return web.Response(body=body, content_type="text/plain", charset="utf-8")

    application = web.Application()
    application.router.add_get(_PATH, metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


async def _envoy_metrics(admin: int) -> bytes:
    """As pilot-agent, answers without Envoy's while that cannot be asked."""
    timeout = aiohttp.ClientTimeout(total=_ENVOY_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(f"http://127.0.0.1:{admin}{_PATH}") as answer,
        ):
            return await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        LOG.warning("Envoy's metrics are missing: %s", error)
        return b""
