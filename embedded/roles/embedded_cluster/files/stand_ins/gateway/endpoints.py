# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From Services to the local processes of the Pods behind them.

The kubelet stand-in writes the local ports of a Pod into an annotation of it, as Pod addresses cannot be dialled here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..kubelet.ports import LOCAL_PORTS, named_ports


def local_ports(service: Mapping[str, Any] | None, port: int, pods: Iterable[Mapping[str, Any]]) -> list[int]:
    """Ports of 127.0.0.1 behind a Service's port: those of its ready Pods that run here, in a stable order."""
    target = _target(service, port)
    selector = ((service or {}).get("spec") or {}).get("selector") or {}
    if service is None or target is None or not selector:
        return []
    found = []
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        same = pod["metadata"]["namespace"] == service["metadata"]["namespace"]
        if same and _ready(pod) and all(labels.get(key) == value for key, value in selector.items()):
            local = _local(pod, target)
            if local is not None:
                found.append(local)
    return sorted(found)


def _target(service: Mapping[str, Any] | None, port: int) -> str | int | None:
    for item in ((service or {}).get("spec") or {}).get("ports") or ():
        if int(item["port"]) == port:
            target: str | int = item.get("targetPort") or port
            return target
    return None


def _ready(pod: Mapping[str, Any]) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _local(pod: Mapping[str, Any], target: str | int) -> int | None:
    text = str(target)
    number = int(text) if text.isdigit() else named_ports(pod).get(text)
    known = json.loads((pod["metadata"].get("annotations") or {}).get(LOCAL_PORTS) or "{}")
    value = known.get(str(number))
    return None if value is None else int(value)
