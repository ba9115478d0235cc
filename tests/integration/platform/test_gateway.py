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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway import envoy
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway.kuadrant import read
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway.telemetry import Telemetry
from ansible_collections.llmops.maas.plugins.module_utils._gateway.http import Gateway, Trust
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.entry_checks import FORMS, REFUSED, Form
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.seal import PROBE_PATH, envoy_filter
from tests.support import gateway_objects as objects
from tests.support.api_server import find_binary, free_ports
from tests.support.gateway_client import Client, chat, until

STAND_INS = Path(__file__).resolve().parents[3] / "embedded/roles/embedded_cluster/files"
# As Istio starts Envoy: a connection from before a new configuration ends with its next answer.
DRAIN = ("--drain-time-s", "45", "--drain-strategy", "immediate")
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
            zip(("listener", "tls", "admin", "status", "model", "rls", "http", "echo"), free_ports(8), strict=True)
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
        options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error", *DRAIN)
        flush = ("--file-flush-interval-msec", "100")
        self._run(str(binary), "--config-path", str(self.directory / "envoy.json"), *options, *flush)

    def configure(self, *actions: objects.Json, limits: str = "deny", more: Sequence[objects.Json] = ()) -> None:
        """Replace Envoy's files while it runs. Authentication is Authorino's, which is not here: it is left out.

        ``more``: further EnvoyFilters.
        """
        filters = objects.envoy_filters({**objects.action_set("/m"), "actions": list(actions)}, limits=limits)
        filters += more
        limitador = ("limitador-limitador", "kuadrant-system")
        found = envoy.Objects(
            gateway=objects.gateway(
                {"name": "http", "protocol": "HTTP", "port": 80, "hostname": objects.HOST},
                {"name": "https", "protocol": "HTTPS", "port": 443, "hostname": objects.HOST, "tls": TLS},
            ),
            secrets={("llm", "gate-tls"): self.secret},
            envoy_filters=filters,
            routes=[
                objects.route("m", objects.rule("/m", objects.rewrite("/"))),
                objects.route("open", objects.rule("/open", objects.rewrite("/"))),
                objects.route("open.too", objects.rule("/open2", objects.rewrite("/"))),
                objects.route("echo", objects.rule("/echo", service="echo")),
            ],
            services={
                ("llm", "model"): objects.service("model", 80, 8080),
                ("llm", "echo"): objects.service("echo", 80, 8080),
                (limitador[1], limitador[0]): objects.service(limitador[0], 8081, 8081, limitador[1]),
            },
            pods=[
                objects.pod("model", {"8080": self.ports["model"]}),
                objects.pod("echo", {"8080": self.ports["echo"]}),
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
        with (self.directory / "output").open("ab") as output:
            self._processes.append(subprocess.Popen(command, env=environment, cwd=self.directory, stdout=output))

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


def test_each_request_is_logged_so_that_it_counts_under_istios_names(chain: Chain) -> None:
    log = chain.directory / "output"
    # Until the requests of other tests are written.
    time.sleep(0.5)
    begin = log.stat().st_size
    assert chain.client.status("/m/v1/chat/completions", chat("m", 8)) == 200
    assert chain.client.status("/nobody/has/this") == 404

    def counted() -> dict[tuple[str, str], float]:
        telemetry = Telemetry("llm", "gate-istio")
        for line in log.read_bytes()[begin:].splitlines():
            telemetry.count(line)
        samples = [s for family in text_string_to_metric_families(telemetry.text().decode()) for s in family.samples]
        chosen = [s for s in samples if s.name in {"istio_requests_total", "istio_request_duration_milliseconds_sum"}]
        return {(s.name, f"{s.labels['response_code']} {s.labels['destination_service']}"): s.value for s in chosen}

    served, missing = "200 model.llm.svc.cluster.local", "404 unknown"
    assert until(lambda: len(counted()), 4, 10) == 4
    found = counted()
    assert (found["istio_requests_total", served], found["istio_requests_total", missing]) == (1, 1)
    assert found["istio_request_duration_milliseconds_sum", served] >= PACE
    assert found["istio_request_duration_milliseconds_sum", missing] < PACE


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


# What admits a request here in the place of Kuadrant's filter: by the key, and by hosts in lower case alone.
ADMISSION = """
function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(":authority") == "models.example.com" and headers:get("authorization") == "APIKEY k" then
    headers:add("x-maas-user", "alice")
  end
end
"""


# What an access log would have of the request, shown to the backend.
LOG = """
function envoy_on_request(handle)
  local known = handle:streamInfo():dynamicMetadata():get("llmops.maas") or {}
  handle:headers():add("x-log-user", known["user"] or "-")
end
"""


def inserted(name: str, script: str, priority: int = 0) -> objects.Json:
    """An EnvoyFilter of a Lua filter, directly before the router, as the operator places Kuadrant's."""
    content = {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"}
    value = {"name": name, "typed_config": {**content, "default_source_code": {"inline_string": script}}}
    patch = {"operation": "INSERT_BEFORE", "value": value}
    patches = [{"applyTo": "HTTP_FILTER", "match": objects.before_router(), "patch": patch}]
    spec = {"targetRefs": [{"kind": "Gateway", "name": "gate"}], "configPatches": patches, "priority": priority}
    return {"metadata": {"name": name, "namespace": "llm"}, "spec": spec}


class Echo(BaseHTTPRequestHandler):
    """A backend that answers with the headers that it got."""

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture(scope="module")
def sealed(chain: Chain) -> Iterator[Gateway]:
    seal = envoy_filter(
        {"namespace": "llm", "name": "gate"},
        open_routes=["llm/open"],
        credential_headers=["Authorization", "X-API-Key"],
        hsts="max-age=60",
    )
    chain.configure(more=[seal, inserted("admission", ADMISSION), inserted("log", LOG, 20)])
    gateway = Gateway(f"http://127.0.0.1:{chain.ports['listener']}", objects.HOST, timeout=10)
    assert until(lambda: gateway.send("GET", PROBE_PATH, {"Host": objects.HOST}).status, 403, 10) == 403
    server = ThreadingHTTPServer(("127.0.0.1", chain.ports["echo"]), Echo)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever)
        try:
            yield gateway
        finally:
            server.shutdown()
            server.server_close()


KEY = {"Authorization": "APIKEY k"}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/m/v1/models", KEY, 200),
        ("/m/v1/models", {}, 403),
        ("/m/v1/models", {"X-Maas-User": "alice"}, 403),
        ("/m/v1/models", {"x_maas_user": "alice"}, 403),
        # Written in lower case before it is compared, so that an honest client is served.
        ("/m/v1/models", {**KEY, "Host": objects.HOST.upper()}, 200),
        ("/m/v1/models", {"Host": objects.HOST.upper()}, 403),
        ("/m/v1/models", {"Host": objects.HOST.upper(), "X-Maas-User": "alice"}, 403),
        ("/open/v1/models", {}, 200),
        ("/open2/v1/models", {}, 403),
        ("/nothing", {}, 404),
        (PROBE_PATH, KEY, 200),
        (PROBE_PATH, {"X-Maas-User": "alice"}, 403),
        ("/m/v1/models", {"Host": "other.example.com"}, 403),
    ],
)
def test_the_seal_lets_through_what_was_admitted_and_nothing_else(
    sealed: Gateway, path: str, headers: dict[str, str], status: int
) -> None:
    assert sealed.send("GET", path, {"Host": objects.HOST, **headers}).status == status


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.words)
@pytest.mark.parametrize("forged", [{}, {"X-Maas-User": "alice"}], ids=["plain", "forged"])
def test_no_form_of_the_host_goes_around_the_seal(sealed: Gateway, form: Form, forged: dict[str, str]) -> None:
    target = form.target(objects.HOST, "/m/v1/models") or "/m/v1/models"
    answer = sealed.send_raw("GET", target, {"Host": form.header(objects.HOST), **forged})
    assert answer.status in REFUSED, answer


def test_a_backend_gets_neither_credentials_nor_what_only_policies_may_say(sealed: Gateway) -> None:
    sent = {"Host": objects.HOST, **KEY, "X-API-Key": "other", "X-Maas-User": "admin", "X-Maas-Groups": "admin"}
    got = json.loads(sealed.send("GET", "/echo", sent).body)
    assert got["host"] == objects.HOST
    assert not {"authorization", "x-api-key"} & set(got)
    assert not [name for name in got if "maas" in name]
    # Access logs still know the user.
    assert got["x-log-user"] == "alice"


def test_answers_over_https_say_so_also_refusals(chain: Chain, sealed: Gateway) -> None:
    trust = Trust(ca_data=base64.b64decode(chain.secret["data"]["tls.crt"]).decode())
    secure = Gateway(f"https://127.0.0.1:{chain.ports['tls']}", objects.HOST, timeout=10, trust=trust)
    for headers, status in (({}, 403), (KEY, 200)):
        answer = secure.send("GET", "/m/v1/models", {"Host": objects.HOST, **headers})
        assert (answer.status, answer.headers.get("strict-transport-security")) == (status, "max-age=60")
    assert "strict-transport-security" not in sealed.send("GET", "/m/v1/models", {"Host": objects.HOST}).headers


@pytest.mark.parametrize(("mode", "status"), [("allow", 200), ("deny", 500)])
def test_without_limitador_the_failure_mode_decides(chain: Chain, mode: str, status: int) -> None:
    chain.end(1)
    chain.configure(objects.limit_action(), limits=mode)
    assert until(lambda: chain.client.status("/m/v1/models"), status, 10) == status
