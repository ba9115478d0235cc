# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How soon a wait returns once the last of 1, 50 or 500 InferenceServices is ready, and what it asks of the server."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError

from benchmarks.bench import Bench, Sample, contest, row
from benchmarks.processes import CommandError, started
from benchmarks.servers import Audit, api_server, settle
from benchmarks.waits.peers import MODULE, WAITERS, Target, returned
from tests.support.api_server import ApiServer
from tests.support.models import Model, install_crd, services_path

SIZES = (1, 50, 500)
# A peer that has sent nothing for this long has seen all that is there, and waits.
SILENCE_SECONDS = 1.0
ARRIVAL_SECONDS = 120.0
# The write comes at a moment spread evenly over this time: slices of 15 s and looks every 5 s each get their share.
SPREAD_SECONDS = 15.0
POLL_SECONDS = 0.05


class Services:
    """InferenceServices of which all but the last are ready. The last one's status is written by the benchmark."""

    def __init__(self, server: ApiServer, size: int) -> None:
        self._server = server
        self.namespace = f"size-{size}"
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        server.request("POST", "/api/v1/namespaces", body)
        self._models = [Model(server, f"model-{number:03}", self.namespace) for number in range(size)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda model: model.create().deploy().roll_out(), self._models))
            list(pool.map(lambda model: model.finish(), self._models[:-1]))

    @property
    def target(self) -> Target:
        names = tuple(model.name for model in self._models)
        return Target(self._server.kubeconfig, self.namespace, names)

    def begin(self) -> None:
        """The last one is not ready any more."""
        self._models[-1].status(
            conditions=[{"type": "Ready", "status": "False"}], modelStatus={"transitionStatus": "InProgress"}
        )

    def finish(self) -> float:
        """Write that the last one is ready; the time (epoch seconds) at which the write began."""
        began = time.time()
        self._models[-1].finish()
        return began


def wait_latency(bench: Bench) -> list[dict[str, Any]]:
    """Rows for each number of services."""
    rows = []
    with api_server(bench.work) as server:
        install_crd(server)
        until_served(server)
        for size in bench.chosen(SIZES):
            services = Services(server, size)
            settle([process.pid for process in server.processes])
            once = latency_of(bench, server, services)
            samples = contest(f"wait-latency of {size} services", list(WAITERS), bench.runs, once)
            rows.append(row("wait-latency", size, samples, what="InferenceServices"))
    return rows


def latency_of(bench: Bench, server: ApiServer, services: Services) -> Callable[[str, bool], Sample]:
    """Makes one run of a peer. The moment of the write moves on with each timed run, evenly over SPREAD_SECONDS."""
    turns = dict.fromkeys(WAITERS, 0)

    def once(peer: str, counting: bool) -> Sample:
        if counting:
            return one_wait(bench, server, services, peer, pause=0.0, timed=False)
        turns[peer] += 1
        pause = SPREAD_SECONDS * (turns[peer] - 0.5) / bench.runs
        return one_wait(bench, server, services, peer, pause=pause, timed=True)

    return once


def until_served(server: ApiServer) -> None:
    """The API server serves a new CRD a moment after it was made."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < deadline:
        try:
            server.request("GET", services_path())
        except HTTPError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise CommandError("the API server does not serve InferenceServices")


def one_wait(bench: Bench, server: ApiServer, services: Services, peer: str, *, pause: float, timed: bool) -> Sample:
    """Start a wait, let it arrive, write the status ``pause`` seconds later, and see how long it takes to return."""
    services.begin()
    audit = Audit(server.audit_log)
    audit.new()
    command = WAITERS[peer](bench, services.target)
    with tempfile.TemporaryFile() as output, started(command, output) as process:
        requests = arrival(audit, process)
        time.sleep(pause)
        if process.poll() is not None:
            output.seek(0)
            raise CommandError(f"{peer} did not wait:\n{output.read().decode('utf-8', 'replace')[-3000:]}")
        written = services.finish()
        code = process.wait(timeout=ARRIVAL_SECONDS)
        ended = time.time()
        if code:
            output.seek(0)
            raise CommandError(f"{peer} failed:\n{output.read().decode('utf-8', 'replace')[-3000:]}")
    if peer == MODULE:
        ended = float(returned(command.directory).read_text())
    return Sample(seconds=ended - written if timed else None, requests=requests + len(audit.new()) if timed else None)


def arrival(audit: Audit, process: subprocess.Popen[bytes]) -> int:
    """Wait until a peer has sent requests and then been silent, or has ended; the number of those requests."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    count, last = 0, None
    while time.monotonic() < deadline and process.poll() is None:
        news = len(audit.new())
        if news:
            count += news
            last = time.monotonic()
        if last is not None and time.monotonic() - last >= SILENCE_SECONDS:
            return count
        time.sleep(POLL_SECONDS)
    if process.poll() is None:
        raise CommandError("a wait did not come to rest")
    return count
