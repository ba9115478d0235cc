# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml on the embedded cluster, with the real controllers: the tests run in order, on one deployment."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployment import CHECKOUT, Deployment, Run, authorino_status, conditions, platform

MODELS = ["granite-8b-code-instruct-128k", "mistral-7b-instruct", "nomic-embed-text-v1-5", "qwen3-0-6b-instruct"]
SEED_KEYS = ["admin-key-12345", "dev-key-67890", "user-key-abcdef", "readonly-key-999"]
CATALOGUE = yaml.safe_load((CHECKOUT / "inventories/embedded/group_vars/all/models.yml").read_text())["maas_models"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Deployment]:
    yield from platform()


@pytest.fixture(scope="module")
def first_run(cluster: Deployment) -> Run:
    run = cluster.playbook("site.yml")
    assert run.code == 0, run.output
    return run


@pytest.fixture(scope="module")
def deployed(cluster: Deployment, first_run: Run) -> Deployment:
    return cluster


def test_check_mode_works_on_an_empty_cluster(cluster: Deployment) -> None:
    up = cluster.playbook("playbooks/embedded_up.yml")
    assert up.code == 0, up.output
    before = cluster.audit_size()
    run = cluster.playbook("site.yml", "--check", "--diff")
    assert run.code == 0, run.output
    assert run.recap()["changed"] > 0
    assert not [write for write in cluster.writes(before) if "dryRun=All" not in write and "selfsubject" not in write]
    for key in SEED_KEYS:
        assert key not in run.output
        assert base64.b64encode(key.encode()).decode() not in run.output


def test_the_first_run_succeeds_and_sums_up(first_run: Run) -> None:
    assert first_run.recap()["failed"] == 0
    lines = [line.strip(" -'\"") for line in first_run.output.splitlines()]
    for model in MODELS:
        assert [line for line in lines if line.startswith(model) and " Ready" in line], model
    assert "admin, developer, user, readonly" in first_run.output


def test_kserve_found_all_models_ready(deployed: Deployment) -> None:
    services = deployed.get("serving.kserve.io/v1beta1", "inferenceservices", "llm")
    assert sorted(service["metadata"]["name"] for service in services) == MODELS
    for service in services:
        assert conditions(service)["Ready"] == "True"
        assert service["status"]["modelStatus"]["transitionStatus"] == "UpToDate"


def test_kuadrant_enforces_a_policy_of_each_kind_on_each_route(deployed: Deployment) -> None:
    kuadrant = deployed.get("kuadrant.io/v1beta1", "kuadrants", "kuadrant-system", "kuadrant")
    assert conditions(kuadrant)["Ready"] == "True"
    for plural in ("authpolicies", "ratelimitpolicies"):
        for model in MODELS:
            found = conditions(deployed.get("kuadrant.io/v1", plural, "llm", model))
            assert (found["Accepted"], found["Enforced"]) == ("True", "True"), (plural, model)
    deny = deployed.get("kuadrant.io/v1", "authpolicies", "llm", "kuadrant-gateway-deny")
    assert conditions(deny)["Accepted"] == "True"


def test_limits_of_the_policies_reached_limitador(deployed: Deployment) -> None:
    limitador = deployed.get("limitador.kuadrant.io/v1alpha1", "limitadors", "kuadrant-system", "limitador")
    found = {(limit["max_value"], limit["seconds"]) for limit in limitador["spec"]["limits"]}
    per_minute, per_hour = {150, 100, 50, 200}, {1500, 1000, 500, 2000}
    assert found == {(limit, 60) for limit in per_minute} | {(limit, 3600) for limit in per_hour}


def test_authorino_knows_the_seed_keys_and_no_other(deployed: Deployment) -> None:
    configs = deployed.get("authorino.kuadrant.io/v1beta3", "authconfigs", "kuadrant-system")
    hosts = [host for config in configs for host in config["spec"]["hosts"]]
    assert hosts
    for host in hosts:
        assert [authorino_status(deployed, host, f"APIKEY {key}") for key in SEED_KEYS] == [200] * 4
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
    patch = {"spec": {"limits": {"requests-per-user": {"rates": [{"limit": 9999, "window": "1m"}]}}}}
    deployed.kube.request("PATCH", path, body=patch, content_type="application/merge-patch+json")
    run = deployed.playbook("site.yml", "--tags", "auth")
    assert run.code == 0, run.output
    assert run.recap()["changed"] == 1
    rates = deployed.kube.request("GET", path)["spec"]["limits"]["requests-per-user"]["rates"]
    assert {"limit": 50, "window": "1m"} in rates


def test_a_rollout_restart_restarts_the_process(deployed: Deployment) -> None:
    path = "/apis/apps/v1/namespaces/kserve/deployments/kserve-controller-manager"
    before = deployed.pids("kserve-manager")
    assert before
    annotations = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    deployed.kube.request("PATCH", path, body=patch, content_type="application/merge-patch+json")
    controller = {"kind": "Deployment", "namespace": "kserve", "name": "kserve-controller-manager"}
    waited = deployed.module("resource_wait", resources=[{"api_version": "apps/v1", **controller}], timeout=120)
    assert waited.code == 0, waited.output
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
        ({"maas_minimum_kubernetes": {"Istio 9": "1.99"}}, "Too old for Istio 9: upgrade it to 1.99"),
        ({"maas_allow_weak_keys": False}, "the keys of admin, developer, user, readonly have fewer than 32"),
        ({"maas_kubeconfig": "/nowhere/kubeconfig"}, "there is no file /nowhere/kubeconfig"),
        ({"maas_issuer": {"name": "a", "type": "ca"}}, "the type ca needs ca_secret"),
        ({"maas_mirror": "tests/none"}, f"The mirror {CHECKOUT}/tests/none (maas_mirror) lacks gateway-api-v1.3.0"),
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
    extra = {"storage_uri": "hf://Qwen/Qwen3-0.6B", "gpus": 1}
    return [*CATALOGUE, {**extra, "name": "big-one"}, {**extra, "name": "big-two"}]


def test_preflight_refuses_more_gpus_than_there_are(deployed: Deployment) -> None:
    run = deployed.playbook("site.yml", "--tags", "models", maas_models=two_more_models())
    assert run.code != 0
    assert "ask for 6 nvidia.com/gpu" in run.output
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


def test_teardown_removes_what_the_site_made(deployed: Deployment) -> None:
    run = deployed.playbook("playbooks/teardown.yml", maas_teardown_crds=True, maas_teardown_data=True)
    assert run.code == 0, run.output
    namespaces = {item["metadata"]["name"] for item in deployed.get("v1", "namespaces")}
    assert namespaces <= {"default", "kube-system", "kube-public", "kube-node-lease", "broken", "llmops-maas"}
    crds = deployed.get("apiextensions.k8s.io/v1", "customresourcedefinitions")
    assert {item["spec"]["group"] for item in crds} <= {"kwok.x-k8s.io", "objectbucket.io"}
    assert deployed.playbook("playbooks/teardown.yml", maas_teardown_crds=True).recap()["changed"] == 0


def test_down_leaves_nothing_running(deployed: Deployment) -> None:
    assert deployed.processes()
    run = deployed.playbook("playbooks/embedded_down.yml")
    assert run.code == 0, run.output
    assert deployed.processes() == {}
    assert deployed.kubeconfig.exists()
    assert deployed.playbook("playbooks/embedded_down.yml", maas_embedded_purge=True).code == 0
    assert not deployed.state.exists()
