# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a Pod's own fields: fieldRef and resourceFieldRef, for environment variables and downwardAPI volumes.

The supported paths are those listed at https://kubernetes.io/docs/concepts/workloads/pods/downward-api/.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from . import quantities

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class FieldError(Exception):
    """The Pod refers to a field that there is not; the message names it."""


def field_value(pod: Mapping[str, Any], path: str) -> str:
    """Value of a fieldRef. Raises FieldError for a path that Kubernetes does not know either."""
    match = _SUBSCRIPT.fullmatch(path)
    if match:
        return str((pod["metadata"].get(match.group(1)) or {}).get(match.group(2), ""))
    reader = _FIELDS.get(path)
    if reader is None:
        raise FieldError(f"unsupported fieldPath: {path}")
    return reader(pod)


def _lines(values: Mapping[str, str] | None) -> str:
    return "\n".join(f'{key}="{value}"' for key, value in sorted((values or {}).items()))


_FIELDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "metadata.name": lambda pod: pod["metadata"]["name"],
    "metadata.namespace": lambda pod: pod["metadata"]["namespace"],
    "metadata.uid": lambda pod: pod["metadata"]["uid"],
    "metadata.labels": lambda pod: _lines(pod["metadata"].get("labels")),
    "metadata.annotations": lambda pod: _lines(pod["metadata"].get("annotations")),
    "spec.nodeName": lambda pod: pod["spec"].get("nodeName", ""),
    "spec.serviceAccountName": lambda pod: pod["spec"].get("serviceAccountName", ""),
    "status.hostIP": lambda pod: pod.get("status", {}).get("hostIP", ""),
    "status.hostIPs": lambda pod: pod.get("status", {}).get("hostIP", ""),
    "status.podIP": lambda pod: pod.get("status", {}).get("podIP", ""),
    "status.podIPs": lambda pod: pod.get("status", {}).get("podIP", ""),
}


def resource_value(container: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    """Value of a resourceFieldRef, e.g. limits.memory. Without a limit it is this machine's own amount."""
    kind, _unused, resource = str(reference["resource"]).partition(".")
    if kind not in {"limits", "requests"} or not resource:
        raise FieldError(f"unsupported container resource: {reference['resource']}")
    declared = (container.get("resources") or {}).get(kind) or {}
    amount = declared.get(resource) or _of_machine(resource)
    return str(quantities.divided(str(amount), str(reference.get("divisor") or "")))


def _of_machine(resource: str) -> int:
    if resource == "cpu":
        return os.cpu_count() or 1
    if resource == "memory":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 0
