# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy with the gateway stand-in's configuration, the Limitador stand-in and a slow simulated model; no cluster."""

from __future__ import annotations

import base64
import itertools
import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from api_server import find_binary, free_ports
from gateway_client import Client, chat, until

from ansible_collections.llmops.maas.roles.embedded_cluster.files.stand_ins.gateway import envoy
from ansible_collections.llmops.maas.roles.embedded_cluster.files.stand_ins.gateway.kuadrant import read

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))
import gateway_objects as objects

STAND_INS = Path(__file__).resolve().parents[2] / "roles/embedded_cluster/files"
# Milliseconds between two tokens of an answer.
PACE = 60
TLS = {"certificateRefs": [{"name": "gate-tls"}]}
LIMIT = {
    "namespace": "llm/model",
    "max_value": 3,
    "seconds": 3600,
    "conditions": ['descriptors[0]["limit.per_user__1"] == "1"'],
}


class Chain:
    """The processes, and the one configuration that they work by."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = dict(
            zip(("listener", "tls", "admin", "status", "model", "rls", "http"), free_ports(7), strict=True)
        )
        self.client = Client("127.0.0.1", host=objects.HOST, port=self.ports["listener"])
        self.secret = objects.certificate()
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.configure()
        (self.directory / "limits.yaml").write_text(yaml.safe_dump([LIMIT]))
        content = envoy.bootstrap(self.directory, self.ports["admin"], self.ports["status"])
        (self.directory / "envoy.json").write_text(json.dumps(content))
        simulator = (find_binary("llm-d-inference-sim"), str(self.ports["model"]))
        pace = (f"--time-to-first-token={PACE}ms", f"--inter-token-latency={PACE}ms")
        names = ("--served-model-name", "m")
        self._run(sys.executable, "-m", "stand_ins.vllm", *simulator, "--model=m", *names, *pace, "--mode=echo")
        rls = (f"--rls-port={self.ports['rls']}", f"--http-port={self.ports['http']}")
        self._run(sys.executable, "-m", "stand_ins.limitador", *rls, str(self.directory / "limits.yaml"))
        binary = Path(sys.executable).with_name("envoy")
        options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
        self._run(str(binary), "--config-path", str(self.directory / "envoy.json"), *options)

    def configure(self, *actions: objects.Json, limits: str = "deny") -> None:
        """Replace Envoy's files while it runs. Authentication is Authorino's, which is not here: it is left out."""
        filters = objects.envoy_filters({**objects.action_set("/m"), "actions": list(actions)}, limits=limits)
        limitador = ("limitador-limitador", "kuadrant-system")
        found = envoy.Objects(
            gateway=objects.gateway(
                {"name": "http", "protocol": "HTTP", "port": 80, "hostname": objects.HOST},
                {"name": "https", "protocol": "HTTPS", "port": 443, "hostname": objects.HOST, "tls": TLS},
            ),
            secrets={("llm", "gate-tls"): self.secret},
            routes=[objects.route("m", objects.rule("/m", objects.rewrite("/")))],
            services={
                ("llm", "model"): objects.service("model", 80, 8080),
                (limitador[1], limitador[0]): objects.service(limitador[0], 8081, 8081, limitador[1]),
            },
            pods=[
                objects.pod("model", {"8080": self.ports["model"]}),
                objects.pod(limitador[0], {"8081": self.ports["rls"]}, limitador[1]),
            ],
        )
        kuadrant = read(filters, "llm", "gate")
        ports = {80: self.ports["listener"], 443: self.ports["tls"]}
        made = envoy.resources(found, kuadrant, ports, self.directory)
        for name, content in made.files().items():
            (self.directory / f".{name}").write_text(json.dumps(content))
            (self.directory / f".{name}").replace(self.directory / name)

    def _run(self, *command: str) -> None:
        environment = {"PYTHONPATH": str(STAND_INS), "PATH": "/usr/bin:/bin", "TMPDIR": str(self.directory)}
        self._processes.append(subprocess.Popen(command, env=environment, cwd=self.directory))

    def end(self, number: int) -> None:
        self._processes[number].kill()
        self._processes[number].wait()

    def stop(self) -> None:
        for number in range(len(self._processes)):
            self.end(number)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    made = Chain(tmp_path_factory.mktemp("gateway"))
    try:
        made.start()
        assert until(lambda: made.client.status("/m/v1/models"), 200) == 200
        yield made
    finally:
        made.stop()


def test_tls_is_terminated_with_the_certificate_of_the_listener(chain: Chain) -> None:
    trusted = ssl.create_default_context(cadata=base64.b64decode(chain.secret["data"]["tls.crt"]).decode())
    address = ("127.0.0.1", chain.ports["tls"])
    with socket.create_connection(address) as plain, trusted.wrap_socket(plain, server_hostname=objects.HOST) as secure:
        secure.sendall(f"GET /m/v1/models HTTP/1.1\r\nHost: {objects.HOST}\r\nConnection: close\r\n\r\n".encode())
        assert secure.recv(1024).startswith(b"HTTP/1.1 200 OK")


def test_streams_are_passed_on_as_they_come(chain: Chain) -> None:
    # Also with everything in the way that counts tokens.
    chain.configure(objects.limit_action(kind="ratelimit-report", hits='responseBodyJSON("/usage/total_tokens")'))
    time.sleep(1)
    url = f"http://127.0.0.1:{chain.ports['listener']}/m/v1/chat/completions"
    body = {**chat("m", 20, "one two three four five six seven eight nine ten"), "stream": True}
    headers = {"Host": objects.HOST, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        times = [time.monotonic() for line in answer if line.startswith(b"data: {")]
    assert len(times) >= 10
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert len([gap for gap in gaps if gap > PACE / 2000]) >= 8, gaps


def test_a_new_limit_is_in_force_at_once_and_counts_by_its_own_condition(chain: Chain) -> None:
    limited = objects.limit_action(predicates=['request.url_path.endsWith("/models")', 'request.method == "GET"'])
    limited["conditionalData"][0]["data"].pop()
    chain.configure(limited)
    assert until(lambda: chain.client.status("/m/v1/models"), 429, 10) == 429
    assert chain.client.status("/m/v1/completions", {"model": "m", "prompt": "x", "max_tokens": 1}) == 200


def test_a_client_cannot_choose_the_path_that_limits_see(chain: Chain) -> None:
    limited = objects.limit_action(predicates=['request.path == "/m/v1/models"'])
    limited["conditionalData"][0]["data"].pop()
    chain.configure(limited)
    assert until(lambda: chain.client.status("/m/v1/models"), 429, 10) == 429
    url = f"http://127.0.0.1:{chain.ports['listener']}/m/v1/models"
    request = urllib.request.Request(url, headers={"Host": objects.HOST, "X-Envoy-Original-Path": "/other"})
    with pytest.raises(urllib.error.HTTPError, match="429"):
        urllib.request.urlopen(request, timeout=10)


@pytest.mark.parametrize(("mode", "status"), [("allow", 200), ("deny", 500)])
def test_without_limitador_the_failure_mode_decides(chain: Chain, mode: str, status: int) -> None:
    chain.end(1)
    chain.configure(objects.limit_action(), limits=mode)
    assert until(lambda: chain.client.status("/m/v1/models"), status, 10) == status
