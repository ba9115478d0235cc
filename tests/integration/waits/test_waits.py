# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The waits against a real API server, in which the tests write the states that controllers would."""

from __future__ import annotations

import contextlib
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, ConnectError, Kube
from ansible_collections.llmops.maas.plugins.module_utils._models.watch import ModelJudge, Selection
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import (
    NotConnectedError,
    WaitOutcome,
    WaitState,
    WaitTerms,
    wait,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import Limits
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Source, Watcher, WatchError
from tests.support.api_server import ApiServer
from tests.support.models import NAMESPACE, Model, container_status, install_crd, services_path

QUICK = Limits(unschedulable=1.0, missing=1.0, runtime=1.0, refused=1.0, retry=1.0, settle=0.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    cluster = ApiServer(tmp_path_factory.mktemp("waits"))
    try:
        cluster.start()
        install_crd(cluster)
        until(lambda: listable(cluster), "the CRD is served")
        yield cluster
    finally:
        end(cluster)


def end(server: ApiServer) -> None:
    """End it without the long goodbye that it gives to watches."""
    if len(server.processes) > 1:
        server.processes[1].kill()
    server.stop()


def listable(server: ApiServer) -> bool:
    with contextlib.suppress(OSError):
        return bool(server.request("GET", services_path()))
    return False


def until(check: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


@pytest.fixture
def namespace(server: ApiServer, request: pytest.FixtureRequest) -> str:
    name = (
        request.node.name.lower().replace("_", "-").replace("[", "-").replace("]", "").replace(" ", "-")[:63].strip("-")
    )
    server.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def connect(server: ApiServer) -> Kube:
    return Kube.connect({"kubeconfig": str(server.kubeconfig)})


class Waiting:
    """A wait in a thread of its own, so that a test can act while it lasts."""

    def __init__(self, server: ApiServer, selection: Selection, state: WaitState | None = None, **terms: Any) -> None:
        self.state = state or WaitState(began=time.time())
        self.judge = ModelJudge(selection, terms.pop("limits", QUICK), self.state)
        self.watcher = Watcher(connect(server), selection.sources(), resume=self.state.watched)
        self.terms = WaitTerms(**{"timeout": 60.0, **terms})
        self.outcome: WaitOutcome | None = None
        self.error: Exception | None = None
        self.returned = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.outcome = wait(self.watcher, self.judge, self.state, self.terms)
        except (WatchError, NotConnectedError) as error:
            self.error = error
        self.returned = time.monotonic()

    def synced(self) -> Waiting:
        until(self.watcher.synced, "the wait has read the cluster")
        return self

    def end(self, seconds: float = 30.0) -> WaitOutcome:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the wait did not end"
        assert self.outcome is not None, self.error
        return self.outcome


def test_returns_within_moments_of_the_last_write(server: ApiServer, namespace: str) -> None:
    latencies = []
    for number in range(7):
        model = Model(server, f"model-{number}", namespace).create().deploy().roll_out()
        waiting = Waiting(server, Selection(namespace, names=[model.name])).synced()
        # The watch is established after the list; a write before that would be found by resuming, a bit later.
        time.sleep(0.3)
        model.finish()
        written = time.monotonic()
        assert waiting.end().verdicts[model.name].state == "ready"
        latencies.append(waiting.returned - written)
    assert statistics.median(latencies) < 0.1, latencies


def test_fifty_models_at_once_cost_four_lists_and_four_watches(server: ApiServer, namespace: str) -> None:
    models = [Model(server, f"model-{number}", namespace).create().deploy() for number in range(50)]
    position = server.audit_position()
    waiting = Waiting(server, Selection(namespace, label_selector="part-of=platform")).synced()
    for model in models:
        model.roll_out()
        model.finish()
    written = time.monotonic()
    verdicts = waiting.end().verdicts
    assert {verdict.state for verdict in verdicts.values()} == {"ready"}
    assert len(verdicts) == 50
    assert waiting.returned - written < 0.5
    time.sleep(0.2)
    ours = [event for event in server.audit(position) if event.get("userAgent", "").startswith("llmops.maas")]
    started = [
        (event["verb"], event["objectRef"]["resource"]) for event in ours if event["stage"] == "ResponseComplete"
    ]
    resources = ("deployments", "events", "inferenceservices", "pods")
    assert sorted(entry for entry in started if entry[0] == "list") == [("list", name) for name in resources]
    assert len({event["auditID"] for event in ours if event["verb"] == "watch"}) == 4


def failing(model: Model) -> dict[str, Callable[[], None]]:
    killed = {"exitCode": 137, "reason": "OOMKilled"}
    gone = {"exitCode": 1, "reason": "Error", "message": "RepositoryNotFoundError: 404 Client Error."}

    def main(**status: Any) -> None:
        model.pod_status(containerStatuses=[container_status("kserve-container", **status)])

    def init(**status: Any) -> None:
        model.pod_status(initContainerStatuses=[container_status("storage-initializer", **status)])

    def unschedulable() -> None:
        text = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": text}
        model.pod_status(conditions=[condition])

    def invalid() -> None:
        info = {"reason": "RuntimeNotRecognized", "message": "Waiting for runtime to become available"}
        model.status(modelStatus={"transitionStatus": "InvalidSpec", "lastFailureInfo": info})

    def refused() -> None:
        model.deployment_status(
            conditions=[{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}]
        )

    return {
        "ImagePullBackOff": lambda: main(waiting={"reason": "ImagePullBackOff", "message": "not found"}),
        "InvalidImageName": lambda: main(waiting={"reason": "InvalidImageName"}),
        "OOMKilled": lambda: main(waiting={"reason": "CrashLoopBackOff"}, last=killed, restarts=2),
        "ModelNotFound": lambda: init(terminated=gone),
        "Unschedulable": unschedulable,
        "RuntimeNotRecognized": invalid,
        "FailedCreate": refused,
        "CreateContainerConfigError": lambda: main(waiting={"reason": "CreateContainerConfigError"}),
    }


@pytest.mark.parametrize(
    "reason",
    [
        "ImagePullBackOff",
        "InvalidImageName",
        "OOMKilled",
        "ModelNotFound",
        "Unschedulable",
        "RuntimeNotRecognized",
        "FailedCreate",
        "CreateContainerConfigError",
    ],
)
def test_failure_ends_the_wait_with_its_reason(server: ApiServer, namespace: str, reason: str) -> None:
    model = Model(server, "qwen", namespace).create().deploy()
    Model(server, "granite", namespace).create().deploy()
    waiting = Waiting(server, Selection(namespace, names=["qwen", "granite"])).synced()
    failing(model)[reason]()
    outcome = waiting.end(15)
    assert outcome.finished
    assert not outcome.timed_out
    assert (outcome.verdicts["qwen"].state, outcome.verdicts["qwen"].reason) == ("failed", reason)
    assert outcome.verdicts["granite"].state == "progressing"


def test_a_slice_goes_on_where_the_last_one_ended_without_listing(server: ApiServer, namespace: str) -> None:
    model = Model(server, "qwen", namespace).create().deploy()
    selection = Selection(namespace, names=["qwen"])
    first = Waiting(server, selection, slice_seconds=1.0, early=False)
    assert not first.end().finished
    state = WaitState.decode(first.state.encode(), time.time())
    # What happens between two slices must not be lost.
    model.roll_out()
    model.finish()
    position = server.audit_position()
    second = Waiting(server, selection, state=state)
    assert second.end(5).verdicts["qwen"].state == "ready"
    time.sleep(0.2)
    verbs = [event["verb"] for event in server.audit(position) if event.get("userAgent", "").startswith("llmops.maas")]
    assert "list" not in verbs


def test_resuming_from_a_version_that_is_gone_lists_again(server: ApiServer, namespace: str) -> None:
    model = Model(server, "qwen", namespace).create().deploy()
    selection = Selection(namespace, names=["qwen"])
    first = Waiting(server, selection, slice_seconds=0.5, early=False)
    first.end()
    state = WaitState.decode(first.state.encode(), time.time())
    state.watched = {name: {"version": "1", "objects": {}} for name in state.watched}
    model.roll_out()
    model.finish()
    assert Waiting(server, selection, state=state).end(10).verdicts["qwen"].state == "ready"


class Interrupting:
    """The adapter, with watches that break after so many events, as dropped connections do."""

    def __init__(self, kube: Kube, error: Exception) -> None:
        self._kube = kube
        self._error = error
        self.breaks = 0

    def request(self, *arguments: Any, **named: Any) -> Any:
        return self._kube.request(*arguments, **named)

    def watch(self, path: str, *, query: Any) -> Iterator[dict[str, Any]]:
        for event in self._kube.watch(path, query=query):
            yield event
            self.breaks += 1
            raise self._error

    def end_watches(self) -> None:
        self._kube.end_watches()


@pytest.mark.parametrize(
    "error",
    [ConnectError("connection reset"), ApiError(410, {"message": "too old resource version"}), ApiError(503, {})],
    ids=["dropped", "expired", "unavailable"],
)
def test_broken_watches_go_on(server: ApiServer, namespace: str, error: Exception) -> None:
    broken = Interrupting(connect(server), error)
    source = Source("maps", f"/api/v1/namespaces/{namespace}/configmaps")
    with Watcher(broken, [source]) as watcher:
        until(watcher.synced, "listed")
        for number in range(5):
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"map-{number}"}}
            server.request("POST", source.path, body)
        until(lambda: len(watcher.store.all("maps")) == 5, "all five are seen", 10)
        server.request("DELETE", source.path + "/map-3")
        until(lambda: len(watcher.store.all("maps")) == 4, "the deletion is seen", 10)
    assert broken.breaks


def test_nothing_of_a_wait_goes_on_after_it(server: ApiServer, namespace: str) -> None:
    """The slices of a long wait may all run in one process."""
    paths = [f"/api/v1/namespaces/{namespace}/{plural}" for plural in ("configmaps", "secrets", "pods", "services")]
    sources = [Source(path, path) for path in paths]
    kube = connect(server)
    for _slice in range(3):
        with Watcher(kube, sources) as watcher:
            until(watcher.synced, "listed")
            until(lambda: watches() == len(sources), "every source is watched")
        assert watches() == 0
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("watch /")]
    assert kube.request("GET", "/version")["major"]


def watches() -> int:
    """The connections of this process that wait in a watch."""
    return sum(1 for thread in threading.enumerate() if thread.name.startswith("watch /") and in_watch(thread))


def in_watch(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code.co_name == "_events":
            return True
        frame = frame.f_back
    return False


def test_survives_a_restart_of_the_api_server(tmp_path: Path) -> None:
    server = ApiServer(tmp_path / "restarting")
    try:
        server.start()
        install_crd(server)
        until(lambda: listable(server), "the CRD is served")
        server.request(
            "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        )
        model = Model(server, "qwen").create().deploy().roll_out()
        waiting = Waiting(server, Selection(NAMESPACE, names=["qwen"])).synced()
        restart(server)
        model.finish()
        assert waiting.end(30).verdicts["qwen"].state == "ready"
    finally:
        end(server)


def restart(server: ApiServer) -> None:
    """End the API server the hard way and start it on the same address."""
    old = server.processes.pop()
    command = list(old.args)  # type: ignore[arg-type]
    old.kill()
    old.wait()
    time.sleep(0.5)
    server._spawn("kube-apiserver", *command[1:])
    server._wait_ready()


def test_missing_resource_type_ends_the_wait(server: ApiServer) -> None:
    with Watcher(connect(server), [Source("x", "/apis/example.com/v1/things")]) as watcher:
        until(lambda: not watcher.synced() and watcher.troubles(), "refused")
        with pytest.raises(WatchError, match=r"example\.com"):
            until(watcher.check, "broken")


def test_events_may_be_forbidden(server: ApiServer, namespace: str) -> None:
    Model(server, "qwen", namespace).create()
    sources = [
        Source("maps", f"/api/v1/namespaces/{namespace}/configmaps"),
        Source("x", "/apis/example.com/v1/things", required=False),
    ]
    with Watcher(connect(server), sources) as watcher:
        until(watcher.synced, "goes on without the one that is absent")
        watcher.check()
