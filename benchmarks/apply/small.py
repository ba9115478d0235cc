# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""First and repeated apply of 10, 100 and 1,000 small objects."""

from __future__ import annotations

from typing import Any

import yaml

from benchmarks.apply.cases import alone, builder, unchanged
from benchmarks.apply.peers import AGAIN, FIRST, PEERS, Files
from benchmarks.bench import ALONE, Bench, Sample, by_task, contest, measure, row
from benchmarks.processes import execute
from benchmarks.servers import api_server, settle
from tests.support.api_server import ApiServer

SIZES = (10, 100, 1000)
WHAT = "small objects"
COLLECTIONS = (
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/services",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
)


def small_object(number: int, namespace: str) -> dict[str, Any]:
    """A ConfigMap, a Role or a Service, in turn."""
    name = f"object-{number:04}"
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
    if number % 3 == 0:
        data = {"mode": "plain", "settings": f"name={name}\nlevel=info\n"}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    if number % 3 == 1:
        rules = [{"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list", "watch"]}]
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


class SmallObjects:
    """Files with as many objects as asked for, for each peer in a namespace of its own."""

    def __init__(self, bench: Bench, server: ApiServer, size: int) -> None:
        self._server = server
        self.files: dict[str, Files] = {}
        self._namespaces: dict[str, str] = {}
        for number, peer in enumerate(FIRST):
            namespace = f"size-{size}-{number}"
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            server.request("POST", "/api/v1/namespaces", body)
            folder = bench.folder("small")
            objects = [small_object(index, namespace) for index in range(size)]
            (folder / "objects.yaml").write_text(yaml.safe_dump_all(objects))
            self.files[peer] = Files(folder)
            self._namespaces[peer] = namespace

    def delete(self, peer: str) -> None:
        """Remove the peer's objects, and our record, as if nothing had been applied."""
        for path in COLLECTIONS:
            self._server.request("DELETE", path.format(self._namespaces[peer]))
        self._server.request("DELETE", "/api/v1/namespaces/llmops-maas/secrets")


def small_first(bench: Bench) -> list[dict[str, Any]]:
    """The objects are deleted before each run."""
    rows = []
    with api_server(bench.work) as server:
        for size in bench.chosen(SIZES):
            small = SmallObjects(bench, server, size)

            def once(peer: str, counting: bool, small: SmallObjects = small) -> Sample:
                if peer == ALONE:
                    return alone(bench, counting=counting)
                small.delete(peer)
                settle([process.pid for process in server.processes])
                return measure(server, builder(bench, FIRST[peer], small.files[peer]), counting=counting)

            samples = contest(f"apply-first of {size} small objects", PEERS, bench.runs, once)
            rows.append(row("apply-first", size, by_task(samples), what=WHAT))
    return rows


def small_no_change(bench: Bench) -> list[dict[str, Any]]:
    """The objects are there already."""
    rows = []
    with api_server(bench.work) as server:
        for size in bench.chosen(SIZES):
            small = SmallObjects(bench, server, size)
            for peer in FIRST:
                execute(FIRST[peer](bench, small.files[peer], server.kubeconfig)).check()
                unchanged(execute(AGAIN[peer](bench, small.files[peer], server.kubeconfig)).check().output)

            def once(peer: str, counting: bool, small: SmallObjects = small) -> Sample:
                if peer == ALONE:
                    return alone(bench, counting=counting)
                build = builder(bench, AGAIN[peer], small.files[peer])
                return measure(server, build, counting=counting, prime=True)

            samples = contest(f"apply-no-change of {size} small objects", PEERS, bench.runs, once)
            rows.append(row("apply-no-change", size, by_task(samples), what=WHAT))
    return rows
