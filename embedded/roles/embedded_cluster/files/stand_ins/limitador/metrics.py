# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limitador's metrics, by the names, labels and rules of limitador-server 2.4 (src/prometheus_metrics.rs).

They are typed as gauges because the library adds ``_total`` to the name of a counter, and Limitador does not. Its
``datastore_latency`` is left out.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest

_NAMESPACE: Final = "limitador_namespace"


class LimitMetrics:
    """Counts what is decided; ``limit_names`` adds the name of the limit that refused a request."""

    def __init__(self, limit_names: bool = False) -> None:
        self._registry = CollectorRegistry()
        self._limit_names = limit_names
        self._calls = self._counted("authorized_calls", "Authorized calls")
        self._hits = self._counted("authorized_hits", "Authorized hits")
        self._limited = self._counted("limited_calls", "Limited calls", *(["limit_name"] if limit_names else []))
        Gauge("limitador_up", "Limitador is running", registry=self._registry).set(1)
        self._partitioned = Gauge(
            "datastore_partitioned", "Limitador is partitioned from backing datastore", registry=self._registry
        )

    def _counted(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, [_NAMESPACE, *labels], registry=self._registry)

    def authorized(self, namespace: str) -> None:
        self._calls.labels(namespace).inc()

    def hit(self, namespace: str, number: int) -> None:
        self._hits.labels(namespace).inc(number)

    def limited(self, namespace: str, limit_name: str) -> None:
        self._limited.labels(namespace, *([limit_name] if self._limit_names else [])).inc()

    def partitioned(self, partitioned: bool) -> None:
        """Whether the storage cannot be reached."""
        self._partitioned.set(partitioned)

    def text(self) -> bytes:
        return generate_latest(self._registry)
