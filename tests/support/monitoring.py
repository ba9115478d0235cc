# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Prometheus of a deployed platform, and the queries of the dashboards as Grafana sends them."""

from __future__ import annotations

import json
import math
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.deployment import Deployment

NAMESPACE = "llm-observability"
_VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")


@dataclass(frozen=True)
class Query:
    """One query of a panel, with its variables filled in."""

    panel: str
    expression: str


class Prometheus:
    """The API of the one at this address, host and port."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/api/v1"

    @classmethod
    def of(cls, deployment: Deployment) -> Prometheus:
        service = deployment.get("v1", "services", NAMESPACE, "prometheus")
        return cls(f"{service['spec']['clusterIP']}:9090")

    def ask(self, path: str, **parameters: object) -> Any:
        with urllib.request.urlopen(f"{self._url}/{path}?{urllib.parse.urlencode(parameters)}", timeout=20) as answer:
            return json.load(answer)["data"]

    def targets(self) -> dict[str, str]:
        """Health by job and place, such as ``models llm/qwen3-predictor 0``: ``up``, or the last error."""
        found = {}
        for target in self.ask("targets", state="active")["activeTargets"]:
            labels = target["labels"]
            _kind, _namespace, job, endpoint = target["scrapePool"].split("/")
            name = f"{job} {labels['namespace']}/{labels.get('service') or labels['pod'].rsplit('-', 2)[0]} {endpoint}"
            assert name not in found, f"{name} is scraped twice"
            found[name] = "up" if target["health"] == "up" else f"{target['health']}: {target['lastError']}"
        return found

    def has_data(self, query: Query, seconds: int, step: int) -> bool:
        """Whether the query gives a number at some time of the last seconds."""
        now = time.time()
        data = self.ask("query_range", query=query.expression, start=now - seconds, end=now, step=step)
        values = [float(value) for series in data["result"] for _when, value in series["values"]]
        return any(math.isfinite(value) for value in values)


def dashboards(deployment: Deployment) -> list[dict[str, Any]]:
    """What is provisioned for Grafana."""
    data = deployment.get("v1", "configmaps", NAMESPACE, "grafana-dashboards")["data"]
    return [json.loads(content) for name, content in sorted(data.items()) if name.endswith(".json")]


def queries(dashboard: Mapping[str, Any], scrape_seconds: int) -> Iterator[Query]:
    """All queries of a dashboard. ``$__rate_interval`` is what Grafana makes of it for a step of one scrape.

    Raises KeyError for a variable that the dashboard does not have.
    """
    known = {"__interval": f"{scrape_seconds}s", "__rate_interval": f"{4 * scrape_seconds}s", "__range": "3600s"}
    for variable in dashboard["templating"]["list"]:
        # As with "All" chosen.
        known[variable["name"]] = variable.get("allValue") or ".*"
    for panel in _panels(dashboard["panels"]):
        for target in panel.get("targets") or ():
            yield Query(panel["title"], _VARIABLE.sub(lambda match: known[match[1]], target["expr"]))


def _panels(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        yield item
        yield from _panels(item.get("panels") or [])
