# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container of a Pod that runs as a local process: start, probes, restarts with back-off, end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..clock import timestamp
from .logs import ContainerLog
from .objects import MissingError
from .podstatus import ContainerState, terminated
from .probes import FAILURES, PERIOD, SUCCESSES, Prober
from .processes import Command, Exit, Process, ProcessRecords

# Shorter than the kubelet's 10 s to 5 min: here a controller mostly crashes because what it needs is not installed yet.
BACKOFF_FIRST, BACKOFF_LAST = 1.0, 30.0
# A run of this length counts as a success and starts the back-off anew.
STABLE_SECONDS = 60.0
GRACE_LIMIT = 10.0


def backoff(failures: int) -> float:
    """Seconds before the next start after so many quick ends in a row: 1, 2, 4, 8, 16, 30, 30..."""
    return float(min(BACKOFF_FIRST * 2 ** max(0, failures - 1), BACKOFF_LAST))


@dataclass
class Hooks:
    """What a container needs of its Pod."""

    command: Callable[[], Awaitable[Command]]  # raises MissingError, or ValueError for what cannot work
    prober: Callable[[Command], Prober]
    changed: Callable[[], None]  # the status must be written
    event: Callable[[str, str, bool], Awaitable[None]]  # reason, message, warning
    woken: Callable[[float], Awaitable[None]]  # waits for so many seconds, or a change of a Secret or ConfigMap


class Container:
    """Runs one container until it ends for good or stop() is called."""

    def __init__(
        self, spec: Mapping[str, Any], state: ContainerState, log: ContainerLog, records: ProcessRecords, hooks: Hooks
    ) -> None:
        self.spec = spec
        self.state = state
        self._log = log
        self._records = records
        self._hooks = hooks
        self._process: Process | None = None
        self._stopping = False

    async def run(self, restart_policy: str) -> None:
        """Returns when the container has ended for good. restart_policy: Always, OnFailure or Never."""
        failures = 0
        while True:
            began = time.monotonic()
            result = await self._run_once()
            if self._stopping or restart_policy == "Never" or (restart_policy == "OnFailure" and result.code == 0):
                return
            failures = 1 if time.monotonic() - began > STABLE_SECONDS else failures + 1
            delay = backoff(failures)
            message = f"back-off {delay:g}s restarting failed container={self.state.name}"
            self.state.wait_for("CrashLoopBackOff", message)
            self._hooks.changed()
            await self._hooks.event("BackOff", message, True)
            await asyncio.sleep(delay)
            self.state.restarts += 1

    async def stop(self, grace: float) -> None:
        """Ends the process, waits for that, and lets no other start."""
        self._stopping = True
        self.state.ready = False
        if self._process is not None:
            await self._process.stop(min(grace, GRACE_LIMIT))

    async def _run_once(self) -> Exit:
        command = await self._prepared()
        if self._stopping:
            return Exit(0)
        self._log.start()
        started = timestamp()
        key = f"{self.state.identifier or os.getpid()}-{time.time_ns():x}"
        try:
            process = await Process.start(command, self._log, self._records, key)
        except OSError as error:
            return await self._ended(Exit(128), started, f"failed to start {command.argv[0]}: {error}")
        self._process = process
        self.state.run(started, str(process.pid))
        self._hooks.changed()
        await self._hooks.event("Started", f"Started container {self.state.name} (process {process.pid})", False)
        probes = asyncio.create_task(self._probe(process, self._hooks.prober(command)))
        try:
            result = await process.wait()
        finally:
            probes.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probes
        self._process = None
        wants_logs = self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        return await self._ended(result, started, self._log.tail() if wants_logs else "")

    async def _prepared(self) -> Command:
        """The command, as soon as all that its environment refers to is there."""
        while True:
            try:
                return await self._hooks.command()
            except (MissingError, ValueError) as error:
                self.state.wait_for("CreateContainerConfigError", str(error))
                self._hooks.changed()
                await self._hooks.event("Failed", f"Error: {error}", True)
                await self._hooks.woken(5)

    async def _ended(self, result: Exit, started: str, message: str) -> Exit:
        self.state.terminate(terminated(result.code, result.signal, started, timestamp(), message))
        self._hooks.changed()
        if not self._stopping and result.code != 0:
            await self._hooks.event("Failed", f"container {self.state.name} exited with {result.code}", True)
        return result

    async def _probe(self, process: Process, prober: Prober) -> None:
        startup = self.spec.get("startupProbe")
        if startup and not await self._until_started(startup, process, prober):
            return
        self.state.started = True
        self.state.ready = "readinessProbe" not in self.spec
        self._hooks.changed()
        watches = []
        if "readinessProbe" in self.spec:
            watches.append(self._follow_readiness(self.spec["readinessProbe"], prober))
        if "livenessProbe" in self.spec:
            watches.append(self._follow_liveness(self.spec["livenessProbe"], process, prober))
        await asyncio.gather(*watches)

    async def _until_started(self, probe: Mapping[str, Any], process: Process, prober: Prober) -> bool:
        period = float(probe.get("periodSeconds") or PERIOD)
        allowed = float(probe.get("initialDelaySeconds") or 0) + period * int(probe.get("failureThreshold") or FAILURES)
        deadline = time.monotonic() + allowed
        while True:
            problem = await prober.check(probe)
            if problem is None:
                return True
            if time.monotonic() > deadline:
                await self._kill_unhealthy(process, "Startup", problem)
                return False
            await asyncio.sleep(min(1.0, period))

    async def _follow_readiness(self, probe: Mapping[str, Any], prober: Prober) -> None:
        """Sets ready by the probe's results. Every second until the first success, so that nobody waits for nothing;
        afterwards at the probe's own pace.
        """
        period = float(probe.get("periodSeconds") or PERIOD)
        passed = failed = 0
        ever = False
        while True:
            problem = await prober.check(probe)
            passed, failed = (passed + 1, 0) if problem is None else (0, failed + 1)
            if not self.state.ready and passed >= int(probe.get("successThreshold") or SUCCESSES):
                self.state.ready = ever = True
                self._hooks.changed()
            elif self.state.ready and failed >= int(probe.get("failureThreshold") or FAILURES):
                self.state.ready = False
                self._hooks.changed()
            if problem is not None and ever:
                await self._hooks.event("Unhealthy", f"Readiness probe failed: {problem}", True)
            await asyncio.sleep(period if ever else min(1.0, period))

    async def _follow_liveness(self, probe: Mapping[str, Any], process: Process, prober: Prober) -> None:
        await asyncio.sleep(float(probe.get("initialDelaySeconds") or 0))
        period = float(probe.get("periodSeconds") or PERIOD)
        failed = 0
        while True:
            problem = await prober.check(probe)
            failed = 0 if problem is None else failed + 1
            if failed >= int(probe.get("failureThreshold") or FAILURES):
                await self._kill_unhealthy(process, "Liveness", str(problem))
                return
            await asyncio.sleep(period)

    async def _kill_unhealthy(self, process: Process, which: str, problem: str) -> None:
        await self._hooks.event("Unhealthy", f"{which} probe failed: {problem}", True)
        await self._hooks.event("Killing", f"Container {self.state.name} failed its {which.lower()} probe", False)
        await process.stop(GRACE_LIMIT)
