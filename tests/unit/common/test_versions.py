# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the embedded cluster runs, and what docs/versions.md lists, has to be what the platform pins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
ROLES = CHECKOUT / "roles"
VERSIONS = yaml.safe_load((ROLES / "maas/defaults/main/versions.yml").read_text())
PINNED = VERSIONS["maas_versions"]
PAGE = (CHECKOUT / "docs/versions.md").read_text("utf-8")
REQUIREMENT = re.compile(r"^\s*(?:require\s+)?(\S+/\S+) (v\S+?)(?: // indirect)?$", re.MULTILINE)


def required(tool: str, module: str) -> str:
    text = (CHECKOUT / "embedded/roles/embedded_cluster/files/tools" / tool / "go.mod").read_text()
    return dict(REQUIREMENT.findall(text))[module]


@pytest.mark.parametrize(
    ("component", "tool", "module"),
    [
        ("kserve", "cert-manager", "github.com/kserve/kserve"),
        ("kuadrant_operator", "controllers", "github.com/kuadrant/kuadrant-operator"),
        ("prometheus_operator", "prometheus-operator", "github.com/prometheus-operator/prometheus-operator"),
        ("gateway_api", "upstream", "sigs.k8s.io/gateway-api"),
        ("cert_manager", "cert-manager", "github.com/cert-manager/cert-manager"),
    ],
)
def test_the_embedded_cluster_runs_the_pinned_version(component: str, tool: str, module: str) -> None:
    assert required(tool, module) == f"v{PINNED[component]}"


def test_istio_is_built_from_the_commit_of_its_release() -> None:
    # Istio publishes no module versions after 1.10: its releases are known by their commits.
    assert PINNED["istio"] == "1.26.2"
    assert required("istio", "istio.io/istio").endswith("-455f269485ea")


def test_prometheus_is_built_as_the_version_of_its_image() -> None:
    # As a Go module v3.5.5 is v0.305.5, because its path does not end in /v3.
    major, minor, patch = VERSIONS["maas_images"]["prometheus"].rpartition(":v")[2].split(".")
    assert required("prometheus", "github.com/prometheus/prometheus") == f"v0.{int(major) * 100 + int(minor)}.{patch}"


@pytest.mark.parametrize("pinned", [*PINNED.values(), *VERSIONS["maas_images"].values()])
def test_the_page_on_versions_lists_every_pin(pinned: str) -> None:
    assert f"| `{pinned.rpartition(':')[2]}` |" in PAGE


def vllm_arguments() -> set[str]:
    """Arguments of vLLM's runtime and of the models in the inventories, as written up to a value."""
    runtime = yaml.safe_load((ROLES / "maas/defaults/main/runtimes.yml").read_text())["maas_runtimes"]["vllm-latest"]
    inventories = (
        yaml.safe_load(path.read_text()) for path in CHECKOUT.glob("inventories/*/group_vars/all/models.yml")
    )
    models = [model for inventory in inventories for model in inventory["maas_models"]]
    given = [*runtime["args"], *(argument for model in models for argument in model.get("args", []))]
    return {argument.partition("=")[0] for argument in given}


def test_every_argument_for_vllm_was_checked_against_the_pinned_release() -> None:
    pinned = VERSIONS["maas_images"]["vllm"].rpartition(":v")[2].rpartition(".")[0]
    section = PAGE.partition(f"## vLLM {pinned}\n")[2]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert vllm_arguments() <= set(re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in rows)))


def test_vllm_gets_its_model_as_vllm_serve_wants_it() -> None:
    runtime = yaml.safe_load((ROLES / "maas/defaults/main/runtimes.yml").read_text())["maas_runtimes"]["vllm-latest"]
    assert runtime["args"][0] == "/mnt/models"
    assert "--enable-force-include-usage" in runtime["args"]


def test_the_embedded_cluster_assembles_every_upstream_manifest() -> None:
    assembled = yaml.safe_load((CHECKOUT / "embedded/roles/embedded_cluster/vars/main.yml").read_text())[
        "__embedded_cluster_mirror_files"
    ]
    components = (yaml.safe_load(path.read_text()) for path in (ROLES / "maas/vars/main/components").glob("*.yml"))
    entries = [entry for component in components for entry in component.values()]
    upstream = [item["file"] for entry in entries for item in entry.get("upstream", {}).values()]
    wanted = [re.sub(r"\{\{.*?\}\}", "{plain}", file.replace("-v{{", "-{version}{{")) for file in upstream]
    assert sorted(item["name"] for item in assembled) == sorted(
        name.replace("{version}{plain}", "{version}") for name in wanted
    )
