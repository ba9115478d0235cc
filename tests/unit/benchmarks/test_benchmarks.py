# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks conclude and show, and that their peers wait for the same as the roles."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.binaries import children_seconds
from benchmarks.bench import Sample, by_task, row
from benchmarks.cold.case import BEFORE_CPU_SECONDS, size_of
from benchmarks.cold.case import samples as cold_samples
from benchmarks.goals import BEFORE, COLD_CPU, EVERYTHING, verdicts
from benchmarks.recording import Task, manifests_of, portable
from benchmarks.render import page
from benchmarks.site.peers import core_wait, kubectl_wait
from benchmarks.site.steps import GOALS, goal_of, waits_of


def samples(**seconds: list[float]) -> dict[str, list[Sample]]:
    counted = Sample(bytes_sent=2048, peak_mb=80.0)
    return {
        peer.replace("_", "."): [counted, *(Sample(seconds=value, requests=7) for value in values)]
        for peer, values in seconds.items()
    }


def content(*rows: dict[str, Any]) -> dict[str, Any]:
    machine = {"cores": 2, "memory_gib": 8.0, "processor": "some processor"}
    return {"machine": machine, "versions": {"kubectl": "v1"}, "results": list(rows)}


def everything(ours: float) -> dict[str, Any]:
    runs = samples(ours=[ours, ours * 2, ours / 2], kubectl=[8.0, 10.0, 12.0], kubernetes_core=[20.0, 30.0, 40.0])
    return row("apply-no-change", 250, runs, what=EVERYTHING)


def test_a_row_has_medians_and_their_spread() -> None:
    found = everything(1.0)
    assert found["seconds"] == {"ours": 1.0, "kubectl": 10.0, "kubernetes.core": 30.0}
    assert found["spread"]["kubectl"] == {"min": 8.0, "max": 12.0}
    assert (found["runs"], found["requests"]["ours"], found["bytes_sent"]["ours"]) == (3, 7, 2048)


@pytest.mark.parametrize(("ours", "reached"), [(1.4, [True, True]), (1.6, [False, False]), (1.5, [True, True])])
def test_goals_are_judged_by_the_medians(ours: float, reached: list[bool]) -> None:
    ratios = [verdict for verdict in verdicts([everything(ours)]) if verdict.unit == "x"]
    assert [verdict.met for verdict in ratios] == reached


def test_playbooks_are_judged_by_their_task_and_shown_whole() -> None:
    found = samples(ours=[2.0], kubectl=[5.0], kubernetes_core=[21.0])
    for peer, seconds in (("ours", 1.0), ("kubernetes.core", 20.0)):
        found[peer] = [run if run.seconds is None else replace(run, task_seconds=seconds) for run in found[peer]]
    judged = row("apply-no-change", 250, by_task(found), what=EVERYTHING)
    whole = {"ours, whole command": 2.0, "kubernetes.core, whole command": 21.0}
    assert judged["seconds"] == {"ours": 1.0, "kubectl": 5.0, "kubernetes.core": 20.0, **whole}
    assert judged["requests"] == {"ours": 7, "kubectl": 7, "kubernetes.core": 7}
    assert "ours is 0.4 x of kubectl and 0.0952 x of kubernetes.core" in page(content(judged))


def test_the_page_follows_from_the_file_alone() -> None:
    text = page(content(everything(1.6)))
    assert "| apply-no-change, everything that site.yml installs: time of kubectl | 0.15 x | 0.16 x | no |" in text
    assert "| kubectl | 10.00 | 8.00 to 12.00 | 0.16 x | 7 | 2 KiB | 80 MiB |" in text
    assert "2 cores (some processor), 8.0 GiB of memory" in text


BUILT = [
    {"name": "etcd", "seconds": 30.0, "cpu_seconds": 60.0},
    {"name": "one", "seconds": 90.0, "cpu_seconds": 150.0},
    {"name": "two", "seconds": 90.0, "cpu_seconds": 150.0},
]


def test_a_cold_start_is_judged_by_processor_time_and_shown_by_build() -> None:
    found = cold_samples(BUILT, {"cpu_seconds": BEFORE_CPU_SECONDS / 4, "seconds": 130.0}, "cpu_seconds")
    assert {peer: runs[0].seconds for peer, runs in found.items()} == {
        "ours": BEFORE_CPU_SECONDS / 4,
        BEFORE: BEFORE_CPU_SECONDS,
        "ours, etcd": 60.0,
        "ours, one + two": 150.0,
    }
    cold = row("cold-start", 3, found, what=COLD_CPU, disk_mb=3000)
    assert [(verdict.wanted, verdict.found, verdict.met) for verdict in verdicts([cold])] == [
        (0.5, 0.25, True),
        (2048, 3000, False),
    ]
    assert "Left in the home directory: 3,000 MiB." in page(content(cold))


def test_processor_time_and_disk_are_counted_as_they_are_used(tmp_path: Path) -> None:
    before = children_seconds()
    subprocess.run(["/bin/sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done"], check=True)
    assert 0.01 < children_seconds() - before < 30
    (tmp_path / "one").write_bytes(bytes(1024 * 1024))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "two").hardlink_to(tmp_path / "one")
    assert 1024 * 1024 <= size_of(tmp_path) < 1.5 * 1024 * 1024


def wait_tasks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted((CHECKOUT / "roles").glob("*/tasks/*.yml")):
        pending = list(yaml.safe_load(path.read_text()) or [])
        while pending:
            task = pending.pop()
            pending += [*task.get("block", []), *task.get("rescue", [])]
            found += [task["llmops.maas.resource_wait"]] if "llmops.maas.resource_wait" in task else []
    return found


def test_every_kind_that_a_role_waits_for_has_a_goal() -> None:
    entries = [entry for task in wait_tasks() for entry in task["resources"] if isinstance(entry, dict)]
    assert entries
    assert {entry["kind"] for entry in entries if not isinstance(entry.get("for"), dict)} <= set(GOALS)


def wait_task(*resources: dict[str, Any]) -> Task:
    defaults = {"namespace": None, "name": None, "label_selector": None, "for": None}
    return Task("resource_wait", "wait", False, {"resources": [{**defaults, **entry} for entry in resources]})


def test_peers_wait_for_the_same_objects_in_as_few_calls_as_they_can() -> None:
    deployment = {"api_version": "apps/v1", "kind": "Deployment", "namespace": "a"}
    gateway = {"api_version": "gateway.networking.k8s.io/v1", "kind": "Gateway", "namespace": "b", "name": "g"}
    first, second = waits_of(wait_task({**deployment, "name": "x"}, gateway, {**deployment, "name": "y"}))
    rollout = "kubectl rollout status -n a --timeout=120s deployment.apps/x deployment.apps/y"
    assert kubectl_wait(first) == rollout
    assert "--for=condition=Programmed=True" in kubectl_wait(second)
    assert core_wait(first)["loop"] == ["x", "y"]
    assert core_wait(second)["kubernetes.core.k8s_info"]["wait_condition"] == {"type": "Programmed", "status": "True"}


def test_peers_leave_out_what_they_could_not_wait_for() -> None:
    told = {"kind": "EnvoyFilter", "api_version": "v1", "for": {"jmespath": "parse_json(spec.text)"}, "name": "x"}
    kept = {"kind": "Deployment", "api_version": "apps/v1", "for": None, "name": "x"}
    assert [wait.kind for wait in waits_of(wait_task(told, kept))] == ["Deployment"]


def test_a_condition_that_a_task_names_replaces_the_goal_of_the_kind() -> None:
    entry = {"kind": "Gateway", "for": {"conditions": {"Accepted": "True"}}}
    assert (goal_of(entry).condition, goal_of({"kind": "Gateway", "for": None}).condition) == ("Accepted", "Programmed")


def test_files_are_read_by_pyyaml_as_by_the_api_server() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: &a\n  - =\n  day: 2026-01-01\n"
    task = Task("manifests", "apply", False, {"definitions": text, "files": [], "namespace": "n"})
    (manifest,) = manifests_of(task)
    assert manifest.namespace == "n"
    assert yaml.safe_load(portable(manifest)) == manifest.body()
    assert manifest.body()["data"] == {"x": ["="], "day": "2026-01-01"}
