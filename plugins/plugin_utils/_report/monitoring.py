# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the monitoring: its workloads, and what Prometheus says of its targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import Cell, Part, table, text


def monitoring(workloads: Sequence[Mapping[str, Any]], targets: Mapping[str, Any] | None) -> list[Part]:
    """A table of the workloads, and one of the targets.

    :param targets: the ``answer`` of Prometheus' API, ``/api/v1/targets``, and the ``error`` where there is none; None
        or empty where it was not asked.
    """
    rows = [_workload(item) for item in workloads]
    parts: list[Part] = [text("MONITORING" if rows else "MONITORING: not deployed", "heading"), table(rows, indent=2)]
    return parts + _targets(targets) if targets else parts


def _workload(item: Mapping[str, Any]) -> list[Cell]:
    ready = int((item.get("status") or {}).get("readyReplicas") or 0)
    # The API server fills in 1 where nothing is said.
    wanted = int(item["spec"].get("replicas", 1))
    state = text("ok", "ok") if ready >= wanted else text("not ready", "warning")
    return [state, f"{ready} of {wanted}", f"{item['metadata']['namespace']}/{item['metadata']['name']}"]


def _targets(asked: Mapping[str, Any]) -> list[Part]:
    if asked["error"]:
        return [text(f"SCRAPE TARGETS: unknown, because Prometheus was not reached: {asked['error']}", "warning")]
    active = asked["answer"]["data"]["activeTargets"]
    down = sorted((target for target in active if target["health"] != "up"), key=_name)
    heading = f"SCRAPE TARGETS: {len(active) - len(down)} of {len(active)} up"
    rows: list[list[Cell]] = [
        [text(_health(target), "warning"), _name(target), str(target["lastError"])] for target in down
    ]
    return [text(heading, "heading" if active and not down else "warning"), table(rows, indent=2)]


def _health(target: Mapping[str, Any]) -> str:
    # Prometheus says unknown until it has asked for the first time.
    return "not asked yet" if target["health"] == "unknown" else str(target["health"])


def _name(target: Mapping[str, Any]) -> str:
    labels = target["labels"]
    name = labels.get("pod") or labels.get("service") or labels.get("instance", "")
    return f"{labels.get('namespace', '')}/{name} {target['scrapeUrl']}"
