#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Keep other runs out while this one changes the platform
version_added: 0.2.0
description:
  - Takes a lock in the cluster, a Lease that says who holds it, where, since when and with which playbook.
  - A separate process renews the lock while C(ansible-playbook) runs. When C(ansible-playbook) ends without releasing
    it, after a failed task, Ctrl-C or C(kill -9), that process releases the lock within a second and ends too.
  - When that process is killed as well, or the machine is gone, the lock goes stale. The next run takes it over, and
    warns.
  - A lock that somebody holds is waited for, with a line on standard error that names the holder.
extends_documentation_fragment:
  - llmops.maas._kube_auth
  - llmops.maas._attributes
  - llmops.maas._attributes.group
attributes:
  check_mode:
    support: full
    details: The lock is neither taken nor waited for. A warning names who holds it.
  idempotent:
    support: full
    details: Holding the lock or not is not a change of the cluster, so this module never reports one.
options:
  namespace:
    description: Namespace of the Lease.
    type: str
    required: true
  name:
    description: Name of the Lease.
    type: str
    default: llmops-maas
  state:
    description: Whether to take the lock or to release it.
    type: str
    choices: [acquired, released]
    default: acquired
  mode:
    description:
      - V(exclusive) keeps all other runs out.
      - V(shared) keeps out those that want it exclusively. Any number of runs may share the lock.
    type: str
    choices: [exclusive, shared]
    default: exclusive
  timeout:
    description:
      - How long to wait for a lock that somebody else holds, such as V(30s), V(10m) or V(1h30m).
      - With V(0) the task fails at once.
    type: str
    default: 10m
  lease_duration:
    description:
      - How long the lock is held after it was renewed for the last time, at least V(3s). It is renewed three times as
        often.
      - That is how long others wait when this run and the process that renews its lock were killed.
    type: str
    default: 60s
  create_namespace:
    description:
      - Whether to make the namespace when it is missing, and to wait while it is being deleted.
      - With V(false) there is then no lock, and nothing that it would guard.
    type: bool
    default: false
  namespace_labels:
    description: Labels of a namespace that is made.
    type: dict
    default: {}
  required:
    description: Whether missing rights on Leases fail the task. With V(false) it warns and continues without the lock.
    type: bool
    default: true
  run:
    description: Who wants the lock. Set by the action plugin. Not for playbooks.
    type: dict
    suboptions:
      id:
        description: A new one for each task.
        type: str
        required: true
      pid:
        description: Process id of C(ansible-playbook).
        type: int
        required: true
      user:
        description: The user, or that of the AWX job.
        type: str
        required: true
      host:
        description: The control node.
        type: str
        required: true
      playbook:
        description: The playbook, with tags if any were chosen.
        type: str
        required: true
      kubectl:
        description: How kubectl is called on the control node.
        type: str
        required: true
notes:
  - Runs on the control node only, with C(connection=local).
  - The connection needs C(get), C(create), C(update) and C(delete) on C(leases) of C(coordination.k8s.io) in
    O(namespace).
  - The same run may take the lock again. That is not counted; the first release gives it up.
  - Ages are measured by the API server's clock, so the clocks of control nodes may differ.
  - The C(async) keyword is not supported.
author:
  - llmops.maas contributors (@llmops)
"""

EXAMPLES = r"""
- name: Keep other runs out
  llmops.maas.run_lock:
    namespace: llm
    timeout: 30m
  register: lock

- name: Change something that site.yml changes too
  ansible.builtin.import_role:
    name: llmops.maas.models

- name: Let other runs in
  llmops.maas.run_lock:
    namespace: llm
    state: released
  when: lock.held
"""

RETURN = r"""
held:
  description: Whether this run holds the lock now. Always V(false) in check mode.
  returned: always
  type: bool
holders:
  description: Runs that keep this one from taking the lock, or that took it away from this one.
  returned: always
  type: list
  elements: dict
  contains: &holder
    identity:
      description: A name that no other holder has.
      type: str
      sample: alice@build-1/4711-3f9c2a7d
    mode:
      description: V(exclusive) or V(shared).
      type: str
    user:
      description: Who started the run.
      type: str
      sample: alice
    host:
      description: On which control node.
      type: str
      sample: build-1
    pid:
      description: Process id of its C(ansible-playbook).
      type: int
    playbook:
      description: What it runs.
      type: str
      sample: site.yml --tags models,auth
    since:
      description: When it took the lock.
      type: str
      sample: "2026-11-26T10:00:00.000000Z"
    renewed:
      description: When it renewed the lock.
      type: str
      sample: "2026-11-26T10:04:20.000000Z"
taken_over:
  description: Runs whose lock had gone stale, so that this run took it over.
  returned: always
  type: list
  elements: dict
  contains: *holder
waiting_for:
  description: What keeps the lock from being taken, in words. Empty when nothing does.
  returned: always
  type: str
  sample: alice on build-1 (process 4711) has been running site.yml since 2026-11-26 10:00:00Z
hint:
  description: When the lock is free again, and how to clear it by hand. Empty when no run is in the way.
  returned: always
  type: str
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmops.maas.plugins.module_utils._common.durations import DurationError, duration
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._common.retry import attempts
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, ApiError, Kube, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._lock.keeper import start
from ansible_collections.llmops.maas.plugins.module_utils._lock.lease import Attempt, LeaseLock, patiently
from ansible_collections.llmops.maas.plugins.module_utils._lock.lock import (
    EXCLUSIVE,
    SHARED,
    Holder,
    LockError,
    clearing,
    lost_to,
    row_of,
    sentence,
    taken_over_from,
)
from ansible_collections.llmops.maas.plugins.module_utils._supervise.process_life import process_at, undisturbed

DEFAULT_TIMEOUT = "10m"
ARGUMENTS: dict[str, Any] = {
    **AUTH_ARGUMENTS,
    "namespace": {"type": "str", "required": True},
    "name": {"type": "str", "default": "llmops-maas"},
    "state": {"type": "str", "choices": ["acquired", "released"], "default": "acquired"},
    "mode": {"type": "str", "choices": [EXCLUSIVE, SHARED], "default": EXCLUSIVE},
    "timeout": {"type": "str", "default": DEFAULT_TIMEOUT},
    "lease_duration": {"type": "str", "default": "60s"},
    "create_namespace": {"type": "bool", "default": False},
    "namespace_labels": {"type": "dict", "default": {}},
    "required": {"type": "bool", "default": True},
    "run": {
        "type": "dict",
        "options": {
            "pid": {"type": "int", "required": True},
            **{name: {"type": "str", "required": True} for name in ("id", "user", "host", "playbook", "kubectl")},
        },
    },
}
# The API server's clock is known to a second.
SHORTEST_LEASE = 3
POLL_SECONDS = 1.0
# How long a server that is restarting is waited for.
RETRY_SECONDS = 10.0


class Task:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        """Raises DurationError, LockError or KubeError; sends nothing."""
        self._module = module
        self._params: Mapping[str, Any] = module.params
        self.where = f"{self._params['namespace']}/{self._params['name']}"
        self._timeout = duration(self._params["timeout"], "timeout (maas_lock_timeout)")
        self._wanted = self._holder()
        self._lock = self._connect()

    def _holder(self) -> Holder:
        if not self._params["run"]:
            raise LockError("run_lock runs in Ansible only, where its action plugin says who wants the lock")
        run = {name: value for name, value in self._params["run"].items() if name != "kubectl"}
        seconds = duration(self._params["lease_duration"], "lease_duration")
        if seconds < SHORTEST_LEASE:
            raise LockError(f"lease_duration: {self._params['lease_duration']} is too short: give 3s or more")
        process = process_at(Path(f"/proc/{run['pid']}"))
        started = process.start if process else 0
        # Its times are set when the lock is taken.
        never = datetime.fromtimestamp(0, UTC)
        mode: str = self._params["mode"]
        return Holder(**run, mode=mode, started=started, seconds=seconds, since=never, renewed=never)

    def _connect(self) -> LeaseLock:
        labels = self._params["namespace_labels"] if self._params["create_namespace"] else None
        return LeaseLock(Kube.connect(self._params), self._params["namespace"], self._params["name"], labels)

    def act(self) -> None:
        """Do what is asked for, and end the module."""
        if self._params["state"] == "released":
            self._release()
        elif self._module.check_mode:
            self._look()
        else:
            self._acquire()

    def _acquire(self) -> None:
        attempt = self._attempts()
        for holder in attempt.replaced:
            self._module.warn(taken_over_from(holder, self.where))
        facts = self._facts(attempt.blocking, attempt.replaced, held=attempt.held)
        if attempt.blocking:
            self._module.fail_json(msg=self._not_taken(facts["waiting_for"]) + f" {facts['hint']}", **facts)
        if attempt.obstacle:
            self._module.fail_json(msg=self._not_taken(attempt.obstacle), **{**facts, "waiting_for": attempt.obstacle})
        self._module.exit_json(**facts)

    def _attempts(self) -> Attempt:
        """The last attempt: one that succeeded, one that has no need to, or that at which time was up."""
        attempt = Attempt()
        for _turn in attempts(self._timeout, POLL_SECONDS):
            attempt = patiently(self._attempt, RETRY_SECONDS)
            if attempt.held or not (attempt.blocking or attempt.obstacle):
                break
        return attempt

    def _attempt(self) -> Attempt:
        # Ctrl-C in between would leave a lock that nobody renews or releases.
        with undisturbed():
            attempt = self._lock.take(self._wanted)
            if attempt.held:
                start(self._connect, self._wanted)
        return attempt

    def _look(self) -> None:
        holders = patiently(lambda: self._lock.look(self._wanted), RETRY_SECONDS)
        for holder in holders:
            self._module.warn(f"{sentence(holder)}: what this check finds may change while that run goes on.")
        self._module.exit_json(**self._facts(holders))

    def _release(self) -> None:
        if self._module.check_mode:
            self._module.exit_json(**self._facts())
        ours, others = patiently(lambda: self._lock.release(self._wanted.same_run), RETRY_SECONDS)
        intruders = [] if ours else [holder for holder in others if holder.excludes(self._wanted)]
        if intruders:
            self._module.fail_json(msg=lost_to(intruders, self.where), **self._facts(intruders))
        self._module.exit_json(**self._facts())

    def _facts(
        self, blocking: Sequence[Holder] = (), taken_over: Sequence[Holder] = (), *, held: bool = False
    ) -> dict[str, Any]:
        return {
            "changed": False,
            "held": held,
            "holders": list(map(row_of, blocking)),
            "taken_over": list(map(row_of, taken_over)),
            "waiting_for": "; ".join(map(sentence, blocking)),
            "hint": self._hint(blocking),
        }

    def _hint(self, blocking: Sequence[Holder]) -> str:
        if not blocking:
            return ""
        longest = max(holder.seconds for holder in blocking)
        return (
            f"The lock {self.where} is free when that run ends, or {longest} s after it was killed. To clear it by"
            f" hand: {clearing(self._params['namespace'], self._params['name'], self._kubectl())}"
        )

    def _kubectl(self) -> str:
        """As it reaches the cluster that this run has reached, where a file says how."""
        words = [self._params["run"]["kubectl"]]
        for option in ("kubeconfig", "context"):
            given = self._params[option] or os.environ.get(f"K8S_AUTH_{option.upper()}")
            if isinstance(given, str) and given:
                words += [f"--{option}", shlex.quote(given)]
        return " ".join(words)

    def _not_taken(self, reason: str) -> str:
        return f"Not done, for {reason}. Try again later, or allow more time with timeout (maas_lock_timeout)."

    def refuse(self, error: KubeError) -> NoReturn:
        """End the module for an error of the cluster."""
        if not isinstance(error, ApiError) or error.status != 403:
            self._module.fail_json(msg=f"The lock {self.where} cannot be used: {error}")
        text = (
            f"the rights for the lock {self.where} are missing: {error}. Grant get, create, update and delete of"
            f" leases.coordination.k8s.io in the namespace {self._params['namespace']}"
        )
        if self._params["required"]:
            self._module.fail_json(msg=text[0].upper() + text[1:])
        self._module.warn(f"This run continues without a lock, because {text}.")
        self._module.exit_json(**self._facts())
        raise AssertionError("exit_json ends the module")


@guarded
def main() -> None:
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        task = Task(module)
    except (KubeError, LockError, DurationError) as error:
        module.fail_json(msg=str(error))
    try:
        task.act()
    except LockError as error:
        module.fail_json(msg=f"The lock {task.where} cannot be used: {error}")
    except KubeError as error:
        task.refuse(error)


if __name__ == "__main__":
    main()
