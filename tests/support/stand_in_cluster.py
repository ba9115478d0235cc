# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small real cluster for the tests of the stand-ins.

etcd, kube-apiserver, kube-controller-manager, kube-scheduler, KWOK and the kubelet stand-in, on free loopback ports.
The binaries are found as api_server.py says.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jinja2
import yaml
from ansible.plugins.filter.core import FilterModule
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.api_server import find_binary

ROLE = Path(__file__).resolve().parents[2] / "embedded" / "roles" / "embedded_cluster"
FILES = ROLE / "files"

T = TypeVar("T")


def until(check: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """The first result of check that is not None or False."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result is not None and result is not False:
            return result
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def render(template: str, **variables: Any) -> str:
    """A template of the role, rendered as Ansible would."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters.update(FilterModule().filters())
    return environment.get_template(template).render(**variables)


class StandInCluster:
    """Start with start(); stop() ends every process. kubectl() talks to it as an administrator."""

    def __init__(self, directory: Path, images: Sequence[Mapping[str, Any]]) -> None:
        self.directory = directory
        self.images = directory / "images.yaml"
        self.images.write_text(yaml.safe_dump({"images": list(images)}), encoding="utf-8")
        self.service_cidr = f"127.100.{random.randrange(16) * 16}.0/20"
        self.state = directory / "kubelet"
        self.kubeconfig = directory / "kubeconfig"
        self.api_port, self.kubelet_port = free_port(), free_port()
        self._egress = directory / "egress.sock"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._token = secrets.token_hex(16)
        self._ca = ""

    # --- life cycle

    def start(self, nodes: int = 1) -> None:
        etcd_port = free_port()
        self._certificates()
        self._start_etcd(etcd_port)
        self._start_api_server(etcd_port)
        self._write_kubeconfig()
        until(lambda: self.kubectl("get", "--raw", "/readyz", check=False).returncode == 0, "API server ready", 60)
        self._start_controllers()
        self.start_kubelet()
        self._start_kwok()
        for number in range(nodes):
            self.apply(node(f"node-{number}"))
        until(lambda: self._nodes_ready(nodes), "nodes ready")

    def stop(self) -> None:
        for name in reversed(list(self._processes)):
            self.end(name)

    def end(self, name: str, number: int = signal.SIGTERM) -> None:
        process = self._processes.pop(name)
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(encoding="utf-8")

    # --- API

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        kubectl = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert kubectl, "kubectl not found"
        return subprocess.run(
            [kubectl, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=text, capture_output=True, text=True, check=check, timeout=60,
        )  # fmt: skip

    def apply(self, *objects: Mapping[str, Any]) -> None:
        self.apply_text("\n---\n".join(json.dumps(item) for item in objects))

    def apply_text(self, manifests: str) -> None:
        done = self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=manifests, check=False)
        assert done.returncode == 0, done.stderr

    def get(self, *arguments: str) -> dict[str, Any] | None:
        done = self.kubectl("get", *arguments, "-o", "json", check=False)
        return dict(json.loads(done.stdout)) if done.returncode == 0 else None

    def pods(self, label: str, namespace: str = "default") -> list[dict[str, Any]]:
        found = self.get("pods", "-n", namespace, "-l", label)
        return list(found["items"]) if found else []

    # --- parts

    def start_kubelet(self) -> None:
        options = {
            "kubeconfig": self.kubeconfig,
            "images": self.images,
            "state-dir": self.state,
            "egress-socket": self._egress,
            "service-cidr": self.service_cidr,
            "kubelet-address": f"127.0.0.1:{self.kubelet_port}",
        }
        environment = os.environ | {"PYTHONPATH": str(FILES)}
        self._run("kubelet", [sys.executable, "-m", "stand_ins.kubelet", *_flags(options)], environment)

    def _start_etcd(self, port: int) -> None:
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        options = {
            "data-dir": self.directory / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }
        self._run("etcd", [find_binary("etcd"), "--unsafe-no-fsync", *_flags(options)])

    def _start_api_server(self, etcd_port: int) -> None:
        egress = self.directory / "egress.yaml"
        transport = {"uds": {"udsName": str(self._egress)}}
        connection = {"proxyProtocol": "HTTPConnect", "transport": transport}
        content = {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [{"name": "cluster", "connection": connection}],
        }
        egress.write_text(yaml.safe_dump(content), encoding="utf-8")
        tokens = self.directory / "tokens.csv"
        tokens.write_text(f"{self._token},admin,admin,system:masters\n", encoding="utf-8")
        options = {
            "etcd-servers": f"http://127.0.0.1:{etcd_port}",
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": self.api_port,
            "cert-dir": self.directory / "apiserver",
            "tls-cert-file": self.directory / "server.crt",
            "tls-private-key-file": self.directory / "server.key",
            "token-auth-file": tokens,
            "authorization-mode": "RBAC",
            "service-cluster-ip-range": self.service_cidr,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self.directory / "server.key",
            "service-account-signing-key-file": self.directory / "server.key",
            "kubelet-preferred-address-types": "InternalIP",
            "egress-selector-config-file": egress,
            "endpoint-reconciler-type": "none",
        }
        self._run("kube-apiserver", [find_binary("kube-apiserver"), *_flags(options)])

    def _start_controllers(self) -> None:
        common = {"kubeconfig": self.kubeconfig, "bind-address": "127.0.0.1", "leader-elect": "false"}
        manager = common | {
            "root-ca-file": self.directory / "ca.crt",
            "service-account-private-key-file": self.directory / "server.key",
            "use-service-account-credentials": "true",
            "secure-port": free_port(),
        }
        self._run("kube-controller-manager", [find_binary("kube-controller-manager"), *_flags(manager)])
        scheduler = common | {"secure-port": free_port()}
        self._run("kube-scheduler", [find_binary("kube-scheduler"), *_flags(scheduler)])

    def _start_kwok(self) -> None:
        self.apply_text(render("stages-crds.yaml.j2"))
        names = [f"crd/{name}.kwok.x-k8s.io" for name in ("stages", "logs", "clusterlogs")]
        self.kubectl("wait", "--for=condition=Established", "--timeout=20s", *names)
        patterns = [item["image"] for item in yaml.safe_load(self.images.read_text(encoding="utf-8"))["images"]]
        self.apply_text(render("stages.yaml.j2", __embedded_cluster_image_patterns=patterns))
        options = {
            "kubeconfig": self.kubeconfig,
            "node-lease-duration-seconds": 40,
            "cidr": "198.19.0.0/16",
            "node-ip": "127.0.0.1",
            "node-port": self.kubelet_port,
            "server-address": f"127.0.0.1:{self.kubelet_port}",
            "tls-cert-file": self.directory / "server.crt",
            "tls-private-key-file": self.directory / "server.key",
            "enable-crds": "Stage,Logs,ClusterLogs,PortForward",
        }
        self._run("kwok", [find_binary("kwok"), "--manage-all-nodes", *_flags(options)])

    def _nodes_ready(self, count: int) -> bool:
        found = self.get("nodes") or {"items": []}
        return len(found["items"]) == count and all(condition(item, "Ready") == "True" for item in found["items"])

    def _run(self, name: str, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)

    def _write_kubeconfig(self) -> None:
        cluster = {"server": f"https://127.0.0.1:{self.api_port}", "certificate-authority-data": self._ca}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }
        self.kubeconfig.write_text(yaml.safe_dump(content), encoding="utf-8")

    def _certificates(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in tests")])
        now = datetime.datetime.now(datetime.UTC)
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([loopback, x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
        (self.directory / "server.key").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
        for file in ("server.crt", "ca.crt"):
            (self.directory / file).write_bytes(pem)
        self._ca = base64.b64encode(pem).decode()


def _flags(options: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def node(name: str) -> dict[str, Any]:
    amounts = {"cpu": "16", "memory": "64Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": name}},
        "status": {"capacity": amounts, "allocatable": amounts},
    }


def process_of(pod: Mapping[str, Any]) -> int:
    """The process that is the only container of a Pod."""
    (status,) = pod["status"]["containerStatuses"]
    return int(status["containerID"].removeprefix("process://"))


def condition(obj: Mapping[str, Any], kind: str) -> str | None:
    for item in obj.get("status", {}).get("conditions", ()):
        if item["type"] == kind:
            return str(item["status"])
    return None


def listeners(pid: int) -> set[str]:
    """Local addresses of all listening TCP sockets of a process, as /proc has them."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink()) if link.is_symlink() else ""
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].rpartition(":")[0])
    return found
