# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the embedded cluster runs has to be what the platform pins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
PINNED = yaml.safe_load((ROLES / "maas/defaults/main/versions.yml").read_text())["maas_versions"]
REQUIREMENT = re.compile(r"^\s*(?:require\s+)?(\S+/\S+) (v\S+?)(?: // indirect)?$", re.MULTILINE)


def required(tool: str, module: str) -> str:
    text = (ROLES / "embedded_cluster/files/tools" / tool / "go.mod").read_text()
    return dict(REQUIREMENT.findall(text))[module]


@pytest.mark.parametrize(
    ("component", "tool", "module"),
    [
        ("kserve", "kserve", "github.com/kserve/kserve"),
        ("kuadrant_operator", "kuadrant-operator", "github.com/kuadrant/kuadrant-operator"),
        ("prometheus_operator", "prometheus-operator", "github.com/prometheus-operator/prometheus-operator"),
        ("gateway_api", "upstream", "sigs.k8s.io/gateway-api"),
        ("cert_manager", "upstream", "github.com/cert-manager/cert-manager"),
    ],
)
def test_the_embedded_cluster_runs_the_pinned_version(component: str, tool: str, module: str) -> None:
    assert required(tool, module) == f"v{PINNED[component]}"


def test_istio_is_built_from_the_commit_of_its_release() -> None:
    # Istio publishes no module versions after 1.10: its releases are known by their commits.
    assert PINNED["istio"] == "1.26.2"
    assert required("istio", "istio.io/istio").endswith("-455f269485ea")
