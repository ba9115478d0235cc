# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Posts Kubernetes Events about objects. An Event that cannot be posted is only logged: it must not stop the work."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from .api import Api, ApiError
from .clock import timestamp

LOG = logging.getLogger(__name__)


class Recorder:
    """Writes Events in the name of a component; the same message about the same object is sent only once in a row."""

    def __init__(self, api: Api, component: str) -> None:
        self._api = api
        self._component = component
        self._latest: dict[tuple[str, str], str] = {}

    async def record(
        self, obj: Mapping[str, Any], kind: str, reason: str, message: str, *, warning: bool = False
    ) -> None:
        meta = obj["metadata"]
        key = (meta.get("uid", ""), reason)
        if warning and self._latest.get(key) == message:
            return
        self._latest[key] = message
        now = timestamp()
        event = {
            "metadata": {"name": f"{meta['name']}.{time.time_ns():x}", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": obj.get("apiVersion", "v1"),
                "kind": kind,
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta.get("uid", ""),
            },
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if warning else "Normal",
            "source": {"component": self._component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._api.request("POST", f"/api/v1/namespaces/{meta['namespace']}/events", event)
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            LOG.debug("event %s not posted: %s", reason, error)

    def forget(self, uid: str) -> None:
        for key in [key for key in self._latest if key[0] == uid]:
            del self._latest[key]
