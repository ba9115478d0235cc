# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task of models has one home, and the few other places that name tasks or their kinds of requests agree with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.maas.plugins.module_utils._gateway.kinds import KINDS
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import access as _access
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.catalogue import normalise
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import (
    TASKS,
    VERSIONS,
    ModelEndpoint,
    ModelTask,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.access import access
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import read_expected
from tests.support.verification import USERS, planned

ROLE = Path(__file__).resolve().parents[3] / "roles/maas"
RUNTIMES = {"vllm-latest": {"image": "vllm"}}
GROUPS = [{"name": "user", "endpoints": ["inference"]}]
TIERS = [{"name": "free", "groups": ["user"], "tokens": "9/min"}]
DUMMY = ModelTask(
    (ModelEndpoint("rerank", "inference"), ModelEndpoint("models", "models")), ("rerank", "models"), "rerank", {}
)


def test_each_kind_of_request_exists_and_goes_to_an_endpoint_of_its_task() -> None:
    for name, task in TASKS.items():
        offered = [f"{version}/{endpoint.path}" for endpoint in task.endpoints for version in VERSIONS]
        assert task.main in task.kinds, name
        assert {KINDS[kind].endpoint for kind in task.kinds} <= set(offered), name
        classes = {f"/v1/{endpoint.path}": endpoint.access for endpoint in task.endpoints}
        for kind in task.kinds:
            wanted = {"inference": "POST", "models": "GET"}[classes[KINDS[kind].endpoint]]
            assert KINDS[kind].method == wanted, (name, kind)


def test_every_endpoint_is_verified_by_some_kind() -> None:
    for name, task in TASKS.items():
        asked = {KINDS[kind].endpoint for kind in task.kinds}
        assert asked == {f"/v1/{endpoint.path}" for endpoint in task.endpoints}, name


def test_the_inventory_may_name_exactly_these_tasks() -> None:
    spec = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    field = spec["argument_specs"]["platform"]["options"]["maas_models"]["options"]["task"]
    assert field["choices"] == list(TASKS)
    assert field["default"] == next(iter(TASKS))


def test_each_group_is_expected_to_get_something_for_each_kind() -> None:
    expected = yaml.safe_load((ROLE / "defaults/main/verification.yml").read_text())["maas_verify_expected"]
    kinds = {kind for task in TASKS.values() for kind in task.kinds}
    assert {group: kinds - set(statuses) for group, statuses in expected.items()} == {
        group: set() for group in expected
    }


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A model of a task that is added to the table and nowhere else."""
    monkeypatch.setitem(TASKS, "rank", DUMMY)
    entry = {"name": "m", "storage_uri": "hf://o/m", "task": "rank", "request_limits": "7/min"}
    return normalise([entry], RUNTIMES, "maas_models")[0]


def test_a_new_task_gets_its_routes(model: dict[str, Any]) -> None:
    assert [rule["path"] for rule in model["rules"]] == ["/m/rerank", "/m/models", "/m"]


def test_a_new_task_is_counted_and_allowed_as_inference(model: dict[str, Any]) -> None:
    table = _access.read_access(GROUPS, TIERS, [], ["m"])
    allowed = _access.allowed_expression(table, model, "groups")
    assert 'request.method == "POST" && request.url_path in ["/m/v1/rerank", "/m/rerank"]' in allowed
    assert "/m/models" not in allowed


def test_a_new_task_is_verified(model: dict[str, Any]) -> None:
    statuses = {"user": {"rerank": 200, "models": 403}}
    rows = access([model], [{"name": "bob", "groups": ["user"]}], read_expected(statuses, []), "localhost")
    assert [(row["kind"], row["expected"]) for row in rows] == [("rerank", [200]), ("models", [403])]


def test_a_new_task_is_in_the_plan_of_a_verification(model: dict[str, Any]) -> None:
    table = {"default": {"rerank": 200, "models": 200}}
    plan = planned(
        catalogue=[model], verify_expected=table, tiers=TIERS, verify_only=["access", "limits", "credentials"]
    )
    rows = [*plan["requests"], *plan["probe_requests"], *plan["removed_requests"]]
    assert {(row["section"], row["kind"]) for row in rows} == {
        ("access", "rerank"),
        ("access", "models"),
        ("credentials", "rerank"),
        ("limits", "rerank"),
    }
    assert [row["burst"] for row in plan["probe_requests"] if row["section"] == "limits"] == [7]
    quick = planned(quick=True, catalogue=[model], verify_expected=table, tiers=TIERS)
    assert [row["kind"] for row in quick["requests"]] == ["rerank"] * len(USERS)
