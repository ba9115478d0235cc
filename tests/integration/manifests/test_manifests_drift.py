# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random edits by others and under our own name: each is repaired, reported as a conflict, or none of our business."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.api_server import ApiServer
from tests.support.manifests_run import Run

DATA = {"a": "1", "b": "2", "c": "3"}
LABELS = {"app": "x", "tier": "y"}
PORTS = [{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]

VALUES = st.sampled_from(["1", "2", "other", "", None])
MANAGERS = st.sampled_from(["kubectl-edit", "llmops.maas", "controller"])


def objects() -> list[dict[str, Any]]:
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map", "labels": LABELS}, "data": DATA},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "service", "annotations": {"note": "ours"}},
            "spec": {"selector": {"app": "x"}, "ports": PORTS},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "deployment"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": "x"}},
                "template": {
                    "metadata": {"labels": {"app": "x"}, "annotations": {}},
                    "spec": {"containers": [{"name": "main", "image": "a:1", "env": [{"name": "X", "value": "1"}]}]},
                },
            },
        },
    ]


PATHS = {
    "map": "/api/v1/namespaces/{}/configmaps/map",
    "service": "/api/v1/namespaces/{}/services/service",
    "deployment": "/apis/apps/v1/namespaces/{}/deployments/deployment",
}


def merge_edits() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    keys = st.sampled_from(["a", "b", "z"])
    label = st.dictionaries(st.sampled_from(["app", "tier", "foreign"]), st.sampled_from(["x", "q", None]), min_size=1)
    replicas = st.integers(0, 3).map(lambda count: ("deployment", {"spec": {"replicas": count}}))
    image = st.sampled_from(["a:1", "b:2"]).map(
        lambda name: (
            "deployment",
            {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": name}]}}}},
        )
    )
    note = st.sampled_from([None, "theirs"]).map(
        lambda text: ("deployment", {"spec": {"template": {"metadata": {"annotations": {"restarted": text}}}}})
    )
    return st.one_of(
        st.dictionaries(keys, VALUES, min_size=1).map(lambda data: ("map", {"data": data})),
        st.tuples(st.sampled_from(sorted(PATHS)), label).map(lambda it: (it[0], {"metadata": {"labels": it[1]}})),
        st.sampled_from([None, "theirs"]).map(lambda text: ("service", {"metadata": {"annotations": {"note": text}}})),
        st.sampled_from([81, 8080]).map(lambda port: ("service", {"spec": {"ports": [{"name": "web", "port": port}]}})),
        replicas,
        image,
        note,
        st.just(("deployment", {"metadata": {"managedFields": [{}]}})),
    )


EDITS = st.lists(st.tuples(merge_edits(), MANAGERS), min_size=1, max_size=4)


def covers(live: Any, wanted: Any) -> bool:
    """Whether everything wanted is there; lists of named items may hold more."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(covers(live.get(name, {}), wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        return isinstance(live, list) and all(any(covers(one, item) for one in live) for item in wanted)
    return bool(live == wanted)


def fetch(server: ApiServer, namespace: str) -> dict[str, Any]:
    return {name: server.request("GET", path.format(namespace)) for name, path in PATHS.items()}


def intact(server: ApiServer, namespace: str) -> bool:
    live = fetch(server, namespace)
    return all(covers(live[wanted["metadata"]["name"]], wanted) for wanted in objects())


def edit(server: ApiServer, namespace: str, name: str, patch: dict[str, Any], manager: str) -> None:
    path = PATHS[name].format(namespace) + f"?fieldManager={manager}"
    try:
        server.request("PATCH", path, patch, "application/merge-patch+json")
    except HTTPError as error:
        # Some edits make no valid object, such as two ports of one number.
        if error.code not in (400, 422):
            raise


RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RELAXED
@given(EDITS)
def test_random_edits_are_repaired(run: Run, api_server: ApiServer, namespace: str, edits: list[Any]) -> None:
    run(*objects(), force_conflicts=True)
    for (name, patch), manager in edits:
        edit(api_server, namespace, name, patch, manager)
    touched = not intact(api_server, namespace)
    done = run(*objects(), force_conflicts=True)
    assert not done.failures
    assert intact(api_server, namespace)
    if touched:
        assert done.changed
    after = run(*objects(), force_conflicts=True)
    assert after.writes == []
    assert not after.changed


@RELAXED
@given(EDITS)
def test_random_edits_are_repaired_or_a_conflict(
    run: Run, api_server: ApiServer, namespace: str, edits: list[Any]
) -> None:
    run(*objects(), force_conflicts=True)
    for (name, patch), manager in edits:
        edit(api_server, namespace, name, patch, manager)
    done = run(*objects())
    assert intact(api_server, namespace) or done.failures
    assert all("force_conflicts" in failure["error"] for failure in done.failures)


@RELAXED
@given(st.fixed_dictionaries({key: st.sampled_from("123") for key in DATA}, optional={"z": st.just("1")}))
def test_apply_under_our_own_name_is_undone(
    run: Run, api_server: ApiServer, namespace: str, data: dict[str, str]
) -> None:
    """The fields may be the same ones and the time stamp of the same second: only the values differ."""
    run(*objects(), force_conflicts=True)
    forged = {**objects()[0], "data": data}
    path = PATHS["map"].format(namespace) + "?fieldManager=llmops.maas&force=true"
    api_server.request("PATCH", path, forged, "application/apply-patch+yaml")
    done = run(*objects(), force_conflicts=True)
    assert done.changed == (data != DATA)
    assert fetch(api_server, namespace)["map"]["data"] == DATA


def disowned(server: ApiServer, namespace: str, name: str, field: str, new_owner: str = "") -> None:
    """Take a field and all below from its owner without changing it, as istiod's writes of a Gateway's status do."""
    path = PATHS[name].format(namespace)
    metadata = server.request("GET", path)["metadata"]
    entries = metadata["managedFields"]
    (ours,) = (entry for entry in entries if entry["manager"] == "llmops.maas")
    taken = {**ours, "fieldsV1": {field: ours["fieldsV1"].pop(field)}, "manager": new_owner, "operation": "Update"}
    changed = [*entries, taken] if new_owner else entries
    patch = [{"op": "replace", "path": "/metadata/managedFields", "value": changed}]
    server.request("PATCH", path, patch, "application/json-patch+json")


def service(*names: str) -> dict[str, Any]:
    ports = [port for port in PORTS if port["name"] in names]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "service", "labels": LABELS},
        "spec": {"selector": {"app": "x"}, "ports": ports},
    }


@pytest.mark.parametrize("force", [False, True])
def test_what_nobody_owns_any_more_is_removed_with_the_manifest(
    run: Run, api_server: ApiServer, namespace: str, force: bool
) -> None:
    run(service("http", "dns"), force_conflicts=force)
    disowned(api_server, namespace, "service", "f:spec")
    assert run(service("http", "dns"), force_conflicts=force).writes == []
    rehearsed = run(service("http"), force_conflicts=force, check=True, diff=True)
    assert rehearsed.changed
    assert "dns" in rehearsed.result["diff"][0]["before"]
    assert "dns" not in rehearsed.result["diff"][0]["after"]
    assert run(service("http"), force_conflicts=force).changed
    (port,) = fetch_one(api_server, namespace, "service")["spec"]["ports"]
    assert port["name"] == "http"
    assert run(service("http"), force_conflicts=force).writes == []


def test_what_others_own_now_stays(run: Run, api_server: ApiServer, namespace: str) -> None:
    run(service("http", "dns"))
    disowned(api_server, namespace, "service", "f:spec", new_owner="somebody")
    run(service("http"))
    assert [port["name"] for port in fetch_one(api_server, namespace, "service")["spec"]["ports"]] == ["http", "dns"]


def fetch_one(server: ApiServer, namespace: str, name: str) -> Any:
    return server.request("GET", PATHS[name].format(namespace))
