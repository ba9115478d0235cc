# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the commands that are measured: wall-clock time, peak memory, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

SAMPLE_SECONDS = 0.01
LONGEST_RUN = 3600.0


@dataclass(frozen=True)
class Command:
    """What to run, where, and with which environment."""

    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]


class CommandError(Exception):
    """A measured command failed; nothing can be said about its time."""


@dataclass(frozen=True)
class Run:
    """A finished command. ``peak_mb`` is that of its largest worker (see ``is_worker``), in MiB, 0 when not sampled."""

    seconds: float
    code: int
    output: str
    peak_mb: float = 0.0

    def check(self) -> Run:
        if self.code:
            raise CommandError(f"a measured command failed ({self.code}):\n{self.output[-4000:]}")
        return self


@contextmanager
def started(command: Command, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a process group of its own; whatever happens, nothing of that group outlives the block."""
    process = subprocess.Popen(
        command.argv,
        cwd=command.directory,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def execute(command: Command, *, sample: bool = False) -> Run:
    """Run a command to its end."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        with started(command, output) as process:
            sampler = Sampler(process.pid) if sample else None
            code = process.wait(timeout=LONGEST_RUN)
            seconds = time.perf_counter() - began
        peak = sampler.finish() if sampler else 0.0
        output.seek(0)
        return Run(seconds, code, output.read().decode("utf-8", "replace"), peak)


@dataclass
class Sampler:
    """Peak resident memory of the workers below a process.

    The kernel keeps the high-water mark of each process (VmHWM in /proc), which starts anew with exec, so only what is
    gained in the last hundredth of a second of a process can be missed.
    """

    root: int
    _peaks: dict[int, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def finish(self) -> float:
        """The largest peak so far, in MiB."""
        self._stop.set()
        self._thread.join()
        return max(self._peaks.values(), default=0.0)

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            for pid in family(self.root):
                peak = peak_of(pid, self.root)
                if peak:
                    self._peaks[pid] = peak


def family(root: int) -> list[int]:
    """A process and all its descendants that are alive."""
    found = [root]
    for pid in found:
        try:
            threads = list(Path(f"/proc/{pid}/task").iterdir())
            found += [int(child) for thread in threads for child in (thread / "children").read_text().split()]
        except OSError:
            continue
    return found


def peak_of(pid: int, root: int) -> float:
    """Peak resident memory of a worker in MiB; 0 for one that is gone or only starts others."""
    try:
        if not is_worker(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"), forked=pid != root):
            return 0.0
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def is_worker(command_line: list[bytes], *, forked: bool) -> bool:
    """Whether a process does the work itself: kubectl, a module, or the fork of ansible-playbook that runs a task.

    The shell and the first process of ansible-playbook only start those.
    """
    program = os.path.basename(command_line[0])  # noqa: PTH119 - bytes
    ansible = any(part.endswith((b"ansible-playbook", b"ansible")) for part in command_line[:3])
    return program.startswith((b"kubectl", b"python")) and (forked or not ansible)
