# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where counts are kept: in memory, or in the Redis that all replicas share.

Redis is used as Limitador uses it (limitador/src/storage/redis/redis_async.rs): over one connection, without a time
limit, and nothing is tried again. So the first question after Redis was restarted fails, and so does each one while it
is away. The library's script for adding is the same as Limitador's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.valkey import ValkeyBridge
from valkey.asyncio import Valkey
from valkey.asyncio.retry import Retry
from valkey.backoff import FullJitterBackoff
from valkey.exceptions import ValkeyError

T = TypeVar("T")

_SCHEMES = {"redis": "async+valkey", "rediss": "async+valkeys"}
# As the client library of Limitador tries it: six more times, with up to 0.2, 0.4, ... 6.4 s between them.
_RETRIES, _FIRST_SECONDS, _LAST_SECONDS = 6, 0.1, 6.4


class StorageUnavailableError(Exception):
    """Redis does not answer, or refuses; the message says why, without the password."""


class CountStorage(Protocol):
    """What counting needs of a storage."""

    async def get(self, key: str) -> int:
        """The count; 0 where there is none."""

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Adds to a count, which lasts for expiry seconds from its first hit on; returns the sum."""


class SharedStorage:
    """Counts in Redis. Each call raises StorageUnavailableError while that is away."""

    def __init__(self, url: str, retry: Retry | None = None) -> None:
        self._url = url
        self._retry = retry or Retry(FullJitterBackoff(cap=_LAST_SECONDS, base=_FIRST_SECONDS), _RETRIES)
        self._retry.update_supported_errors([StorageUnavailableError])
        self._current: RedisStorage | None = None

    async def connect(self) -> None:
        """Tries for some seconds. Raises StorageUnavailableError, or ValueError for a URL of another kind."""
        if urlsplit(self._url).scheme not in _SCHEMES:
            raise ValueError("Failed to connect to Redis: the URL does not begin with redis:// or rediss://")
        try:
            await self._retry.call_with_retry(self._ping, _ignore)
        except StorageUnavailableError as error:
            raise StorageUnavailableError(f"Failed to connect to Redis at {redacted(self._url)}: {error}") from error

    async def get(self, key: str) -> int:
        return await self._ask(lambda storage: storage.get(key))

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return await self._ask(lambda storage: storage.incr(key, expiry, amount))

    async def close(self) -> None:
        if self._current is not None:
            storage, self._current = self._current, None
            await _client(storage).aclose()

    async def _ping(self) -> None:
        await self._ask(lambda storage: _client(storage).ping())

    async def _ask(self, question: Callable[[RedisStorage], Awaitable[T]]) -> T:
        try:
            return await question(self._storage())
        except (ValkeyError, OSError, TimeoutError) as error:
            await self._forget()
            raise StorageUnavailableError(str(error)) from error

    def _storage(self) -> RedisStorage:
        if self._current is None:
            parts = urlsplit(self._url)
            url = urlunsplit((_SCHEMES[parts.scheme], parts.netloc, parts.path, parts.query, ""))
            self._current = RedisStorage(url, single_connection_client=True)
        return self._current

    async def _forget(self) -> None:
        """The next question connects anew: the Service may have another address by then."""
        try:
            await self.close()
        except (ValkeyError, OSError):
            return


def _client(storage: RedisStorage) -> Valkey:
    bridge = cast(ValkeyBridge, storage.bridge)  # as the scheme of its URL says
    return cast(Valkey, bridge.get_connection())


async def _ignore(_error: Exception) -> None:
    await asyncio.sleep(0)


def redacted(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    login, _at, place = parts.netloc.rpartition("@")
    user = login.partition(":")[0]
    return urlunsplit((parts.scheme, f"{user}:****@{place}", parts.path, parts.query, ""))
