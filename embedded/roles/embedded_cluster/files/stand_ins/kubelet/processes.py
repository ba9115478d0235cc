# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Local processes of containers: started in a session of their own, recorded, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .logs import ContainerLog

_PR_SET_PDEATHSIG = 1
# Looked up before any fork: nothing may be imported or allocated between fork and exec.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class Exit:
    """How a process ended; code as a shell shows it (128 + signal number)."""

    code: int
    signal: int | None = None


@dataclass(frozen=True)
class Command:
    """What to run. argv[0] is absolute or found on PATH."""

    argv: Sequence[str]
    env: Mapping[str, str]
    directory: Path


class ProcessRecords:
    """Remembers running processes on disk, so that the next start of the stand-in ends what this one left."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory

    def add(self, key: str, pid: int) -> None:
        content = {"pid": pid, "started": start_time(pid)}
        (self._directory / f"{key}.json").write_text(json.dumps(content), encoding="utf-8")

    def remove(self, key: str) -> None:
        (self._directory / f"{key}.json").unlink(missing_ok=True)

    def end_leftovers(self) -> int:
        """Kills the recorded processes that still are the ones recorded; returns how many. A pid that was given to
        another program since has another start time and is left alone.
        """
        ended = 0
        for record in self._directory.glob("*.json"):
            with contextlib.suppress(ValueError, KeyError, ProcessLookupError, PermissionError):
                content = json.loads(record.read_text(encoding="utf-8"))
                pid, started = int(content["pid"]), content["started"]
                if started is not None and start_time(pid) == started:
                    os.killpg(pid, signal.SIGKILL)
                    ended += 1
            record.unlink(missing_ok=True)
        return ended


def start_time(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot, with the boot's id; None when it is not running or unknown."""
    try:
        # Field 22 of proc_pid_stat(5); the program's name (field 2) may hold anything but ends at the last ")".
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (OSError, IndexError):
        return None
    return f"{boot}/{ticks}"


class Process:
    """One running process of a container."""

    def __init__(
        self, process: asyncio.subprocess.Process, log: ContainerLog, records: ProcessRecords, key: str
    ) -> None:
        self._process = process
        self._records = records
        self._key = key
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018  # both are pipes
        self._copies = [
            asyncio.create_task(log.copy("stdout", process.stdout)),
            asyncio.create_task(log.copy("stderr", process.stderr)),
        ]

    @classmethod
    async def start(cls, command: Command, log: ContainerLog, records: ProcessRecords, key: str) -> Process:
        """Raises OSError when the program cannot be started."""
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            env=dict(command.env),
            cwd=command.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # one prctl call, prepared before the fork
        )
        records.add(key, process.pid)
        return cls(process, log, records, key)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> Exit:
        """Waits for the end, and for the last of its output."""
        code = await self._process.wait()
        self._signal_all(signal.SIGKILL)
        await asyncio.wait(self._copies, timeout=2)
        self._records.remove(self._key)
        return Exit(128 - code, -code) if code < 0 else Exit(code)

    async def stop(self, grace: float) -> None:
        """SIGTERM, then SIGKILL to the whole session after grace seconds. wait() returns afterwards."""
        self._signal_all(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), grace)
        except TimeoutError:
            self._signal_all(signal.SIGKILL)
            await self._process.wait()

    def _signal_all(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
