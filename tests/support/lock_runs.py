# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of ansible-playbook that hold the lock for as long as a test wants, beside others."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.api_server import ApiServer

CHECKOUT = Path(__file__).resolve().parents[2]
# The name of the process that renews a lock.
KEEPER = "maas-run-lock"
HOLDERS = "llmops.maas/holders"
LEASE_SECONDS = 4


def make(server: ApiServer, path: str, body: Mapping[str, Any]) -> None:
    """Make an object, unless an earlier test has."""
    try:
        server.request("POST", path, body)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise


def until(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


@dataclass
class Started:
    """A run of ansible-playbook under way. Its output goes to a pipe, as that of AWX and of a shell's ``| tee``."""

    process: subprocess.Popen[str]
    end: Path

    def finish(self) -> tuple[int, str]:
        """Let it go on, if it holds the lock; its code and what it wrote."""
        self.end.touch()
        return self.wait()

    def wait(self, seconds: float = 90) -> tuple[int, str]:
        output, _none = self.process.communicate(timeout=seconds)
        return self.process.returncode, output

    def end_by(self, number: int) -> None:
        """Send a signal until it ends: ansible-playbook sometimes overhears the first Ctrl-C, as it raises an exception
        in the signal's handler, which Python ignores where it cannot be raised.
        """
        until("ansible-playbook ends", lambda: self._ends_by(number), 20)

    def _ends_by(self, number: int) -> bool:
        self.process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(3)
        return self.process.poll() is not None


@dataclass
class Runs:
    """Starts runs against one server, in one namespace."""

    server: ApiServer
    namespace: str
    directory: Path
    started: list[Started] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    def lease(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.server.request("GET", f"{self.path}/llmops-maas")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None
        return found

    def keepers(self) -> set[int]:
        """Processes that renew the locks of these runs: they stay in their directory."""
        found = set()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                name, directory = (path / "comm").read_text().strip(), (path / "cwd").readlink()
            except OSError:
                continue
            if (name, directory) == (KEEPER, self.directory):
                found.add(int(path.name))
        return found

    def keeper(self) -> int:
        """The one such process."""
        (pid,) = until("a process renews the lock", self.keepers)
        return int(pid)

    def holders(self) -> list[dict[str, Any]]:
        lease = self.lease()
        return json.loads(lease["metadata"]["annotations"][HOLDERS]) if lease else []

    def hold(self, *, interpreter: str = sys.executable, **variables: Any) -> Started:
        """A run that takes the lock by the role's own tasks, and holds it until it may end."""
        number = len(self.started)
        end = self.directory / f"end-{number}"
        role = {"name": "llmops.maas.maas"}
        tasks: list[dict[str, Any]] = [
            {"ansible.builtin.import_role": {**role, "tasks_from": "variables"}},
            {"ansible.builtin.import_role": {**role, "tasks_from": "lock"}},
            {"ansible.builtin.wait_for": {"path": str(end), "sleep": 1, "timeout": 120}},
            {"ansible.builtin.import_role": {**role, "tasks_from": "unlock"}},
        ]
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "module_defaults": {
                "group/llmops.maas.maas": "{{ (maas_platform | default({})).connection | default({}) }}"
            },
            "vars": {"ansible_python_interpreter": interpreter},
            "tasks": tasks,
        }
        playbook = self.directory / f"holder-{number}.yml"
        playbook.write_text(json.dumps([play]))
        return self.start(playbook, **{"__maas_lock_duration": f"{LEASE_SECONDS}s", **variables})

    def holding(self, **variables: Any) -> Started:
        """The same, once it holds the lock."""
        run = self.hold(**variables)
        until("the run holds the lock", lambda: run.process.pid in [holder["pid"] for holder in self.holders()])
        return run

    def start(self, playbook: Path, *arguments: str, **variables: Any) -> Started:
        """Any playbook."""
        chosen = {"maas_kubeconfig": str(self.server.kubeconfig), "maas_namespace": self.namespace, **variables}
        command = (Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", playbook, *arguments)
        process = subprocess.Popen(
            [*command, "--extra-vars", json.dumps(chosen)],
            cwd=self.directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        run = Started(process, self.directory / f"end-{len(self.started)}")
        self.started.append(run)
        return run

    def playbook(self, name: str, *arguments: str, **variables: Any) -> tuple[int, str]:
        """One of the collection's own playbooks, to its end: its code and what it wrote."""
        interpreter = {"ansible_python_interpreter": sys.executable}
        given = {"maas_lock_timeout": "0", **interpreter, **variables}
        return self.start(CHECKOUT / "playbooks" / f"{name}.yml", *arguments, **given).wait()

    @staticmethod
    def environment() -> Mapping[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("K8S_AUTH_", "AWX_"))}
        return {**kept, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "False"}

    def stop(self) -> None:
        """End whatever a failed test left."""
        for run in self.started:
            run.process.kill()
            run.process.wait()
