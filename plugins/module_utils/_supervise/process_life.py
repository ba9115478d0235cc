# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of this machine: whether one lives, waiting for its end, and starting one that outlives its parent."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import attempts

_POLL_SECONDS = 0.5
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Process:
    """One process; ``start`` (in clock ticks since the boot) distinguishes it from a later one with the same id."""

    pid: int
    parent: int
    start: int
    name: str

    def alive(self) -> bool:
        """Whoever is its parent now: the one that adopts orphans is not always process 1."""
        now = process_at(Path(f"/proc/{self.pid}"))
        return now is not None and now.start == self.start


def process_at(path: Path) -> Process | None:
    """What /proc/PID/stat says (proc(5)): the name is in parentheses and may contain anything. None for a dead one.

    A process whose first thread has ended is a zombie already while its other threads, and with them its open ports,
    are still there; it is dead when that one is the last (``num_threads``).
    """
    try:
        head, _bracket, tail = (path / "stat").read_text(errors="replace").rpartition(")")
    except OSError:
        return None
    fields = tail.split()
    if fields[0] in ("Z", "X") and int(fields[17]) <= 1:
        return None
    return Process(int(path.name), int(fields[1]), int(fields[19]), head.partition("(")[2])


class ProcessEnd:
    """The end of a process that need not be a child of this one.

    Linux reports it by a file descriptor of the process (pidfd_open(2), since 5.3). Elsewhere it is looked for twice a
    second.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._process = process_at(Path(f"/proc/{pid}"))
        self._descriptor = _descriptor(pid)

    def within(self, seconds: float) -> bool:
        """Whether it comes in that time, or has come already; returns as soon as it does."""
        if self._descriptor is not None:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        return any(not self._alive() for _turn in attempts(seconds, _POLL_SECONDS))

    def _alive(self) -> bool:
        if self._process is not None:
            return self._process.alive()
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            # Somebody else's process, but there.
            return True
        return True


def _descriptor(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put off the signals that ask this process for its end until the block is done. It must have no other threads."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def detach(name: str, work: Callable[[], None]) -> None:
    """Do the work in a process of its own, which nothing that happens to this one or its terminal ends.

    It is a copy of this process, so it knows all that this one knows, without a file, an argument or a pipe. It holds
    none of this one's files open (whoever reads this one's output sees it end), belongs to no terminal, and ignores the
    signals that ask for an end: the work itself has to end. What it raises is lost.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            for number in _ENDING:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            _let_go_of_files()
            _rename(name)
            work()
    finally:
        # Not sys.exit: the code further up belongs to the process that this is a copy of.
        os._exit(0)


def _let_go_of_files() -> None:
    """Replaced, not closed: objects that are left of this process's past may still close their numbers."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        if number != null:
            os.dup2(null, number)


def _rename(name: str) -> None:
    """What ps and pkill take for the name of the process, where Linux lets it be changed: at most 15 characters."""
    comm = Path("/proc/self/comm")
    if comm.exists():
        comm.write_text(name)
