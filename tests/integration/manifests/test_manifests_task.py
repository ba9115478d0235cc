# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module through ansible-playbook: what is shown, real upstream manifests, files as Ansible finds them."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import ManifestSource, read_sources
from tests.support.api_server import ApiServer
from tests.support.manifests_run import Run, run_playbook, with_certificates

SECRET = "hunter2-très-secret"
ENCODED = base64.b64encode(SECRET.encode()).decode()
NAMESPACES = ("cert-manager", "istio-system", "kserve", "kuadrant-system")
# No controller runs here that could answer a webhook, and each of them fails closed.
NO_WEBHOOKS = [{"kind": "ValidatingWebhookConfiguration"}, {"kind": "MutatingWebhookConfiguration"}]


@pytest.mark.parametrize("by", ["definition", "text", "file", "vault"])
@pytest.mark.parametrize("broken", [False, True])
def test_secret_values_are_never_shown(
    api_server: ApiServer, namespace: str, tmp_path: Path, by: str, broken: bool
) -> None:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}}
    body["stringData"] = {"k": SECRET}
    if broken:
        body["oops"] = 1
    options: dict[str, Any] = {"bundle": namespace, "namespace": namespace}
    arguments = ["-vvv", "--diff"]
    if by == "definition":
        options["definitions"] = [body]
    elif by == "text":
        options["definitions"] = yaml.safe_dump(body)
    else:
        (tmp_path / "secret.yaml").write_text(yaml.safe_dump(body))
        options["files"] = ["secret.yaml"]
    if by == "vault":
        arguments += vault(tmp_path, "secret.yaml")
    done = run_playbook(tmp_path, api_server, [{"llmops.maas.manifests": options}], *arguments, check=False)
    shown = done.stdout + done.stderr
    assert (done.returncode != 0) == broken, shown
    assert "oops" in shown or not broken
    for text in (SECRET, ENCODED, "très", "\\u00e8s-secret"):
        assert text not in shown
    if not broken:
        live = api_server.request("GET", f"/api/v1/namespaces/{namespace}/secrets/key")
        assert live["data"] == {"k": ENCODED}


def test_module_group_defaults_and_check_mode(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    task = {"llmops.maas.manifests": {"definitions": text, "namespace": namespace, "bundle": namespace}}
    assert "changed=1" in run_playbook(tmp_path, api_server, [task], "--check").stdout
    assert "changed=1" in run_playbook(tmp_path, api_server, [task]).stdout
    assert "changed=0" in run_playbook(tmp_path, api_server, [task]).stdout


def run_text(directory: Path, server: ApiServer, task: str) -> subprocess.CompletedProcess[str]:
    """Run one task, given as the YAML that a playbook would hold, for what Ansible's own reader makes of it."""
    (directory / "task.yml").write_text(f"- llmops.maas.manifests:\n{textwrap.indent(task, '    ')}")
    include = {"ansible.builtin.include_tasks": str(directory / "task.yml")}
    return run_playbook(directory, server, [include], "--diff", check=False)


def test_what_ansible_respells_is_kept_or_refused(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    head = f"namespace: {namespace}\ndefinitions:\n  apiVersion: v1\n  kind: ConfigMap\n  metadata: {{name: a}}\n"
    done = run_text(tmp_path, api_server, f"{head}  data: {{day: 2026-01-31, sha: 61e9540, 8080: x, 'on': 'yes'}}\n")
    assert done.returncode == 0, done.stdout
    path = f"/api/v1/namespaces/{namespace}/configmaps/a"
    stored = {"day": "2026-01-31", "sha": "61e9540", "8080": "x", "on": "yes"}
    assert api_server.request("GET", path)["data"] == stored
    done = run_text(tmp_path, api_server, f"{head}  data: {{at: 2026-01-31T10:00:00Z, on: push, big: 6.1e+9540}}\n")
    assert done.returncode != 0
    for said in ("definitions.data.at", "the key True", "definitions.data.big", "quote it", "Nothing was changed"):
        assert said in done.stdout
    patch = "patches:\n  - target: {kind: ConfigMap}\n    merge: {data: {at: 2026-01-31T10:00:00Z}}\n"
    done = run_text(tmp_path, api_server, f"{head}  data: {{x: y}}\n{patch}")
    assert "patches[0].merge.data.at: Ansible has read it as a time stamp" in done.stdout
    assert api_server.request("GET", path)["data"] == stored


def test_vaulted_files_of_windows_editors(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    texts = [f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: é}}\n" for name in "ab"]
    (tmp_path / "maps.yaml").write_bytes("---\n".join(texts).encode("utf-16"))
    vaulted = vault(tmp_path, "maps.yaml")
    task = {"llmops.maas.manifests": {"files": ["maps.yaml"], "namespace": namespace}}
    assert "changed=1" in run_playbook(tmp_path, api_server, [task], *vaulted).stdout
    for name in "ab":
        assert api_server.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")["data"] == {"k": "é"}


def vault(directory: Path, name: str) -> list[str]:
    """Encrypt that file, and return the arguments with which ansible-playbook decrypts it."""
    (directory / "password").write_text("x")
    program = Path(sys.executable).with_name("ansible-vault")
    command = [program, "encrypt", "--vault-password-file", "password", name]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return ["--vault-password-file", str(directory / "password")]


def mirror() -> Path:
    """The folder of upstream manifests, by LLMOPS_MAAS_MIRROR."""
    return Path(os.environ.get("LLMOPS_MAAS_MIRROR", "")).resolve()


def generated(directory: Path) -> None:
    """Manifests of the kinds that upstreams ship, for where the mirror is absent."""
    objects: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "generated"}}]
    for number in range(20):
        name = f"part-{number}"
        metadata = {"name": name, "namespace": "generated", "labels": {"app": name}}
        rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
        container = {"name": "main", "image": "example.com/a:1", "resources": {"requests": {"cpu": "1000m"}}}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
        objects += [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "=", "b": "yes"}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules},
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        ]
    (directory / "generated.yaml").write_text(yaml.safe_dump_all(objects))


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server of its own: the upstream manifests hold cluster-wide objects."""
    server = ApiServer(tmp_path_factory.mktemp("upstream"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_upstream_as_a_whole_in_one_task(own_server: ApiServer, tmp_path: Path) -> None:
    upstream = mirror() if os.environ.get("LLMOPS_MAAS_MIRROR") else tmp_path
    if upstream == tmp_path:
        generated(tmp_path)
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
    paths = sorted(upstream.glob("*.yaml"))
    assert paths
    options: dict[str, Any] = {
        "bundle": "upstream",
        "files": [str(path) for path in paths],
        "duplicates": "last",
        "timeout": 60,
    }
    if upstream != tmp_path:
        options["exclude"] = NO_WEBHOOKS
    run = Run(own_server, options)
    first = run(*namespaces)
    assert not first.failures
    # What controllers do all the time: status of workloads and CRDs, and metadata of their own.
    touch(own_server)
    for _again in range(2):
        again = run(*namespaces)
        assert again.writes == []
        assert not again.changed
        assert again.result["counts"]["unchanged"] == sum(first.result["counts"].values())


def touch(server: ApiServer) -> None:
    deployments = server.request("GET", "/apis/apps/v1/deployments")["items"]
    assert deployments
    for item in deployments:
        metadata = item["metadata"]
        path = f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}"
        merge = "application/merge-patch+json"
        server.request("PATCH", path + "/status", {"status": {"observedGeneration": 1}}, merge)
        revision = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}}
        server.request("PATCH", path + "?fieldManager=kube-controller-manager", revision, merge)


def test_every_upstream_document_is_read_as_the_server_reads_it() -> None:
    if not os.environ.get("LLMOPS_MAAS_MIRROR"):
        text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: =}\n"
        assert read_sources([ManifestSource("a", text)], lambda body: body)[0].body()["data"] == {"k": "="}
        return
    paths = sorted(mirror().glob("*.yaml"))
    manifests = read_sources([ManifestSource(path.name, path.read_bytes()) for path in paths], lambda body: body)
    kinds = {line for path in paths for line in path.read_text().splitlines() if line.startswith("kind: ")}
    assert {f"kind: {manifest.kind}" for manifest in manifests} == kinds


def test_removed_files_are_an_error_of_the_task(api_server: ApiServer, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "files", ignore_errors=True)
    task = {"llmops.maas.manifests": {"files": ["nowhere.yaml"]}}
    done = run_playbook(tmp_path, api_server, [task], check=False)
    assert done.returncode != 0
    assert "nowhere.yaml" in done.stdout


def test_a_task_leaves_no_file_behind(
    api_server: ApiServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of Ansible ends without cleaning up: a client's key would stay in each of its temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    (tmp_path / "pki").mkdir()
    (tmp_path / "kubeconfig").write_text(json.dumps(with_certificates(api_server, tmp_path / "pki")))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    options = {"definitions": [body], "namespace": namespace, "kubeconfig": str(tmp_path / "kubeconfig")}
    task = {"llmops.maas.manifests": options}
    assert "changed=1" in run_playbook(tmp_path, api_server, [task]).stdout
    assert not list(temporary.rglob("*"))
