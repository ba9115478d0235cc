# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work by key: each key is handled once however often it was added meanwhile, and again later when that failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import aiohttp

from ..api import CONFLICT, ApiError

LOG = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0

Key = TypeVar("Key")


class WorkQueue(Generic[Key]):
    """handle(key) returns after how many seconds the key is due again, or None."""

    def __init__(self, handle: Callable[[Key], Awaitable[float | None]]) -> None:
        self._handle = handle
        self._waiting: dict[Key, None] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._something = asyncio.Event()

    def add(self, key: Key) -> None:
        self._waiting[key] = None
        self._something.set()

    def add_later(self, key: Key, seconds: float) -> None:
        former = self._timers.pop(key, None)
        if former:
            former.cancel()
        # Timers of asyncio hold at most a day; a key that comes too early is simply looked at once more.
        self._timers[key] = asyncio.get_running_loop().call_later(min(seconds, 86400.0), self.add, key)

    async def run(self) -> None:
        """Handles keys for ever; cancel it to end."""
        while True:
            await self._something.wait()
            if not self._waiting:
                self._something.clear()
                continue
            key = next(iter(self._waiting))
            del self._waiting[key]
            try:
                again = await self._handle(key)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                if not (isinstance(error, ApiError) and error.status == CONFLICT):
                    LOG.warning("%s: %s; tried again soon", key, error)
                again = _RETRY_SECONDS
            except Exception:
                LOG.exception("%s: failed", key)
                again = _RETRY_SECONDS * 5
            if again is not None:
                self.add_later(key, again)
