# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EnvoyFilters change in a Gateway's configuration, in the order in which istiod applies them.

The order and the meaning of each operation are Istio's (pilot/pkg/model/push_context.go, initEnvoyFilters, and
pilot/pkg/networking/core/envoyfilter/listener_patch.go and rc_patch.go, 1.26). Operations that nobody uses here are
left out with a warning, so that a configuration is never taken for applied when it is not.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .kuadrant import targets

Json = dict[str, Any]
Patch = Mapping[str, Any]

LOG = logging.getLogger(__name__)

# Istio's name for the virtual host of a port without any routes.
BLACKHOLE = "blackhole:404"


def ordered(envoy_filters: Iterable[Mapping[str, Any]], gateway: Mapping[str, Any]) -> list[Patch]:
    """The patches of the EnvoyFilters that target the Gateway: by priority, then age, then name."""
    metadata = gateway["metadata"]
    mine = [item for item in envoy_filters if targets(item, metadata["namespace"], metadata["name"])]
    mine.sort(key=_rank)
    found = [patch for item in mine for patch in item["spec"].get("configPatches") or ()]
    return [patch for patch in found if (patch.get("match") or {}).get("context", "ANY") in {"ANY", "GATEWAY"}]


def _rank(item: Mapping[str, Any]) -> tuple[int, str, str]:
    metadata = item["metadata"]
    created = metadata.get("creationTimestamp") or ""
    return int(item["spec"].get("priority") or 0), created, f"{metadata['name']}.{metadata['namespace']}"


def http_filters(base: Sequence[Json], patches: Iterable[Patch], port: int) -> list[Json]:
    """The HTTP filters of a listener, first those of Istio, with every patch of HTTP_FILTER applied in turn."""
    found = list(base)
    for patch in patches:
        if patch.get("applyTo") == "HTTP_FILTER" and _of_port(patch, port):
            _insert(found, patch)
    return found


def _of_port(patch: Patch, port: int) -> bool:
    return int((_listener(patch)).get("portNumber") or port) == port


def _listener(patch: Patch) -> Mapping[str, Any]:
    return (patch.get("match") or {}).get("listener") or {}


def _insert(found: list[Json], patch: Patch) -> None:
    operation, value = _operation(patch)
    anchor = ((_listener(patch).get("filterChain") or {}).get("filter") or {}).get("subFilter") or {}
    if operation == "INSERT_FIRST" or (operation == "INSERT_BEFORE" and not anchor):
        found.insert(0, value)
    elif operation in {"INSERT_BEFORE", "INSERT_AFTER"}:
        # Where nothing has that name nothing is inserted.
        for place, item in enumerate(found):
            if item["name"] == anchor.get("name"):
                found.insert(place + (operation == "INSERT_AFTER"), value)
                return
    else:
        LOG.warning("HTTP_FILTER %s of %s is not applied here", operation, value.get("name"))


def virtual_host(base: Json, patches: Sequence[Patch]) -> Json:
    """A virtual host with every patch of VIRTUAL_HOST and HTTP_ROUTE applied."""
    host = copy.deepcopy(base)
    for operation, value in _values(patches, "VIRTUAL_HOST"):
        if operation == "MERGE":
            _merge(host, value)
        else:
            LOG.warning("VIRTUAL_HOST %s is not applied here", operation)
    for operation, value in _values(patches, "HTTP_ROUTE"):
        if operation == "INSERT_FIRST":
            host["routes"].insert(0, value)
        elif operation == "ADD":
            host["routes"].append(value)
        else:
            LOG.warning("HTTP_ROUTE %s is not applied here", operation)
    return host


def _values(patches: Iterable[Patch], kind: str) -> Iterator[tuple[str, Json]]:
    for patch in patches:
        if patch.get("applyTo") == kind:
            yield _operation(patch)


def _operation(patch: Patch) -> tuple[str, Json]:
    content = patch.get("patch") or {}
    return str(content.get("operation")), copy.deepcopy(content.get("value") or {})


def _merge(host: Json, value: Mapping[str, Any]) -> None:
    for key, content in value.items():
        if isinstance(content, dict) and isinstance(host.get(key), dict):
            _merge(host[key], content)
        elif isinstance(content, list):
            host[key] = [*host.get(key, []), *content]
        else:
            host[key] = content
