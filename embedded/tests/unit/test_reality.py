# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.embedded.plugins.filter.what_runs import what_runs
from ansible_collections.llmops.embedded.plugins.plugin_utils._reality.containers import (
    Reality,
    reality_of,
    short_name,
)

IMAGES = [
    {"image": "(.*/)?istio/pilot:.*", "command": ["/tools/pilot-discovery"]},
    {"image": "(.*/)?redis:.*", "instead": "Valkey"},
    {"image": "redis-of-another", "command": ["x"]},
]


def pod(*images: str, init: str = "") -> dict[str, Any]:
    first = {"initContainers": [{"image": init}]} if init else {}
    return {"spec": {**first, "containers": [{"image": image} for image in images]}}


def test_images_are_sorted_by_what_runs() -> None:
    pods = [pod("docker.io/istio/pilot:1.26.2", "grafana/grafana:12"), pod("redis:7", init="quay.io/x/init@sha256:0a")]
    assert reality_of([*pods, pods[0]], IMAGES) == Reality(["pilot"], {"redis": "Valkey"}, ["grafana", "init"])


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("quay.io:5000/kuadrant/limitador:v1", "limitador"),
        ("redis", "redis"),
        ("localhost:5000/redis@sha256:0a1b", "redis"),
    ],
)
def test_names_are_short(image: str, name: str) -> None:
    assert short_name(image) == name


def test_every_line_says_something() -> None:
    assert what_runs([pod("redis:7")], IMAGES)[1]["rows"] == [
        ["real programs", "control plane"],
        ["something else instead", "redis (Valkey)"],
        ["only reported as running", "none"],
    ]


def test_what_cannot_be_read_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="a Pod has no containers with images"):
        what_runs([{"spec": {}}], IMAGES)
    with pytest.raises(AnsibleFilterError, match="the image map cannot be read"):
        what_runs([pod("a:1")], [{"image": "("}])
