# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole platform on an embedded cluster of its own, deployed as a user would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, Kube

CHECKOUT = Path(__file__).resolve().parents[2]
# Kinds of requests that change something.
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
# This collection's modules and kubernetes.core's.
OUR_AGENTS = re.compile(r"llmops\.maas|OpenAPI-Generator|kubernetes\.core")
LOCK = "/apis/coordination.k8s.io/"
CONTROLLERS = [
    "pilot-discovery",
    "kserve-manager",
    "kuadrant-operator",
    "authorino-operator",
    "authorino",
    "limitador-operator",
    "llm-d-inference-sim",
    "prometheus-operator",
    "prometheus-config-reloader",
    "prometheus",
]


@dataclass
class Run:
    """One finished ansible-playbook or ansible call."""

    code: int
    output: str

    def recap(self) -> dict[str, int]:
        """Numbers of the play recap, such as ``changed``."""
        (line,) = [line for line in self.output.splitlines() if re.match(r"localhost\s+: ok=", line)][-1:]
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}


@dataclass
class Deployment:
    """An embedded cluster under a directory of its own, and ways to act on it."""

    name: str = "e2e"
    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="maas-")))
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.home / "llmops-maas" / "clusters" / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def kube(self) -> Kube:
        return Kube.connect({"kubeconfig": str(self.kubeconfig)})

    def environment(self) -> dict[str, str]:
        foreign = ("K8S_AUTH_", "ANSIBLE_", "VIRTUAL_ENV")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return {**kept, "PATH": path, "XDG_STATE_HOME": str(self.home), "ANSIBLE_NOCOLOR": "1"}

    def playbook(self, name: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook of the checkout against this cluster."""
        chosen = {"embedded_cluster_name": self.name, "embedded_cluster_controllers": CONTROLLERS}
        mirror = os.environ.get("LLMOPS_MAAS_MIRROR")
        extra = {**chosen, **({"maas_mirror": mirror} if mirror else {}), **self.variables, **variables}
        return self._run("ansible-playbook", name, "--extra-vars", json.dumps(extra), *arguments)

    def module(self, name: str, **arguments: Any) -> Run:
        """Run one module against this cluster."""
        arguments = {"kubeconfig": str(self.kubeconfig), **arguments}
        return self._run("ansible", "localhost", "-m", f"llmops.maas.{name}", "-a", json.dumps(arguments))

    def _run(self, *command: str) -> Run:
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return Run(done.returncode, done.stdout.decode("utf-8", "replace"))

    def get(self, api: str, plural: str, namespace: str = "", name: str = "") -> Any:
        """One object, or the list of them; None for an object that is not there."""
        root = f"/apis/{api}" if "/" in api else f"/api/{api}"
        path = root + (f"/namespaces/{namespace}" if namespace else "") + f"/{plural}"
        try:
            answer = self.kube.request("GET", f"{path}/{name}" if name else path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return answer if name else answer["items"]

    def writes(self, since: int) -> list[str]:
        """Changes of ours in the API server's audit log from that byte on, but for the lock that each run holds."""
        with (self.state / "audit.log").open("rb") as log:
            log.seek(since)
            events = [json.loads(line) for line in log]
        ours = [event for event in events if OUR_AGENTS.match(event.get("userAgent", ""))]
        writes = [f"{event['verb']} {event['requestURI']}" for event in ours if event["verb"] in WRITES]
        return [write for write in writes if LOCK not in write]

    def audit_size(self) -> int:
        return (self.state / "audit.log").stat().st_size

    def processes(self) -> dict[int, str]:
        """Command lines of the processes that belong to this cluster, by pid: its directory is in their environment."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command, environment = ((process / name).read_bytes() for name in ("cmdline", "environ"))
            except OSError:
                continue
            if str(self.state).encode() in command + environment:
                found[int(process.name)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def pids(self, program: str) -> set[int]:
        """Processes of this cluster that run that program."""
        return {pid for pid, command in self.processes().items() if program in command.split()[0]}

    def remove(self) -> None:
        """Stop the cluster and remove its files."""
        self.playbook("embedded/playbooks/down.yml", embedded_cluster_purge=True)
        shutil.rmtree(self.home, ignore_errors=True)


def conditions(item: Mapping[str, Any]) -> dict[str, str]:
    """Status by type of an object's conditions."""
    return {entry["type"]: entry["status"] for entry in (item.get("status") or {}).get("conditions") or []}


def authorino_status(deployment: Deployment, host: str, header: str | None) -> int:
    """What the real Authorino answers to a request for that host, with that Authorization header."""
    service = deployment.get("v1", "services", "kuadrant-system", "authorino-authorino-authorization")
    url = f"http://{service['spec']['clusterIP']}:5001/check"
    request = urllib.request.Request(url, headers={"Host": host, **({"Authorization": header} if header else {})})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def platform(**variables: Any) -> Iterator[Deployment]:
    """Deploy the platform; whatever happens, nothing of it is left running."""
    deployment = Deployment(variables=variables)
    try:
        yield deployment
    finally:
        deployment.remove()
