# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The peers of the wait case: each waits for the same InferenceServices until all are ready."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import CHECKOUT
from benchmarks.apply.peers import script
from benchmarks.bench import KUBECTL, KUBERNETES_CORE, OURS, Bench
from benchmarks.processes import Command

MODULE = "ours, inside the module"
RESOURCE = "inferenceservices.serving.kserve.io"
SELECTOR = "part-of=platform"
SECONDS = 300


@dataclass(frozen=True)
class Target:
    """What to wait for: every InferenceService of a namespace; ``names`` are theirs."""

    kubeconfig: Path
    namespace: str
    names: tuple[str, ...]


def ours(bench: Bench, target: Target) -> Command:
    options = {"namespace": target.namespace, "names": list(target.names), "timeout": SECONDS}
    return bench.playbook("wait-ours", [{"llmops.maas.inference_service_wait": options}], target.kubeconfig)


def module(bench: Bench, target: Target) -> Command:
    """The module in one slice, without Ansible around it."""
    directory = bench.folder("wait-module")
    options = {"namespace": target.namespace, "names": list(target.names), "timeout": SECONDS}
    arguments = {**options, "kubeconfig": str(target.kubeconfig)}
    (directory / "arguments.json").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    line = f'exec "{sys.executable}" -m benchmarks.waits.probe "{returned(directory)}" <"{directory}/arguments.json"'
    return Command(("/bin/sh", "-c", line), directory, {**bench.environment(), "PYTHONPATH": str(CHECKOUT)})


def returned(directory: Path) -> Path:
    """The file in which the module notes when its wait returned."""
    return directory / "returned"


def kubectl(bench: Bench, target: Target) -> Command:
    what = f"{RESOURCE} -l {SELECTOR} -n {target.namespace}"
    line = f"exec kubectl wait --for=condition=Ready --timeout={SECONDS}s {what} >/dev/null"
    return script(bench, [line], target.kubeconfig)


def kubernetes_core(bench: Bench, target: Target) -> Command:
    """With the module's own interval between two looks, 5 s."""
    options = {
        "api_version": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "namespace": target.namespace,
        "label_selectors": [SELECTOR],
        "wait": True,
        "wait_timeout": SECONDS,
        "wait_condition": {"type": "Ready", "status": "True"},
    }
    return bench.playbook("wait-kubernetes.core", [{"kubernetes.core.k8s_info": options}], target.kubeconfig)


WAITERS: dict[str, Callable[[Bench, Target], Command]] = {
    OURS: ours,
    MODULE: module,
    KUBECTL: kubectl,
    KUBERNETES_CORE: kubernetes_core,
}
