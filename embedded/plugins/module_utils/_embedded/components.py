# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of an embedded cluster: their command lines, certificates and configuration files.

Flags are those of the reference pages of Kubernetes 1.34 and etcd 3.6.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.directory import ClusterDir
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.network import first_address
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.pki import CertificateSpec
from ansible_collections.llmops.maas.plugins.module_utils._supervise.component import Component, Health
from ansible_collections.llmops.maas.plugins.module_utils._supervise.network import LOOPBACK
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import write_private

PORTS = ("etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
ISSUER = "https://kubernetes.default.svc.cluster.local"
STAND_IN = "kubelet-stand-in"
SIMULATED_PODS = "198.19.0.0/16"


@dataclass(frozen=True)
class Plan:
    """What one cluster consists of.

    ``tools`` maps each of BINARIES to a path. ``images`` is the image map of the kubelet stand-in (YAML), ``stand_in``
    the command that starts it and ``stand_in_path`` its PYTHONPATH; without a command there is none.
    """

    directory: ClusterDir
    tools: Mapping[str, str]
    ports: Mapping[str, int]
    slot: str
    images: str = ""
    stand_in: tuple[str, ...] = ()
    stand_in_path: str = ""

    @property
    def server(self) -> str:
        return f"https://{LOOPBACK}:{self.ports['kube-apiserver']}"

    def pair(self, name: str) -> tuple[Path, Path]:
        return self.directory.pki / f"{name}.crt", self.directory.pki / f"{name}.key"


def certificates(slot: str) -> list[CertificateSpec]:
    """Every certificate that the processes use; all but the API server's own are for 127.0.0.1 only."""
    local = (LOOPBACK, "localhost")
    service = tuple(f"kubernetes.default{suffix}" for suffix in ("", ".svc", ".svc.cluster.local"))
    return [
        CertificateSpec(
            "kube-apiserver", "kube-apiserver", "", (*local, "kubernetes", *service, first_address(slot)), client=False
        ),
        CertificateSpec("etcd", "etcd", "", local),
        CertificateSpec("etcd-client", "kube-apiserver-etcd-client"),
        CertificateSpec("components", "components", "", local, client=False),
        CertificateSpec("admin", "llmops-maas-admin", "system:masters"),
        CertificateSpec("kube-controller-manager", "system:kube-controller-manager"),
        CertificateSpec("kube-scheduler", "system:kube-scheduler"),
        CertificateSpec("kwok", "llmops-maas:kwok", "system:masters"),
        CertificateSpec(STAND_IN, f"llmops-maas:{STAND_IN}", "system:masters"),
    ]


def write_files(plan: Plan) -> None:
    """Write what the command lines of ``components`` point to (certificates excepted)."""
    config = plan.directory.config
    write_private(config / "audit-policy.json", json.dumps(_audit_policy(), indent=2))
    write_private(config / "egress.json", json.dumps(_egress(plan.directory.socket("egress")), indent=2))
    write_private(config / "images.yaml", plan.images)
    for name in ("kube-controller-manager", "kube-scheduler", "kwok", STAND_IN):
        write_private(config / f"{name}.kubeconfig", json.dumps(_kubeconfig_by_files(plan, name), indent=2))


def components(plan: Plan) -> list[Component]:
    """The processes, in the order in which they are started (stopped in reverse)."""
    made = [_etcd(plan), _api_server(plan), _controller_manager(plan), _scheduler(plan), _kwok(plan)]
    if plan.stand_in:
        made.append(_stand_in(plan))
    return made


def _etcd(plan: Plan) -> Component:
    client = f"https://{LOOPBACK}:{plan.ports['etcd']}"
    peer = f"https://{LOOPBACK}:{plan.ports['etcd-peer']}"
    certificate, key = plan.pair("etcd")
    authority = plan.directory.pki / "ca.crt"
    flags = (
        f"--data-dir={plan.directory.path / 'etcd'}",
        "--name=embedded",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=embedded={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={authority}",
        f"--cert-file={certificate}",
        f"--key-file={key}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={authority}",
        f"--peer-cert-file={certificate}",
        f"--peer-key-file={key}",
        # A throwaway cluster: losing the last writes in a power cut costs one `state: absent`.
        "--unsafe-no-fsync",
        "--auto-compaction-retention=10m",
        "--snapshot-count=5000",
        "--log-level=warn",
        "--logger=zap",
    )
    return Component(
        "etcd",
        (plan.tools["etcd"], *flags),
        files=(authority, certificate, key),
        environment={"GOMEMLIMIT": "250MiB", "GOGC": "50"},
    )


def _api_server(plan: Plan) -> Component:
    pki = plan.directory.pki
    certificate, key = plan.pair("kube-apiserver")
    etcd_certificate, etcd_key = plan.pair("etcd-client")
    policy = plan.directory.config / "audit-policy.json"
    egress = plan.directory.config / "egress.json"
    flags = [
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        # Endpoints may not be loopback addresses, so there are none of Service default/kubernetes.
        "--endpoint-reconciler-type=none",
        f"--secure-port={plan.ports['kube-apiserver']}",
        f"--service-cluster-ip-range={plan.slot}",
        f"--etcd-servers=https://{LOOPBACK}:{plan.ports['etcd']}",
        f"--etcd-cafile={pki / 'ca.crt'}",
        f"--etcd-certfile={etcd_certificate}",
        f"--etcd-keyfile={etcd_key}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={pki / 'ca.crt'}",
        # The address that KWOK writes into Node status, where it serves the logs of simulated Pods.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--allow-privileged=true",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={plan.directory.audit_log}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=2",
        "--profiling=false",
        "--event-ttl=1h0m0s",
        "--shutdown-delay-duration=0s",
    ]
    files = [policy, certificate, key, etcd_certificate, etcd_key, pki / "ca.crt"]
    files += [pki / "sa.pub", pki / "sa.key"]
    if plan.stand_in:
        flags.append(f"--egress-selector-config-file={egress}")
        files.append(egress)
    return Component(
        "kube-apiserver",
        (plan.tools["kube-apiserver"], *flags),
        files=tuple(files),
        environment={"GOGC": "40", "GOMEMLIMIT": "900MiB"},
        health=Health(plan.ports["kube-apiserver"], "/readyz"),
    )


def _controller_manager(plan: Plan) -> Component:
    pki = plan.directory.pki
    flags = (
        *_common_flags(plan, "kube-controller-manager"),
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        "--use-service-account-credentials=true",
        # No cloud, no IPAM and no CSI here; the rest is what every cluster runs.
        "--controllers=*,-persistentvolume-attach-detach-controller,-persistentvolume-expander-controller,-ttl-controller",
        "--allocate-node-cidrs=false",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
    )
    return Component(
        "kube-controller-manager",
        (plan.tools["kube-controller-manager"], *flags),
        files=(*_common_files(plan, "kube-controller-manager"), pki / "sa.key", pki / "ca.key"),
        environment={"GOGC": "50", "GOMEMLIMIT": "200MiB"},
        health=Health(plan.ports["kube-controller-manager"], "/healthz"),
    )


def _scheduler(plan: Plan) -> Component:
    return Component(
        "kube-scheduler",
        (plan.tools["kube-scheduler"], *_common_flags(plan, "kube-scheduler")),
        files=_common_files(plan, "kube-scheduler"),
        environment={"GOGC": "50", "GOMEMLIMIT": "150MiB"},
        health=Health(plan.ports["kube-scheduler"], "/readyz"),
    )


def _common_flags(plan: Plan, name: str) -> tuple[str, ...]:
    """Flags that the controller manager and the scheduler share."""
    kubeconfig = plan.directory.config / f"{name}.kubeconfig"
    certificate, key = plan.pair("components")
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--authentication-tolerate-lookup-failure=true",
        "--authorization-always-allow-paths=/healthz,/readyz,/livez",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={plan.ports[name]}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        # There is one of each, so nobody to elect a leader with.
        "--leader-elect=false",
        "--profiling=false",
    )


def _common_files(plan: Plan, name: str) -> tuple[Path, ...]:
    kubeconfig = plan.directory.config / f"{name}.kubeconfig"
    return (plan.directory.pki / "ca.crt", kubeconfig, *plan.pair(name), *plan.pair("components"))


def _kwok(plan: Plan) -> Component:
    config = plan.directory.config
    port = plan.ports["kwok"]
    certificate, key = plan.pair("components")
    flags = (
        f"--kubeconfig={config / 'kwok.kubeconfig'}",
        "--manage-all-nodes",
        # Stages are objects of the cluster, so that a test can add a failure while it runs.
        "--enable-crds=Stage,Logs,ClusterLogs,PortForward",
        # Without leases the controller manager declares the nodes dead.
        "--node-lease-duration-seconds=40",
        # Reserved for benchmarks (RFC 2544), and never dialled: everything goes through the stand-in's socket.
        f"--cidr={SIMULATED_PODS}",
        f"--node-ip={LOOPBACK}",
        f"--node-port={port}",
        f"--server-address={LOOPBACK}:{port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
    )
    return Component(
        "kwok",
        (plan.tools["kwok"], *flags),
        files=(config / "kwok.kubeconfig", *plan.pair("kwok"), certificate, key),
        environment={"GOGC": "50", "GOMEMLIMIT": "150MiB"},
        health=Health(port, "/healthz", needs_api="kwok.x-k8s.io"),
    )


def _stand_in(plan: Plan) -> Component:
    config = plan.directory.config
    flags = (
        f"--kubeconfig={config / (STAND_IN + '.kubeconfig')}",
        f"--images={config / 'images.yaml'}",
        f"--state-dir={plan.directory.path / 'kubelet'}",
        f"--egress-socket={plan.directory.socket('egress')}",
        f"--service-cidr={plan.slot}",
        f"--kubelet-address={LOOPBACK}:{plan.ports['kwok']}",
    )
    return Component(
        STAND_IN,
        (*plan.stand_in, *flags),
        # It reads the image map again when that changes.
        files=(config / f"{STAND_IN}.kubeconfig", *plan.pair(STAND_IN)),
        environment={"PYTHONPATH": plan.stand_in_path, "PYTHONUNBUFFERED": "1"},
        stop_seconds=20,
        stops_own_children=True,
    )


def _kubeconfig_by_files(plan: Plan, user: str) -> dict[str, Any]:
    certificate, key = plan.pair(user)
    return _kubeconfig(
        plan.server,
        {"certificate-authority": str(plan.directory.pki / "ca.crt")},
        user,
        {"client-certificate": str(certificate), "client-key": str(key)},
    )


def admin_kubeconfig(plan: Plan, name: str, encoded: Mapping[str, str]) -> str:
    """The user's kubeconfig, complete in itself; ``encoded`` has ``ca``, ``certificate`` and ``key`` in base64."""
    return json.dumps(
        _kubeconfig(
            plan.server,
            {"certificate-authority-data": encoded["ca"]},
            f"llmops-maas-{name}",
            {"client-certificate-data": encoded["certificate"], "client-key-data": encoded["key"]},
        ),
        indent=2,
    )


def _kubeconfig(server: str, trust: Mapping[str, str], name: str, user: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, **trust}}],
        "users": [{"name": name, "user": dict(user)}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def _audit_policy() -> dict[str, Any]:
    """Metadata of every request, but for the endless reads and heartbeats of the cluster's own processes."""
    reads = ["get", "list", "watch"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
            {"level": "None", "userGroups": ["system:serviceaccounts", "system:nodes"], "verbs": reads},
            {
                "level": "None",
                "users": [
                    "system:apiserver",
                    "system:kube-controller-manager",
                    "system:kube-scheduler",
                    "llmops-maas:kwok",
                    f"llmops-maas:{STAND_IN}",
                ],
                "verbs": reads,
            },
            {"level": "Metadata"},
        ],
    }


def _egress(socket: Path) -> dict[str, Any]:
    """Everything that the API server sends into the cluster (webhooks, logs) goes through the stand-in's socket."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }
