# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all cases share: options, the order of runs, and the making of a result."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import os
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import CHECKOUT
from benchmarks.forward import forwarder
from benchmarks.processes import Command, execute
from benchmarks.servers import Audit, kubeconfig_via
from tests.support.api_server import ApiServer

LOG = logging.getLogger("benchmarks")
OURS, KUBECTL, KUBERNETES_CORE = "ours", "kubectl", "kubernetes.core"
ALONE = "ansible-playbook alone"
WHOLE = ", whole command"
TASK_TIMES = "task-times"
Build = Callable[[Path], Command]
"""Makes a peer's command for a kubeconfig."""


@dataclass(frozen=True)
class Sample:
    """One run of one peer. What was not looked at is None.

    ``seconds`` is from the start of the command to its end, ``task_seconds`` what a playbook's tasks took of it.
    """

    seconds: float | None = None
    task_seconds: float | None = None
    requests: int | None = None
    bytes_sent: int | None = None
    peak_mb: float | None = None


@dataclass
class Bench:
    """Options of this invocation, and a directory for everything that is made."""

    work: Path
    runs: int = 5
    large_runs: int = 5
    sizes: frozenset[int] = frozenset()
    _numbers: Iterable[int] = field(default_factory=itertools.count)

    def chosen(self, sizes: Sequence[int]) -> list[int]:
        """Those of a case's sizes that were asked for; all when none was named."""
        return [size for size in sizes if not self.sizes or size in self.sizes]

    def folder(self, name: str) -> Path:
        """A new directory."""
        path = self.work / f"{next(iter(self._numbers))}-{name}"
        path.mkdir()
        return path

    def environment(self) -> dict[str, str]:
        """The environment of every peer: no setting of the user's, caches that outlive one run as a user's do."""
        dropped = ("K8S_AUTH_", "ANSIBLE_", "KUBE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
        temporary = self.work / "tmp"
        temporary.mkdir(exist_ok=True)
        return {
            **kept,
            "PATH": programs,
            "TMPDIR": str(temporary),
            "KUBECACHEDIR": str(self.work / "kubectl-cache"),
            "KUBERC": "off",
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.work / "ansible"),
            "ANSIBLE_REMOTE_TMP": str(self.work / "ansible" / "tmp"),
            "ANSIBLE_NOCOLOR": "1",
        }

    def command(self, directory: Path, *argv: str | Path) -> Command:
        return Command(tuple(str(part) for part in argv), directory, self.environment())

    def playbook(self, name: str, tasks: Sequence[Mapping[str, Any]], kubeconfig: Path, **play: Any) -> Command:
        """``ansible-playbook`` with these tasks on localhost."""
        directory = self.folder(name)
        connection = {"kubeconfig": str(kubeconfig)}
        content = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "module_defaults": {"group/llmops.maas.maas": connection, "group/kubernetes.core.k8s": connection},
            "tasks": list(tasks),
            **play,
            "vars": {"ansible_python_interpreter": sys.executable, **play.get("vars", {})},
        }
        (directory / "play.yml").write_text(json.dumps([content]))
        command = self.command(directory, "ansible-playbook", "-i", "localhost,", directory / "play.yml")
        record = directory / TASK_TIMES
        enabled = {
            "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "benchmarks" / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "maas_task_time",
            "MAAS_TASK_TIME": str(record),
        }
        return dataclasses.replace(command, environment={**command.environment, **enabled})

    def alone(self, _kubeconfig: Path) -> Command:
        """``ansible-playbook`` with a task that does nothing: what every playbook costs."""
        return self.playbook("alone", [{"ansible.builtin.ping": {}}], _kubeconfig)


def contest(
    label: str, peers: Sequence[str], runs: int, once: Callable[[str, bool], Sample]
) -> dict[str, list[Sample]]:
    """Run all peers in turn, each round beginning with another one.

    The first round is not timed: bytes and memory are looked at (``once(peer, True)``), and files become cached.
    """
    samples: dict[str, list[Sample]] = {peer: [] for peer in peers}
    for number in range(runs + 1):
        first = number % len(peers)
        for peer in [*peers[first:], *peers[:first]]:
            sample = once(peer, number == 0)
            samples[peer].append(sample)
            what = "not timed" if sample.seconds is None else f"{sample.seconds:.2f} s"
            LOG.info("%s, run %d of %d, %s: %s", label, number, runs, peer, what)
    return samples


def measure(server: ApiServer, build: Build, *, counting: bool, prime: bool = False) -> Sample:
    """Run a peer once against a server: timed with its requests, or untimed with bytes and peak memory.

    ``prime`` lets the peer fill its caches for that address first.
    """
    if not counting:
        audit = Audit(server.audit_log)
        audit.new()
        command = build(server.kubeconfig)
        run = execute(command).check()
        return Sample(seconds=run.seconds, task_seconds=task_seconds(command), requests=len(audit.new()))
    with forwarder(server.port) as counter:
        command = build(kubeconfig_via(server, counter.port))
        if prime:
            execute(command).check()
        before = counter.sent
        run = execute(command, sample=True).check()
        return Sample(bytes_sent=counter.sent - before, peak_mb=run.peak_mb)


def task_seconds(command: Command) -> float | None:
    """What the tasks of a playbook took that has run in its own directory; None for another command."""
    record = command.directory / TASK_TIMES
    return sum(map(float, record.read_text().split())) if record.exists() else None


def by_task(samples: Mapping[str, Sequence[Sample]]) -> dict[str, list[Sample]]:
    """The samples with what tasks took as a playbook's time, and the whole commands as further peers."""
    tasks: dict[str, list[Sample]] = {}
    whole: dict[str, list[Sample]] = {}
    for peer, runs in samples.items():
        judged = peer != ALONE and any(run.task_seconds for run in runs)
        tasks[peer] = [dataclasses.replace(run, seconds=run.task_seconds) if judged else run for run in runs]
        if judged:
            whole[peer + WHOLE] = [Sample(seconds=run.seconds) for run in runs]
    return {**tasks, **whole}


def row(case: str, size: int, samples: Mapping[str, Sequence[Sample]], **more: Any) -> dict[str, Any]:
    """One result as the file holds it: medians by peer, the spread beside them."""
    timed = {peer: [run.seconds for run in runs if run.seconds is not None] for peer, runs in samples.items()}
    result: dict[str, Any] = {
        "case": case,
        "size": size,
        "seconds": {peer: round(statistics.median(seconds), 3) for peer, seconds in timed.items()},
        "runs": min(len(seconds) for seconds in timed.values()),
        "spread": {
            peer: {"min": round(min(seconds), 3), "max": round(max(seconds), 3)} for peer, seconds in timed.items()
        },
    }
    for name, digits in (("requests", 0), ("bytes_sent", 0), ("peak_mb", 1)):
        found = {peer: [getattr(run, name) for run in runs if getattr(run, name)] for peer, runs in samples.items()}
        medians = {peer: round(statistics.median(values), digits) for peer, values in found.items() if values}
        result[name] = {peer: value if digits else int(value) for peer, value in medians.items()}
    return {**result, **more, "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}
