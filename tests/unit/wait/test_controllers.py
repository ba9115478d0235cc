# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a wait is given up because the controller of an object cannot act, and when it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError
from ansible_collections.llmops.maas.plugins.module_utils._models.watch import ModelJudge, Selection
from ansible_collections.llmops.maas.plugins.module_utils._wait.attention import unnoticed
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_health import (
    LIMITS,
    Fault,
    Running,
    fault_of,
    silent,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_watch import DEPLOYMENTS, PAGE, Controllers
from ansible_collections.llmops.maas.plugins.module_utils._wait.controllers import (
    CAINJECTOR,
    CERT_MANAGER,
    DNS_OPERATOR,
    ISTIOD,
    KSERVE,
    KUADRANT,
    PROMETHEUS,
    Controller,
    controller_of,
    makers_of,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.criteria import criterion_for
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import Limits, Observation
from ansible_collections.llmops.maas.plugins.module_utils._wait.resource_watch import (
    ResourceJudge,
    WantedResource,
    source_name,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import History, Verdict
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Store
from tests.support.model_objects import event, service

Thing = dict[str, Any]
MONITORING = "monitoring.coreos.com/v1"
LABELS = {"app.kubernetes.io/name": "prometheus-operator"}
EPOCH = "1970-01-01T00:00:00Z"


def thing(kind: str, name: str, namespace: str = "llm", api_version: str = MONITORING, **more: Any) -> Thing:
    metadata = {"name": name, "namespace": namespace, "generation": 2, **more.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def operator(ready: int = 0, replicas: int = 1, *conditions: Thing, name: str = "prometheus-operator") -> Thing:
    template = {"spec": {"containers": [{"image": "quay.io/prometheus-operator/prometheus-operator:v0.92.1"}]}}
    return thing(
        "Deployment",
        name,
        "monitoring",
        "apps/v1",
        spec={"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template},
        status={"readyReplicas": ready, "conditions": list(conditions)},
    )


def pod(name: str = "prometheus-operator-1", restarts: int = 0, **state: Any) -> Thing:
    status: Thing = {"name": "operator", "ready": False, "restartCount": restarts, "state": state}
    if restarts:
        status["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error", "message": "no such flag"}}
    return thing(
        "Pod",
        name,
        "monitoring",
        "v1",
        metadata={"labels": {**LABELS, "pod-template-hash": "1"}, "creationTimestamp": "2026-11-26T00:00:00Z"},
        status={"conditions": [{"type": "PodScheduled", "status": "True"}], "containerStatuses": [status]},
    )


ROLLING = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
ROLLED_OUT = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
CREATING = {"waiting": {"reason": "ContainerCreating"}}
CRASHING = {"waiting": {"reason": "CrashLoopBackOff"}}
BACKING_OFF = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}


# --- has anybody noticed it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (thing("Prometheus", "p"), "it has no status"),
        (thing("Prometheus", "p", status={"conditions": []}), "it has no status"),
        (thing("Prometheus", "p", status={"replicas": 0}), ""),
        (thing("Kuadrant", "k", status={"observedGeneration": 1}), "its status is of an older generation"),
        (thing("Kuadrant", "k", status={"observedGeneration": 2}), ""),
        (
            thing("Certificate", "c", status={"conditions": [{"type": "Ready", "observedGeneration": 1}]}),
            "its status is of an older generation",
        ),
        (
            thing(
                "Certificate",
                "c",
                status={"conditions": [{"type": "Issuing", "observedGeneration": 2}, {"observedGeneration": 1}]},
            ),
            "",
        ),
        (
            thing("Gateway", "g", status={"conditions": [{"type": "Accepted", "lastTransitionTime": EPOCH}]}),
            "it has no status",
        ),
        (thing("HTTPRoute", "r", status={"parents": []}), "it has no status"),
        (
            thing("HTTPRoute", "r", status={"parents": [{"conditions": [{"type": "kuadrant.io/AuthPolicyAffected"}]}]}),
            "it has no status",
        ),
        (thing("HTTPRoute", "r", status={"parents": [{"conditions": [{"type": "Accepted"}]}]}), ""),
        (
            thing(
                "HTTPRoute", "r", status={"parents": [{"conditions": [{"type": "Accepted", "observedGeneration": 1}]}]}
            ),
            "its status is of an older generation",
        ),
        (
            {"webhooks": [{"name": "w", "clientConfig": {"service": {"name": "s"}}}]},
            "caBundle is not set for w",
        ),
        ({"webhooks": [{"name": "w", "clientConfig": {"service": {"name": "s"}, "caBundle": "QQ=="}}]}, ""),
    ],
)
def test_what_shows_that_nothing_has_noticed_an_object(item: Thing, words: str) -> None:
    assert unnoticed(item) == words


# --- whose is it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api_version", "kind", "controller"),
    [
        (MONITORING, "Prometheus", PROMETHEUS),
        ("cert-manager.io/v1", "ClusterIssuer", CERT_MANAGER),
        ("kuadrant.io/v1alpha1", "TokenRateLimitPolicy", KUADRANT),
        ("kuadrant.io/v1alpha1", "DNSRecord", DNS_OPERATOR),
        ("apps/v1", "Deployment", None),
        ("v1", "Secret", None),
        ("example.com/v1", "Thing", None),
    ],
)
def test_controllers_of_kinds(api_version: str, kind: str, controller: Controller | None) -> None:
    assert controller_of(api_version, kind, thing(kind, "x", api_version=api_version)) is controller


def test_webhooks_are_those_of_cainjector_only_when_they_say_so() -> None:
    api_version, kind = "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"
    injected = thing(kind, "w", metadata={"annotations": {"cert-manager.io/inject-ca-from": "kserve/cert"}})
    assert controller_of(api_version, kind, injected) is CAINJECTOR
    assert controller_of(api_version, kind, thing(kind, "w")) is None


@pytest.mark.parametrize(
    ("name", "image", "runs"),
    [
        ("prometheus-operator", "x", True),
        ("monitoring-stack", "registry:5000/mirror/prometheus-operator:v1", True),
        ("monitoring-stack", "quay.io/prometheus-operator/prometheus-operator@sha256:0123", True),
        ("monitoring-stack", "quay.io/prometheus-operator/admission-webhook:v1", False),
        ("grafana", "docker.io/grafana/grafana", False),
    ],
)
def test_a_controller_is_known_by_its_name_or_its_image(name: str, image: str, runs: bool) -> None:
    deployment = {"metadata": {"name": name}, "spec": {"template": {"spec": {"containers": [{"image": image}]}}}}
    assert PROMETHEUS.is_run_by(deployment) is runs


def test_revisions_of_istio_are_istio() -> None:
    assert ISTIOD.is_run_by({"metadata": {"name": "istiod-1-26-2"}, "spec": {}})


@pytest.mark.parametrize(
    ("kind", "name", "made_from"),
    [
        ("StatefulSet", "prometheus-maas", [("Prometheus", "maas")]),
        ("StatefulSet", "prometheus-", []),
        ("StatefulSet", "redis", []),
        (
            "Deployment",
            "kuadrant-gateway-istio",
            [("Gateway", "kuadrant-gateway"), ("Authorino", "kuadrant-gateway-istio")],
        ),
        ("Deployment", "qwen-predictor", [("InferenceService", "qwen"), ("Authorino", "qwen-predictor")]),
        ("Secret", "tls", [("Certificate", "tls")]),
        ("ConfigMap", "x", []),
    ],
)
def test_what_an_object_is_made_from(kind: str, name: str, made_from: list[tuple[str, str]]) -> None:
    assert [(maker.made_from, source) for maker, source in makers_of(kind, name)] == made_from


# --- can it act -----------------------------------------------------------------------------------------------------


def looked(times: tuple[float, ...], *found: Running, history: History | None = None) -> list[Fault | None]:
    """The fault at each of the times."""
    history = history or History(began=0)
    faults = []
    for now in times:
        faults.append(fault_of(PROMETHEUS, found, Observation(LIMITS, history, now)))
        history.close_round()
    return faults


def test_a_controller_with_a_ready_pod_has_no_fault() -> None:
    assert looked((0, 1000), Running(operator(0)), Running(operator(1))) == [None, None]


def test_a_missing_controller_is_missing_for_two_looks() -> None:
    first, second = looked((0, 5))
    assert first is None
    assert second is not None
    assert second.reason == "ControllerMissing"
    assert f"{second.subject} {second.predicate}" == "Deployment prometheus-operator exists in no namespace"


@pytest.mark.parametrize(
    ("running", "seconds", "why"),
    [
        (Running(operator(0, 0)), 5, "asks for no replicas"),
        (Running(operator(0)), 5, "0 of 1: it has no Pods"),
        (Running(operator(0, 1, STUCK), [pod(**CREATING)]), 120, "0 of 1: container operator waits: ContainerCreating"),
        (Running(operator(0, 1, ROLLED_OUT), [pod(running={})]), 120, "runs and is not Ready yet"),
        (Running(operator(0, 1, ROLLING), [pod(restarts=3, **CRASHING)]), 0, "exit code 1 (Error): no such flag"),
        (Running(operator(0, 1, ROLLING), [pod(**BACKING_OFF)]), 30, "waits: ImagePullBackOff (not found)"),
        (
            Running(operator(0, 1, ROLLING), [pod(waiting={"reason": "InvalidImageName", "message": "bad"})]),
            0,
            "waits: InvalidImageName (bad)",
        ),
        (
            Running(
                operator(0, 1, {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}, ROLLING), []
            ),
            30,
            "0 of 1: exceeded quota",
        ),
    ],
)
def test_what_keeps_a_controller_from_being_ready(running: Running, seconds: float, why: str) -> None:
    faults = looked((0, seconds - 0.1, seconds) if seconds else (0,), running)
    assert not any(faults[:-1])
    last = faults[-1]
    assert last is not None
    assert last.reason == "ControllerNotReady"
    assert last.subject == "Deployment monitoring/prometheus-operator"
    assert why in last.predicate
    assert "kubectl -n monitoring" in last.hint


@pytest.mark.parametrize(
    "pods",
    [
        [],
        [pod(**CREATING)],
        [pod(running={})],
        # Its third death would be one too many.
        [pod(restarts=2, **CRASHING)],
    ],
)
def test_a_rollout_gets_its_time(pods: list[Thing]) -> None:
    assert looked((0, 10, 100, 500), Running(operator(0, 1, ROLLING), pods)) == [None] * 4


def test_a_pod_that_moves_to_another_node_gets_its_time() -> None:
    history = History(began=0)
    assert looked((0, 4), Running(operator(0, 1, ROLLED_OUT)), history=history) == [None, None]
    assert looked((6, 100), Running(operator(0, 1, ROLLED_OUT), [pod(**CREATING)]), history=history) == [None, None]
    assert looked((101,), Running(operator(1, 1, ROLLED_OUT)), history=history) == [None]
    assert looked((102,), Running(operator(0, 1, ROLLED_OUT), [pod(**CREATING)]), history=history) == [None]


def test_two_deployments_both_have_to_be_down() -> None:
    down = Running(operator(0, 0))
    rolling = Running(operator(0, 1, ROLLING, name="other"), [pod(**CREATING)])
    assert looked((0, 10), down, rolling) == [None, None]
    assert looked((0, 10), down, Running(operator(0, 0, name="other")))[1] is not None


def test_a_silent_controller_gets_the_time_of_an_election_and_is_not_silent_while_it_works() -> None:
    history, found = History(began=0), [Running(operator(1))]

    def at(now: float, waiting: int) -> Fault | None:
        fault = silent(PROMETHEUS, found, waiting, Observation(LIMITS, history, now))
        history.close_round()
        return fault

    assert [at(0, 3), at(29, 3), at(29.5, 2), at(59, 2)] == [None] * 4
    fault = at(59.5, 2)
    assert fault is not None
    assert fault.reason == "ControllerSilent"
    assert "logs deployment/prometheus-operator" in fault.hint


# --- the wait -------------------------------------------------------------------------------------------------------


class Cluster:
    """Answers as the API server does; ``requests`` are the paths that were asked for."""

    def __init__(self, *objects: Thing, refused: tuple[str, ...] = ()) -> None:
        self.objects = list(objects)
        self.refused = refused
        self.requests: list[str] = []

    def request(self, method: str, path: str, *, query: Mapping[str, Any] | None = None) -> Any:
        assert method == "GET"
        self.requests.append(path)
        if path in self.refused:
            raise ApiError(403, {"message": "forbidden"})
        if path == DEPLOYMENTS or path.endswith(("/pods", "/certificates")):
            return self._list(path, dict(query or {}))
        for item in self.objects:
            if path.endswith(f"/{item['metadata']['name']}") and f"/{item['kind'].lower()}" in path:
                return item
        raise ApiError(404, {"message": "not found"})

    def _list(self, path: str, query: dict[str, Any]) -> Any:
        kind = {"deployments": "Deployment", "pods": "Pod", "certificates": "Certificate"}[path.rpartition("/")[2]]
        items = [item for item in self.objects if item["kind"] == kind]
        if "fieldSelector" in query:
            items = [item for item in items if query["fieldSelector"] == f"metadata.name={item['metadata']['name']}"]
        # One on each page.
        number, limited = int(query.get("continue") or 0), query.get("limit") == PAGE
        metadata = {"continue": str(number + 1)} if limited and number + 1 < len(items) else {}
        return {"items": items[number : number + 1] if limited else items, "metadata": metadata}


def wanted(kind: str, name: str, api_version: str = MONITORING, asked: Any = None, **more: Any) -> WantedResource:
    criterion = criterion_for(api_version, kind, asked, more.pop("keys", None))
    return WantedResource(api_version=api_version, kind=kind, criterion=criterion, name=name, namespace="llm", **more)


def waited(
    cluster: Cluster, *items: tuple[WantedResource, Thing | None], times: tuple[float, ...], grace: float = 10.0
) -> list[list[Verdict]]:
    """The verdicts at each of the times."""
    state, store = WaitState(began=0), Store()
    for entry, item in items:
        if item:
            store.put(source_name(entry.group), item)
    judge = ResourceJudge([entry for entry, _item in items], state, 5.0, Controllers(cluster, state, grace))
    return [list(judge(store, now).values()) for now in times]


PROMETHEUS_WAITED_FOR = (wanted("Prometheus", "models"), thing("Prometheus", "models"))
IN_TIME = tuple(float(second) for second in range(16))


def test_the_wait_names_the_missing_controller_within_seconds() -> None:
    cluster = Cluster(operator(1, name="grafana-operator") | {"spec": {}}, thing("Deployment", "x", "y", "apps/v1"))
    verdicts = [row[0] for row in waited(cluster, PROMETHEUS_WAITED_FOR, times=IN_TIME)]
    assert [verdict.state for verdict in verdicts] == ["progressing"] * 15 + ["failed"]
    assert verdicts[-1].phase == "failed"
    assert verdicts[-1].reason == "ControllerMissing"
    assert verdicts[-1].message == (
        "it has no status after 15 s, and its controller Deployment prometheus-operator exists in no namespace"
    )
    # Twice: by name, and then all of them on their two pages.
    assert cluster.requests == [DEPLOYMENTS] * 6


def test_the_wait_says_why_the_controller_has_no_pod() -> None:
    cluster = Cluster(operator(0, 1, STUCK), pod(restarts=5, **CRASHING))
    verdict = waited(cluster, PROMETHEUS_WAITED_FOR, times=(0, 10))[-1][0]
    assert (verdict.state, verdict.reason) == ("failed", "ControllerNotReady")
    assert verdict.message == (
        "it has no status after 10 s, and its controller Deployment monitoring/prometheus-operator has no ready Pod"
        " (0 of 1: container operator waits: CrashLoopBackOff (ended with exit code 1 (Error): no such flag))"
    )


def test_a_status_of_an_older_generation_counts_as_none() -> None:
    stale = thing("Prometheus", "models", status={"conditions": [{"type": "Available", "observedGeneration": 1}]})
    verdict = waited(Cluster(), (PROMETHEUS_WAITED_FOR[0], stale), times=(0, 10, 15))[-1][0]
    assert verdict.message.startswith("its status is of an older generation after 15 s, and its controller")


def test_a_healthy_controller_changes_nothing_until_it_has_been_silent_for_long() -> None:
    cluster = Cluster(operator(1))
    rows = waited(cluster, PROMETHEUS_WAITED_FOR, times=(0, 10, 20, 39, 45))
    assert [row[0].state for row in rows] == ["progressing"] * 4 + ["failed"]
    assert rows[0][0] == rows[3][0]
    assert rows[4][0].reason == "ControllerSilent"
    assert rows[4][0].message.endswith(
        "its controller Deployment monitoring/prometheus-operator has a ready Pod, but does not act"
    )


def test_nothing_is_asked_for_while_objects_are_noticed_or_new() -> None:
    cluster = Cluster()
    noticed = thing("Prometheus", "other", status={"conditions": [{"type": "Available", "status": "False"}]})
    waited(cluster, PROMETHEUS_WAITED_FOR, (wanted("Prometheus", "other"), noticed), times=(0, 5, 9.9))
    waited(cluster, (wanted("Prometheus", "other"), noticed), times=(0, 100, 200))
    waited(cluster, PROMETHEUS_WAITED_FOR, times=(0, 100, 200), grace=0)
    assert cluster.requests == []


def test_the_cluster_is_asked_every_few_seconds_only() -> None:
    cluster = Cluster(operator(1))
    waited(cluster, PROMETHEUS_WAITED_FOR, times=tuple(10 + second / 2 for second in range(40)))
    # The first round only starts the clock of the object.
    assert cluster.requests == [DEPLOYMENTS] * 2


def test_what_may_not_be_read_ends_no_wait() -> None:
    cluster = Cluster(operator(0, 0, name="elsewhere"), refused=(DEPLOYMENTS,))
    assert waited(cluster, PROMETHEUS_WAITED_FOR, times=(0, 10, 100, 500))[-1][0].state == "progressing"


def test_without_the_right_to_list_the_deployment_is_looked_for_where_it_should_be() -> None:
    cluster = Cluster(operator(0, 0), refused=(DEPLOYMENTS,))
    verdict = waited(cluster, PROMETHEUS_WAITED_FOR, times=(0, 10, 15))[-1][0]
    assert verdict.reason == "ControllerNotReady"
    assert "/apis/apps/v1/namespaces/llm/deployments/prometheus-operator" in cluster.requests


def test_a_missing_object_is_explained_by_who_makes_it() -> None:
    entry = (wanted("StatefulSet", "prometheus-models", "apps/v1"), None)
    cluster = Cluster(thing("Prometheus", "models"), operator(0, 0))
    verdict = waited(cluster, entry, times=(0, 10, 15))[-1][0]
    assert (verdict.state, verdict.reason) == ("failed", "ControllerNotReady")
    assert verdict.message == (
        "it does not exist after 15 s, and Deployment monitoring/prometheus-operator, which makes it from Prometheus"
        " models, asks for no replicas"
    )
    assert verdict.hint.startswith("Scale it up: kubectl -n monitoring scale deployment prometheus-operator")


def test_a_missing_object_of_an_unknown_maker_is_waited_for() -> None:
    entry = (wanted("StatefulSet", "prometheus-models", "apps/v1"), None)
    assert waited(Cluster(), entry, times=(0, 10, 500))[-1][0].state == "progressing"


def test_a_missing_object_whose_source_is_wrong_says_so_and_is_waited_for() -> None:
    condition = {"type": "Reconciled", "status": "False", "reason": "Failed", "message": "version is no version"}
    cluster = Cluster(thing("Prometheus", "models", status={"conditions": [condition]}), operator(1))
    verdict = waited(cluster, (wanted("StatefulSet", "prometheus-models", "apps/v1"), None), times=(0, 10, 500))[-1][0]
    assert verdict.state == "progressing"
    assert verdict.message == "it does not exist; Prometheus models: Reconciled is False: version is no version"


@pytest.mark.parametrize("there", [False, True])
def test_a_secret_without_its_keys_is_explained_by_its_certificate(there: bool) -> None:
    entry = wanted("Secret", "tls", "v1", keys=["tls.crt"])
    secret = {"metadata": {"name": "tls", "namespace": "llm"}, "data": {"tls.crt": False}} if there else None
    certificate = thing("Certificate", "gateway", api_version="cert-manager.io/v1", spec={"secretName": "tls"})
    verdict = waited(Cluster(certificate), (entry, secret), times=(0, 10, 15))[-1][0]
    assert verdict.reason == "ControllerMissing"
    assert "Deployment cert-manager, which makes it from Certificate gateway, exists in no namespace" in verdict.message


GATEWAY = {"gatewayClassName": "istio"}
CLASS = thing("GatewayClass", "istio", spec={"controllerName": "istio.io/gateway-controller"})
GATEWAY_API = "gateway.networking.k8s.io/v1"


@pytest.mark.parametrize(
    ("classes", "state"),
    [
        ([CLASS], "failed"),
        # istiod makes the class, too.
        ([], "failed"),
        ([thing("GatewayClass", "istio", spec={"controllerName": "example.com/other"})], "progressing"),
    ],
)
def test_gateways_and_routes_follow_their_class(classes: list[Thing], state: str) -> None:
    gateway = thing("Gateway", "entry", api_version=GATEWAY_API, spec=GATEWAY)
    route = thing("HTTPRoute", "qwen", api_version=GATEWAY_API, spec={"parentRefs": [{"name": "entry"}]})
    cluster = Cluster(gateway, *classes)
    entries = (wanted("Gateway", "entry", GATEWAY_API), gateway), (wanted("HTTPRoute", "qwen", GATEWAY_API), route)
    verdicts = waited(cluster, *entries, times=(0, 10, 15))[-1]
    assert [verdict.state for verdict in verdicts] == [state, state]
    if state == "failed":
        assert {verdict.reason for verdict in verdicts} == {"ControllerMissing"}
        assert "Deployment istiod exists in no namespace" in verdicts[0].message


def test_finalizers_wait_for_their_controller() -> None:
    entry = wanted("AuthPolicy", "p", "kuadrant.io/v1", asked="deleted")
    leaving = {"deletionTimestamp": "2026-11-26T00:00:00Z", "finalizers": ["kuadrant.io/authpolicy"]}
    policy = thing("AuthPolicy", "p", api_version="kuadrant.io/v1", metadata=leaving)
    verdict = waited(Cluster(), (entry, policy), times=(0, 10, 15))[-1][0]
    assert verdict.message.startswith("its finalizers (kuadrant.io/authpolicy) are still there after 15 s, and its")
    kept = thing("AuthPolicy", "p", api_version="kuadrant.io/v1")
    assert waited(Cluster(), (entry, kept), times=(0, 10, 15))[-1][0].state == "progressing"


def test_a_controller_may_take_its_time_to_clean_up() -> None:
    entry = wanted("AuthPolicy", "p", "kuadrant.io/v1", asked="deleted")
    leaving = {"deletionTimestamp": "2026-11-26T00:00:00Z", "finalizers": ["kuadrant.io/authpolicy"]}
    policy = thing("AuthPolicy", "p", api_version="kuadrant.io/v1", metadata=leaving)
    cluster = Cluster(operator(1, name="kuadrant-operator-controller-manager"))
    assert waited(cluster, (entry, policy), times=(0, 10, 100, 500))[-1][0].state == "progressing"


def test_a_slice_goes_on_with_what_the_last_one_knew() -> None:
    cluster, store = Cluster(), Store()
    entry, item = PROMETHEUS_WAITED_FOR
    store.put(source_name(entry.group), item)
    state = WaitState(began=0)
    for now in (0.0, 10.0):
        ResourceJudge([entry], state, 5.0, Controllers(cluster, state, 10.0))(store, now)
    state = WaitState.decode(state.encode(), 11.0)
    verdicts = ResourceJudge([entry], state, 5.0, Controllers(cluster, state, 10.0))(store, 15.0)
    assert [verdict.reason for verdict in verdicts.values()] == ["ControllerMissing"]


# --- models ---------------------------------------------------------------------------------------------------------


def models_waited(cluster: Cluster, isvc: Thing, *events: Thing) -> list[Verdict]:
    state, store = WaitState(began=0), Store()
    store.put("services", isvc)
    for item in events:
        store.put("events", item)
    judge = ModelJudge(Selection("llm", ["qwen"]), Limits(), state, Controllers(cluster, state, 10.0))
    return [judge(store, now)["qwen"] for now in (0.0, 10.0, 15.0)]


def test_a_model_that_kserve_has_not_seen_names_kserve() -> None:
    verdicts = models_waited(Cluster(), service())
    assert [verdict.state for verdict in verdicts] == ["progressing", "progressing", "failed"]
    assert verdicts[-1].phase == "pending"
    assert verdicts[-1].reason == "ControllerMissing"
    assert verdicts[-1].message == (
        f"KServe has made no Deployment after 15 s, and its controller Deployment {KSERVE.deployment} exists in no"
        " namespace"
    )


def test_a_model_that_kserve_has_seen_is_waited_for() -> None:
    seen = event("InferenceServiceReady", uid="isvc-uid")
    assert models_waited(Cluster(), service(ready="False"))[-1].state == "progressing"
    assert models_waited(Cluster(), service(), seen)[-1].state == "progressing"
    ready = operator(1, name="kserve-controller-manager")
    assert models_waited(Cluster(ready), service())[-1].state == "progressing"
