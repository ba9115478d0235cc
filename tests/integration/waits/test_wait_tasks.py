# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait modules as tasks of a playbook: progress, results, failures, check mode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from test_waits import end, listable, until

from tests.support.api_server import ApiServer
from tests.support.models import Model, container_status, install_crd

APPS = "/apis/apps/v1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    cluster = ApiServer(tmp_path_factory.mktemp("tasks"))
    try:
        cluster.start()
        install_crd(cluster)
        until(lambda: listable(cluster), "the CRD is served")
        yield cluster
    finally:
        end(cluster)


@pytest.fixture
def namespace(server: ApiServer, request: pytest.FixtureRequest) -> str:
    name = request.node.name.lower().replace("_", "-")[:63].strip("-")
    server.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


class Task:
    """A playbook with one task; ``result`` is what the task returned, ``err`` what was shown beside it."""

    extra_environment: ClassVar[dict[str, str]] = {}

    def __init__(
        self, directory: Path, server: ApiServer, module: str, options: dict[str, Any], *arguments: str
    ) -> None:
        result = directory / "result.json"
        play = {
            "hosts": "node1",
            "gather_facts": False,
            "module_defaults": {"group/llmops.maas.maas": {"kubeconfig": str(server.kubeconfig)}},
            "tasks": [
                {f"llmops.maas.{module}": options, "register": "answer", "ignore_errors": True},
                {
                    "ansible.builtin.copy": {"content": "{{ answer | to_json }}", "dest": str(result)},
                    "check_mode": False,
                },
            ],
        }
        (directory / "play.yml").write_text(json.dumps([play]))
        # A host of its own name and remote directory: nothing may rely on the module running where the playbook does.
        inventory = f"node1 ansible_connection=local ansible_python_interpreter={sys.executable}\n"
        (directory / "hosts").write_text(inventory)
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), "-i", str(directory / "hosts"), str(directory / "play.yml"), *arguments]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWX_", "K8S_AUTH_"))}
        environment.update(ANSIBLE_HOME=str(directory / "ansible"), ANSIBLE_NOCOLOR="1", **self.extra_environment)
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        self.out, self.err = run.stdout, run.stderr
        assert run.returncode == 0, self.out + self.err
        self.result: dict[str, Any] = json.loads(result.read_text())


class RunnerTask(Task):
    extra_environment: ClassVar[dict[str, str]] = {"AWX_ISOLATED_DATA_DIR": "/nonexistent"}


def later(seconds: float, *actions: Any) -> threading.Thread:
    def act() -> None:
        for action in actions:
            time.sleep(seconds)
            action()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_models_become_ready_and_progress_is_shown(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    model = Model(server, "qwen", namespace).create().deploy()
    ready = Model(server, "granite", namespace).create().deploy().roll_out()
    ready.finish()
    loading = [container_status("storage-initializer", running={})]
    writer = later(4.0, lambda: model.pod_status(initContainerStatuses=loading), lambda: model.roll_out().finish())
    task = Task(tmp_path, server, "inference_service_wait", {"namespace": namespace, "names": ["qwen", "granite"]})
    writer.join()
    assert not task.result["failed"]
    assert not task.result["changed"]
    assert [(row["name"], row["ready"]) for row in task.result["services"]] == [("qwen", True), ("granite", True)]
    assert task.result["services"][0]["url"] == "http://qwen.example"
    assert 6 <= task.result["services"][0]["seconds"] <= 30
    assert not {"resume", "finished", "troubles"} & set(task.result)
    assert "[node1]   1/2 ready" in task.err
    assert "qwen: downloading" in task.err
    assert "ready after" not in task.out


def test_progress_is_not_shown_to_programs(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    model = Model(server, "qwen", namespace).create().deploy()
    writer = later(5.0, lambda: model.roll_out().finish())
    task = RunnerTask(tmp_path, server, "inference_service_wait", {"namespace": namespace, "names": ["qwen"]})
    writer.join()
    assert task.result["services"][0]["ready"]
    assert "ready after" not in task.err


def test_failure_names_model_pod_reason_and_remedy(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    model = Model(server, "qwen", namespace).create().deploy()
    Model(server, "granite", namespace).create().deploy()
    gated = "GatedRepoError: 401 Client Error. Access to model is restricted"
    end_state = {"exitCode": 1, "reason": "Error", "message": gated}
    model.pod_status(initContainerStatuses=[container_status("storage-initializer", terminated=end_state)])
    task = Task(tmp_path, server, "inference_service_wait", {"namespace": namespace, "names": ["qwen", "granite"]})
    message = task.result["msg"]
    assert task.result["failed"]
    assert "2 of 2 InferenceServices" in message
    for part in (
        "qwen: failed: ModelGated",
        model.pod_name,
        "storage-initializer",
        gated,
        "licence",
        "granite: scheduling",
    ):
        assert part in message, message
    assert [row["failed"] for row in task.result["services"]] == [True, False]


def test_missing_model_fails_soon_with_names_nearby(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    Model(server, "granite-8b", namespace).create()
    options = {"namespace": namespace, "names": ["granite-8"], "missing_grace": 2}
    task = Task(tmp_path, server, "inference_service_wait", options)
    assert "granite-8b" in task.result["msg"]
    assert task.result["seconds"] < 20


def test_time_limit_tells_how_far_it_came(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    Model(server, "qwen", namespace).create().deploy()
    task = Task(tmp_path, server, "inference_service_wait", {"namespace": namespace, "names": ["qwen"], "timeout": 4})
    assert "the time is up" in task.result["msg"]
    assert not task.result["services"][0]["failed"]


def test_check_mode_does_not_wait(server: ApiServer, tmp_path: Path) -> None:
    task = Task(tmp_path, server, "inference_service_wait", {"namespace": "none", "names": ["qwen"]}, "--check")
    assert task.result["skipped"]
    assert "not waited for InferenceServices qwen" in task.result["msg"]
    assert task.result["unchecked"][0]["items"] == ["InferenceService qwen"]
    options = {"resources": [{"kind": "Widget", "api_version": "x/v1", "name": "w", "for": "exists"}]}
    task = Task(tmp_path, server, "resource_wait", options, "--check")
    assert "not waited for Widget w" in task.result["msg"]


def test_resources_of_several_kinds(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    model = Model(server, "istiod", namespace).create().deploy()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cert"},
        "stringData": {"tls.crt": "TOPSECRET"},
    }

    def create_secret() -> None:
        server.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)

    writer = later(3.0, create_secret, model.roll_out)
    crd = {"api_version": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    resources = [
        {"kind": "Secret", "name": "cert", "namespace": namespace, "keys": ["tls.crt"]},
        {"api_version": "apps/v1", "kind": "Deployment", "name": "istiod-predictor", "namespace": namespace},
        {**crd, "name": "inferenceservices.serving.kserve.io"},
        {"kind": "Namespace", "name": namespace, "for": {"jmespath": "status.phase", "value": "Active"}},
        {"kind": "ConfigMap", "name": "gone", "namespace": namespace, "for": "deleted"},
        {"api_version": "nowhere/v1", "kind": "Thing", "name": "x", "for": "deleted"},
    ]
    task = Task(tmp_path, server, "resource_wait", {"resources": resources}, "-vvv")
    writer.join()
    assert [row["ready"] for row in task.result["resources"]] == [True] * 6
    assert "Deployment istiod-predictor: waiting" in task.err
    assert "TOPSECRET" not in task.out + task.err
    assert "VE9QU0VDUkVU" not in task.out + task.err


def test_workload_that_does_not_roll_out_is_explained_by_its_pods(
    server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    model = Model(server, "web", namespace).create().deploy()
    broken = container_status("kserve-container", waiting={"reason": "ImagePullBackOff", "message": "no such tag"})
    model.pod_status(containerStatuses=[broken])
    resource = {"api_version": "apps/v1", "kind": "Deployment", "name": "web-predictor", "namespace": namespace}
    task = Task(tmp_path, server, "resource_wait", {"resources": [resource], "timeout": 2})
    assert "ImagePullBackOff" in task.result["msg"]
    assert "no such tag" in task.result["msg"]
    assert task.result["resources"][0]["reason"] == "RollingOut"


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({"api_version": "x/v1", "kind": "Thing", "name": "a"}, "say what to wait for"),
        ({"kind": "Secret", "name": "a"}, "'namespace' is missing"),
        ({"kind": "Secret", "name": "a", "namespace": "b", "for": "ready"}, "write 'exists'"),
        ({"api_version": "x/v1", "kind": "Thing", "name": "a", "for": "exists"}, "no kind Thing"),
        ({"kind": "Pod", "name": "a", "namespace": "b", "for": {"jmespath": "a["}}, "JMESPath cannot read"),
    ],
    ids=["rule", "namespace", "form", "kind", "expression"],
)
def test_mistakes_are_explained(server: ApiServer, tmp_path: Path, resource: dict[str, Any], words: str) -> None:
    task = Task(tmp_path, server, "resource_wait", {"resources": [resource]})
    assert words in task.result["msg"], task.result["msg"]
