# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects a wait judges, how it is cut into slices, and what people read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._models.watch import ModelJudge, Selection, keep_pod
from ansible_collections.llmops.maas.plugins.module_utils._wait.criteria import criterion_for
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitState, is_settled
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import Limits
from ansible_collections.llmops.maas.plugins.module_utils._wait.report import last_log_lines
from ansible_collections.llmops.maas.plugins.module_utils._wait.resource_watch import (
    ResourceJudge,
    WantedResource,
    keep_names_of_data,
    source_name,
    sources_for,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Store
from ansible_collections.llmops.maas.plugins.plugin_utils._action.wait_slices import progress_line
from tests.support.model_objects import POD, deployment, pod, ready_service, running


def wanted(kind: str = "Kuadrant", api_version: str = "kuadrant.io/v1beta1", **more: Any) -> WantedResource:
    criterion = criterion_for(api_version, kind, more.pop("asked", None))
    return WantedResource(api_version=api_version, kind=kind, criterion=criterion, **more)


def judged(
    entry: WantedResource, *objects: dict[str, Any], grace: float = 5.0, times: tuple[float, ...] = (0.0,)
) -> list[Verdict]:
    state, store = WaitState(began=0), Store()
    for thing in objects:
        store.put(source_name(entry.group), thing)
    judge = ResourceJudge([entry], state, grace)
    return [verdict for now in times for verdict in judge(store, now).values()]


def kuadrant(reason: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "False", "reason": reason, "message": "[Gateway API] is not installed"}
    return {"metadata": {"name": "kuadrant", "namespace": "k"}, "status": {"conditions": [condition]}}


def test_named_reason_fails_after_its_grace() -> None:
    entry = wanted(name="kuadrant", namespace="k", fail_on_reasons=("MissingDependency",))
    verdicts = judged(entry, kuadrant("MissingDependency"), times=(0, 4.9, 5))
    assert [verdict.state for verdict in verdicts] == ["progressing", "progressing", "failed"]
    assert (verdicts[2].reason, "restart the Kuadrant operator" in verdicts[2].hint) == ("MissingDependency", True)


def test_other_reason_does_not_fail() -> None:
    entry = wanted(name="kuadrant", namespace="k", fail_on_reasons=("MissingDependency",))
    assert [v.state for v in judged(entry, kuadrant("LimitadorNotReady"), times=(0, 100))] == ["progressing"] * 2


def test_deleted_waits_until_it_is_gone() -> None:
    entry = wanted(name="kuadrant", namespace="k", asked="deleted")
    assert judged(entry, kuadrant("x"))[0].state == "progressing"
    assert judged(entry)[0].state == "ready"


def test_absent_object_is_waited_for_and_told_with_names_nearby() -> None:
    verdict = judged(wanted(name="quadrant", namespace="k"), kuadrant("x"))[0]
    assert (verdict.state, verdict.phase, verdict.hint) == ("progressing", "missing", "Did you mean kuadrant?")


def test_same_name_in_another_namespace_does_not_count() -> None:
    assert judged(wanted("Secret", "v1", name="kuadrant", namespace="other"), kuadrant("x"))[0].phase == "missing"


def test_selector_needs_at_least_one_and_takes_all() -> None:
    entry = wanted("Secret", "v1", namespace="k", label_selector="a=b")
    assert [verdict.state for verdict in judged(entry)] == ["progressing"]
    two = [{"metadata": {"name": name, "namespace": "k"}} for name in ("a", "b")]
    assert [verdict.state for verdict in judged(entry, *two)] == ["ready", "ready"]


def test_one_source_per_kind_and_namespace() -> None:
    entries = [wanted("Secret", "v1", name=name, namespace="k") for name in ("a", "b")]
    other = wanted("Secret", "v1", name="c", namespace="l")
    paths = {source_name(entry.group): "/x" for entry in [*entries, other]}
    sources = sources_for([*entries, other], paths)
    assert [source.query for source in sources] == [{}, {"fieldSelector": "metadata.name=c"}]


def test_values_of_secrets_are_never_stored() -> None:
    last = {"kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0", "keep": "me"}
    secret = {"metadata": {"name": "a", "annotations": last}, "data": {"password": "c2VjcmV0", "empty": ""}}
    kept = keep_names_of_data(secret)
    assert "c2VjcmV0" not in json.dumps(kept)
    assert kept["data"] == {"password": True, "empty": False}
    assert kept["metadata"]["annotations"] == {"keep": "me"}


# --- models ---------------------------------------------------------------------------------------------------------


def model_store() -> Store:
    store = Store()
    store.put("services", ready_service())
    store.put("deployments", deployment(done=True))
    store.put("pods", pod(running(ready=True)))
    return store


def test_models_are_judged_by_name() -> None:
    judge = ModelJudge(Selection("llm", names=["qwen", "granite"]), Limits(), WaitState(began=0))
    verdicts = judge(model_store(), 100)
    assert {name: verdict.state for name, verdict in verdicts.items()} == {"qwen": "ready", "granite": "progressing"}
    assert judge(model_store(), 131)["granite"].state == "failed"


def test_selector_without_models_fails_after_the_grace() -> None:
    judge = ModelJudge(Selection("llm", label_selector="a=b"), Limits(), WaitState(began=0))
    assert [judge(Store(), now)["a=b"].state for now in (29, 30)] == ["progressing", "failed"]


def test_many_names_do_not_make_an_overlong_selector() -> None:
    few = Selection("llm", names=["b", "a"]).sources()[2].query["labelSelector"]
    many = Selection("llm", names=[f"m{number}" for number in range(500)]).sources()[2].query["labelSelector"]
    assert few == "serving.kserve.io/inferenceservice in (a,b)"
    assert many == "serving.kserve.io/inferenceservice"


def test_kept_parts_of_a_pod_are_enough_and_hold_no_environment() -> None:
    whole = pod(running())
    whole["spec"] = {"containers": [{"env": [{"name": "HF_TOKEN", "value": "hf_secret"}]}]}
    assert "hf_secret" not in json.dumps(keep_pod(whole))


# --- slices ---------------------------------------------------------------------------------------------------------


def test_state_is_never_the_same_text_twice() -> None:
    """Ansible blanks out a no_log argument wherever it is returned, and so would an unchanged state."""
    state = WaitState(began=1.0)
    assert state.encode() != state.encode()


def test_state_survives_a_slice() -> None:
    state = WaitState(began=5.0, watched={"pods": {"version": "7", "objects": {"a/b": {}}}}, paths={"x": "/y"})
    state.history("qwen").held("phase:loading", 6.0)
    state.shown = {"qwen": ["progressing", "loading", ""]}
    again = WaitState.decode(state.encode(), now=99.0)
    assert (again.began, again.watched, again.paths, again.shown) == (5.0, state.watched, {"x": "/y"}, state.shown)
    assert again.history("qwen").since == {"phase:loading": 6.0}


def test_a_very_large_copy_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.llmops.maas.plugins.module_utils._wait.loop.LARGEST_STATE", 10)
    state = WaitState(began=5.0, watched={"pods": {"version": "7", "objects": {}}})
    assert WaitState.decode(state.encode(), now=99.0).watched == {}


@pytest.mark.parametrize(
    ("states", "fail_fast", "settled"),
    [
        ("ready ready", True, True),
        ("ready progressing", True, False),
        ("failed progressing", True, True),
        ("failed progressing", False, False),
        ("failed ready", False, True),
    ],
)
def test_settled(states: str, fail_fast: bool, settled: bool) -> None:
    verdicts = {str(n): Verdict(state=state, phase="x") for n, state in enumerate(states.split())}  # type: ignore[arg-type]
    assert is_settled(verdicts, fail_fast=fail_fast) is settled


# --- words ----------------------------------------------------------------------------------------------------------


def test_progress_line() -> None:
    rows = [
        {"name": "granite", "ready": True},
        {"name": "qwen", "phase": "downloading", "phase_seconds": 20, "reason": "Downloading", "message": "m"},
        {
            "kind": "Gateway",
            "name": "gw",
            "phase": "waiting",
            "phase_seconds": 5,
            "reason": "R",
            "message": "no\naddress",
        },
    ]
    expected = "  1/3 ready after 35 s; qwen: downloading for 20 s; Gateway gw: waiting for 5 s (no address)"
    assert progress_line(rows, 35) == expected


def test_progress_line_of_many_is_short() -> None:
    rows = [{"name": f"m{number}", "phase": "loading", "reason": "Loading"} for number in range(50)]
    assert progress_line(rows, 1).endswith("and 44 more")


class Logs:
    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.asked: list[str] = []

    def text(self, path: str, *, query: Any = None) -> str:
        which = "previous" if query.get("previous") else "present"
        self.asked.append(f"{path} {query['container']} {which}")
        return self.texts.get(which, "")


def test_log_of_the_right_instance() -> None:
    verdict = Verdict("failed", "retrying", pod=POD, container="kserve-container", previous_log=True)
    logs = Logs(previous="a\nb\nc\n", present="starting")
    assert last_log_lines(logs, "llm", verdict, 2) == ["b", "c"]
    assert logs.asked == [f"/api/v1/namespaces/llm/pods/{POD}/log kserve-container previous"]
    assert last_log_lines(Logs(present="x"), "llm", verdict, 2) == ["x"]


def test_named_reason_of_an_older_generation_does_not_fail() -> None:
    entry = wanted(name="kuadrant", namespace="k", fail_on_reasons=("MissingDependency",))
    stale = kuadrant("MissingDependency")
    stale["metadata"]["generation"] = 2
    stale["status"]["observedGeneration"] = 1
    assert [verdict.state for verdict in judged(entry, stale, times=(0, 100))] == ["progressing"] * 2
