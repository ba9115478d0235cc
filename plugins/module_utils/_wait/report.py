# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wait module returns about each object, and what it says when it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import KubeError
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitOutcome, WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict

MOST_LOGS = 10


class LogReader(Protocol):
    def text(self, path: str, *, query: Mapping[str, Any] | None = None) -> str:
        """The text that the API server answers."""


@dataclass(frozen=True)
class ReportStyle:
    """What differs between the wait modules.

    ``objects`` and ``unready`` make a sentence: "2 of 3 *Pods* *are not ready* after 9 s". ``parts`` are the fields of
    a verdict to return. With ``full`` a failed object's log is returned too, and the ready ones are named in a failure.
    """

    objects: str
    unready: str
    parts: Sequence[str]
    full: bool = False


@dataclass(frozen=True)
class WaitReport:
    """The rows and the words of one outcome.

    :param identities: what names each object in its row, by the key of its verdict.
    :param logs: last log lines, by the same keys.
    :param now: seconds of the clock of the wait.
    """

    style: ReportStyle
    outcome: WaitOutcome
    state: WaitState
    verdicts: Mapping[str, Verdict]
    identities: Mapping[str, Mapping[str, str]]
    now: float
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each object, in order."""
        return [self._row(key, verdict) for key, verdict in self.verdicts.items()]

    def _row(self, key: str, verdict: Verdict) -> dict[str, Any]:
        seconds, phase_seconds = self._seconds(key, verdict)
        return {
            **self.identities[key],
            **{part: getattr(verdict, part) for part in self.style.parts},
            "ready": verdict.state == "ready",
            "failed": verdict.state == "failed",
            "seconds": seconds,
            "phase_seconds": phase_seconds,
            **({"log": list(self.logs[key])} if self.style.full and key in self.logs else {}),
        }

    def failure(self) -> str:
        """The message of a failed task: every object that is not ready, and why; those that failed come first."""
        unready = {key: verdict for key, verdict in self.verdicts.items() if verdict.state != "ready"}
        ended = "the time is up" if self.outcome.timed_out else "waiting longer will not help"
        count = f"{len(unready)} of {len(self.verdicts)} {self.style.objects}"
        lines = [f"{count} {self.style.unready} after {self.outcome.elapsed:.0f} s; {ended}."]
        for key, verdict in sorted(unready.items(), key=lambda entry: entry[1].state != "failed"):
            lines += _words(key, verdict, self._seconds(key, verdict)[1], self.logs.get(key, []))
        ready = [key for key in self.verdicts if key not in unready]
        lines += [f"Ready: {', '.join(ready)}"] if self.style.full and ready else []
        lines += [f"The API server could not be watched: {text}" for text in self.outcome.troubles]
        return "\n".join(lines)

    def _seconds(self, key: str, verdict: Verdict) -> tuple[int, int]:
        """From the start of the wait until ready or failed (or now), and in the present phase."""
        since = self.state.history(key).since.get(f"phase:{verdict.phase}", self.now)
        until = self.now if verdict.state == "progressing" else since
        return max(0, round(until - self.state.began)), max(0, round(self.now - since))


def _words(name: str, verdict: Verdict, phase_seconds: int, log: Sequence[str]) -> list[str]:
    """The lines of a failure message about one object."""
    lines = [_sentence(name, verdict, phase_seconds)]
    if verdict.hint:
        lines.append(f"  What to do: {verdict.hint}")
    if log:
        which = " before its restart" if verdict.previous_log else ""
        lines.append(f"  Last log lines of container {verdict.container or 'of the Pod'}{which}:")
        lines.extend(f"    {line}" for line in log)
    return lines


def _sentence(name: str, verdict: Verdict, phase_seconds: int) -> str:
    """One object that is not ready, in one line: name, state, where, why."""
    pod = f" in Pod {verdict.pod}" if verdict.pod else ""
    container = f", container {verdict.container}" if verdict.container else ""
    state = "failed" if verdict.state == "failed" else f"{verdict.phase} for {phase_seconds} s"
    # While all goes well the reason only repeats the phase.
    reason = "" if verdict.reason.lower() == verdict.phase else f": {verdict.reason}"
    return f"{name}: {state}{reason}{pod}{container}: {verdict.message}"


def last_log_lines(kube: LogReader, namespace: str, verdict: Verdict, count: int) -> list[str]:
    """The last lines of the log that explains the verdict; empty when there is none or it cannot be read."""
    if not verdict.pod or not verdict.container or not count:
        return []
    path = f"/api/v1/namespaces/{namespace}/pods/{verdict.pod}/log"
    query = {"container": verdict.container, "tailLines": str(count), "limitBytes": "65536"}
    # The kubelet may have lost the one of the two that the status speaks of.
    for previous in (verdict.previous_log, not verdict.previous_log):
        text = _log(kube, path, {**query, "previous": "true"} if previous else query)
        if text.strip():
            return text.rstrip().splitlines()[-count:]
    return []


def _log(kube: LogReader, path: str, query: Mapping[str, str]) -> str:
    try:
        return kube.text(path, query=query)
    except (KubeError, OSError):
        return ""
