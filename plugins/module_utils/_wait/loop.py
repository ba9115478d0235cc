# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop that all waits share: judge anew whenever a watched object changes, end as soon as the outcome is known.

A wait may be cut into slices, each a process of its own: ``WaitState`` carries all that the next one needs.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import History, Verdict
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Store, Watcher

Judge = Callable[[Store, float], Mapping[str, Verdict]]
"""Gives the verdict of each object (by a key that is the same in every round) at a time in seconds."""

# Grace periods end without any event of the cluster; this is how often the objects at hand are judged for that. It
# costs no request.
TICK = 0.5
CONNECT_SECONDS = 30.0
# A slice does not end at each change, or starting slices would be all that is done while many things happen.
SHORTEST_SLICE = 4.0
LARGEST_STATE = 8_000_000


@dataclass
class WaitState:
    """What a slice hands to the next: start of the wait (epoch seconds), histories by key, watched copies."""

    began: float
    histories: dict[str, History] = field(default_factory=dict)
    watched: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    # Paths of the watched collections by source name, where they had to be discovered.
    paths: dict[str, str] = field(default_factory=dict)

    def history(self, key: str) -> History:
        return self.histories.setdefault(key, History(began=self.began))

    def encode(self) -> str:
        """As printable text; without the copies when they are very large (they are listed again then)."""
        text = self._pack(self.watched)
        return text if len(text) <= LARGEST_STATE else self._pack({})

    def _pack(self, watched: Mapping[str, Any]) -> str:
        data = {
            # Never the same text twice: what a module was given as no_log is blanked out wherever it returns it.
            "packed": time.time_ns(),
            "began": self.began,
            "histories": {key: history.as_json() for key, history in self.histories.items()},
            "watched": watched,
            "shown": self.shown,
            "paths": self.paths,
        }
        return base64.b64encode(zlib.compress(json.dumps(data).encode(), 1)).decode()

    @classmethod
    def decode(cls, text: str | None, now: float) -> WaitState:
        """The state of an earlier slice, or a new one that begins ``now`` when there is none."""
        if not text:
            return cls(began=now)
        data = json.loads(zlib.decompress(base64.b64decode(text)))
        histories = {key: History.from_json(entry) for key, entry in data["histories"].items()}
        return cls(
            began=data["began"],
            histories=histories,
            watched=data["watched"],
            shown=data["shown"],
            paths=data["paths"],
        )


@dataclass(frozen=True)
class WaitTerms:
    """``timeout`` seconds for the whole wait; ``slice_seconds`` for this process, 0 for no slices; ``early``: end a
    slice before that when there is something to report.
    """

    timeout: float
    slice_seconds: float = 0.0
    early: bool = True
    fail_fast: bool = True


@dataclass(frozen=True)
class WaitOutcome:
    """``finished`` is False at the end of a slice; ``timed_out`` distinguishes a time limit from a failure."""

    verdicts: Mapping[str, Verdict]
    finished: bool
    timed_out: bool
    elapsed: float
    troubles: list[str]


class NotConnectedError(Exception):
    """The API server could not be read at all; the message says why."""


def wait(
    watcher: Watcher, judge: Judge, state: WaitState, terms: WaitTerms, clock: Callable[[], float] = time.time
) -> WaitOutcome:
    """Wait until every verdict is final, one failed (with ``fail_fast``), or the slice or the time is over.

    Raises ``WatchError`` when something that must be read cannot be, ``NotConnectedError`` when nothing was ever read.
    """
    round_ = _Round(state, terms, clock)
    with watcher:
        while True:
            seen = watcher.store.version
            watcher.check()
            now = clock()
            verdicts = judge(watcher.store, now) if watcher.synced() else {}
            ending = round_.ending(watcher, verdicts, now)
            if ending is not None:
                state.watched = watcher.snapshot() if not ending.finished else {}
                state.shown = _summary(verdicts) or state.shown
                return ending
            watcher.store.wait_for_change(seen, TICK)


class _Round:
    """Decides when a slice ends."""

    def __init__(self, state: WaitState, terms: WaitTerms, clock: Callable[[], float]) -> None:
        self._state = state
        self._terms = terms
        self._started = clock()
        self._resumed = bool(state.shown)

    def ending(self, watcher: Watcher, verdicts: Mapping[str, Verdict], now: float) -> WaitOutcome | None:
        elapsed = now - self._state.began
        if verdicts and is_settled(verdicts, fail_fast=self._terms.fail_fast):
            return WaitOutcome(verdicts, True, False, elapsed, [])
        troubles = watcher.troubles()
        if not watcher.synced() and not self._resumed and now - self._started >= CONNECT_SECONDS:
            raise NotConnectedError("; ".join(troubles) or "the API server did not answer")
        if elapsed >= self._terms.timeout:
            return WaitOutcome(verdicts, True, True, elapsed, troubles)
        if self._slice_is_over(verdicts, now - self._started):
            return WaitOutcome(verdicts, False, False, elapsed, troubles)
        return None

    def _slice_is_over(self, verdicts: Mapping[str, Verdict], spent: float) -> bool:
        limit = self._terms.slice_seconds
        if not limit:
            return False
        if spent >= limit:
            return True
        news = bool(verdicts) and _summary(verdicts) != self._state.shown
        return self._terms.early and news and spent >= min(SHORTEST_SLICE, limit)


def is_settled(verdicts: Mapping[str, Verdict], *, fail_fast: bool) -> bool:
    states = {verdict.state for verdict in verdicts.values()}
    return "progressing" not in states or (fail_fast and "failed" in states)


def _summary(verdicts: Mapping[str, Verdict]) -> dict[str, list[str]]:
    """What a progress line would show, to know whether there is anything new."""
    return {key: [verdict.state, verdict.phase, verdict.reason] for key, verdict in verdicts.items()}
