# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limitador's limits and counters: fixed windows that begin with the first hit."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cel
import yaml
from limits.aio.storage import MemoryStorage

from .storage import CountStorage

LOG = logging.getLogger(__name__)

Descriptor = Mapping[str, str]


class LimitsError(Exception):
    """The limits file cannot be used; the message has the place."""


@dataclass(frozen=True)
class Limit:
    """At most ``maximum`` hits in ``seconds`` for each set of values of the variables, where all conditions hold."""

    namespace: str
    maximum: int
    seconds: int
    conditions: tuple[str, ...]
    variables: tuple[str, ...]
    name: str = ""

    def counter(self, descriptor: Descriptor) -> str | None:
        """Identity of the counter for a descriptor; None when the limit does not apply to it."""
        context = cel.Context()
        context.add_variable("descriptors", [dict(descriptor)])
        try:
            if not all(cel.evaluate(text, context) is True for text in self.conditions):
                return None
            values = [cel.evaluate(text, context) for text in self.variables]
        except (ValueError, RuntimeError, TypeError, KeyError):
            # Something that it asks for is not in the descriptor.
            return None
        return json.dumps([self.namespace, self.seconds, self.conditions, self.variables, values])


def parse(content: Any) -> list[Limit]:
    """The limits file as the operator writes it. Raises LimitsError."""
    if content is None:
        return []
    if not isinstance(content, list):
        raise LimitsError("the limits file must hold a list")
    found = []
    for number, item in enumerate(content):
        try:
            limit = Limit(
                namespace=str(item["namespace"]),
                maximum=int(item["max_value"]),
                seconds=int(item["seconds"]),
                conditions=tuple(item.get("conditions") or ()),
                variables=tuple(item.get("variables") or ()),
                name=str(item.get("name") or ""),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LimitsError(f"limit {number}: {error!r}") from error
        found.append(limit)
    return found


class LimitsFile:
    """The limits of a file, read again when it changes. An unusable one leaves the last good limits in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self.current: list[Limit] = []

    def refresh(self) -> bool:
        """True when the limits were replaced."""
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.current = parse(yaml.safe_load(self._path.read_text(encoding="utf-8")))
        except (LimitsError, yaml.YAMLError) as error:
            LOG.error("%s is not used: %s", self._path, error)  # noqa: TRY400  # the message says it all
            return False
        return True


class Counters:
    """Counts hits, in memory unless a storage is given. A question that one limit refuses is counted by none of them.

    With Redis a few more hits may pass than a limit says, as with Limitador: replicas look first and add then.
    """

    def __init__(self, storage: CountStorage | None = None) -> None:
        self._storage: CountStorage = storage or MemoryStorage()

    async def check_and_add(
        self, limits: Iterable[Limit], namespace: str, descriptor: Descriptor, hits: int
    ) -> Limit | None:
        """The first limit that refuses so many more hits; None when they were counted."""
        affected = _affected(limits, namespace, descriptor)
        refused = await self._refusing(affected, hits)
        if refused is None:
            await self._add(affected, hits)
        return refused

    async def check(self, limits: Iterable[Limit], namespace: str, descriptor: Descriptor) -> Limit | None:
        """The first limit that has no room for one more hit; nothing is counted."""
        return await self._refusing(_affected(limits, namespace, descriptor), 1)

    async def add(self, limits: Iterable[Limit], namespace: str, descriptor: Descriptor, hits: int) -> None:
        """Counts hits that have happened, whatever the limits say."""
        await self._add(_affected(limits, namespace, descriptor), hits)

    async def _refusing(self, affected: Sequence[tuple[Limit, str]], hits: int) -> Limit | None:
        for limit, key in affected:
            if await self._storage.get(key) + hits > limit.maximum:
                return limit
        return None

    async def _add(self, affected: Sequence[tuple[Limit, str]], hits: int) -> None:
        for limit, key in affected:
            await self._storage.incr(key, limit.seconds, amount=hits)


def _affected(limits: Iterable[Limit], namespace: str, descriptor: Descriptor) -> list[tuple[Limit, str]]:
    found = []
    for limit in limits:
        if limit.namespace == namespace:
            key = limit.counter(descriptor)
            if key is not None:
                found.append((limit, key))
    return found
