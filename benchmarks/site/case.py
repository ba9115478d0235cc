# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second run of site.yml that has nothing to change, on the embedded cluster with the real controllers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import CHECKOUT
from benchmarks.apply.cases import unchanged
from benchmarks.bench import KUBECTL, KUBERNETES_CORE, OURS, Bench, Sample, contest, row
from benchmarks.processes import Command, execute
from benchmarks.recording import mirror, recorded
from benchmarks.servers import LOG, Audit, settle
from benchmarks.site.peers import kubectl_script, kubernetes_core_playbook
from benchmarks.site.steps import Apply, steps_of
from tests.support.deployment import CONTROLLERS, Deployment

GIVEN = "ours, cluster given"
WHAT = "objects in all bundles"
# Controllers always have a little to do.
IDLE_CORES = 0.5
# The name in the administrator's certificate (_embedded/components.py of llmops.embedded); controllers have others.
ADMINISTRATOR = "llmops-maas-admin"


def tools() -> dict[str, str]:
    """Programs by name from LLMOPS_MAAS_BIN, where that is set; else the embedded cluster finds them in its cache."""
    chosen = os.environ.get("LLMOPS_MAAS_BIN")
    return {path.name: str(path) for path in Path(chosen).iterdir()} if chosen else {}


@dataclass
class Site:
    """The platform as ``make deploy`` installs it, in a directory of the benchmark's own."""

    bench: Bench
    deployment: Deployment

    def command(self, **variables: Any) -> Command:
        """``ansible-playbook site.yml`` for this cluster."""
        extra = {
            "embedded_cluster_name": self.deployment.name,
            "embedded_cluster_controllers": CONTROLLERS,
            "embedded_cluster_tools": tools(),
            "maas_mirror": str(mirror()),
            **variables,
        }
        inventory = CHECKOUT / "inventories" / "embedded"
        argv = ("ansible-playbook", "-i", inventory, "site.yml", "--extra-vars", json.dumps(extra))
        command = self.bench.command(CHECKOUT, *argv)
        return Command(command.argv, CHECKOUT, {**command.environment, "XDG_STATE_HOME": str(self.deployment.home)})

    def settle(self) -> None:
        """Let the controllers finish what the run before made them do."""
        settle(self.pids(), IDLE_CORES)

    def pids(self) -> list[int]:
        return list(self.deployment.processes())


@contextmanager
def site(bench: Bench) -> Iterator[Site]:
    """A cluster of its own; whatever happens, nothing of it is left running."""
    made = Site(bench, Deployment(name="bench", home=bench.folder("site"), variables={"maas_mirror": str(mirror())}))
    try:
        yield made
    finally:
        made.deployment.remove()
        for pid in made.pids():
            os.kill(pid, signal.SIGKILL)


def site_no_change(bench: Bench) -> list[dict[str, Any]]:
    """All peers on the same cluster, in turn; each has run once before, so that it owns its fields."""
    with site(bench) as made:
        LOG.info("deploying the platform")
        execute(made.command()).check()
        made.settle()
        kubeconfig = made.deployment.kubeconfig
        # Of the second run, which leaves out what only a new cluster needs.
        tasks = recorded(made.command(), bench.folder("record") / "site.jsonl")
        steps_folder = bench.folder("steps")
        steps = steps_of(tasks, made.deployment.kube, steps_folder)
        peers: dict[str, Callable[[], Command]] = {
            OURS: made.command,
            GIVEN: lambda: made.command(embedded_cluster_enabled=False),
            KUBECTL: lambda: kubectl_script(bench, steps, kubeconfig),
            KUBERNETES_CORE: lambda: kubernetes_core_playbook(bench, steps, kubeconfig),
        }
        for peer in (KUBECTL, KUBERNETES_CORE, OURS):
            LOG.info("site-no-change, preparing %s", peer)
            execute(peers[peer]()).check()
            made.settle()

        def once(peer: str, counting: bool) -> Sample:
            made.settle()
            return one_run(made, peers[peer], counting=counting, ours=peer in {OURS, GIVEN})

        samples = contest("site-no-change", list(peers), bench.large_runs, once)
        size = sum(step.size for step in steps if isinstance(step, Apply) and not step.rehearse)
        waits = sum(not isinstance(step, Apply) for step in steps)
        return [row("site-no-change", size, samples, what=WHAT, applies=len(steps) - waits, waits=waits)]


def one_run(made: Site, build: Callable[[], Command], *, counting: bool, ours: bool) -> Sample:
    audit = Audit(made.deployment.state / "audit.log", user=ADMINISTRATOR)
    audit.new()
    run = execute(build(), sample=counting).check()
    if ours:
        # kubernetes.core reports objects again that another peer has applied since; it sends as much either way.
        unchanged(run.output)
    if counting:
        return Sample(peak_mb=run.peak_mb)
    return Sample(seconds=run.seconds, requests=len(audit.new()))
