# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes: waiting for the end of one, and one that outlives its parent. All of them are real."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._supervise import process_life as _process_life
from ansible_collections.llmops.maas.plugins.module_utils._supervise.process_life import ProcessEnd, process_at

# Says its id, then stays until it is killed.
DETACHED = """
import json, os, sys, time
from pathlib import Path
from ansible_collections.llmops.maas.plugins.module_utils._supervise.process_life import detach

def work():
    files = {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists()}
    name = Path("/proc/self/comm").read_text().strip()
    new = Path(sys.argv[1] + ".new")
    new.write_text(json.dumps({"pid": os.getpid(), "session": os.getsid(0), "name": name, "files": sorted(files)}))
    new.rename(sys.argv[1])
    time.sleep(60)

kept = open("/dev/zero")
detach("unit-detached", work)
print("the parent goes on")
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("pidfd", [True, False])
@pytest.mark.parametrize("proc", [True, False])
def test_the_end_of_a_process_is_seen(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, pidfd: bool, proc: bool
) -> None:
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    if not proc:
        monkeypatch.setattr(_process_life, "process_at", lambda _path: None)
    end = ProcessEnd(sleeper.pid)
    begin = time.monotonic()
    assert not end.within(0.3)
    assert time.monotonic() - begin >= 0.3
    sleeper.kill()
    if not proc:
        # Without /proc a zombie cannot be distinguished from a living process.
        sleeper.wait()
    begin = time.monotonic()
    assert end.within(20)
    assert time.monotonic() - begin < 5
    sleeper.wait()
    assert ProcessEnd(sleeper.pid).within(20)


@pytest.fixture
def _adopts_orphans() -> Iterator[None]:
    """This process is given what its children leave, as a service manager is (PR_SET_CHILD_SUBREAPER of prctl(2))."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(36, 1) == 0
    yield
    libc.prctl(36, 0)


@pytest.mark.usefixtures("_adopts_orphans")
def test_a_process_that_another_one_adopts_is_the_same() -> None:
    script = (
        "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=-3, stderr=-3).pid, flush=True); input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as parent:
        assert parent.stdout
        assert parent.stdin
        left = process_at(Path(f"/proc/{int(parent.stdout.readline())}"))
        parent.stdin.write(b"\n")
        parent.stdin.close()
        parent.wait()
    assert left
    try:
        adopted = process_at(Path(f"/proc/{left.pid}"))
        assert adopted
        assert (left.parent, adopted.parent) == (parent.pid, os.getpid())
        assert left.alive()
    finally:
        os.kill(left.pid, signal.SIGKILL)
        os.waitpid(left.pid, 0)
    assert not left.alive()


def test_a_detached_process_holds_nothing_of_its_parents(tmp_path: Path) -> None:
    note = tmp_path / "note"
    # Returns only when nobody holds the pipes any more.
    made = subprocess.run(
        [sys.executable, "-c", DETACHED, note], capture_output=True, text=True, timeout=20, check=True
    )
    assert (made.stdout, made.stderr) == ("the parent goes on\n", "")
    deadline = time.monotonic() + 10
    while not note.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    detached = json.loads(note.read_text())
    process = process_at(Path(f"/proc/{detached['pid']}"))
    assert process
    try:
        assert (process.name, detached["name"]) == ("unit-detached", "unit-detached")
        assert detached["session"] != os.getsid(0)
        assert detached["files"] == ["/dev/null"]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(process.pid, number)
        time.sleep(0.2)
        assert process.alive()
    finally:
        os.kill(process.pid, signal.SIGKILL)
    assert ProcessEnd(process.pid).within(5)


# In a process of its own: here another test's thread might take the signal.
PUT_OFF = """
import os, signal
from ansible_collections.llmops.maas.plugins.module_utils._supervise.process_life import undisturbed

# What a shell starts in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    with undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
        print("done")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_signals_are_put_off_not_lost() -> None:
    made = subprocess.run([sys.executable, "-c", PUT_OFF], capture_output=True, text=True, timeout=20, check=True)
    assert made.stdout == "done\ninterrupted\n"
