# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where HTTPRoutes and policies belong: references to a Gateway, as the Gateway API reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

KubeObject = Mapping[str, Any]

GATEWAY_GROUP = "gateway.networking.k8s.io"
GATEWAY_KIND = "Gateway"


def is_gateway(reference: Mapping[str, Any], name: str) -> bool:
    """Whether a reference (``parentRefs``, ``targetRefs``) is to a Gateway of this name, in whatever namespace.

    Group and kind are a Gateway's where they are missing (Gateway API apis/v1/shared_types.go, ParentReference).
    """
    group, kind = reference.get("group", GATEWAY_GROUP), reference.get("kind", GATEWAY_KIND)
    return (group, kind, reference.get("name")) == (GATEWAY_GROUP, GATEWAY_KIND, name)


def attached(route: KubeObject, gateway: KubeObject) -> bool:
    """Whether the route names this Gateway as a parent."""
    return any(_parents(route, gateway))


def schemes(route: KubeObject, gateway: KubeObject) -> set[str]:
    """Schemes of the Gateway's listeners that the route is for: those that it names, else all."""
    names = {parent.get("sectionName") for parent in _parents(route, gateway)}
    return {
        str(listener.get("protocol") or "HTTP").lower()
        for listener in gateway["spec"].get("listeners") or ()
        if None in names or listener.get("name") in names
    }


def _parents(route: KubeObject, gateway: KubeObject) -> Iterator[Mapping[str, Any]]:
    home, target = route["metadata"]["namespace"], gateway["metadata"]
    for parent in route["spec"].get("parentRefs") or ():
        if is_gateway(parent, target["name"]) and (parent.get("namespace") or home) == target["namespace"]:
            yield parent
