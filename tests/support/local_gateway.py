# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway without a cluster: a real API server, istiod and Envoy, and the relay between both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support import gateway_objects as objects
from tests.support.api_server import ApiServer, find_binary, free_ports
from tests.support.gateway_objects import Json

CHECKOUT = Path(__file__).resolve().parents[2]
ROLE = CHECKOUT / "embedded/roles/embedded_cluster"
ADDRESS = "198.19.0.1"
SWITCHES = {"PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_METADATA_EXCHANGE": "false"}
_APPLY = "application/apply-patch+yaml"
_PLURALS = {
    "CustomResourceDefinition": "customresourcedefinitions",
    "EndpointSlice": "endpointslices",
    "EnvoyFilter": "envoyfilters",
    "Gateway": "gateways",
    "GatewayClass": "gatewayclasses",
    "HTTPRoute": "httproutes",
    "Pod": "pods",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
}


def manifests(*patterns: str) -> list[Json]:
    """Upstream's manifests, from the mirror in the cache of the embedded cluster."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    mirror = Path(os.environ.get("LLMOPS_MAAS_MIRROR") or cache / "llmops-maas" / "mirror")
    found = []
    for pattern in patterns:
        files = sorted(mirror.glob(pattern))
        assert files, f"no {pattern} in {mirror}: run `make tools`, or set LLMOPS_MAAS_MIRROR"
        found += [item for item in yaml.safe_load_all(files[-1].read_text()) if item]
    return found


class LocalGateway:
    """Namespace llm with a Gateway ``gate``. Each of its parts is a process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.api = ApiServer(directory / "api")
        self.ports = dict(
            zip(("listener", "tls", "admin", "status", "metrics", "discovery"), free_ports(6), strict=True)
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.istiod = ""

    def start(self, *listeners: Json) -> None:
        self.api.start()
        found = manifests("gateway-api-v*.yaml", "istio-base-*.yaml")
        self.apply(*(item for item in found if item["kind"] == "CustomResourceDefinition"))
        for name in ("llm", "istio-system", "kuadrant-system"):
            self.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self.apply(*self._gateway_objects(listeners))
        istiod = objects.service("istiod", self.ports["discovery"], self.ports["discovery"], "istio-system")
        self.apply(istiod)
        self.istiod = self.api.request("GET", _path(istiod))["spec"]["clusterIP"]
        self.start_istiod()
        self.start_gateway()

    def stop(self) -> None:
        for name in reversed(list(self.processes)):
            self.end(name)
        self.api.stop()

    def end(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def run(self, name: str, *command: str, **environment: str) -> None:
        base = {"PATH": "/usr/bin:/bin", "TMPDIR": str(self.directory), "HOME": str(self.directory)}
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env={**base, **environment}, cwd=self.directory, stdout=log, stderr=log
            )

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    # --- objects

    def apply(self, *items: Mapping[str, Any]) -> None:
        for item in items:
            self.api.request("PATCH", f"{_path(item)}?fieldManager=test&force=true", dict(item), _APPLY)
            if "status" in item and item["kind"] == "Pod":
                self.api.request("PATCH", f"{_path(item)}/status?fieldManager=test&force=true", dict(item), _APPLY)

    def delete(self, item: Mapping[str, Any]) -> None:
        try:
            self.api.request("DELETE", _path(item))
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise

    def _gateway_objects(self, listeners: Sequence[Json]) -> list[Json]:
        labels = {"gateway.networking.k8s.io/gateway-name": "gate", "app": "gate-istio"}
        service = objects.service("gate-istio", 80, 80)
        ports = sorted({int(item["port"]) for item in listeners})
        service["spec"]["ports"] = [{"name": f"p{port}", "port": port} for port in ports]
        return [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "gate-istio", "namespace": "llm"}},
            objects.gateway_class(),
            objects.gateway(*listeners),
            service,
            objects.pod("gate-istio", {}, address=ADDRESS, labels=labels, image="istio/proxyv2:1.26.2"),
            objects.endpoints("gate-istio", ADDRESS, *ports),
        ]

    def backend(self, name: str, address: str, local: int) -> None:
        """A Service with one Pod, whose container's port 8080 is that local one."""
        self.apply(
            objects.service(name, 80, 8080),
            objects.pod(name, {"8080": local}, address=address),
            objects.endpoints(name, address, 8080),
        )

    # --- processes

    def start_istiod(self) -> None:
        mesh = self.directory / "mesh.yaml"
        (config,) = [
            item
            for item in manifests("istiod-*.yaml")
            if item["kind"] == "ConfigMap" and item["metadata"]["name"] == "istio"
        ]
        mesh.write_text(config["data"]["mesh"])
        http, monitoring, https, debug = free_ports(4)
        self.run(
            "istiod",
            find_binary("pilot-discovery"),
            "discovery",
            f"--kubeconfig={self.api.kubeconfig}",
            "--namespace=istio-system",
            f"--meshConfig={mesh}",
            f"--httpAddr=127.0.0.1:{http}",
            "--grpcAddr=",
            f"--secureGRPCAddr={self.istiod}:{self.ports['discovery']}",
            f"--monitoringAddr=127.0.0.1:{monitoring}",
            f"--httpsAddr=127.0.0.1:{https}",
            "--ctrlz_address=127.0.0.1",
            f"--ctrlz_port={debug}",
            POD_NAME="istiod",
            POD_NAMESPACE="istio-system",
            CLUSTER_ID="Kubernetes",
            KUBECONFIG=str(self.api.kubeconfig),
            **SWITCHES,
        )

    def start_gateway(self) -> None:
        spec = {"audiences": ["istio-ca"], "expirationSeconds": 3600}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        made = self.api.request("POST", "/api/v1/namespaces/llm/serviceaccounts/gate-istio/token", body)
        (self.directory / "token").write_text(made["status"]["token"])
        self._write_ca()
        self.run(
            "gateway",
            sys.executable,
            "-m",
            "stand_ins.gateway",
            f"--kubeconfig={self.api.kubeconfig}",
            f"--envoy={Path(sys.executable).with_name('envoy')}",
            f"--directory={self.directory / 'envoy'}",
            "--namespace=llm",
            "--pod=gate-istio",
            f"--pod-ip={ADDRESS}",
            f"--istiod=istiod.istio-system.svc:{self.ports['discovery']}",
            f"--token={self.directory / 'token'}",
            f"--ca={self.directory / 'ca.pem'}",
            f"--admin-port={self.ports['admin']}",
            f"--status-port={self.ports['status']}",
            f"--metrics-port={self.ports['metrics']}",
            f"--port=80={self.ports['listener']}",
            f"--port=443={self.ports['tls']}",
            PYTHONPATH=str(ROLE / "files"),
            ISTIO_META_CLUSTER_ID="Kubernetes",
        )

    def _write_ca(self) -> None:
        """The certificate that istiod gives every namespace."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                found = self.api.request("GET", "/api/v1/namespaces/llm/configmaps/istio-ca-root-cert")
            except urllib.error.HTTPError:
                time.sleep(0.2)
            else:
                (self.directory / "ca.pem").write_text(found["data"]["root-cert.pem"])
                return
        raise RuntimeError(f"istiod made no certificate:\n{self.log('istiod')[-3000:]}")

    # --- what Envoy has

    def config(self, kind: str, what: str = "") -> list[Json]:
        """What came from istiod, of one kind of Envoy's dump of its configuration, such as ``ListenersConfigDump``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['admin']}/config_dump{what}", timeout=10) as answer:
            found = json.loads(answer.read())["configs"]
        (dump,) = [item for item in found if item["@type"].endswith(f".{kind}")]
        return [one for name, items in dump.items() if name.startswith("dynamic_") for one in items]

    def listeners(self) -> list[Json]:
        """Those in use; one that was refused is only named."""
        found = [item.get("active_state") for item in self.config("ListenersConfigDump")]
        return [item["listener"] for item in found if item]

    def filters(self, port: int) -> list[str]:
        """Names of the HTTP filters of a port."""
        (listener,) = [item for item in self.listeners() if item["name"] == f"0.0.0.0_{port}"]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        return [item["name"] for item in manager["http_filters"]]


def _path(item: Mapping[str, Any]) -> str:
    version, metadata = item["apiVersion"], item["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    inner = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{inner}/{_PLURALS[item['kind']]}/{metadata['name']}"
