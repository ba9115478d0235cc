# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.catalogue import CatalogueError, normalise
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.preflight import gpus_needed

RUNTIMES: dict[str, Any] = {"vllm-latest": {"image": "vllm"}, "inference-sim": {"image": "sim", "self_contained": True}}
QWEN = {"name": "qwen", "storage_uri": "hf://Qwen/Qwen3-0.6B", "gpus": 1}


def one(**fields: Any) -> dict[str, Any]:
    return normalise([{**QWEN, **fields}], RUNTIMES, "maas_models")[0]


def test_a_name_is_enough_for_a_self_contained_runtime() -> None:
    model = normalise([{"name": "qwen", "runtime": "inference-sim"}], RUNTIMES, "maas_models")[0]
    assert model["served_names"] == ["qwen"]
    assert model["paths"] == ["/qwen"]
    assert model["rates"] == []
    assert model["gpus"] == 0


def test_the_model_serves_its_own_name_first_and_once() -> None:
    assert one(served_names=["q", "qwen"])["served_names"] == ["qwen", "q"]


def test_every_path_is_offered_with_and_without_the_version() -> None:
    rules = one(name="nomic", task="embed", paths=["/nomic"])["rules"]
    assert rules == [
        {"path": "/nomic/embeddings", "rewrite": "/v1/embeddings"},
        {"path": "/nomic/models", "rewrite": "/v1/models"},
        {"path": "/nomic", "rewrite": "/"},
    ]


def test_two_paths_of_a_chat_model_fit_into_one_route() -> None:
    rules = one(paths=["/qwen3", "/qwen"])["rules"]
    assert {"path": "/qwen/chat/completions", "rewrite": "/v1/chat/completions"} in rules
    assert len(rules) == 8


def test_limits_become_rates() -> None:
    assert one(request_limits="150/min, 1500/h")["rates"] == [
        {"limit": 150, "window": "1m"},
        {"limit": 1500, "window": "1h"},
    ]


def test_disabled_models_are_left_out() -> None:
    assert normalise([{**QWEN, "enabled": False}], RUNTIMES, "maas_models") == []
    assert normalise([{**QWEN, "enabled": "false"}], RUNTIMES, "maas_models") == []


def test_booleans_may_be_text() -> None:
    assert one(enabled="yes")["enabled"] is True
    image = {"image": "sim", "self_contained": "no"}
    with pytest.raises(CatalogueError, match="say where the model comes from"):
        normalise([{"name": "qwen"}], {"vllm-latest": image}, "maas_models")
    with pytest.raises(CatalogueError, match=r"^maas_runtimes\.vllm-latest\.self_contained: 'of' is not a boolean"):
        normalise([{"name": "qwen"}], {"vllm-latest": {**image, "self_contained": "of"}}, "maas_models")


def test_gpus_of_all_replicas_are_counted() -> None:
    models = normalise(
        [{**QWEN, "max_replicas": 3}, {**QWEN, "name": "other", "paths": ["/o"], "gpus": 2}], RUNTIMES, "maas_models"
    )
    assert gpus_needed(models, "nvidia.com/gpu") == {"nvidia.com/gpu": 5}


def test_revision_follows_what_restarts_pods_and_nothing_else() -> None:
    before = one()["revision"]
    assert one(paths=["/elsewhere"], request_limits="1/min")["revision"] == before
    assert one(memory="16Gi")["revision"] != before
    other = normalise([QWEN], {"vllm-latest": {"image": "vllm:2"}}, "maas_models")[0]
    assert other["revision"] != before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "Qwen"}, r"maas_models\[0\] \(Qwen\)\.name"),
        ({"name": "q" * 54}, "at most 48 characters"),
        ({"storage_uri": ""}, r"\.storage_uri: say where"),
        ({"storage_uri": "ftp://x"}, "does not start with"),
        ({"runtime": "tgi"}, "no runtime 'tgi'.*inference-sim, vllm-latest"),
        ({"task": "speech"}, "not one of generate, embed"),
        ({"paths": ["qwen"]}, "must start with '/'"),
        ({"paths": ["/qwen/"]}, "must not end with it"),
        ({"paths": ["/a", "/b", "/c", "/d", "/e"]}, "use fewer paths"),
        ({"gpus": -1}, r"\.gpus: -1"),
        ({"gpus": "1"}, "whole number"),
        ({"min_replicas": 2}, "larger than max_replicas"),
        ({"request_limits": "10/day"}, r"request_limits: '10/day'.*10/24h"),
        ({"gpu": 1}, "unknown field gpu; known are"),
        ({"enabled": "flase"}, r"maas_models\[0\] \(qwen\)\.enabled: 'flase' is not a boolean; write true or false"),
    ],
)
def test_mistakes_name_the_entry_and_the_mend(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        one(**fields)


@pytest.mark.parametrize(
    ("second", "field"),
    [
        ({**QWEN}, "name 'qwen'"),
        ({**QWEN, "name": "b", "paths": ["/qwen"]}, "paths '/qwen'"),
        ({**QWEN, "name": "b", "served_names": ["qwen"]}, "served_names 'qwen'"),
    ],
)
def test_what_two_models_share_is_refused(second: dict[str, Any], field: str) -> None:
    with pytest.raises(CatalogueError, match=f"{field} is used by qwen and again by"):
        normalise([QWEN, second], RUNTIMES, "maas_models")
