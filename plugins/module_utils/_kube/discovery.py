# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which resources an API server has, and where their objects live."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.llmops.maas.plugins.module_utils._kube.credentials import KubeError

# Aggregated discovery: v2 since Kubernetes 1.30, v2beta1 since 1.26.
DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
)


@dataclass(frozen=True)
class ResourceType:
    """One resource of the API: where its objects live and what can be done with them."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The URL path of an object, of all in a namespace (no name), or of all (no namespace either)."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        parts = [root + self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        return "/".join(parts)


class Resources:
    """What the API server offers, by aggregated discovery: two requests, made when first asked."""

    def __init__(self, ask: Callable[[str], Any]) -> None:
        """:param ask: gives the answer to a GET of a path that accepts ``DISCOVERY``."""
        self._ask = ask
        self._lock = threading.Lock()
        self._types: dict[tuple[str, str], ResourceType] | None = None

    def find(self, api_version: str, kind: str) -> ResourceType | None:
        """The resource of that ``apiVersion`` and ``kind``, or None when the cluster does not serve it."""
        with self._lock:
            if self._types is None:
                self._types = self._discover()
            return self._types.get((api_version, kind))

    def refresh(self) -> None:
        """Forget what was found, so that the next ``find`` asks again."""
        with self._lock:
            self._types = None

    def _discover(self) -> dict[tuple[str, str], ResourceType]:
        found: dict[tuple[str, str], ResourceType] = {}
        for path in ("/api", "/apis"):
            answer = self._ask(path)
            if answer.get("kind") != "APIGroupDiscoveryList":
                raise KubeError(
                    "the API server has no aggregated discovery, so it is older than Kubernetes 1.26: upgrade it"
                )
            for group in answer.get("items") or []:
                found.update(_group_types(group))
        return found


def _group_types(group: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], ResourceType]]:
    name = (group.get("metadata") or {}).get("name") or ""
    for version in group.get("versions") or []:
        api_version = f"{name}/{version['version']}" if name else version["version"]
        for item in version.get("resources") or []:
            kind = (item.get("responseKind") or {}).get("kind")
            if kind:
                namespaced = item.get("scope") == "Namespaced"
                verbs = frozenset(item.get("verbs") or [])
                yield (api_version, kind), ResourceType(api_version, kind, item["resource"], namespaced, verbs)
