# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small cluster with the real prometheus-operator and the Prometheus that it makes from the product's own objects."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml
from ansible.plugins.filter.core import FilterModule

from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import cache_home
from tests.support.api_server import find_binary
from tests.support.stand_in_cluster import FILES, StandInCluster, condition, render, until

CHECKOUT = Path(__file__).resolve().parents[2]
VERSIONS = yaml.safe_load((CHECKOUT / "roles/maas/defaults/main/versions.yml").read_text())
MODELS, MONITORING = "llm", "llm-observability"
TOOLS = ("prometheus", "prometheus-config-reloader", "prometheus-operator")
# What the role of the monitoring is given.
VALUES: dict[str, Any] = {
    "maas_part_of": "maas",
    "maas_namespaces": {"kuadrant": "kuadrant-system", "istio": "istio-system"},
    "maas_platform": {
        "namespace": MODELS,
        "observability_namespace": MONITORING,
        "images": VERSIONS["maas_images"],
        "prometheus_version": VERSIONS["maas_images"]["prometheus"].rpartition(":v")[2],
        "prometheus_retention": "15d",
        "prometheus_storage": "5Gi",
        "storage_class": "",
    },
    "observability_prometheus_replicas": 1,
    "observability_scrape_interval": "1s",
}


def product(template: str) -> str:
    """A template of the product's own role."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(CHECKOUT / "roles" / "observability" / "templates"),
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    made.filters.update(FilterModule().filters())
    return made.get_template(template).render(**VALUES)


@contextlib.contextmanager
def monitored(*images: Mapping[str, Any], tools: Sequence[str] = ()) -> Iterator[StandInCluster]:
    """The cluster, as soon as its Prometheus is ready; at the end it is stopped.

    :param images: further entries of the image map, before those of the platform
    :param tools: further programs that run for real
    """
    platform = yaml.safe_load(
        render(
            "images.yaml.j2",
            __embedded_cluster_tools={name: find_binary(name) for name in (*TOOLS, *tools)},
            __embedded_cluster_python=sys.executable,
            __embedded_cluster_pythons={},
            __embedded_cluster_stand_ins_dir=str(FILES),
            embedded_cluster_downloads=False,
            embedded_cluster_keycloak="",
        )
    )
    directory = Path(tempfile.mkdtemp(prefix="maas-"))
    made = StandInCluster(directory, [*images, *platform["images"]])
    try:
        made.start()
        _install(made)
        until(lambda: ready_pod(made), "Prometheus is ready", 120)
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _install(cluster: StandInCluster) -> None:
    volumes = {
        "embedded_cluster_storage_class": "standard",
        "embedded_cluster_volumes": [{"name": "one", "size": "5Gi"}],
        "__embedded_cluster_up": {"kubeconfig": str(cluster.kubeconfig)},
    }
    cluster.apply_text(render("storage.yaml.j2", **volumes))
    bundle = f"prometheus-operator-v{VERSIONS['maas_versions']['prometheus_operator']}-bundle.yaml"
    # Its last object needs the kinds that it defines.
    until(lambda: _applied(cluster, cache_home() / "mirror" / bundle), "the operator is installed", 60)
    names = (MODELS, MONITORING, *VALUES["maas_namespaces"].values())
    cluster.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))
    cluster.apply_text(product("prometheus.yaml.j2"))
    cluster.apply_text(product("monitors.yaml.j2"))


def _applied(cluster: StandInCluster, file: Path) -> bool:
    return cluster.kubectl("apply", "--server-side", "-f", str(file), check=False).returncode == 0


def ready_pod(cluster: StandInCluster) -> dict[str, Any] | None:
    """Prometheus' Pod, once it is ready and alone."""
    pods = cluster.pods("app.kubernetes.io/name=prometheus", MONITORING)
    whole = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and condition(pod, "Ready") == "True"]
    return whole[0] if len(pods) == 1 and whole else None


def address(cluster: StandInCluster) -> str:
    """Where its Service answers."""
    service = cluster.get("service", "prometheus", "-n", MONITORING) or {}
    return f"{service['spec']['clusterIP']}:9090"
