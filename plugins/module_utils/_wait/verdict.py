# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wait knows about one object: the verdict of the moment, and the history that a verdict may depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ready", "progressing", "failed"]


@dataclass(frozen=True)
class Verdict:
    """The judgement of one object at one moment.

    ``failed`` means that waiting longer will not help. ``reason`` is one CamelCase word, ``message`` says what is the
    matter, ``hint`` a suggested fix. ``pod`` and ``container`` name where the trouble is and whose log explains it
    (``previous_log``: the log of the instance before the present one). ``unnoticed`` is for how many seconds nothing
    has shown that a controller has noticed the object as it is now.
    """

    state: State
    phase: str
    reason: str = ""
    message: str = ""
    hint: str = ""
    pod: str = ""
    container: str = ""
    previous_log: bool = False
    url: str = ""
    warnings: tuple[str, ...] = ()
    unnoticed: float = 0.0


@dataclass
class History:
    """What was seen of one object since the wait began; times are seconds of one clock that the caller chooses.

    ``held`` answers since when something is true without a break, ``sighted`` how many different times it was seen.
    Call ``close_round`` after each judgement: what the round did not ask for is over and is forgotten (sightings stay).
    """

    began: float
    since: dict[str, float] = field(default_factory=dict)
    sightings: dict[str, list[str]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def held(self, what: str, now: float) -> float:
        """Note that ``what`` is true now; returns for how many seconds it has been so without a break."""
        self.asked.add(what)
        return now - self.since.setdefault(what, now)

    def sighted(self, what: str, mark: str) -> int:
        """Note a sighting; equal marks are the same sighting. Returns the number of different ones."""
        marks = self.sightings.setdefault(what, [])
        if mark not in marks:
            marks.append(mark)
        return len(marks)

    def sighted_again(self, what: str, *, present: bool) -> int:
        """Count how often something that comes and goes has come; ``present`` says whether it is there now."""
        marks = self.sightings.setdefault(what, [])
        was_there = len(marks) % 2 == 1
        if present != was_there:
            marks.append("came" if present else "went")
        return (len(marks) + 1) // 2

    def close_round(self) -> None:
        self.since = {what: moment for what, moment in self.since.items() if what in self.asked}
        self.asked = set()

    def as_json(self) -> dict[str, Any]:
        return {"began": self.began, "since": self.since, "sightings": self.sightings}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> History:
        return cls(began=data["began"], since=dict(data["since"]), sightings=dict(data["sightings"]))
