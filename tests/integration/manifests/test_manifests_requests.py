# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many requests a run of the manifests module sends, by the audit log of the API server."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support.api_server import ApiServer
from tests.support.manifests_run import Run

OBJECTS = 20


@pytest.fixture
def counted(api_server: ApiServer, run: Run) -> Any:
    """Runs the module and returns the requests of the collection: verb and resource, with their number."""
    # The namespace of the records is there from now on.
    Run(api_server, {**run.defaults, "bundle": f"{run.defaults['bundle']}-first"})(config_map(OBJECTS))

    def call(*definitions: Any, **options: Any) -> dict[str, int]:
        since = api_server.audit_position()
        done = run(*definitions, **options)
        assert not done.failures
        requests = Counter(
            f"{event['verb']} {(event.get('objectRef') or {}).get('resource') or event['requestURI']}"
            for event in api_server.audit(since)
            if event.get("userAgent", "").startswith("llmops.maas")
        )
        return dict(requests)

    return call


def config_map(number: int, mode: str = "fast") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"map-{number}"}, "data": {"mode": mode}}


DISCOVERY = {"get /api": 1, "get /apis": 1}


def test_a_first_run_sends_each_object_once_and_writes_the_record_twice(counted: Any) -> None:
    requests = counted(*(config_map(number) for number in range(OBJECTS)))
    # The record: read, made before the first object, completed at the end.
    assert requests == {
        **DISCOVERY,
        "get secrets": 1,
        "create secrets": 1,
        "update secrets": 1,
        "get namespaces": 1,
        "list configmaps": 1,
        "patch configmaps": OBJECTS,
    }


def test_a_first_run_with_its_namespace_does_not_look_for_objects_in_it(counted: Any, namespace: str) -> None:
    own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-own"}}
    maps = [config_map(number) for number in range(OBJECTS)]
    for item in maps:
        item["metadata"]["namespace"] = own["metadata"]["name"]
    assert counted(own, *maps) == {
        **DISCOVERY,
        "get secrets": 1,
        "create secrets": 1,
        "update secrets": 1,
        "get namespaces": 1,
        "patch namespaces": 1,
        "patch configmaps": OBJECTS,
    }


def test_a_run_without_changes_reads_the_record_and_the_metadata(counted: Any) -> None:
    maps = [config_map(number) for number in range(OBJECTS)]
    counted(*maps)
    assert counted(*maps) == {"get secrets": 1, "list configmaps": 1}


def test_one_changed_object_is_one_object_sent(counted: Any) -> None:
    maps = [config_map(number) for number in range(OBJECTS)]
    counted(*maps)
    maps[3] = config_map(3, "slow")
    assert counted(*maps) == {
        **DISCOVERY,
        "get secrets": 1,
        "update secrets": 1,
        "list configmaps": 1,
        "get configmaps": 1,
        "patch configmaps": 1,
    }


def test_one_drifted_object_is_read_and_sent(counted: Any, api_server: ApiServer, namespace: str) -> None:
    maps = [config_map(number) for number in range(OBJECTS)]
    counted(*maps)
    path = f"/api/v1/namespaces/{namespace}/configmaps/map-7"
    api_server.request("PATCH", path, {"data": {"mode": "slow"}}, "application/merge-patch+json")
    requests = counted(*maps, force_conflicts=True)
    # The quick way finds the drift first: its list and its look at the body come on top.
    assert requests == {
        **DISCOVERY,
        "get secrets": 1,
        "update secrets": 1,
        "list configmaps": 2,
        "get configmaps": 3,
        "patch configmaps": 1,
    }


def test_check_mode_asks_for_each_object_by_one_dry_run(counted: Any) -> None:
    assert counted(*(config_map(number) for number in range(OBJECTS)), check=True) == {
        **DISCOVERY,
        "get secrets": 1,
        "get namespaces": 1,
        "list configmaps": 1,
        "patch configmaps": OBJECTS,
    }


def test_prune_and_absent_delete_each_object_once(counted: Any) -> None:
    maps = [config_map(number) for number in range(OBJECTS)]
    counted(*maps)
    assert counted(*maps[1:], prune=True) == {
        **DISCOVERY,
        "get secrets": 1,
        "update secrets": 2,
        "list configmaps": 1,
        "get configmaps": 2,
        "delete configmaps": 1,
    }
    gone = counted(state="absent")
    assert gone["delete configmaps"] == OBJECTS - 1
    assert gone["list configmaps"] == 2
