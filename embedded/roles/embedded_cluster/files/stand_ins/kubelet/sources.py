# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets, ConfigMaps and ServiceAccount tokens of one Pod, from the API server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..api import Api
from .objects import SourceData, SourceKind, decoded
from .volumes import RENEW_AT

_PLURALS: dict[SourceKind, str] = {"secret": "secrets", "configmap": "configmaps"}


class PodSources:
    """Objects are read afresh each time; a token is kept until 80 % of its lifetime has passed, as the kubelet does."""

    def __init__(self, api: Api, pod: Mapping[str, Any]) -> None:
        meta = pod["metadata"]
        self._api = api
        self._base = f"/api/v1/namespaces/{meta['namespace']}"
        self._account = pod["spec"].get("serviceAccountName") or "default"
        self._pod = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        self._tokens: dict[tuple[str | None, int], tuple[str, float]] = {}

    async def data(self, kind: SourceKind, name: str) -> SourceData | None:
        obj = await self._api.find(f"{self._base}/{_PLURALS[kind]}/{name}")
        return None if obj is None else decoded(kind, obj)

    async def token(self, audience: str | None, seconds: int) -> str:
        """A token bound to the Pod (TokenRequest API)."""
        key = (audience, seconds)
        kept = self._tokens.get(key)
        if kept and time.monotonic() < kept[1]:
            return kept[0]
        spec: dict[str, Any] = {"expirationSeconds": seconds, "boundObjectRef": self._pod}
        if audience:
            spec["audiences"] = [audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._api.request("POST", f"{self._base}/serviceaccounts/{self._account}/token", body)
        token = str(answer["status"]["token"])
        self._tokens[key] = (token, time.monotonic() + RENEW_AT * seconds)
        return token
