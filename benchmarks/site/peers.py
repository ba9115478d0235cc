# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""site.yml's steps as a shell script of kubectl calls, and as a playbook of kubernetes.core tasks."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.apply.peers import APPLY, script
from benchmarks.bench import Bench
from benchmarks.processes import Command
from benchmarks.site.steps import Apply, Step, Wait

TIMEOUT = 120
# As often as kubernetes.core looks by itself.
LOOK_SECONDS = 5


def kubectl_script(bench: Bench, steps: Sequence[Step], kubeconfig: Path) -> Command:
    lines = [kubectl_apply(step) if isinstance(step, Apply) else kubectl_wait(step) for step in steps]
    return script(bench, [f"{line} >/dev/null" for line in lines], kubeconfig)


def kubectl_apply(step: Apply) -> str:
    rehearse = " --dry-run=server" if step.rehearse else ""
    # A manager for each bundle: one that is given only a part of an object takes the rest back.
    return f"{APPLY}{rehearse} --field-manager=kubectl-{step.name} -f {shlex.quote(str(step.path))}"


def kubectl_wait(step: Wait) -> str:
    """All objects of the step in one call."""
    kind = f"{step.kind.lower()}.{step.group}" if step.group else step.kind.lower()
    objects = [f"{kind}/{name}" for name in step.names] or [kind, "-l", step.selector]
    place = ["-n", step.namespace] if step.namespace else []
    if step.goal.rollout:
        return shlex.join(["kubectl", "rollout", "status", *place, f"--timeout={TIMEOUT}s", *objects])
    return shlex.join(["kubectl", "wait", *place, f"--for={kubectl_goal(step)}", f"--timeout={TIMEOUT}s", *objects])


def kubectl_goal(step: Wait) -> str:
    if step.goal.condition:
        return f"condition={step.goal.condition}={step.goal.status}"
    return f"jsonpath={{.{step.goal.field}}}" + (f"={step.goal.value}" if step.goal.value else "")


def kubernetes_core_playbook(bench: Bench, steps: Sequence[Step], kubeconfig: Path) -> Command:
    tasks = [core_apply(step) if isinstance(step, Apply) else core_wait(step) for step in steps]
    return bench.playbook("site-kubernetes.core", tasks, kubeconfig)


def core_apply(step: Apply) -> dict[str, Any]:
    server_side = {"field_manager": f"kubernetes.core-{step.name}", "force_conflicts": True}
    options = {"src": str(step.path), "apply": True, "server_side_apply": server_side}
    task: dict[str, Any] = {"name": f"Apply {step.name}", "kubernetes.core.k8s": options}
    if step.rehearse:
        task.update(check_mode=True, changed_when=False)
    return task


def core_wait(step: Wait) -> dict[str, Any]:
    options: dict[str, Any] = {"api_version": step.api_version, "kind": step.kind, "wait_timeout": TIMEOUT}
    if step.namespace:
        options["namespace"] = step.namespace
    if step.selector:
        options["label_selectors"] = [step.selector]
    task: dict[str, Any] = {"name": f"Wait for {step.kind}", "kubernetes.core.k8s_info": options}
    if step.names:
        options["name"] = "{{ item }}"
        task["loop"] = list(step.names)
    if step.goal.field:
        attribute = step.goal.field.replace("[", ".").replace("]", "")
        test = f"'equalto', '{step.goal.value}'" if step.goal.value else "'defined'"
        lacking = f"found.resources | rejectattr('{attribute}', {test}) | list | length == 0"
        met = f"found.resources | length > 0 and {lacking}"
        retries = TIMEOUT // LOOK_SECONDS
        return {**task, "register": "found", "until": met, "retries": retries, "delay": LOOK_SECONDS}
    options["wait"] = True
    if step.goal.condition:
        options["wait_condition"] = {"type": step.goal.condition, "status": step.goal.status}
    return task
