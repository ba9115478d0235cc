# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation of API keys: one task of ours against loops of kubernetes.core tasks that make the same writes."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.apply.cases import alone
from benchmarks.bench import ALONE, KUBERNETES_CORE, OURS, Bench, Sample, contest, measure, row
from benchmarks.processes import Command
from benchmarks.servers import api_server, settle
from tests.support.api_server import ApiServer

KEYS = 1000
MANY = 10_000
# kubernetes.core takes about a second for a write, so it gets fewer keys, and its time is extrapolated.
FEW, FEWEST = 50, 5
CONSUMERS = "consumers"
WHAT = "API keys"


def old_key(name: str, namespace: str) -> dict[str, Any]:
    """A key as this collection issues it."""
    labels = {"app": "models-api", "authorino.kuadrant.io/managed-by": "authorino", "llmops.maas/key-id": name}
    annotations = {"secret.kuadrant.io/user-id": name, "kuadrant.io/groups": "premium", "llmops.maas/lineage": name}
    value = base64.b64encode(f"maas_0123456789_{name:x>43}".encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations},
        "data": {"api_key": value},
    }


def ours(bench: Bench, namespace: str, kubeconfig: Path) -> Command:
    """One task for all keys of the namespace. Nothing is tried, for there is no Authorino."""
    options = {
        "namespace": namespace,
        "force": True,
        "grace": "0",
        "probe": {"method": "none"},
        "delivery": {"secret": {"namespace": CONSUMERS, "name": "for-${user}"}},
    }
    return bench.playbook("ours", [{"llmops.maas.api_key_rotation": options}], kubeconfig)


def kubernetes_core(bench: Bench, namespace: str, count: int, kubeconfig: Path) -> Command:
    """A loop for each of the five writes of a rotation."""
    new = old_key("{{ item }}-new", namespace)
    name = {"kind": "Secret", "namespace": namespace, "name": "{{ item }}"}
    delivered = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "for-{{ item }}", "namespace": CONSUMERS}}
    applied = {"apply": True, "server_side_apply": {"field_manager": "bench", "force_conflicts": True}}
    noted = {"metadata": {"annotations": {"llmops.maas/proved-at": "2026-01-01T00:00:00Z"}}}
    ended = {"metadata": {"annotations": {"llmops.maas/retire-after": "2026-01-01T00:00:00Z"}}}
    writes: list[dict[str, Any]] = [
        {"definition": new},
        {"state": "patched", **name, "name": "{{ item }}-new", "definition": noted},
        {"definition": {**delivered, "data": new["data"]}, **applied},
        {"state": "patched", **name, "definition": ended},
        {"state": "absent", **name},
    ]
    loop = names(count)
    control = {"label": "{{ item }}"}
    tasks = [{"kubernetes.core.k8s": write, "loop": loop, "loop_control": control, "no_log": True} for write in writes]
    return bench.playbook("kubernetes.core", tasks, kubeconfig)


def names(count: int) -> list[str]:
    return [f"api-key-user-{number:05}" for number in range(count)]


class Namespaces:
    """A new namespace with so many keys for each run."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self._make(CONSUMERS)

    def filled(self, count: int) -> str:
        name = f"keys-{next(self._numbers)}"
        self._make(name)
        path = f"/api/v1/namespaces/{name}/secrets"
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self._server.request("POST", path, old_key(key, name)), names(count)))
        settle([process.pid for process in self._server.processes])
        return name

    def _make(self, name: str) -> None:
        self._server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})


def rotate_keys(bench: Bench) -> list[dict[str, Any]]:
    """The keys are made before each run."""
    with api_server(bench.work) as server:
        namespaces = Namespaces(server)

        def once(peer: str, counting: bool) -> Sample:
            if peer == ALONE:
                return alone(bench, counting=counting)
            if peer == OURS:
                namespace = namespaces.filled(KEYS)
                return measure(server, lambda config: ours(bench, namespace, config), counting=counting)
            count = FEWEST if counting else FEW
            namespace = namespaces.filled(count)
            found = measure(server, lambda config: kubernetes_core(bench, namespace, count, config), counting=counting)
            return larger(found, KEYS // count)

        samples = contest("rotate-keys", (OURS, KUBERNETES_CORE, ALONE), bench.large_runs, once)
    start = statistics.median(sample.seconds for sample in samples[ALONE] if sample.seconds is not None)
    # What every playbook costs was multiplied as well.
    spent = (KEYS // FEW - 1) * start
    samples[KUBERNETES_CORE] = [
        dataclasses.replace(sample, seconds=sample.seconds - spent if sample.seconds else None)
        for sample in samples[KUBERNETES_CORE]
    ]
    return [row("rotate-keys", KEYS, samples, what=WHAT)]


def rotate_many(bench: Bench) -> list[dict[str, Any]]:
    """Ours alone: what so many keys need in memory."""
    with api_server(bench.work) as server:
        namespaces = Namespaces(server)

        def once(_peer: str, counting: bool) -> Sample:
            namespace = namespaces.filled(MANY)
            return measure(server, lambda config: ours(bench, namespace, config), counting=counting)

        samples = contest(f"rotate-keys of {MANY}", (OURS,), 1, once)
    return [row("rotate-keys", MANY, samples, what=WHAT)]


def larger(sample: Sample, factor: int) -> Sample:
    """What it would be for so many times the keys."""
    return dataclasses.replace(
        sample,
        seconds=sample.seconds and sample.seconds * factor,
        requests=sample.requests and sample.requests * factor,
        bytes_sent=sample.bytes_sent and sample.bytes_sent * factor,
    )
