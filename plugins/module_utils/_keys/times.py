# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations and moments as people write them in inventories and as the API server keeps them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"([0-9]+)([smhdw])")
_LONGEST = 10 * 365 * 86400


class TimeError(ValueError):
    """A duration or a moment that cannot be read; the message names the option and shows how to write it."""


def duration(text: str | float, option: str) -> int:
    """Seconds of ``30d``, ``1h30m``, ``45s`` or ``0``, at most ten years.

    :raises TimeError: anything else. A number alone has no unit, and ``M`` may be meant for months.
    """
    words = str(text).strip()
    if words.isdecimal() and int(words):
        raise TimeError(f"{option}: {text!r} has no unit; write {words}d for days, or {words}h, {words}m, {words}s")
    if re.search("[0-9]M", words):
        raise TimeError(f"{option}: {text!r} may be minutes or months; write 30m for minutes, or 30d for a month")
    words = words.lower()
    parts = _PART.findall(words)
    if words.isdecimal():
        seconds = 0
    elif parts and "".join(number + unit for number, unit in parts) == words:
        seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    else:
        raise TimeError(f"{option}: {text!r} is no duration; write it as 30d, 24h, 1h30m or 45s")
    if seconds > _LONGEST:
        raise TimeError(f"{option}: {text!r} is more than ten years; choose a shorter duration")
    return seconds


def moment(text: str, option: str) -> datetime:
    """A moment with its time zone, such as ``2026-12-31T23:59:59Z``, in UTC and whole seconds.

    :raises TimeError: no date and time, or no time zone.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise TimeError(
            f"{option}: {text!r} is no moment with a time zone; write it as 2026-12-31T23:59:59Z or"
            " 2026-12-31T23:59:59+01:00"
        )
    return found.astimezone(UTC).replace(microsecond=0)


def stamp(when: datetime) -> str:
    """The moment as Kubernetes and Authorino write it (RFC 3339, UTC)."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Clock:
    """The time of a run: from a given moment on, or the system's."""

    def __init__(self, start: datetime | None = None, ticks: Callable[[], float] = time.monotonic) -> None:
        self._start = start or datetime.now(UTC)
        self._ticks = ticks
        self._began = ticks()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._ticks() - self._began)
