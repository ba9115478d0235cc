# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Supervision of an embedded cluster's processes by supervisord (PyPI ``supervisor``)."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import importlib.util
import os
import shlex
import signal
import socket
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.processes import run
from ansible_collections.llmops.maas.plugins.module_utils._supervise.component import Component
from ansible_collections.llmops.maas.plugins.module_utils._supervise.process_life import Process, process_at
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import StateDir, SuperviseError

# Every process of a cluster carries this variable with the cluster's directory, so that each can be found again.
MARKER = "LLMOPS_MAAS_CLUSTER"
# What the processes may know of the environment of whoever starts them: no credentials, no proxies.
INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")


def require_package(name: str) -> None:
    """Say what to do where this Python lacks a package. Raises ``SuperviseError``."""
    if importlib.util.find_spec(name) is None:
        raise SuperviseError(f"{sys.executable} has no Python package '{name}': install it there (pip install {name}).")


def render_config(directory: StateDir, components: Iterable[Component]) -> str:
    """supervisord.conf for the components.

    Each program's environment holds a digest of all that it reads at its start, so that supervisord itself sees
    which programs changed. Raises SuperviseError for a path that the format cannot express.
    """
    supervisor_socket = directory.socket("supervisor")
    lines = [
        "[unix_http_server]",
        f"file={_escape(str(supervisor_socket))}",
        "chmod=0700",
        "[supervisord]",
        f"logfile={_escape(str(directory.logs / 'supervisord.log'))}",
        "logfile_maxbytes=1MB",
        "logfile_backups=1",
        f"pidfile={_escape(str(directory.path / 'run' / 'supervisord.pid'))}",
        f"identifier={_escape(directory.path.name)}",
        f"directory={_escape(str(directory.path))}",
        f"childlogdir={_escape(str(directory.logs))}",
        "umask=077",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for rank, component in enumerate(components, start=1):
        lines += _program(directory, component, rank)
    return "\n".join(lines) + "\n"


def _program(directory: StateDir, component: Component, rank: int) -> list[str]:
    environment = {**component.environment, "LLMOPS_MAAS_DIGEST": _digest(component)}
    return [
        f"[program:{component.name}]",
        f"command={_escape(shlex.join(component.command))}",
        f"environment={','.join(_escape(_assignment(*item)) for item in sorted(environment.items()))}",
        f"priority={rank}",
        "autorestart=true",
        "startsecs=1",
        # Whatever a process waits for may take minutes to come: keep trying (pauses grow by a second each time).
        "startretries=100",
        f"stopwaitsecs={component.stop_seconds}",
        f"stopasgroup={'false' if component.stops_own_children else 'true'}",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile={_escape(str(log_file(directory, component.name)))}",
        "stdout_logfile_maxbytes=10MB",
        "stdout_logfile_backups=1",
    ]


def log_file(directory: StateDir, name: str) -> Path:
    return directory.logs / f"{name}.log"


def _assignment(name: str, value: str) -> str:
    return f'{name}="{value}"'


def _escape(text: str) -> str:
    """Text as a value of supervisord.conf, where % begins an expansion and " ;" or " #" a comment."""
    for bad in ("\n", "\r", " ;", " #"):
        if bad in text:
            raise SuperviseError(
                f"supervisord cannot use {text!r}: it must not contain {bad!r}. Choose another directory."
            )
    return text.replace("%", "%%")


def _digest(component: Component) -> str:
    digest = hashlib.sha256()
    for path in component.files:
        digest.update(path.read_bytes())
    binary = Path(component.command[0]).stat()
    digest.update(f"{binary.st_size} {binary.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


class Supervisor:
    """A cluster's supervisord, reached over its unix socket (supervisord.org/api.html)."""

    def __init__(self, directory: StateDir) -> None:
        self.directory = directory
        self._socket = directory.socket("supervisor")

    def _rpc(self) -> Any:
        proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_UnixTransport(str(self._socket)))
        return proxy.supervisor

    def running(self) -> bool:
        """Whether supervisord answers; a socket that a dead one left does not."""
        try:
            return bool(self._rpc().getState()["statename"] == "RUNNING")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def processes(self) -> list[dict[str, Any]]:
        """``[{name, statename, pid, spawnerr, ...}]`` of all programs."""
        return list(self._rpc().getAllProcessInfo())

    def pid(self) -> int:
        """Process id of supervisord."""
        return int(self._rpc().getPID())

    def launch(self) -> None:
        """Start supervisord with the written configuration; it goes to the background once it listens."""
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment[MARKER] = str(self.directory.path)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.directory.supervisor_config)]
        done = run(command, env=environment, cwd="/", timeout=60, umask=0o077)
        if done.returncode != 0:
            raise SuperviseError(f"supervisord did not start: {(done.stderr or done.stdout).strip()[-800:]}")
        end = time.monotonic() + 10
        while not self.running():
            if time.monotonic() > end:
                raise SuperviseError(
                    f"supervisord does not answer on {self._socket}; see {self.directory.logs / 'supervisord.log'}."
                )
            time.sleep(0.05)

    def reload(self) -> list[str]:
        """Take over the written configuration and start what is not running; returns the programs that were touched."""
        rpc = self._rpc()
        added, changed, removed = rpc.reloadConfig()[0]
        for name in [*changed, *removed]:
            rpc.stopProcessGroup(name)
            rpc.removeProcessGroup(name)
        for name in [*added, *changed]:
            rpc.addProcessGroup(name)
        restarted = self._start_dead()
        return sorted({*added, *changed, *removed, *restarted})

    def _start_dead(self) -> list[str]:
        rpc = self._rpc()
        dead = [
            info["name"] for info in self.processes() if info["statename"] in ("STOPPED", "EXITED", "FATAL", "BACKOFF")
        ]
        for name in dead:
            with contextlib.suppress(xmlrpc.client.Fault):
                rpc.startProcess(name, False)
        return dead

    def shutdown(self, timeout: float) -> None:
        """Ask supervisord to stop everything in reverse order and itself; returns when it is gone or time is up."""
        try:
            own = process_at(Path(f"/proc/{self.pid()}"))
            self._rpc().shutdown()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return
        for _pause in _until(timeout):
            if own is None or not own.alive():
                return


def members(directory: StateDir) -> list[Process]:
    """All processes of the cluster: those that carry its marker, whoever is their parent now, and their descendants."""
    marker = f"\0{MARKER}={directory.path}\0".encode()
    everything = [found for path in Path("/proc").glob("[0-9]*") if (found := process_at(path))]
    chosen = {found.pid for found in everything if marker in b"\0" + _environment(found.pid) + b"\0"}
    size = -1
    while size < len(chosen):
        size = len(chosen)
        chosen |= {found.pid for found in everything if found.parent in chosen}
    chosen.discard(os.getpid())
    return sorted((found for found in everything if found.pid in chosen), key=lambda found: found.pid)


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def resident_bytes(pid: int) -> int:
    """Resident memory of a process in bytes, 0 when it is gone (second field of /proc/PID/statm, in pages)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def end_processes(processes: Sequence[Process], grace: float = 5.0) -> list[Process]:
    """Terminate processes, and kill those that have not ended after ``grace`` seconds; returns those that resist."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        for process in processes:
            if process.alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        for _pause in _until(seconds):
            if not any(process.alive() for process in processes):
                return []
    return [process for process in processes if process.alive()]


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.05)


def last_lines(path: Path, count: int = 8, *, longest: int = 400) -> list[str]:
    """The last lines of a log, each cut to ``longest`` characters; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line[:longest] for line in text.splitlines()[-count:]]
