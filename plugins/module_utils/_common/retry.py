# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trying again until time is up: the one loop behind everything that polls or repeats a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass
class Turn:
    """One turn of a loop. ``pause`` is the time until the next, in seconds; the loop's body may change it."""

    pause: float


class Deadline:
    """A time limit that any number of loops may share, so that together they take no longer than it says.

    :param seconds: from now on; 0 allows exactly one attempt.
    :param clock: seconds that only ever grow; ``sleep`` waits for so many of them. Tests give their own.
    """

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds until the time is up, never less than 0."""
        return max(self._end - self._clock(), 0.0)

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.left <= 0

    def attempts(self, first: float, longest: float | None = None) -> Iterator[Turn]:
        """Yield for each attempt: at once, then after pauses that double from ``first`` up to ``longest`` seconds.

        Without ``longest`` all pauses are alike. The last attempt begins when the time is up: the pause before it is
        cut short. Code after the loop therefore knows that time is up, and that the last attempt did not succeed.
        """
        pause = first
        while True:
            turn = Turn(pause)
            yield turn
            if self.over:
                return
            self._sleep(min(turn.pause, self.left))
            pause = min(2 * pause, first if longest is None else longest)


def attempts(seconds: float, first: float, longest: float | None = None) -> Iterator[Turn]:
    """The attempts of a loop that shares its time limit with no other: see ``Deadline.attempts``."""
    return Deadline(seconds).attempts(first, longest)
