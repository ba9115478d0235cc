# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy with istiod's configuration of a Gateway, the Limitador stand-in and a slow simulated model; no cluster."""

from __future__ import annotations

import base64
import itertools
import json
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.llmops.maas.plugins.module_utils._gateway.http import Gateway, Trust
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.entry_checks import FORMS, REFUSED, Form
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.seal import PROBE_PATH, envoy_filter
from tests.support import gateway_objects as objects
from tests.support.api_server import find_binary, free_ports
from tests.support.backends import Backend, serving
from tests.support.gateway_client import Client, chat, until
from tests.support.local_gateway import LocalGateway

STAND_INS = Path(__file__).resolve().parents[3] / "embedded/roles/embedded_cluster/files"
# Milliseconds between two tokens of an answer.
PACE = 60
GATE = {"namespace": "llm", "name": "gate"}
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
        self.gateway = LocalGateway(directory)
        more = dict(zip(("model", "rls", "http", "echo"), free_ports(4), strict=True))
        self.ports = self.gateway.ports | more
        self.client = Client("127.0.0.1", host=objects.HOST, port=self.ports["listener"])
        self.secret = objects.certificate()
        self._filters: dict[str, objects.Json] = {}

    def start(self) -> None:
        self.gateway.start(
            {"name": "http", "protocol": "HTTP", "port": 80, "hostname": objects.HOST},
            {"name": "https", "protocol": "HTTPS", "port": 443, "hostname": objects.HOST, "tls": TLS},
        )
        self.gateway.backend("model", "198.19.0.2", self.ports["model"])
        self.gateway.backend("echo", "198.19.0.3", self.ports["echo"])
        self.gateway.apply(
            self.secret,
            objects.route("m", objects.rule("/m", objects.rewrite("/"))),
            objects.route("open", objects.rule("/open", objects.rewrite("/"))),
            objects.route("open.too", objects.rule("/open2", objects.rewrite("/"))),
            objects.route("echo", objects.rule("/echo", service="echo")),
        )
        self.configure()
        (self.directory / "limits.yaml").write_text(yaml.safe_dump([LIMIT]))
        simulator = (find_binary("llm-d-inference-sim"), str(self.ports["model"]))
        pace = (f"--time-to-first-token={PACE}ms", f"--inter-token-latency={PACE}ms")
        names = ("--served-model-name", "m")
        self._run("stand_ins.vllm", *simulator, "--model=m", *names, *pace, "--mode=echo")
        rls = (f"--rls-port={self.ports['rls']}", f"--http-port={self.ports['http']}")
        self._run("stand_ins.limitador", *rls, str(self.directory / "limits.yaml"))

    def configure(self, *actions: objects.Json, limits: str = "deny", more: Sequence[objects.Json] = ()) -> None:
        """Replace the EnvoyFilters. Authentication is Authorino's, which is not here: it is left out.

        ``more``: further EnvoyFilters.
        """
        actions_of_m = {**objects.action_set("/m"), "actions": list(actions)}
        filters = [*objects.envoy_filters(actions_of_m, limits=limits, limitador=self.ports["rls"]), *more]
        self.replace(*filters)

    def replace(self, *filters: objects.Json) -> None:
        """These EnvoyFilters instead of those that were there."""
        wanted = {item["metadata"]["name"]: item for item in filters}
        for name, item in self._filters.items():
            if name not in wanted:
                self.gateway.delete(item)
        self.gateway.apply(*filters)
        self._filters = wanted

    def _run(self, module: str, *arguments: str) -> None:
        self.gateway.run(module, sys.executable, "-m", module, *arguments, PYTHONPATH=str(STAND_INS))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    made = Chain(tmp_path_factory.mktemp("gateway"))
    try:
        made.start()
        assert until(lambda: made.client.status("/m/v1/models"), 200) == 200
        yield made
    finally:
        made.gateway.stop()


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


def counted(chain: Chain) -> dict[tuple[str, str], float]:
    """The gateway's metrics under Istio's names, by status and Service."""
    with urllib.request.urlopen(f"http://127.0.0.1:{chain.ports['metrics']}/stats/prometheus", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    chosen = {"istio_requests_total", "istio_request_duration_milliseconds_sum"}
    samples = [sample for family in families for sample in family.samples if sample.name in chosen]
    return {(s.name, f"{s.labels['response_code']} {s.labels['destination_service']}"): s.value for s in samples}


def test_each_request_counts_under_istios_names(chain: Chain) -> None:
    served, missing = "200 model.llm.svc.cluster.local", "404 unknown"
    requests, duration = "istio_requests_total", "istio_request_duration_milliseconds_sum"
    # Until the requests of other tests are written.
    time.sleep(1)
    before = counted(chain)
    assert chain.client.status("/m/v1/chat/completions", chat("m", 8)) == 200
    assert chain.client.status("/nobody/has/this") == 404

    def more() -> dict[tuple[str, str], float]:
        return {key: value - before.get(key, 0) for key, value in counted(chain).items()}

    wanted = {(requests, served): 1, (requests, missing): 1}
    assert until(lambda: {key: value for key, value in more().items() if key in wanted}, wanted, 10) == wanted
    assert more()[duration, served] >= PACE
    assert more()[duration, missing] < PACE


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


def seal(**options: str) -> objects.Json:
    credentials = ["Authorization", "X-API-Key"]
    return envoy_filter(GATE, open_routes=["llm/open"], credential_headers=credentials, **options)


BEFORE = ["llmops.maas.identity", "llmops.maas.host"]
AFTER = ["llmops.maas.seal", "llmops.maas.user", "llmops.maas.credentials", "envoy.filters.http.router"]


def settled(chain: Chain, wanted: set[str], port: int = 80) -> list[str]:
    """The filters of a port, once these are among them."""
    assert until(lambda: wanted <= set(chain.gateway.filters(port)), wanted=True), chain.gateway.filters(port)
    return chain.gateway.filters(port)


@pytest.mark.parametrize("younger", ["seal", "kuadrant"])
def test_kuadrants_filter_is_between_both_halves_whichever_is_older(chain: Chain, younger: str) -> None:
    (wasm,) = objects.envoy_filters(objects.action_set("/m"))
    both = [wasm, seal()] if younger == "seal" else [seal(), wasm]
    chain.replace()
    for item in both:
        chain.gateway.apply(item)
        # Istio goes by the age in seconds.
        time.sleep(1.1)
    names = settled(chain, {"llmops.maas.seal", "auth-service"})
    chain.replace(*both)
    assert names[:2] == BEFORE
    assert names[-4:] == AFTER
    assert "auth-service" in names[2:-4]


def test_the_seal_does_not_need_kuadrants_filter(chain: Chain) -> None:
    chain.replace(seal())
    assert until(lambda: "auth-service" in chain.gateway.filters(80), wanted=False) is False
    names = settled(chain, {"llmops.maas.seal"})
    assert (names[:2], names[-4:]) == (BEFORE, AFTER)


def test_without_its_priority_the_seal_would_refuse_everything_and_open_nothing(chain: Chain) -> None:
    early = seal()
    early["spec"]["priority"] = 0
    chain.replace()
    chain.gateway.apply(early)
    time.sleep(1.1)
    chain.replace(early, *objects.envoy_filters(objects.action_set("/m")))
    names = settled(chain, {"llmops.maas.seal", "auth-service"})
    assert names.index("llmops.maas.seal") < names.index("auth-service")


def test_the_proof_of_the_seal_is_the_seals_even_where_a_policy_has_every_path(chain: Chain) -> None:
    chain.replace(*objects.envoy_filters(objects.action_set("/")), seal())
    settled(chain, {"llmops.maas.seal", "auth-service"})
    # Nobody is there to be asked about the policy.
    assert until(lambda: chain.client.status("/m/v1/models"), 500) == 500
    assert chain.client.request(PROBE_PATH) == (403, "RBAC: access denied")


def test_strict_transport_is_for_https_alone(chain: Chain) -> None:
    chain.replace(seal(hsts="max-age=60"))
    secure = settled(chain, {"llmops.maas.seal", "llmops.maas.strict-transport"}, port=443)
    assert secure[0] == "llmops.maas.strict-transport"
    assert "llmops.maas.strict-transport" not in settled(chain, {"llmops.maas.seal"})


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
    change = {"applyTo": "HTTP_FILTER", "match": objects.before_router(), "patch": patch}
    return objects.envoy_filter(name, change, priority=priority)


class Echo(Backend):
    """Answers with the headers that it got."""

    def text(self) -> str:
        return json.dumps({name.lower(): value for name, value in self.headers.items()})


@pytest.fixture(scope="module")
def sealed(chain: Chain) -> Iterator[Gateway]:
    sealing = seal(hsts="max-age=60")
    chain.configure(more=[sealing, inserted("admission", ADMISSION), inserted("log", LOG, 20)])
    settled(chain, {"admission", "log"})
    gateway = Gateway(f"http://127.0.0.1:{chain.ports['listener']}", objects.HOST, timeout=10)
    assert until(lambda: gateway.send("GET", PROBE_PATH, {"Host": objects.HOST}).status, 403, 10) == 403
    with serving(Echo, chain.ports["echo"]):
        yield gateway


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
    if "stand_ins.limitador" in chain.gateway.processes:
        chain.gateway.end("stand_ins.limitador")
    chain.configure(objects.limit_action(), limits=mode)
    assert until(lambda: chain.client.status("/m/v1/models"), status, 10) == status
