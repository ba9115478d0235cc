# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the builds are: one line that moves on a terminal, and one for each build that has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._report.display import moves, overwrite, tell

SECONDS_BETWEEN = 1.0
_HOW = {"download": "downloaded", "image": "taken from its image", "build": "built"}


@dataclass
class BuildProgress:
    """Counts ``total`` tools; ``work`` is what all of them are, in units that only compare them with each other."""

    total: int
    work: float
    clock: Callable[[], float] = time.monotonic
    begun: int = 0
    work_done: float = 0
    _spent: float = field(default=0, init=False)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @contextmanager
    def making(self, names: Sequence[str], work: float) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
        """Show these tools as what is being made; the result is given to the function that this yields."""
        begin = self.clock()
        self.begun += len(names)
        stop = threading.Event()
        thread = threading.Thread(target=self._move, args=(names, begin, stop), daemon=True)
        thread.start()
        ended: list[str] = []

        def report(made: dict[str, Any]) -> dict[str, Any]:
            ended.extend(outcome(names, made, self.clock() - begin))
            return made

        try:
            yield report
        finally:
            stop.set()
            thread.join()
            self.work_done += work
            self._spent += self.clock() - begin
            for line in ended:
                tell(line)

    def _move(self, names: Sequence[str], begin: float, stop: threading.Event) -> None:
        if not moves():
            return
        while not stop.wait(SECONDS_BETWEEN):
            overwrite(self.line(names, begin))
        overwrite("")

    def line(self, names: Sequence[str], begin: float) -> str:
        """``tool k of n``, the time since the first one began, and how long the rest takes at this machine's speed."""
        now = self.clock()
        first = self.begun - len(names) + 1
        which = f"{first}" if len(names) == 1 else f"{first} to {self.begun}"
        left = self._left(now - begin)
        estimate = "" if left is None else f", about {span(left)} left"
        # Names last: on a narrow terminal they are cut off first.
        return f"  tool {which} of {self.total}, {span(now - self._started)}{estimate}: {', '.join(names)}"

    def _left(self, current: float) -> float | None:
        """Unknown until one build has shown how fast this machine is."""
        if not self.work_done:
            return None
        return max(self._spent / self.work_done * (self.work - self.work_done) - current, 0)


def outcome(names: Sequence[str], made: dict[str, Any], seconds: float) -> list[str]:
    """What was tried in vain, then a line for what is there now, and one for what is not."""
    if made.get("failed"):
        return [f"  {', '.join(names)}: failed after {span(seconds)}, going on with the others"]
    missing = [item["name"] for item in made["missing"]]
    lines = [f"  {note}" for note in made["notes"]]
    if there := [item for item in made["tools"] if item["name"] not in missing]:
        how = {"download": "downloaded", "image": "taken from its image", "build": "built"}.get(
            there[0]["source"], "found"
        )
        lines.append(f"  {', '.join(item['name'] for item in there)}: {how} in {span(seconds)}")
    if missing:
        lines.append(f"  {', '.join(missing)}: failed after {span(seconds)}, going on without")
    return lines


def span(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{round(whole / 60)} min"
