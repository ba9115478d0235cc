# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moments as people write them in inventories and as the API server keeps them, and the clock of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class TimeError(ValueError):
    """A moment that cannot be read; the message names the option and shows how to write it."""


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
