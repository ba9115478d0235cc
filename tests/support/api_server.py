# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real etcd and kube-apiserver for tests: loopback, free ports, throwaway data, an audit log of every request."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ADMIN_TOKEN = "admin-token-of-the-test-server"
START_SECONDS = 60
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def find_binary(name: str) -> str:
    """The binary from LLMOPS_MAAS_BIN, else from the newest directory of the tool cache. Raises with the fix."""
    chosen = os.environ.get("LLMOPS_MAAS_BIN")
    if chosen:
        candidates = [Path(chosen) / name]
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmops-maas" / "tools"
        candidates = sorted(cache.glob(f"*/{name}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in candidates:
        if os.access(path, os.X_OK):
            return str(path)
    raise RuntimeError(
        f"the tests need the binary {name}: run `make tools`, or set LLMOPS_MAAS_BIN to the directory that holds it"
    )


def free_ports(count: int) -> list[int]:
    """Loopback ports that are free now. All are taken at once, so that they differ."""
    sockets = [socket.socket() for _unused in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()


@dataclass
class ApiServer:
    """A running pair of etcd and kube-apiserver under ``directory``."""

    directory: Path
    port: int = 0
    controllers: bool = False
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        return self.directory / "certs" / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.directory / "audit.log"

    def start(self) -> None:
        """Start both and wait until the API server is ready. Raises with the end of the log when it is not."""
        etcd_port, peer_port, self.port = free_ports(3)
        self._prepare()
        self._spawn(
            "etcd",
            f"--data-dir={self.directory}/etcd",
            f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}",
            f"--initial-cluster=default=http://127.0.0.1:{peer_port}",
            "--unsafe-no-fsync",
        )
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self.directory}/certs",
            f"--token-auth-file={self.directory}/tokens.csv",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            # Every ClusterIP is a loopback address: a webhook call can never leave the machine.
            "--service-cluster-ip-range=127.100.0.0/20",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.directory}/sa.key",
            f"--service-account-signing-key-file={self.directory}/sa.key",
            f"--audit-policy-file={self.directory}/audit-policy.json",
            f"--audit-log-path={self.audit_log}",
            # In megabytes. By default it is rotated after 100, and readers would lose what they have not read.
            "--audit-log-maxsize=10000",
            "--endpoint-reconciler-type=none",
        )
        self._wait_ready()
        if self.controllers:
            self._spawn(
                "kube-controller-manager",
                f"--kubeconfig={self.kubeconfig}",
                "--leader-elect=false",
                "--secure-port=0",
                "--controllers=namespace-controller,garbage-collector-controller,clusterrole-aggregation-controller,"
                "deployment-controller,replicaset-controller",
            )

    def stop(self) -> None:
        """End every process, the youngest first, and wait until it is gone."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """One request as administrator, independent of the code under test."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {ADMIN_TOKEN}")
        if data is not None:
            request.add_header("Content-Type", content_type)
        with urllib.request.urlopen(request, context=self._context(), timeout=30) as answer:
            return json.loads(answer.read())

    def audit(self, since: int = 0) -> list[dict[str, Any]]:
        """Audit events from byte ``since`` of the log on. They are written before the answer is sent."""
        with self.audit_log.open("rb") as log:
            log.seek(since)
            return [json.loads(line) for line in log.read().splitlines()]

    def audit_position(self) -> int:
        return self.audit_log.stat().st_size if self.audit_log.exists() else 0

    def writes(self, since: int, user_agent: str = "llmops.maas") -> list[str]:
        """Every write verb that the collection sent since that position, dry runs included."""
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in self.audit(since)
            if event["verb"] in WRITES and event.get("userAgent", "").startswith(user_agent)
        ]

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "tokens.csv").write_text(f'{ADMIN_TOKEN},admin,admin,"system:masters"\n')
        (self.directory / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
        subprocess.run(
            ["openssl", "genrsa", "-out", str(self.directory / "sa.key"), "2048"], check=True, capture_output=True
        )
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
                    "clusters": [
                        {"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}
                    ],
                    "users": [{"name": "admin", "user": {"token": ADMIN_TOKEN}}],
                }
            )
        )

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [find_binary(name), *arguments], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        self.processes.append(process)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self.processes):
                break
            try:
                with urllib.request.urlopen(self.url + "/readyz", context=self._context(), timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        log = (self.directory / "kube-apiserver.log").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"kube-apiserver did not become ready; the end of its log:\n{log}")
