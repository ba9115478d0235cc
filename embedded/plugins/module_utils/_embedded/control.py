# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, repairing and stopping an embedded cluster."""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.plugins.module_utils._embedded import components as parts
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.components import Plan
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.directory import ClusterDir, Recorded
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.network import choose_ports, claim_slot
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.pki import HAS_CRYPTOGRAPHY, ensure_pki
from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import unchecked
from ansible_collections.llmops.maas.plugins.module_utils._supervise.component import Component
from ansible_collections.llmops.maas.plugins.module_utils._supervise.network import LOOPBACK
from ansible_collections.llmops.maas.plugins.module_utils._supervise.process_life import Process
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError, write_private
from ansible_collections.llmops.maas.plugins.module_utils._supervise.supervisor import (
    Supervisor,
    end_processes,
    last_lines,
    log_file,
    members,
    render_config,
    require_package,
    resident_bytes,
)


@dataclass(frozen=True)
class ClusterSpec:
    """The cluster that the user asked for; ``timeout`` is in seconds, ``dry`` means to change nothing."""

    tools: Mapping[str, str] = field(default_factory=dict)
    images: str = ""
    stand_ins: str = ""
    timeout: float = 60
    dry: bool = False


class Cluster:
    """One embedded cluster. Every method returns the module's result and raises SuperviseError."""

    def __init__(self, name: str, directory: ClusterDir, spec: ClusterSpec) -> None:
        self.name = name
        self.directory = directory
        self.spec = spec
        self.supervisor = Supervisor(directory)

    def start(self) -> dict[str, Any]:
        """Bring the cluster up, or repair it; nothing changes where it already is as wanted."""
        if self.spec.dry:
            return self._would_start()
        self._require_tools()
        with self.directory.locked(self.spec.timeout):
            self.directory.prepare()
            running = self.supervisor.running()
            actions = [] if running else self._clear_remains()
            recorded = self.directory.recorded()
            if running:
                plan = self._write(
                    Recorded(choose_ports(parts.PORTS, recorded.ports, parts.PORTS), recorded.slot), actions
                )
                actions += [f"restarted {name}" for name in self.supervisor.reload()] if actions else self._revive()
                waited = self._wait(plan)
            else:
                with claim_slot(recorded.slot, self._slots_of_others(), str(self.directory.path)) as slot:
                    ports = choose_ports(parts.PORTS, recorded.ports)
                    plan = self._write(Recorded(ports, slot), actions)
                    self.supervisor.launch()
                    actions.append("started supervisord")
                    waited = self._wait(plan)
            return {"changed": bool(actions), "actions": actions, **self._describe(plan), "waited": waited}

    def _require_tools(self) -> None:
        """Everything that is needed is there, before anything is written."""
        require_package("supervisor")
        if not HAS_CRYPTOGRAPHY:
            require_package("cryptography")
        for name in parts.BINARIES:
            path = self.spec.tools.get(name)
            if not path or not os.access(path, os.X_OK):
                raise SuperviseError(
                    f"tools has no executable '{name}' ({path or 'no path'}): run llmops.embedded.tools first."
                )
        if self.spec.stand_ins and not (Path(self.spec.stand_ins) / "stand_ins").is_dir():
            raise SuperviseError(f"stand_ins: {self.spec.stand_ins} does not hold the package stand_ins.")

    def _would_start(self) -> dict[str, Any]:
        running = self.supervisor.running()
        actions = [] if running else ["would start the cluster"]
        left = [unchecked("the embedded cluster, and what is in it", "it is not started")] if actions else []
        return {"changed": bool(actions), "actions": actions, "unchecked": left}

    def _clear_remains(self) -> list[str]:
        """After supervisord died or the machine was restarted: no process and no socket of the last run may stay."""
        ended = members(self.directory)
        resisting = end_processes(ended)
        if resisting:
            raise SuperviseError(_cannot_end(resisting))
        for name in ("supervisor", "egress"):
            self.directory.socket(name).unlink(missing_ok=True)
        return [f"ended {len(ended)} processes that a dead supervisord left"] if ended else []

    def _slots_of_others(self) -> set[str]:
        """Service ranges of this user's other clusters, stopped ones included."""
        slots = set()
        for path in self.directory.path.parent.glob("*/cluster.json"):
            if path.parent != self.directory.path:
                try:
                    slots.add(ClusterDir(path.parent).recorded().slot)
                except SuperviseError:
                    continue
        return slots

    def _write(self, recorded: Recorded, actions: list[str]) -> Plan:
        """Write certificates and configuration; adds to ``actions`` what a running cluster must notice."""
        if recorded != self.directory.recorded():
            self.directory.record(recorded)
        stand_in = (sys.executable, "-m", "stand_ins.kubelet") if self.spec.stand_ins else ()
        plan = Plan(
            directory=self.directory,
            tools=self.spec.tools,
            ports=recorded.ports,
            slot=recorded.slot,
            images=self.spec.images,
            stand_in=stand_in,
            stand_in_path=self.spec.stand_ins,
        )
        made = ensure_pki(self.directory.pki, parts.certificates(plan.slot))
        actions += [f"made certificates: {', '.join(made)}"] if made else []
        parts.write_files(plan)
        if write_private(self.directory.supervisor_config, render_config(self.directory, parts.components(plan))):
            actions.append("wrote the configuration")
        self._write_kubeconfig(plan)
        return plan

    def _write_kubeconfig(self, plan: Plan) -> None:
        certificate, key = plan.pair("admin")
        files = {"ca": self.directory.pki / "ca.crt", "certificate": certificate, "key": key}
        encoded = {name: base64.b64encode(path.read_bytes()).decode() for name, path in files.items()}
        write_private(self.directory.kubeconfig, parts.admin_kubeconfig(plan, self.name, encoded))

    def _revive(self) -> list[str]:
        """Start what supervisord gave up; what it is about to start anyway counts as well, so that a heal shows."""
        if all(info["statename"] in ("RUNNING", "STARTING") for info in self.supervisor.processes()):
            return []
        return [f"restarted {name}" for name in self.supervisor.reload()]

    def _wait(self, plan: Plan) -> float:
        """Wait until every process works; returns the seconds. Raises SuperviseError with the last lines of its log."""
        begin = time.monotonic()
        checker = HealthChecker(plan)
        pending: Sequence[Component] = parts.components(plan)
        while pending:
            pending = checker.unhealthy(pending, {info["name"]: info for info in self.supervisor.processes()})
            if pending and time.monotonic() - begin > self.spec.timeout:
                raise SuperviseError(self._why_not(pending[0]))
            if pending:
                time.sleep(0.1)
        return round(time.monotonic() - begin, 2)

    def _why_not(self, component: Component) -> str:
        log = log_file(self.directory, component.name)
        states = {info["name"]: info for info in self.supervisor.processes()}
        info = states.get(component.name, {})
        state = info.get("statename", "unknown")
        lines = "\n  ".join(last_lines(log)) or "(its log is empty)"
        return (
            f"{component.name} did not work within {self.spec.timeout:.0f} s "
            f"(supervisord says {state} {info.get('spawnerr', '')}). The last lines of {log}:\n  {lines}\n"
            "If its data is damaged, remove the cluster (state=absent) and start it anew."
        )

    def _describe(self, plan: Plan) -> dict[str, Any]:
        supervised = [
            {"name": info["name"], "pid": info["pid"], "state": info["statename"], "rss": resident_bytes(info["pid"])}
            for info in self.supervisor.processes()
        ]
        known = {int(item["pid"]) for item in supervised}
        names = {self.supervisor.pid(): "supervisord"}
        others = [
            {
                "name": names.get(item.pid, item.name),
                "pid": item.pid,
                "state": "RUNNING",
                "rss": resident_bytes(item.pid),
            }
            for item in members(self.directory)
            if item.pid not in known
        ]
        return {"server": plan.server, "ports": dict(plan.ports), "slot": plan.slot, "processes": supervised + others}

    def stop(self, *, purge: bool) -> dict[str, Any]:
        """End every process; with ``purge`` remove the files too."""
        exists = self.directory.path.is_dir()
        alive = members(self.directory) if exists else []
        actions = (["stopped the cluster"] if alive else []) + (["removed its files"] if purge and exists else [])
        if self.spec.dry or not actions:
            return {"changed": bool(actions), "actions": actions}
        with self.directory.locked(self.spec.timeout):
            alive = members(self.directory)
            self.supervisor.shutdown(timeout=40)
            resisting = end_processes(alive)
            if resisting:
                raise SuperviseError(_cannot_end(resisting))
            shutil.rmtree(self.directory.short_run_dir, ignore_errors=True)
            if purge:
                shutil.rmtree(self.directory.path)
        return {"changed": True, "actions": actions}


def _cannot_end(processes: Sequence[Process]) -> str:
    named = ", ".join(f"{item.name} ({item.pid})" for item in processes)
    return f"these processes could not be ended: {named}. End them, then try again."


class HealthChecker:
    """Asks processes for their health with the administrator's certificate."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tls = ssl.create_default_context(cafile=str(plan.directory.pki / "ca.crt"))
        certificate, key = plan.pair("admin")
        self._tls.load_cert_chain(certificate, key)

    def unhealthy(self, candidates: Sequence[Component], states: Mapping[str, Mapping[str, Any]]) -> list[Component]:
        """Those of the candidates that do not work yet; ``states`` is supervisord's view by name."""
        return [item for item in candidates if not self._works(item, states.get(item.name, {}))]

    def _works(self, component: Component, state: Mapping[str, Any]) -> bool:
        health = component.health
        if (
            health
            and health.needs_api
            and self._status(self._plan.ports["kube-apiserver"], f"/apis/{health.needs_api}") == 404
        ):
            return True
        if state.get("statename") not in ("RUNNING", "STARTING"):
            return False
        if component.name == parts.STAND_IN:
            return self._plan.directory.socket("egress").exists()
        return health is None or self._status(health.port, health.path) == 200

    def _status(self, port: int, path: str) -> int:
        """HTTP status of a GET, 0 when nobody answers."""
        connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=5, context=self._tls)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
