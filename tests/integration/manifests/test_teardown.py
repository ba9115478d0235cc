# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What teardown.yml leaves when a text says that it must: a real API server with one bundle of the platform."""

from __future__ import annotations

import sys
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.api_server import ApiServer
from tests.support.manifests_run import run_playbook

TEARDOWN = [
    {"ansible.builtin.include_role": {"name": "llmops.maas.maas", "tasks_from": "teardown"}},
]


def bundle(name: str) -> str:
    """A namespace with a volume and settings, and a CRD."""
    volume = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    schema = {"openAPIV3Schema": {"type": "object"}}
    names = {"kind": f"K{name.replace('-', '')}", "plural": f"{name}s", "singular": name}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    crd = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    objects: list[tuple[str, str, str, str, dict[str, Any]]] = [
        ("v1", "Namespace", name, "", {}),
        ("v1", "PersistentVolumeClaim", "data", name, {"spec": volume}),
        ("v1", "ConfigMap", "settings", name, {"data": {"a": "b"}}),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{name}s.example.com", "", {"spec": crd}),
    ]
    return yaml.safe_dump_all(
        {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": key, **({"namespace": place} if place else {})},
            **rest,
        }
        for version, kind, key, place, rest in objects
    )


def exists(server: ApiServer, path: str) -> bool:
    try:
        return "deletionTimestamp" not in server.request("GET", path)["metadata"]
    except urllib.error.HTTPError:
        return False


@pytest.mark.parametrize("no", ["false", "No", "0"])
def test_texts_that_say_no_keep_namespaces_volumes_and_definitions(
    api_server: ApiServer, namespace: str, tmp_path: Path, no: str
) -> None:
    name = f"{namespace}-bundle"
    # Of the bundles that teardown.yml goes through, one that no other test uses.
    apply = {"llmops.maas.manifests": {"bundle": "minio", "definitions": bundle(name), "timeout": 10}}
    run_playbook(tmp_path, api_server, [apply])
    kept = [
        f"/api/v1/namespaces/{name}",
        f"/api/v1/namespaces/{name}/persistentvolumeclaims/data",
        f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}s.example.com",
    ]
    removed = f"/api/v1/namespaces/{name}/configmaps/settings"
    extra = ["-e", f"maas_teardown_data={no}", "-e", f"maas_teardown_crds={no}", "-e", "maas_timeout=10"]
    extra += ["-e", f"ansible_python_interpreter={sys.executable}"]
    run_playbook(tmp_path, api_server, TEARDOWN, "--check", *extra)
    assert all(exists(api_server, path) for path in [*kept, removed])
    run_playbook(tmp_path, api_server, TEARDOWN, *extra)
    assert [path for path in kept if not exists(api_server, path)] == []
    assert not exists(api_server, removed)
