# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verdict about a model, as time passes. The clock is a number that each test sets."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._models.inference_service import ModelView, judge
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import Limits
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import History, Verdict
from tests.support.model_objects import (
    POD,
    container,
    deployment,
    event,
    initializer,
    pod,
    ready_service,
    running,
    service,
    unschedulable,
    waiting,
)

LIMITS = Limits()
OLD = -100.0
"""When waits of these tests began, so that the short time in which nothing fails is over."""


class Model:
    """A model of which a test shows one state after the other."""

    def __init__(self, began: float = OLD) -> None:
        self.history = History(began=began)

    def at(self, now: float, *pods: dict[str, Any], **parts: Any) -> Verdict:
        view: dict[str, Any] = {"service": service(), "deployments": [deployment()], "pods": pods, **parts}
        return judge(ModelView(name="qwen", namespace="llm", **view), LIMITS, self.history, now)


def once(*pods: dict[str, Any], **parts: Any) -> Verdict:
    return Model().at(0, *pods, **parts)


DONE = {"deployments": [deployment(done=True)]}


# --- success --------------------------------------------------------------------------------------------------------


def test_ready_when_everything_holds() -> None:
    verdict = once(pod(running(ready=True)), service=ready_service(), **DONE)
    assert (verdict.state, verdict.url) == ("ready", "http://qwen.llm")


def test_observed_generation_of_the_service_is_that_of_the_deployment_and_does_not_count() -> None:
    assert once(service=ready_service(observedGeneration=1), **DONE).state == "ready"


def test_last_failure_is_never_cleared_and_does_not_count() -> None:
    stale = service(ready="True", transition="UpToDate", url="u", info={"reason": "ModelLoadFailed"})
    assert once(service=stale, **DONE).state == "ready"


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ({"observedGeneration": 2}, "pending"),
        ({"updatedReplicas": 1}, "pending"),
        ({"availableReplicas": 1}, "pending"),
        ({"availableReplicas": 3}, "pending"),
        ({"unavailableReplicas": 1}, "pending"),
    ],
)
def test_not_ready_while_the_deployment_rolls_although_ready_stays_true(status: dict[str, Any], phase: str) -> None:
    rolling = deployment(replicas=2, done=True, **status)
    verdict = once(service=ready_service(), deployments=[rolling])
    assert (verdict.state, verdict.phase) == ("progressing", phase)


@pytest.mark.parametrize(
    "incomplete",
    [
        service(),
        service(ready="False", transition="UpToDate", url="u"),
        service(ready="True", transition="InProgress", url="u"),
        service(ready="True", transition="UpToDate"),
        service(ready="True", url="u"),
    ],
)
def test_not_ready_before_the_status_is_complete(incomplete: dict[str, Any]) -> None:
    verdict = once(service=incomplete, **DONE)
    assert (verdict.state, verdict.phase) == ("progressing", "publishing")


def test_a_deployment_of_an_earlier_service_of_the_same_name_does_not_count() -> None:
    other = deployment(done=True)
    other["metadata"]["ownerReferences"] = [{"uid": "uid-of-the-deleted-one"}]
    verdict = once(service=ready_service(), deployments=[other])
    assert (verdict.state, verdict.reason) == ("progressing", "NoDeployment")


def test_other_components_must_be_rolled_out_too() -> None:
    transformer = deployment()
    transformer["metadata"]["name"] = "qwen-transformer"
    verdict = once(service=ready_service(), deployments=[deployment(done=True), transformer])
    assert verdict.state == "progressing"


def revised(value: str) -> dict[str, Any]:
    made = deployment(done=True)
    made["spec"]["template"]["metadata"]["annotations"]["llmops.maas/revision"] = value
    return made


def test_waits_until_kserve_has_carried_the_revision_over() -> None:
    asked = ready_service(predictor={"annotations": {"llmops.maas/revision": "b"}})
    assert once(service=asked, deployments=[revised("a")]).reason == "SpecNotRolledOut"
    assert once(service=asked, deployments=[revised("b")]).state == "ready"


def test_pods_of_the_revision_before_do_not_fail_the_wait() -> None:
    asked = ready_service(predictor={"annotations": {"llmops.maas/revision": "b"}})
    bad = pod(waiting("InvalidImageName"))
    assert once(bad, service=asked, deployments=[revised("a")]).state == "progressing"
    assert once(bad, service=asked, deployments=[{**revised("b"), "status": deployment()["status"]}]).state == "failed"


def test_no_replicas_wanted_is_told() -> None:
    verdict = once(service=ready_service(), deployments=[deployment(replicas=0, done=True)])
    assert (verdict.state, verdict.phase) == ("progressing", "stopped")


# --- rows of the table of failures ----------------------------------------------------------------------------------


def test_wrong_image_fails_at_the_third_failed_pull() -> None:
    model = Model()
    seen = []
    for now, reason in enumerate(["ErrImagePull", "ImagePullBackOff"] * 3):
        verdict = model.at(now, pod(waiting(reason, 'image "x" not found')))
        seen.append(verdict.state)
    assert seen == ["progressing"] * 4 + ["failed"] * 2
    assert (verdict.reason, verdict.pod, verdict.container) == ("ImagePullBackOff", POD, "kserve-container")
    assert "not found" in verdict.message


def test_wrong_image_fails_in_time_although_the_state_stands_still() -> None:
    model = Model()
    states = [model.at(now, pod(waiting("ImagePullBackOff"))).state for now in (0, 59, 60)]
    assert states == ["progressing", "progressing", "failed"]


def test_image_trouble_that_ends_is_forgotten() -> None:
    model = Model()
    model.at(0, pod(waiting("ImagePullBackOff")))
    assert model.at(30, pod(running())).phase == "loading"
    assert model.at(61, pod(waiting("ImagePullBackOff"))).state == "progressing"


def test_invalid_image_name_fails_at_once() -> None:
    assert once(pod(waiting("InvalidImageName"))).state == "failed"


def oom(**more: Any) -> dict[str, Any]:
    return {"exitCode": 137, "reason": "OOMKilled", **more}


def test_out_of_memory_fails_the_second_time() -> None:
    model = Model()
    assert model.at(0, pod(container(terminated=oom()))).state == "progressing"
    assert model.at(1, pod(waiting("CrashLoopBackOff", last=oom(), restarts=1))).state == "progressing"
    assert model.at(9, pod(running(last=oom(), restarts=1))).phase == "loading"
    second = model.at(90, pod(container(terminated=oom(), last=oom(), restarts=1)))
    assert (second.state, second.reason) == ("failed", "OOMKilled")
    assert "memory" in second.hint


def test_out_of_memory_counts_restarts_before_the_wait() -> None:
    verdict = once(pod(waiting("CrashLoopBackOff", last=oom(), restarts=2)))
    assert (verdict.state, verdict.previous_log) == ("failed", True)


def test_out_of_memory_in_the_initializer_fails_at_once() -> None:
    verdict = once(pod(inits=(initializer("", code=137, reason="OOMKilled"),)))
    assert (verdict.state, verdict.container) == ("failed", "storage-initializer")
    assert "storageInitializer" in verdict.hint


GATED = (
    "huggingface_hub.errors.GatedRepoError: 401 Client Error. Access to model mistralai/Mistral-7B-v0.3 is restricted"
)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (GATED, "ModelGated"),
        ("requests.HTTPError: 401 Client Error: Unauthorized for url: https://hf", "DownloadUnauthorized"),
        ("403 Client Error: Forbidden for url", "DownloadForbidden"),
        ("botocore: An error occurred (403) when calling the HeadObject operation: Forbidden", "DownloadForbidden"),
        ("RepositoryNotFoundError: 404 Client Error.", "ModelNotFound"),
        ("RuntimeError: Failed to fetch model. No model found in s3://models/qwen.", "ModelNotFound"),
        ("OSError: [Errno 28] No space left on device", "NoSpaceLeft"),
        ("Exception: Cannot recognize storage type for ftp://x", "InvalidStorageUri"),
    ],
)
def test_download_that_cannot_succeed_fails_at_once(message: str, reason: str) -> None:
    blocked = service(transition="BlockedByFailedLoad", ready="False")
    verdict = once(pod(waiting("PodInitializing"), inits=(initializer(message),)), service=blocked)
    assert (verdict.state, verdict.reason, verdict.container) == ("failed", reason, "storage-initializer")
    assert not verdict.previous_log


@pytest.mark.parametrize(
    "message",
    [
        "requests.HTTPError: 503 Server Error: Service Unavailable for url",
        "HfHubHTTPError: 429 Client Error: Too Many Requests",
        "requests.exceptions.ReadTimeout: HTTPSConnectionPool: Read timed out.",
        "urllib3.exceptions.MaxRetryError: Temporary failure in name resolution",
        "An error occurred (503) when calling the GetObject operation",
    ],
)
def test_download_that_may_succeed_is_tried_until_the_time_is_up(message: str) -> None:
    blocked = service(transition="BlockedByFailedLoad", ready="False")
    model = Model()
    for now in (0, 61, 890):
        crashed = initializer(message, restarts=9)
        verdict = model.at(now, pod(inits=(crashed,)), service=blocked)
        assert (verdict.state, verdict.phase) == ("progressing", "retrying")


def test_download_that_fails_without_a_known_word_is_tried_three_times() -> None:
    assert once(pod(inits=(initializer("Killed", restarts=2),))).state == "progressing"
    assert once(pod(inits=(initializer("Killed", restarts=3),))).state == "failed"


def test_download_that_is_being_tried_again_is_not_judged_by_the_last_try() -> None:
    again = container("storage-initializer", running={}, last={"exitCode": 1, "message": GATED}, restarts=1)
    verdict = once(pod(inits=(again,)))
    assert (verdict.state, verdict.phase) == ("progressing", "downloading")


def test_download_that_succeeded_in_the_end_is_no_trouble() -> None:
    done = container(
        "storage-initializer", terminated={"exitCode": 0}, last={"exitCode": 1, "message": GATED}, restarts=1
    )
    assert once(pod(running(), inits=(done,))).phase == "loading"


def test_no_gpu_fails_after_a_time_limit_of_its_own() -> None:
    model = Model()
    verdicts = [model.at(now, unschedulable()) for now in (0, 299, 300)]
    assert [verdict.state for verdict in verdicts] == ["progressing", "progressing", "failed"]
    assert verdicts[0].phase == "unschedulable"
    assert "Insufficient nvidia.com/gpu" in verdicts[2].message


def test_room_found_in_between_starts_the_time_limit_anew() -> None:
    model = Model()
    model.at(0, unschedulable())
    model.at(200, pod(running()))
    assert model.at(310, unschedulable()).state == "progressing"


@pytest.mark.parametrize("reason", ["RuntimeNotRecognized", "NoSupportingRuntime", "RuntimeDisabled"])
def test_missing_runtime_fails_after_a_short_grace(reason: str) -> None:
    invalid = service(
        ready="False", transition="InvalidSpec", info={"reason": reason, "message": "Waiting for runtime"}
    )
    model = Model()
    verdicts = [model.at(now, service=invalid, deployments=[]) for now in (0, 29, 30)]
    assert [verdict.state for verdict in verdicts] == ["progressing", "progressing", "failed"]
    assert verdicts[2].reason == reason
    assert "vllm-latest" in verdicts[2].message


def test_runtime_that_comes_in_time_is_no_failure() -> None:
    invalid = service(transition="InvalidSpec", info={"reason": "RuntimeNotRecognized"})
    model = Model()
    model.at(0, service=invalid, deployments=[])
    assert (
        model.at(31, service=service(transition="InProgress", info={"reason": "RuntimeNotRecognized"})).phase
        == "pending"
    )


def test_refused_pods_fail_after_a_short_grace() -> None:
    refusal = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: gpus"}
    model = Model()
    parts = {"deployments": [deployment(conditions=[refusal])]}
    verdicts = [model.at(now, **parts) for now in (0, 29, 30)]
    assert [verdict.state for verdict in verdicts] == ["progressing", "progressing", "failed"]
    assert (verdicts[2].reason, verdicts[2].message) == ("FailedCreate", "exceeded quota: gpus")


def test_missing_secret_fails_after_a_grace() -> None:
    model = Model()
    missing = pod(waiting("CreateContainerConfigError", 'secret "hf-token" not found'))
    verdicts = [model.at(now, missing) for now in (0, 59, 60)]
    assert [verdict.state for verdict in verdicts] == ["progressing", "progressing", "failed"]
    assert "hf-token" in verdicts[2].message


def test_missing_secret_fails_after_a_few_sightings() -> None:
    model = Model()
    states = [model.at(now, pod(waiting("CreateContainerConfigError", restarts=now))).state for now in range(3)]
    assert states == ["progressing", "progressing", "failed"]


def test_progress_deadline_is_a_warning_only() -> None:
    exceeded = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    slow = deployment(conditions=[exceeded])
    verdict = once(pod(inits=(container("storage-initializer", running={}),)), deployments=[slow])
    assert (verdict.state, verdict.phase) == ("progressing", "downloading")
    assert "progress deadline" in verdict.warnings[0]


# --- more failures --------------------------------------------------------------------------------------------------


def test_predictor_not_ready_is_no_failure() -> None:
    parts = [{"type": "PredictorReady", "status": "False", "reason": "MinimumReplicasUnavailable"}]
    model = Model()
    for now in (0, 500, 899):
        assert (
            model.at(now, pod(running()), service=service(transition="InProgress", conditions=parts)).state
            == "progressing"
        )


def crashed(restarts: int) -> dict[str, Any]:
    end = {"exitCode": 1, "reason": "Error", "message": "ValueError: bad\nunrecognized arguments: --foo"}
    return waiting("CrashLoopBackOff", last=end, restarts=restarts)


def test_crashing_server_fails_at_the_third_restart() -> None:
    model = Model()
    assert model.at(0, pod(crashed(2))).state == "progressing"
    verdict = model.at(5, pod(crashed(3)))
    assert (verdict.state, verdict.reason, verdict.previous_log) == ("failed", "CrashLoopBackOff", True)
    assert "unrecognized arguments: --foo" in verdict.message


def test_blocked_load_fails_when_no_pod_tells_more() -> None:
    info = {"reason": "ModelLoadFailed", "message": "cannot load", "exitCode": 137}
    model = Model()
    blocked = service(ready="False", transition="BlockedByFailedLoad", info=info)
    verdicts = [model.at(now, service=blocked) for now in (0, 59, 60)]
    assert [verdict.state for verdict in verdicts] == ["progressing", "progressing", "failed"]
    assert verdicts[2].message == "cannot load (exit code 137)"


def test_missing_service_fails_after_a_grace_with_names_nearby() -> None:
    model = Model()
    parts = {"service": None, "deployments": [], "names_nearby": ["qwen3", "granite"]}
    verdicts = [model.at(now, **parts) for now in (0, 29, 30)]
    assert [verdict.state for verdict in verdicts] == ["progressing", "progressing", "failed"]
    assert "qwen3" in verdicts[2].hint
    assert "granite" not in verdicts[2].hint


def test_service_that_is_being_deleted_counts_as_missing() -> None:
    leaving = ready_service(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert once(service=leaving, **DONE).phase == "missing"


def test_reconcile_error_without_deployment_fails_after_a_grace() -> None:
    complaint = event("InternalError", "StorageURI not supported", uid="isvc-uid", kind="Warning")
    model = Model()
    verdicts = [model.at(now, deployments=[], events=[complaint]) for now in (0, 30)]
    assert [verdict.state for verdict in verdicts] == ["progressing", "failed"]
    assert "StorageURI not supported" in verdicts[1].message


def test_serverless_mode_is_refused() -> None:
    assert once(service=service(deploymentMode="Serverless")).reason == "DeploymentModeNotSupported"


def test_nothing_fails_in_the_first_moment() -> None:
    model = Model(began=0)
    assert model.at(1.9, pod(waiting("InvalidImageName"))).state == "progressing"
    assert model.at(2.0, pod(waiting("InvalidImageName"))).state == "failed"


def test_pods_of_an_unobserved_deployment_do_not_fail_the_wait() -> None:
    unobserved = deployment(observedGeneration=2)
    assert once(pod(waiting("InvalidImageName")), deployments=[unobserved]).state == "progressing"


def test_only_the_newest_revision_of_pods_counts() -> None:
    old = pod(waiting("InvalidImageName"), name="old", labels={"app": "isvc.qwen-predictor", "pod-template-hash": "1"})
    new = pod(running(), created="2026-01-01T00:01:00Z")
    assert once(old, new).phase == "loading"


def test_leaving_pods_do_not_count() -> None:
    leaving = pod(waiting("InvalidImageName"), deletionTimestamp="2026-01-01T00:00:00Z")
    assert once(leaving).phase == "pending"


def test_a_failure_is_told_before_a_trouble_that_may_pass() -> None:
    verdict = once(unschedulable(), pod(waiting("InvalidImageName"), name="other"))
    assert (verdict.state, verdict.reason) == ("failed", "InvalidImageName")


# --- phases ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pods", "events", "phase"),
    [
        ([], [], "pending"),
        ([pod(scheduled={"status": "Unknown"})], [], "scheduling"),
        ([pod(waiting("ContainerCreating"))], [event("Pulling", 'Pulling image "vllm"')], "pulling"),
        ([pod(waiting("ContainerCreating"))], [event("Pulling"), event("Pulled", at="11")], "creating"),
        ([pod(inits=(container("storage-initializer", running={}),))], [], "downloading"),
        ([pod(inits=(container("other", running={}),))], [], "creating"),
        ([pod(running())], [], "loading"),
        ([pod(running(), inits=(container("istio-proxy", running={}),))], [], "loading"),
        ([pod(running(ready=True))], [], "rolling"),
        ([pod(running()), pod(waiting("ContainerCreating"), name="b")], [], "creating"),
    ],
)
def test_phases(pods: list[dict[str, Any]], events: list[dict[str, Any]], phase: str) -> None:
    verdict = once(*pods, events=events)
    assert (verdict.state, verdict.phase) == ("progressing", phase)


def test_failed_mount_is_told() -> None:
    told = event("FailedMount", 'secret "storage-config" not found', kind="Warning")
    assert "storage-config" in once(pod(waiting("ContainerCreating")), events=[told]).message


def test_history_survives_a_slice() -> None:
    model = Model()
    model.at(0, pod(waiting("ImagePullBackOff")))
    model.history = History.from_json(model.history.as_json())
    assert model.at(60, pod(waiting("ImagePullBackOff"))).state == "failed"


def test_a_failure_in_a_later_pod_is_told_first() -> None:
    two = (pod(waiting("ImagePullBackOff"), name="a"), pod(waiting("InvalidImageName"), name="b"))
    assert once(*two).pod == "b"


def test_an_old_complaint_does_not_fail_a_model_that_has_a_deployment() -> None:
    complaint = event("InternalError", "the object has been modified", uid="isvc-uid", kind="Warning")
    model = Model()
    assert [model.at(now, pod(running()), events=[complaint]).state for now in (0, 60)] == ["progressing"] * 2


def test_a_container_that_is_ready_again_is_no_trouble() -> None:
    crash = {"exitCode": 1, "reason": "Error"}
    again = container("sidecar", running={}, ready=True, last=crash, restarts=5)
    stopped = container(terminated=crash, restarts=3)
    assert once(pod(again, running())).state == "progressing"
    assert once(pod(again, running())).reason == "Loading"
    assert not once(pod(stopped)).previous_log
    assert not once(pod(container(terminated=crash, last=crash, restarts=3))).previous_log
