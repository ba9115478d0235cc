# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cluster is new enough and large enough."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.modules.cluster_info import extended_resources
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.preflight import (
    VersionError,
    gpu_shortage,
    gpus_needed,
    too_old,
)

GPU = "nvidia.com/gpu"


def model(gpus: int, replicas: int = 1, **fields: Any) -> dict[str, Any]:
    return {"name": "a", "gpus": gpus, "max_replicas": replicas, **fields}


@pytest.mark.parametrize("version", ["1.29", "1.29.0", "v1.29.4-gke.100", "1.30", "2.0"])
def test_a_kubernetes_that_is_new_enough(version: str) -> None:
    assert too_old({"Istio": "1.29", "Kuadrant": "1.9"}, version) == ""


def test_versions_are_compared_by_their_numbers() -> None:
    found = too_old({"Istio": "1.29", "Old": "1.9", "KServe": "1.100"}, "1.28.15")
    assert found == "The cluster runs Kubernetes 1.28.15. Too old for Istio, KServe: upgrade it to 1.100 or later."


def test_zeros_at_the_end_count_for_nothing() -> None:
    assert too_old({"Istio": "1.30.0"}, "1.30") == ""


@pytest.mark.parametrize("version", ["", "unknown"])
def test_no_version_is_refused(version: str) -> None:
    with pytest.raises(VersionError, match=r"version of the cluster: .* is not a version such as 1\.29"):
        too_old({"Istio": "1.29"}, version)


def test_gpus_are_added_up_by_resource() -> None:
    models = [model(2, 3), model(1, gpu_resource="amd.com/gpu"), model(0), model(1, gpu_resource="")]
    assert gpus_needed(models, GPU) == {GPU: 7, "amd.com/gpu": 1}


def test_models_without_gpus_need_none() -> None:
    assert gpus_needed([model(0)], GPU) == {}
    assert gpu_shortage([model(0)], GPU, {}) == ""


def test_each_resource_has_to_suffice_by_itself() -> None:
    models = [model(2), model(1, gpu_resource="amd.com/gpu")]
    assert gpu_shortage(models, GPU, {GPU: 2, "amd.com/gpu": 1}) == ""
    assert gpu_shortage(models, GPU, {GPU: 9}).startswith(
        "The models in maas_models ask for 1 amd.com/gpu, the cluster's nodes have 0. Take models out"
    )
    assert "ask for 2 nvidia.com/gpu, 1 amd.com/gpu, the cluster's nodes have 1, 0." in gpu_shortage(
        models, GPU, {GPU: 1}
    )


def test_what_nodes_offer_besides_kubernetes_own_resources() -> None:
    nodes: list[Any] = [
        {"status": {"allocatable": {"cpu": "8", "memory": "8Gi", GPU: "4", "hugepages-1Gi": "0"}}},
        {"status": {"allocatable": {GPU: "2", "amd.com/gpu": "1", "example.com/odd": "1k"}}},
        {"status": {}},
    ]
    assert extended_resources(nodes) == {GPU: 6, "amd.com/gpu": 1}
