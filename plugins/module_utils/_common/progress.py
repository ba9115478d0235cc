# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a module is: it cannot speak while it runs, so it leaves a line in a file, which its action plugin shows."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_SECONDS = 0.5


class Progress:
    """Leaves the newest line in the file, at most one every half second. Nothing that goes wrong with it matters.

    :param path: the file, which is there already; None to leave nothing.
    """

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        self._next = 0.0

    def leave(self, line: str) -> None:
        if self._path is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS
        # Another host, or another user, has no such file.
        with contextlib.suppress(OSError), self._path.open("r+", encoding="utf-8") as file:
            file.write(line + "\n")
            file.truncate()


@contextlib.contextmanager
def followed(progress: Progress, line: Callable[[], str], seconds: float = 1.0) -> Iterator[None]:
    """Leave the line of the moment again and again while the context lasts, for work that does not report by itself."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(seconds):
            progress.leave(line())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Tally:
    """Counts answers by section, from any thread.

    :param sizes: number of requests by section.
    """

    def __init__(self, sizes: Mapping[str, int], progress: Progress) -> None:
        self._sizes = sizes
        self._progress = progress
        self._done = dict.fromkeys(sizes, 0)
        self._wrong = dict.fromkeys(sizes, 0)
        self._last = ""
        self._lock = threading.Lock()

    def count(self, section: str, *, right: bool, requests: int = 1) -> None:
        """Note an answer. More requests than one are done with it when those after it will not be sent."""
        with self._lock:
            self._done[section] += requests
            self._wrong[section] += not right
            self._last = section
            self._progress.leave(self.line())

    def line(self) -> str:
        """For example ``limits: 40 of 96 requests, 0 wrong``, of each section that is under way."""
        open_ones = [name for name, size in self._sizes.items() if 0 < self._done[name] < size]
        return "; ".join(
            f"{name}: {self._done[name]} of {self._sizes[name]} requests, {self._wrong[name]} wrong"
            for name in open_ones or [self._last]
            if name
        )
