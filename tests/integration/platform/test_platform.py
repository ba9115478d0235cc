# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml on the embedded cluster, with the real controllers: the tests run in order, on one deployment."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from ansible_collections.llmops.maas.plugins.module_utils._wait.controllers import (
    CAINJECTOR,
    CONTROLLERS,
    ISTIOD,
    Controller,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.seal import MODELS_HEADER
from tests.support.api_server import free_ports
from tests.support.deployment import CHECKOUT, Deployment, Run, authorino_status, conditions, platform
from tests.support.gateway_client import chat, gateway, newcomer, until
from tests.support.monitoring import Prometheus, dashboards, queries
from tests.support.network import Network, webhook_services

MODELS = ["granite-8b-code-instruct-128k", "mistral-7b-instruct", "nomic-embed-text-v1-5", "qwen3-0-6b-instruct"]
SEED_KEYS = ["admin-key-12345", "dev-key-67890", "user-key-abcdef", "readonly-key-999"]
CATALOGUE = yaml.safe_load((CHECKOUT / "inventories/embedded/group_vars/all/models.yml").read_text())["maas_models"]

# Quicker than the default, so that nobody waits for it.
SCRAPE_SECONDS = 2

UNCHECKED = "Not checked (check mode): "


@pytest.fixture(scope="module")
def cluster() -> Iterator[Deployment]:
    yield from platform(observability_scrape_interval=f"{SCRAPE_SECONDS}s")


@pytest.fixture(scope="module")
def first_run(cluster: Deployment) -> Run:
    run = cluster.playbook("site.yml")
    assert run.code == 0, run.output
    return run


@pytest.fixture(scope="module")
def deployed(cluster: Deployment, first_run: Run) -> Deployment:
    return cluster


def test_check_mode_works_on_an_empty_cluster(cluster: Deployment) -> None:
    up = cluster.playbook("embedded/playbooks/up.yml")
    assert up.code == 0, up.output
    before = cluster.audit_size()
    run = cluster.playbook("site.yml", "--check", "--diff")
    assert run.code == 0, run.output
    assert run.recap()["changed"] > 0
    left = [line.removeprefix(UNCHECKED) for line in run.output.splitlines() if line.startswith(UNCHECKED)]
    for what in (
        "what the API server says to objects, because their kinds or namespaces are not there yet: ",
        "readiness, because nothing is waited for: Deployment istiod, ",
        "whether KServe's webhooks answer, because ",
        "whether the seal of the Gateway is in force, because ",
        "what the gateway does when Authorino or Limitador do not answer, because ",
    ):
        assert [line for line in left if line.startswith(what)], run.output
    assert not [write for write in cluster.writes(before) if "dryRun=All" not in write and "selfsubject" not in write]
    for key in SEED_KEYS:
        assert key not in run.output
        assert base64.b64encode(key.encode()).decode() not in run.output


def test_the_first_run_succeeds_and_sums_up(first_run: Run) -> None:
    assert first_run.recap()["failed"] == 0
    for model in MODELS:
        assert re.search(rf"^  {model} +Ready +/", first_run.output, re.MULTILINE), model
    assert re.search(r"^Users: +admin, developer, user, readonly \(", first_run.output, re.MULTILINE)


def printed_commands(run: Run) -> list[str]:
    """Those that the summary ends with, whole."""
    lines = run.output.splitlines()
    (heading,) = [number for number, line in enumerate(lines) if line.startswith("Next")]
    shown = itertools.takewhile(lambda line: line.startswith("  "), lines[heading + 1 :])
    return "\n".join(line.removeprefix("  ") for line in shown).replace("\\\n", " ").split("\n")


def pasted(deployment: Deployment, *commands: str) -> Run:
    """The commands in the shell of somebody who has no virtual environment in PATH."""
    environment = deployment.environment()
    own = str(Path(sys.executable).parent)
    path = [folder for folder in environment["PATH"].split(os.pathsep) if folder != own]
    script = "\n".join(["set -e", *commands])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=CHECKOUT,
        env={**environment, "PATH": os.pathsep.join(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout)


def ending(commands: list[str], word: str) -> str:
    """The one command that removes something."""
    (command,) = [command for command in commands if re.match(rf"make {word}\b|\S*ansible-playbook .*{word}", command)]
    return command


def test_the_commands_of_the_summary_work_as_they_are_printed(deployed: Deployment, first_run: Run) -> None:
    commands = printed_commands(first_run)
    harmless = [
        command for command in commands if command not in {ending(commands, "teardown"), ending(commands, "down")}
    ]
    for part in ("export KUBECONFIG=", "kubectl get pods", "KEY=", "curl ", "status", "verify"):
        assert [command for command in harmless if part in command], commands
    run = pasted(deployed, *harmless)
    assert run.code == 0, run.output
    assert '"object":"chat.completion"' in run.output.replace(" ", "")
    assert "0 failed, reports in" in run.output


def test_kserve_found_all_models_ready(deployed: Deployment) -> None:
    services = deployed.get("serving.kserve.io/v1beta1", "inferenceservices", "llm")
    assert sorted(service["metadata"]["name"] for service in services) == MODELS
    for service in services:
        assert conditions(service)["Ready"] == "True"
        assert service["status"]["modelStatus"]["transitionStatus"] == "UpToDate"


def test_kuadrant_enforces_a_policy_of_each_kind_on_each_route(deployed: Deployment) -> None:
    kuadrant = deployed.get("kuadrant.io/v1beta1", "kuadrants", "kuadrant-system", "kuadrant")
    assert conditions(kuadrant)["Ready"] == "True"
    kinds = [("v1", "authpolicies"), ("v1", "ratelimitpolicies"), ("v1alpha1", "tokenratelimitpolicies")]
    for version, plural in kinds:
        for model in MODELS:
            found = conditions(deployed.get(f"kuadrant.io/{version}", plural, "llm", model))
            assert (found["Accepted"], found["Enforced"]) == ("True", "True"), (plural, model)
    deny = deployed.get("kuadrant.io/v1", "authpolicies", "llm", "kuadrant-gateway-deny")
    assert conditions(deny)["Accepted"] == "True"


def test_limits_of_the_policies_reached_limitador(deployed: Deployment) -> None:
    limitador = deployed.get("limitador.kuadrant.io/v1alpha1", "limitadors", "kuadrant-system", "limitador")
    found = {(limit["max_value"], limit["seconds"]) for limit in limitador["spec"]["limits"]}
    per_minute = {150, 100, 50, 200} | {75, 50, 25, 100}
    tokens = {500000, 50000}
    of_the_list = {(60, 60)}
    of_models = {(limit, 60) for limit in per_minute | tokens} | {(limit * 10, 3600) for limit in per_minute}
    assert found == of_models | of_the_list


def test_authorino_knows_the_seed_keys_and_no_other(deployed: Deployment) -> None:
    configs = deployed.get("authorino.kuadrant.io/v1beta3", "authconfigs", "kuadrant-system")
    # All may ask for the list of models. The path that is asked for here is none of a model's: only the group that may
    # use everything gets there.
    expected = {
        host: [200] * 4 if MODELS_HEADER in config["spec"]["response"]["success"]["headers"] else [200, 403, 403, 403]
        for config in configs
        for host in config["spec"]["hosts"]
    }
    assert {statuses.count(200) for statuses in expected.values()} == {1, 4}
    for host, statuses in expected.items():
        assert [authorino_status(deployed, host, f"APIKEY {key}") for key in SEED_KEYS] == statuses
        assert authorino_status(deployed, host, "APIKEY wrong") == 401
        assert authorino_status(deployed, host, "Bearer admin-key-12345") == 401
        assert authorino_status(deployed, host, None) == 401


def test_istio_and_the_operators_made_what_only_they_make(deployed: Deployment) -> None:
    gateway = deployed.get("gateway.networking.k8s.io/v1", "gateways", "llm", "kuadrant-gateway")
    assert conditions(gateway)["Programmed"] == "True"
    assert deployed.get("apps/v1", "deployments", "llm", "kuadrant-gateway-istio")
    prometheus = deployed.get("apps/v1", "statefulsets", "llm-observability", "prometheus-maas")
    assert prometheus["metadata"]["ownerReferences"][0]["kind"] == "Prometheus"
    limitador = deployed.get("apps/v1", "deployments", "kuadrant-system", "limitador-limitador")
    container = limitador["spec"]["template"]["spec"]["containers"][0]
    urls = [variable["valueFrom"]["secretKeyRef"]["name"] for variable in container["env"] if "valueFrom" in variable]
    assert urls == ["limitador-redis"]


@pytest.mark.parametrize(
    "controller", sorted({ISTIOD, CAINJECTOR, *CONTROLLERS.values()}, key=str), ids=lambda entry: entry.deployment
)
def test_a_controller_that_waits_look_for_is_found_by_name_and_by_image(
    deployed: Deployment, controller: Controller
) -> None:
    found = [item for item in deployed.get("apps/v1", "deployments") if controller.is_run_by(item)]
    assert [item["metadata"]["name"] for item in found] == [controller.deployment]
    assert controller.is_run_by({**found[0], "metadata": {"name": "another-name"}})


def test_each_model_answers_under_its_paths_and_names(deployed: Deployment) -> None:
    client = gateway(deployed, "admin-key-12345")
    for paths, names in (
        (("/qwen3", "/qwen"), ("qwen3-0-6b-instruct", "qwen")),
        (("/granite",), ("granite-8b-code-instruct-128k", "granite")),
        (("/mistral",), ("mistral-7b-instruct", "mistral")),
    ):
        for path in paths:
            assert [model["id"] for model in client.json(f"{path}/v1/models")["data"]] == list(names)
            for name in names:
                for endpoint in ("/v1/chat/completions", "/chat/completions"):
                    answer = client.json(path + endpoint, chat(name))
                    assert answer["choices"][0]["message"]["content"]
                    assert answer["usage"]["total_tokens"] > 0
            assert client.status(f"{path}/v1/chat/completions", chat("nobody")) == 404
    for endpoint in ("/v1/embeddings", "/embeddings"):
        answer = client.json(f"/nomic{endpoint}", {"model": "nomic-embed", "input": ["one", "two"]})
        assert [len(item["embedding"]) > 10 for item in answer["data"]] == [True, True]


def test_only_known_keys_hosts_and_paths_are_let_through(deployed: Deployment) -> None:
    for model in ("qwen3", "qwen", "granite", "mistral", "nomic"):
        assert gateway(deployed).status(f"/{model}/v1/models") == 401
        assert gateway(deployed, "wrong").status(f"/{model}/v1/models") == 401
        assert gateway(deployed, "admin-key-12345", prefix="Bearer").status(f"/{model}/v1/models") == 401
    known = gateway(deployed, "admin-key-12345")
    assert [known.status(path) for path in ("/", "/v1/chat/completions", "/qwen3x/v1/models")] == [404] * 3
    assert gateway(deployed, "admin-key-12345", host="elsewhere.example.com").status("/qwen3/v1/models") == 403


NAMES = [
    *("qwen3-0-6b-instruct", "qwen", "granite-8b-code-instruct-128k", "granite"),
    *("mistral-7b-instruct", "mistral", "nomic-embed-text-v1-5", "nomic-embed"),
]


def test_the_gateway_lists_what_the_caller_may_use(deployed: Deployment) -> None:
    url = f"http://{gateway(deployed).address}/v1"
    # What a caller sends in the header that carries the list does not come back.
    headers = {"Host": "localhost", "Authorization": "APIKEY readonly-key-999", "x-maas-models": "mine"}
    with openai.OpenAI(base_url=url, api_key="unused", default_headers=headers, max_retries=0) as client:
        found = list(client.models.list())
    assert [model.id for model in found] == NAMES
    assert (found[0].owned_by, found[0].model_extra) == (
        "Qwen",
        {"root": "qwen3-0-6b-instruct", "base_path": "/qwen3/v1"},
    )
    assert gateway(deployed).status("/v1/models") == 401
    assert gateway(deployed, "readonly-key-999").status("/v1/models", {"model": "qwen"}) == 404
    client = newcomer(deployed, "user")
    assert [client.status("/v1/models") for _unused in range(61)] == [200] * 60 + [429]


def test_the_openai_client_works_and_streams(deployed: Deployment) -> None:
    headers = {"Host": "localhost", "Authorization": "APIKEY dev-key-67890"}
    url = f"http://{gateway(deployed).address}/qwen3/v1"
    with openai.OpenAI(base_url=url, api_key="unused", default_headers=headers, max_retries=0) as client:
        messages: Any = [{"role": "user", "content": "Hello"}]
        answer = client.chat.completions.create(model="qwen", messages=messages)
        assert answer.choices[0].message.content
        stream = client.chat.completions.create(model="qwen", messages=messages, stream=True)
        events = list(stream)
    assert [event.choices[0].delta.content for event in events if event.choices and event.choices[0].delta.content]
    # Nobody asked for it: the model's server is started to send it, so that no stream goes uncounted.
    assert events[-1].usage is not None


@pytest.mark.parametrize(
    ("path", "body", "limit"),
    [
        ("/granite/v1/chat/completions", chat("granite", 1), 100),
        ("/mistral/chat/completions", chat("mistral", 1), 50),
        ("/nomic/v1/embeddings", {"model": "nomic-embed", "input": "one"}, 200),
        ("/qwen3/v1/chat/completions", chat("qwen", 1), 150),
    ],
)
def test_each_user_has_the_requests_per_minute_of_the_table(
    deployed: Deployment, path: str, body: dict[str, Any], limit: int
) -> None:
    for group, allowed in (("developer", limit), ("user", limit // 2)):
        client = newcomer(deployed, group)
        found = [client.request(path, body) for _unused in range(allowed + 2)]
        assert [status for status, _text in found] == [200] * allowed + [429] * 2
        assert found[-1][1] == "Too Many Requests\n"
    assert newcomer(deployed, "user").status(path, body) == 200


def traffic(cluster: Deployment) -> None:
    """Something of all that the dashboards show: answers of each model, refusals, and requests over a limit."""
    client = newcomer(cluster, "user")
    for model in ("qwen", "granite", "mistral"):
        for body in (chat(model), {**chat(model), "stream": True}):
            assert client.status(f"/{model}/v1/chat/completions", body) == 200
    assert client.status("/nomic/v1/embeddings", {"model": "nomic-embed", "input": "one"}) == 200
    assert gateway(cluster, "wrong").status("/qwen/v1/models") == 401
    assert until(lambda: client.status("/mistral/v1/models"), 429) == 429


def test_prometheus_finds_every_target_up(deployed: Deployment) -> None:
    prometheus = Prometheus.of(deployed)
    wanted = {f"models llm/{model}-predictor 0" for model in MODELS}
    wanted |= {"limitador kuadrant-system/limitador-limitador 0", "istiod istio-system/istiod 0"}
    wanted |= {f"authorino kuadrant-system/authorino-controller-metrics {endpoint}" for endpoint in (0, 1)}
    wanted |= {"gateway llm/kuadrant-gateway-istio 0"}
    expected = dict.fromkeys(wanted, "up")
    assert until(prometheus.targets, expected, 90) == expected


def test_every_panel_of_the_dashboards_has_data_after_some_traffic(deployed: Deployment) -> None:
    prometheus = Prometheus.of(deployed)
    asked = [query for board in dashboards(deployed) for query in queries(board, SCRAPE_SECONDS)]
    assert len(asked) > 10
    began = time.monotonic()
    traffic(deployed)

    def without_data() -> list[str]:
        seconds = int(time.monotonic() - began) + 1
        empty = [query for query in asked if not prometheus.has_data(query, seconds, SCRAPE_SECONDS)]
        if empty:
            traffic(deployed)
        return [f"{query.panel}: {query.expression}" for query in empty]

    assert until(without_data, [], 60) == []


def test_a_forwarded_port_leads_to_prometheus(deployed: Deployment) -> None:
    names = ("prometheus", "gateway", "grafana", "minio")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    started = deployed.playbook("playbooks/port_forward.yml", state="start", maas_local_ports=ports)
    try:
        assert started.code == 0, started.output
        with urllib.request.urlopen(
            f"http://127.0.0.1:{ports['prometheus']}/api/v1/query?query=up", timeout=10
        ) as answer:
            assert len(json.load(answer)["data"]["result"]) > 5
    finally:
        deployed.playbook("playbooks/port_forward.yml", state="stop", maas_local_ports=ports)


def test_qwen_has_one_count_for_both_of_its_paths(deployed: Deployment) -> None:
    client = newcomer(deployed, "user")
    assert {client.status("/qwen3/v1/models") for _unused in range(75)} == {200}
    assert client.status("/qwen/v1/models") == 429


def test_each_group_may_do_what_its_row_says_and_no_more(deployed: Deployment) -> None:
    requests: list[tuple[str, Any]] = [
        ("/granite/v1/chat/completions", chat("granite", 1)),
        ("/nomic/embeddings", {"model": "nomic-embed", "input": "one"}),
        ("/granite/v1/models", None),
        ("/granite/metrics", None),
        ("/granite/version", None),
        ("/granite/v1/load_lora_adapter", {"lora_name": "mine", "lora_path": "/tmp"}),
    ]
    expected = {
        "dev-key-67890": [200, 200, 200, 200, 403, 403],
        "readonly-key-999": [403, 403, 200, 200, 403, 403],
        "wrong": [401] * 6,
    }
    found = {key: [gateway(deployed, key).status(*request) for request in requests] for key in expected}
    assert found == expected


TOKEN_TIERS = [
    {"name": "premium", "groups": ["admin", "user", "readonly"]},
    {"name": "scarce", "groups": ["developer"], "requests_factor": 20, "tokens": "100/h"},
]


def test_tokens_of_answers_and_streams_are_counted_for_those_that_a_limit_is_for(deployed: Deployment) -> None:
    run = deployed.playbook("site.yml", "--tags", "auth", maas_tiers=TOKEN_TIERS)
    assert run.code == 0, run.output
    path, scarce = "/granite/v1/chat/completions", newcomer(deployed, "developer")
    question = chat("granite", 20, "word " * 40)
    used = scarce.json(path, question)["usage"]["total_tokens"]
    time.sleep(0.5)
    used += scarce.events(path, question)[-1]["usage"]["total_tokens"]
    time.sleep(0.5)
    assert used < 200
    while used < 100:
        used += scarce.events(path, question)[-1]["usage"]["total_tokens"]
        time.sleep(0.5)
    assert scarce.status(path, question) == 429
    # Answers without usage are no matter of tokens, and other tiers have no such limit.
    assert scarce.status("/granite/v1/models") == 200
    assert newcomer(deployed, "user").status(path, question) == 200
    assert deployed.playbook("site.yml", "--tags", "auth").code == 0
    assert until(lambda: scarce.status(path, question), 200) == 200


def test_a_new_path_is_never_open_and_the_others_serve_on(deployed: Deployment) -> None:
    more = {"granite-8b-code-instruct-128k": ["/granite", "/new"]}
    models = [{**model, "paths": more.get(model["name"], model["paths"])} for model in CATALOGUE]
    stranger, known = gateway(deployed), newcomer(deployed, "readonly")
    seen: list[tuple[int, int]] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            seen.append((stranger.status("/new/v1/models"), known.status("/qwen3/metrics")))

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        run = deployed.playbook("site.yml", "--tags", "auth", maas_models=models)
        stop.set()
        watching.result()
    assert run.code == 0, run.output
    # Until the filter knows the path it lets everybody through, and the seal refuses, or the Gateway's policy does.
    statuses = [status for status, _other in seen]
    assert set(statuses) <= {404, 403, 401}
    assert statuses[-1] == 401
    # Of the model's 75 requests a minute some are refused as too many.
    assert {status for _other, status in seen} <= {200, 429}
    assert known.status("/new/v1/models") == 200
    assert deployed.playbook("site.yml", "--tags", "auth").code == 0
    assert until(lambda: known.status("/new/v1/models"), 404) == 404


@pytest.mark.parametrize("host", ["LOCALHOST", "LocalHost", "LOCALHOST:80"])
def test_a_host_in_capitals_is_served_by_the_same_policies(deployed: Deployment, host: str) -> None:
    for key, status in (("", 401), ("wrong", 401), ("dev-key-67890", 200)):
        assert gateway(deployed, key, host=host).status("/granite/v1/models") == status


def test_a_route_that_no_policy_admits_is_closed_unless_it_is_open_by_name(deployed: Deployment) -> None:
    """A foreign route with a policy that lets anybody in, which knows nothing of the seal."""
    backends = deployed.get("gateway.networking.k8s.io/v1", "httproutes", "llm", "granite-8b-code-instruct-128k")
    rule = backends["spec"]["rules"][-1]
    rule = {**rule, "matches": [{"path": {"type": "PathPrefix", "value": "/public"}}]}
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "public"}
    anybody = {"targetRef": target, "rules": {"authentication": {"anybody": {"anonymous": {}}}}}
    made = [
        ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", {**backends["spec"], "rules": [rule]}),
        ("kuadrant.io/v1", "AuthPolicy", "authpolicies", anybody),
    ]
    stranger = gateway(deployed)
    try:
        for api, kind, plural, spec in made:
            body = {"apiVersion": api, "kind": kind, "metadata": {"name": "public", "namespace": "llm"}, "spec": spec}
            deployed.kube.request("POST", f"/apis/{api}/namespaces/llm/{plural}", body=body)
        time.sleep(10)
        assert stranger.request("/public/v1/models") == (403, "RBAC: access denied")
        run = deployed.playbook("site.yml", "--tags", "istio", maas_verify_open_routes=["llm/public"])
        assert run.code == 0, run.output
        assert until(lambda: stranger.status("/public/v1/models"), 200) == 200
        assert stranger.status("/granite/v1/models") == 401
    finally:
        for api, _kind, plural, _spec in made:
            deployed.kube.request("DELETE", f"/apis/{api}/namespaces/llm/{plural}/public")
    assert deployed.playbook("site.yml", "--tags", "istio").code == 0


def test_a_failure_mode_that_somebody_opened_is_found(deployed: Deployment) -> None:
    operator = {"kind": "Deployment", "namespace": "kuadrant-system", "name": "kuadrant-operator-controller-manager"}
    name = "RATELIMIT_CHECK_SERVICE_FAILURE_MODE"
    container = {"name": "manager", "env": [{"name": name, "value": "allow"}]}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    path = f"/apis/apps/v1/namespaces/kuadrant-system/deployments/{operator['name']}"
    deployed.kube.request("PATCH", path, body=patch, content_type="application/strategic-merge-patch+json")
    configuration = "spec.configPatches[].patch.value.typed_config.value.config.configuration.value"
    rule = {"jmespath": f"{configuration} | [0] | contains(@, '\"allow\"')"}
    told = {"api_version": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "namespace": "llm"}
    told |= {"name": "kuadrant-kuadrant-gateway"}
    waited = deployed.module("resource_wait", resources=[{**told, "for": rule}], timeout=90)
    assert waited.code == 0, waited.output
    run = deployed.playbook("site.yml", "--tags", "auth")
    assert run.code != 0
    assert "does not say what was chosen for ratelimit-check-service" in " ".join(run.output.split())
    run = deployed.playbook("site.yml", "--tags", "kuadrant,auth")
    assert run.code == 0, run.output


def test_without_its_policy_a_route_is_denied_until_it_is_back(deployed: Deployment) -> None:
    client = gateway(deployed, "dev-key-67890")
    assert client.status("/mistral/v1/models") == 200
    deployed.kube.request("DELETE", "/apis/kuadrant.io/v1/namespaces/llm/authpolicies/mistral-7b-instruct")
    assert until(lambda: client.status("/mistral/v1/models"), 403) == 403
    run = deployed.playbook("site.yml", "--tags", "auth")
    assert run.code == 0, run.output
    assert until(lambda: client.status("/mistral/v1/models"), 200) == 200


def scaled(deployed: Deployment, path: str, replicas: int) -> None:
    deployed.kube.request(
        "PATCH", path, body={"spec": {"replicas": replicas}}, content_type="application/merge-patch+json"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/apis/operator.authorino.kuadrant.io/v1beta1/namespaces/kuadrant-system/authorinos/authorino",
        "/apis/limitador.kuadrant.io/v1alpha1/namespaces/kuadrant-system/limitadors/limitador",
    ],
)
def test_nothing_passes_while_a_deciding_component_is_stopped(deployed: Deployment, path: str) -> None:
    client = gateway(deployed, "dev-key-67890")
    assert client.status("/granite/v1/models") == 200
    scaled(deployed, path, 0)
    try:
        assert until(lambda: client.status("/granite/v1/models"), 500) == 500
    finally:
        scaled(deployed, path, 1)
    assert until(lambda: client.status("/granite/v1/models"), 200, 60) == 200


def gateway_pids(deployed: Deployment) -> set[int]:
    """The gateway's Envoy; the one that answers /v1/models has its configuration elsewhere."""
    return {pid for pid, line in deployed.processes().items() if "/envoy/envoy.json" in line}


def test_a_gateway_that_died_comes_back(deployed: Deployment) -> None:
    client = gateway(deployed, "dev-key-67890")
    (envoy,) = gateway_pids(deployed)
    os.kill(envoy, signal.SIGKILL)
    assert until(lambda: client.status("/granite/v1/models"), 0, 5) == 0
    assert until(lambda: client.status("/granite/v1/models"), 200) == 200
    assert gateway_pids(deployed) != {envoy}


def test_pages_of_the_chosen_origins_alone_may_call_from_a_browser(deployed: Deployment) -> None:
    page = "https://chat.example.com"
    run = deployed.playbook("site.yml", "--tags", "istio", maas_cors_origins=[page])
    assert run.code == 0, run.output
    stranger = gateway(deployed)
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    def asked(origin: str) -> tuple[int, str | None]:
        headers = {"Origin": origin, **preflight}
        return stranger.allowed_origin("OPTIONS", "/granite/v1/chat/completions", headers)

    assert until(lambda: asked(page), (200, page)) == (200, page)
    assert asked("https://elsewhere.example.com") == (401, None)
    # The refusal itself can be read by the page, and is still one.
    assert stranger.allowed_origin("POST", "/granite/v1/chat/completions", {"Origin": page}) == (401, page)
    assert deployed.playbook("site.yml", "--tags", "istio").code == 0
    assert until(lambda: asked(page), (401, None)) == (401, None)


def test_the_gateway_speaks_tls_with_a_certificate_of_its_issuer(deployed: Deployment) -> None:
    run = deployed.playbook("site.yml", "--tags", "istio,cert_manager,auth", maas_tls_enabled=True)
    assert run.code == 0, run.output
    secret = deployed.get("v1", "secrets", "llm", "kuadrant-gateway-tls")["data"]
    trusted = ssl.create_default_context(cadata=base64.b64decode(secret["ca.crt"]).decode())

    def status(key: str) -> int:
        try:
            return gateway(deployed, key, tls=trusted, port=443).request("/granite/v1/models")[0]
        except OSError:
            return 0

    assert until(lambda: status("dev-key-67890"), 200) == 200
    assert status("wrong") == 401
    # Nobody's key is taken in plain text.
    plain = gateway(deployed, "dev-key-67890")
    assert plain.answer("/granite/v1/models") == (301, "https://localhost/granite/v1/models")
    run = deployed.playbook("playbooks/verify.yml", maas_tls_enabled=True)
    assert run.code == 0, run.output
    assert "granite-8b-code-instruct-128k over http: redirect" in run.output
    assert "https with Strict-Transport-Security" in run.output
    run = deployed.playbook("site.yml", "--tags", "istio,auth", maas_tls_enabled=True, maas_plain_http="refuse")
    assert run.code == 0, run.output
    assert until(lambda: plain.status("/granite/v1/models"), 404) == 404
    run = deployed.playbook("playbooks/verify.yml", maas_tls_enabled=True, maas_plain_http="refuse")
    assert run.code == 0, run.output
    assert deployed.playbook("site.yml", "--tags", "istio,cert_manager,auth").code == 0
    # istiod's writes have taken the listeners from their owner.
    spec = deployed.get("gateway.networking.k8s.io/v1", "gateways", "llm", "kuadrant-gateway")["spec"]
    assert [listener["protocol"] for listener in spec["listeners"]] == ["HTTP"]
    assert until(lambda: gateway(deployed, "dev-key-67890").status("/granite/v1/models"), 200) == 200


def test_network_policies_let_the_needed_flows_through_and_no_other(deployed: Deployment) -> None:
    run = deployed.playbook("site.yml", "--tags", "network_policies", maas_network_policies=True)
    assert run.code == 0, run.output
    network = Network.of(deployed)
    closed = {item["metadata"]["namespace"] for item in network.policies if item["metadata"]["name"] == "default-deny"}
    assert closed == {item["metadata"]["namespace"] for item in network.pods} - {"default", "kube-system"}
    for webhook in sorted(webhook_services(deployed)):
        assert network.allows(None, *network.behind(*webhook)), webhook
    entry, prometheus = network.named("llm", "kuadrant-gateway"), network.named("llm-observability", "prometheus-maas")
    model, port = network.behind("llm", "qwen3-0-6b-instruct-predictor", 80)
    limitador = network.named("kuadrant-system", "limitador-limitador")
    redis = network.named("kuadrant-system", "redis")
    authorino = network.behind("kuadrant-system", "authorino-authorino-authorization", 50051)
    counting = network.behind("kuadrant-system", "limitador-limitador", "grpc")
    needed = [
        (None, entry, 80),
        (entry, *network.behind("istio-system", "istiod", 15012)),
        (entry, *authorino),
        (entry, *counting),
        (entry, *network.behind("kuadrant-system", "kuadrant-operator-wasm", 8082)),
        (entry, model, port),
        (limitador, redis, 6379),
        (model, *network.behind("minio-system", "minio", 9000)),
        (network.named("minio-system", "minio-bucket"), *network.behind("minio-system", "minio", 9000)),
        (prometheus, model, port),
        (prometheus, entry, 15020),
        (prometheus, *network.behind("istio-system", "istiod", 15014)),
        (prometheus, *network.behind("kuadrant-system", "limitador-limitador", 8080)),
        (prometheus, *network.behind("kuadrant-system", "authorino-controller-metrics", 8080)),
        (network.named("llm-observability", "grafana"), *network.behind("llm-observability", "prometheus", 9090)),
    ]
    assert [flow for flow in needed if not network.allows(*flow)] == []
    assert not network.allows(None, model, port)
    assert not network.allows(None, *authorino)
    assert not network.allows(model, *counting)
    assert not network.allows(entry, redis, 6379)
    assert not network.allows(network.named("llm-observability", "grafana"), redis, 6379)
    assert deployed.playbook("site.yml", "--tags", "network_policies").code == 0
    assert Network.of(deployed).policies == []


def test_nothing_of_kserves_configuration_was_dropped(deployed: Deployment) -> None:
    data = deployed.get("v1", "configmaps", "kserve", "inferenceservice-config")["data"]
    assert {"storageInitializer", "logger", "agent", "batcher", "credentials"} <= set(data)
    deploy, ingress = yaml.safe_load(data["deploy"]), yaml.safe_load(data["ingress"])
    assert deploy["defaultDeploymentMode"] == "RawDeployment"
    assert ingress["kserveIngressGateway"] == "llm/kuadrant-gateway"
    assert ingress["enableGatewayApi"] is True
    assert ingress["disableIngressCreation"] is True
    assert ingress["ingressGateway"]


def test_a_second_run_changes_and_writes_nothing_and_shows_no_secret(deployed: Deployment) -> None:
    secrets = [
        base64.b64decode(value).decode()
        for namespace, name in (
            ("kuadrant-system", "limitador-redis"),
            ("minio-system", "minio-root"),
            ("llm-observability", "grafana-admin"),
        )
        for key, value in deployed.get("v1", "secrets", namespace, name)["data"].items()
        if key != "user" or name == "minio-root"
    ]
    before = deployed.audit_size()
    run = deployed.playbook("site.yml", "-vvv", "--diff")
    assert run.code == 0, run.output
    assert run.recap()["changed"] == 0, run.output
    reviews = ("selfsubjectaccessreviews", "selfsubjectreviews")
    assert [write for write in deployed.writes(before) if not write.endswith(reviews)] == []
    for value in secrets:
        assert value not in run.output
        assert base64.b64encode(value.encode()).decode() not in run.output


def test_drift_is_mended(deployed: Deployment) -> None:
    path = "/apis/kuadrant.io/v1/namespaces/llm/ratelimitpolicies/mistral-7b-instruct"
    patch = {"spec": {"limits": {"requests-free": {"rates": [{"limit": 3, "window": "1h"}]}}}}
    deployed.kube.request("PATCH", path, body=patch, content_type="application/merge-patch+json")
    client = newcomer(deployed, "readonly")
    assert until(lambda: client.status("/mistral/v1/models"), 429) == 429
    run = deployed.playbook("site.yml", "--tags", "auth")
    assert run.code == 0, run.output
    assert run.recap()["changed"] == 1
    rates = deployed.kube.request("GET", path)["spec"]["limits"]["requests-free"]["rates"]
    assert {"limit": 25, "window": "1m"} in rates
    assert until(lambda: client.status("/mistral/v1/models"), 200) == 200


def restart(deployment: Deployment, namespace: str, name: str) -> None:
    """As kubectl rollout restart does, and wait for it."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    annotations = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    deployment.kube.request("PATCH", path, body=patch, content_type="application/merge-patch+json")
    target = {"api_version": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": name}
    waited = deployment.module("resource_wait", resources=[target], timeout=120)
    assert waited.code == 0, waited.output


def test_a_rollout_restart_restarts_the_process(deployed: Deployment) -> None:
    before = deployed.pids("kserve-manager")
    assert before
    restart(deployed, "kserve", "kserve-controller-manager")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        after = deployed.pids("kserve-manager")
        if after and not after & before:
            return
        time.sleep(0.5)
    pytest.fail(f"the process of the KServe controller is still {before}")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"maas_modles": []}, "did you mean maas_models?"),
        ({"maas_models": [{"name": "Bad"}]}, "maas_models[0] (Bad).name: use lower-case letters"),
        ({"maas_storage_class": "nope"}, "no storage class nope. It has: standard"),
        ({"__maas_minimum_kubernetes": {"Istio 9": "1.99"}}, "Too old for Istio 9: upgrade it to 1.99"),
        ({"maas_allow_weak_keys": False}, "maas_users[3].key: the key has fewer than 32 characters"),
        ({"maas_kubeconfig": "/nowhere/kubeconfig"}, "there is no file /nowhere/kubeconfig"),
        ({"maas_issuer": {"name": "a", "type": "ca"}}, "maas_issuer.ca_secret: is missing; the type ca needs it"),
        ({"maas_mirror": "tests/none"}, f"The mirror {CHECKOUT}/tests/none (maas_mirror) lacks gateway-api-v1.3.0"),
        ({"maas_tiers": [{"name": "a", "tokens": "9/day"}]}, "maas_tiers[0] (a).tokens: '9/day': Kuadrant has no unit"),
        ({"maas_users": [{"name": "u", "groups": ["x"]}]}, "maas_users[0] (u).groups[0]: 'x' is not in maas_groups"),
    ],
)
def test_mistakes_are_refused_before_anything_changes(
    deployed: Deployment, variables: dict[str, Any], message: str
) -> None:
    before = deployed.audit_size()
    run = deployed.playbook("site.yml", "--tags", "cert_manager", **variables)
    assert run.code != 0
    assert message in " ".join(run.output.split())
    assert [write for write in deployed.writes(before) if "selfsubject" not in write] == []


def test_missing_rights_are_named(deployed: Deployment, tmp_path: Path) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = deployed.kube.request("POST", path, body=request)["status"]["token"]
    config = yaml.safe_load(deployed.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    # It may look, so that the check of its rights is what fails.
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "default-may-look"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "looks"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    }
    rules = [{"apiGroups": ["", "storage.k8s.io"], "resources": ["nodes", "storageclasses"], "verbs": ["list"]}]
    role = {**binding, "kind": "ClusterRole", "metadata": {"name": "looks"}, "rules": rules}
    del role["roleRef"], role["subjects"]
    made = deployed.module("manifests", definitions=[role, binding])
    assert made.code == 0, made.output
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    run = deployed.playbook("site.yml", "--tags", "cert_manager", maas_kubeconfig=str(tmp_path / "kubeconfig"))
    assert run.code != 0
    assert "system:serviceaccount:default:default may not create namespaces" in " ".join(run.output.split())
    assert token not in run.output


def two_more_models() -> list[dict[str, Any]]:
    extra = {"storage_uri": "hf://Qwen/Qwen3-0.6B", "gpus": 3}
    return [*CATALOGUE, {**extra, "name": "big-one"}, {**extra, "name": "big-two"}]


def test_preflight_refuses_more_gpus_than_there_are(deployed: Deployment) -> None:
    run = deployed.playbook("site.yml", "--tags", "models", maas_models=two_more_models())
    assert run.code != 0
    assert "ask for 10 nvidia.com/gpu" in run.output
    assert deployed.get("serving.kserve.io/v1beta1", "inferenceservices", "llm", "big-one") is None


def test_models_without_room_fail_by_name_within_their_limit(deployed: Deployment) -> None:
    started = time.monotonic()
    run = deployed.playbook(
        "site.yml",
        "--tags",
        "models",
        maas_models=two_more_models(),
        maas_gpu_shortage="warn",
        maas_model_unschedulable_timeout=15,
    )
    assert run.code != 0
    assert time.monotonic() - started < 90
    assert "big-one" in run.output
    assert "Insufficient nvidia.com/gpu" in run.output
    assert deployed.playbook("site.yml", "--tags", "models").code == 0
    assert deployed.get("serving.kserve.io/v1beta1", "inferenceservices", "llm", "big-one") is None


DENIED = "401 Client Error: Unauthorized for url"
FAILURES = {
    "wrong-image": (
        {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "manifest unknown"}}}]},
        ["ImagePullBackOff", "manifest unknown"],
        90,
    ),
    "no-download": (
        {
            "initContainerStatuses": [
                {"restartCount": 1, "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": DENIED}}}
            ]
        },
        ["storage-initializer", "401", "last words of the download"],
        90,
    ),
    "out-of-memory": (
        {
            "containerStatuses": [
                {
                    "restartCount": 2,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                }
            ]
        },
        ["OOMKilled"],
        90,
    ),
    "no-runtime": ({}, ["RuntimeNotRecognized"], 90),
}


def service(name: str) -> dict[str, Any]:
    runtime = "nothing-of-this-name" if name == "no-runtime" else "kserve-huggingfaceserver"
    model = {"modelFormat": {"name": "huggingface"}, "runtime": runtime, "storageUri": "hf://example/model"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": "broken"},
        "spec": {"predictor": {"model": model}},
    }


def stage(name: str, status: dict[str, Any]) -> dict[str, Any]:
    """A KWOK stage that acts the failure on the Pods of one model."""
    full = {"phase": "Pending", **status}
    for field, container in (
        ("containerStatuses", "kserve-container"),
        ("initContainerStatuses", "storage-initializer"),
    ):
        for entry in full.get(field, []):
            entry.update({"name": container, "image": "x", "imageID": "", "ready": False})
            entry.setdefault("restartCount", 0)
    labels = {"serving.kserve.io/inferenceservice": name}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": f"fail-{name}"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchLabels": labels},
            "weight": 1,
            "next": {"statusTemplate": yaml.safe_dump(full)},
        },
    }


@pytest.fixture(scope="module")
def broken(deployed: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    logs: Path = tmp_path_factory.mktemp("logs") / "init.log"
    # As container runtimes write them: time, stream, whole line or part, text.
    lines = ("first words", "last words of the download")
    logs.write_text("".join(f"2026-01-01T00:00:00Z stderr F {line}\n" for line in lines))
    cluster_logs = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "broken"},
        "spec": {
            "selector": {"matchNamespaces": ["broken"]},
            "logs": [{"containers": ["storage-initializer"], "logsFile": str(logs)}],
        },
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "broken"}}
    stages = [stage(name, status) for name, (status, _words, _limit) in FAILURES.items() if status]
    run = deployed.module("manifests", definitions=[namespace, cluster_logs, *stages])
    assert run.code == 0, run.output
    run = deployed.module("manifests", definitions=[service(name) for name in FAILURES])
    assert run.code == 0, run.output
    return deployed


@pytest.mark.parametrize("name", FAILURES)
def test_a_broken_model_fails_the_wait_early_and_says_why(broken: Deployment, name: str) -> None:
    _status, words, limit = FAILURES[name]
    started = time.monotonic()
    run = broken.module("inference_service_wait", namespace="broken", names=[name], timeout=900)
    assert time.monotonic() - started < limit
    assert run.code != 0
    for word in [name, *words]:
        assert word in run.output, run.output


def test_an_object_bucket_claim_is_replaced(deployed: Deployment) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {
        "kind": "ObjectBucketClaim",
        "plural": "objectbucketclaims",
        "singular": "objectbucketclaim",
        "listKind": "ObjectBucketClaimList",
    }
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "objectbucketclaims.objectbucket.io"},
        "spec": {"group": "objectbucket.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    claim = {
        "apiVersion": "objectbucket.io/v1alpha1",
        "kind": "ObjectBucketClaim",
        "metadata": {"name": "models-claim", "namespace": "llm", "finalizers": ["objectbucket.io/finalizer"]},
        "spec": {"bucketName": "old-models"},
    }
    made = deployed.module("manifests", definitions=[crd, claim])
    assert made.code == 0, made.output
    run = deployed.playbook("site.yml", "--tags", "minio")
    assert run.code == 0, run.output
    assert deployed.get("objectbucket.io/v1alpha1", "objectbucketclaims", "llm") == []
    secret = deployed.get("v1", "secrets", "llm", "models-claim")
    assert base64.b64decode(secret["data"]["AWS_S3_BUCKET"]) == b"old-models"
    assert deployed.get("v1", "configmaps", "llm", "models-claim")["data"]["BUCKET_NAME"] == "old-models"
    assert deployed.playbook("site.yml", "--tags", "minio").recap()["changed"] == 0


def test_teardown_removes_what_the_site_made(deployed: Deployment, first_run: Run) -> None:
    run = deployed.playbook("playbooks/teardown.yml", maas_teardown_crds=True, maas_teardown_data=True)
    assert run.code == 0, run.output
    namespaces = {item["metadata"]["name"] for item in deployed.get("v1", "namespaces")}
    assert namespaces <= {"default", "kube-system", "kube-public", "kube-node-lease", "broken", "llmops-maas"}
    crds = deployed.get("apiextensions.k8s.io/v1", "customresourcedefinitions")
    assert {item["spec"]["group"] for item in crds} <= {"kwok.x-k8s.io", "objectbucket.io"}
    assert deployed.playbook("playbooks/teardown.yml", maas_teardown_crds=True).recap()["changed"] == 0
    # Only now: with the controllers gone, nothing could remove the finalizers of the broken models before their CRD.
    printed = pasted(deployed, ending(printed_commands(first_run), "teardown"))
    assert printed.code == 0, printed.output


def test_down_leaves_nothing_running(deployed: Deployment, first_run: Run) -> None:
    assert deployed.processes()
    run = pasted(deployed, ending(printed_commands(first_run), "down"))
    assert run.code == 0, run.output
    assert deployed.processes() == {}
    assert deployed.kubeconfig.exists()
    assert deployed.playbook("embedded/playbooks/down.yml", embedded_cluster_purge=True).code == 0
    assert not deployed.state.exists()
