# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Coming from kubectl: what it reads is read, what it made is taken over, and what cannot be changed is explained."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError
from tests.support.api_server import ApiServer
from tests.support.manifests_run import Run

Object = dict[str, Any]
Kubectl = Callable[..., str]
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.fixture
def kubectl(api_server: ApiServer, namespace: str) -> Kubectl:
    """Runs the real kubectl in the test's namespace."""

    def command(*arguments: str, objects: str | bytes = b"") -> str:
        given = objects.encode() if isinstance(objects, str) else objects
        binary = Path(sys.executable).with_name("kubectl")
        options = [f"--kubeconfig={api_server.kubeconfig}", f"--namespace={namespace}"]
        done = subprocess.run([binary, *options, *arguments], input=given, capture_output=True, check=True)
        return done.stdout.decode()

    return command


def config_map(name: str = "a", *, labels: dict[str, str] | None = None, **data: str) -> Object:
    metadata = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def get(kubectl: Kubectl, kind: str, name: str = "a") -> Object:
    live: Object = json.loads(kubectl("get", kind, name, "-o", "json", "--show-managed-fields"))
    return live


def apply(kubectl: Kubectl, *objects: Object, server_side: bool = False) -> None:
    more = ["--server-side"] if server_side else []
    kubectl("apply", *more, "-f", "-", objects="\n---\n".join(map(json.dumps, objects)))


def content(live: Object) -> Object:
    """The object without what the server and the managers keep about it."""
    kept = ("annotations", "labels", "finalizers")
    metadata = {name: value for name, value in live["metadata"].items() if name in kept}
    return {**{name: value for name, value in live.items() if name != "status"}, "metadata": metadata}


@pytest.mark.parametrize(
    "data",
    [
        "sha: 61e9540",
        "a: 12:30:45",
        "a: 2026-01-31T10:00:00Z",
        "a: 1e400",
        "61e9540: x",
        "on: x",
        "1e3: x",
        "a: =",
        "a: ~",
    ],
)
def test_what_is_stored_is_what_kubectl_stores(run: Run, kubectl: Kubectl, data: str) -> None:
    text = f"{CONFIG_MAP}data:\n  {data}\n"
    run(text)
    ours = get(kubectl, "configmap").get("data")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", objects=text.replace("{name: a}", "{name: b}"))
    assert ours == get(kubectl, "configmap", "b").get("data")


def test_a_number_where_text_is_wanted_is_to_be_quoted(run: Run) -> None:
    error = run(f"{CONFIG_MAP}data: {{a: 1e3, b: on, c: x}}\n").failures[0]["error"]
    assert "Quote data.a, data.b: YAML takes" in error


def test_files_of_windows_editors(run: Run, kubectl: Kubectl, tmp_path: Path) -> None:
    documents = [
        f"apiVersion: v1\r\nkind: ConfigMap\r\nmetadata: {{name: {name}}}\r\ndata: {{k: é}}\r\n" for name in "abc"
    ]
    (tmp_path / "utf-16.yaml").write_bytes("---\r\n".join(documents[:2]).encode("utf-16"))
    (tmp_path / "marks.yaml").write_bytes(("---\r\n\ufeff" + documents[2]).encode())
    files = [str(tmp_path / "utf-16.yaml"), str(tmp_path / "marks.yaml")]
    assert list(run(files=files).actions) == ["ConfigMap/a", "ConfigMap/b", "ConfigMap/c"]
    assert [get(kubectl, "configmap", name)["data"] for name in "abc"] == [{"k": "é"}] * 3
    assert run(files=files).writes == []


def test_a_list_from_the_api_server(run: Run, kubectl: Kubectl, api_server: ApiServer, namespace: str) -> None:
    """The server's own answer, whose items have no kind, without what it keeps about them."""
    run(config_map("one", k="1"), config_map("two", k="2"))
    listed = api_server.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")
    items = [{"metadata": {"name": item["metadata"]["name"]}, "data": item["data"]} for item in listed["items"]]
    assert not any("kind" in item for item in listed["items"])
    done = run({"apiVersion": "v1", "kind": listed["kind"], "items": items}, bundle=f"{namespace}-again")
    assert done.result["counts"] == {"unchanged": 2}


@pytest.mark.parametrize("check", [False, True])
def test_a_manifest_of_an_object_that_is_gone_is_refused_at_once(run: Run, kubectl: Kubectl, check: bool) -> None:
    kubectl("create", "configmap", "a", "--from-literal=k=1")
    exported = kubectl("get", "configmap", "a", "-o", "yaml")
    # While it is there, it is that object.
    assert not run(exported, bundle=None).failures
    kubectl("delete", "configmap", "a")
    lines = exported.splitlines()
    uid, version = (
        next(n for n, line in enumerate(lines, 1) if f" {name}:" in line) for name in ("uid", "resourceVersion")
    )
    since, started = run.server.audit_position(), time.monotonic()
    with pytest.raises(InputError) as caught:
        run(config_map("other", k="1"), exported, timeout=120, check=check)
    assert time.monotonic() - started < 10
    assert f"metadata.uid (line {uid}) and metadata.resourceVersion (line {version})" in str(caught.value)
    assert "remove these lines" in str(caught.value)
    assert run.server.writes(since) == []
    without = [line for n, line in enumerate(lines, 1) if n not in (uid, version)]
    assert run("\n".join(without)).actions == {"ConfigMap/a": "created"}


def test_a_manifest_of_an_earlier_state_is_refused_at_once(run: Run, kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a", "--from-literal=k=1")
    exported = kubectl("get", "configmap", "a", "-o", "yaml")
    kubectl("patch", "configmap", "a", "-p", '{"data": {"k": "2"}}')
    with pytest.raises(InputError, match=r"metadata\.resourceVersion \(line \d+\) belongs to an earlier state"):
        run(exported)
    kubectl("replace", "--force", "-f", "-", objects=json.dumps(config_map(k="3")))
    with pytest.raises(InputError, match=r"metadata\.uid \(line \d+\)"):
        run(exported)


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a", "labels": {"team": "x"}, "annotations": {"note": "y"}},
    "spec": {
        "selector": {"app": "a", "tier": "b"},
        "ports": [{"name": "one", "port": 80}, {"name": "two", "port": 81}],
    },
}
SMALLER_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a"},
    "spec": {"selector": {"app": "a"}, "ports": [{"name": "one", "port": 80}]},
}


def deployment(**container: Any) -> Object:
    template = {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "a:1", **container}]},
    }
    spec = {"selector": {"matchLabels": {"app": "a"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}


LARGER_DEPLOYMENT = deployment(env=[{"name": "X", "value": "1"}], args=["--x"], resources={"limits": {"cpu": "1"}})
LARGER_DEPLOYMENT["spec"]["replicas"] = 3
CHANGES = [
    pytest.param(config_map(labels={"team": "x"}, mode="fast", extra="1"), config_map(mode="fast"), id="ConfigMap"),
    pytest.param(SERVICE, SMALLER_SERVICE, id="Service"),
    pytest.param(LARGER_DEPLOYMENT, deployment(), id="Deployment"),
]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_what_kubectl_apply_made_is_taken_over_as_kubectl_does(
    run: Run, kubectl: Kubectl, before: Object, after: Object
) -> None:
    kind = before["kind"]
    twins = [{**item, "metadata": {**item["metadata"], "name": "twin"}} for item in (before, after)]
    apply(kubectl, before, twins[0])
    apply(kubectl, twins[1], server_side=True)
    check = run(after, force_conflicts=True, check=True, diff=True)
    assert all("dryRun=All" in write for write in check.writes)
    done = run(after, force_conflicts=True, diff=True)
    assert check.actions == done.actions == {f"{kind}/a": "configured"}
    assert check.result["diff"] == done.result["diff"]
    assert done.warnings == check.warnings == []
    ours, theirs = (content(get(kubectl, kind, name)) for name in ("a", "twin"))
    # kubectl keeps its annotation; without kubectl nobody would keep it up to date.
    del theirs["metadata"]["annotations"]
    for item in (ours, theirs):
        for field in ("clusterIP", "clusterIPs"):
            item["spec"].pop(field, None) if kind == "Service" else None
    assert ours == theirs
    assert run(after, force_conflicts=True).writes == []


@pytest.mark.parametrize("check", [False, True])
def test_without_force_the_fields_that_stay_are_named(run: Run, kubectl: Kubectl, check: bool) -> None:
    apply(kubectl, config_map(labels={"team": "x"}, mode="fast", extra="1"))
    done = run(config_map(mode="fast"), check=check)
    assert len(done.warnings) == 1
    for said in ("/a: kubectl apply has set data.extra, metadata.labels.team, which", "Set force_conflicts: true"):
        assert said in done.warnings[0]
    assert get(kubectl, "configmap")["data"] == {"mode": "fast", "extra": "1"}


def test_the_advice_of_the_warning_works_in_the_next_run(run: Run, kubectl: Kubectl) -> None:
    apply(kubectl, config_map(mode="fast", extra="1"))
    assert run(config_map(mode="fast")).warnings
    assert run(config_map(mode="fast")).writes == []
    assert run(config_map(mode="fast"), force_conflicts=True).actions == {"ConfigMap/a": "configured"}
    assert get(kubectl, "configmap")["data"] == {"mode": "fast"}
    # Applied by kubectl once more, it is taken over once more.
    apply(kubectl, config_map(mode="fast", extra="2"))
    assert run(config_map(mode="fast"), force_conflicts=True).actions == {"ConfigMap/a": "configured"}
    assert get(kubectl, "configmap")["data"] == {"mode": "fast"}


def test_what_others_own_stays_and_so_does_what_is_left_to_them(run: Run, kubectl: Kubectl) -> None:
    apply(kubectl, LARGER_DEPLOYMENT)
    kubectl("label", "deployment", "a", "other=1", "--field-manager=other")
    left = [{"kind": "Deployment", "fields": ["spec.replicas"]}]
    wanted = deployment()
    wanted["spec"]["replicas"] = 1
    for check in (True, False):
        assert run(wanted, force_conflicts=True, create_only=left, check=check).actions == {
            "Deployment/a": "configured"
        }
    live = get(kubectl, "deployment")
    assert live["spec"]["replicas"] == 3
    assert live["metadata"]["labels"] == {"other": "1"}
    assert "env" not in live["spec"]["template"]["spec"]["containers"][0]
    assert run(wanted, force_conflicts=True, create_only=left).writes == []


def test_a_manifest_that_is_refused_takes_nothing_over(run: Run, kubectl: Kubectl) -> None:
    apply(kubectl, {**config_map(mode="fast", extra="1"), "immutable": True})
    before = get(kubectl, "configmap")
    done = run({**config_map(mode="fast"), "immutable": True}, force_conflicts=True)
    assert "Data cannot be changed in place" in done.failures[0]["error"]
    assert get(kubectl, "configmap") == before


def test_an_export_of_what_kubectl_applied_can_be_applied(run: Run, kubectl: Kubectl) -> None:
    apply(kubectl, config_map(mode="fast", extra="1"))
    exported = json.loads(kubectl("get", "configmap", "a", "-o", "json"))
    del exported["data"]["extra"]
    done = run(exported, force_conflicts=True)
    assert not done.failures
    assert get(kubectl, "configmap")["data"] == {"mode": "fast"}


def role_binding(kind: str, role: str) -> Object:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": kind,
        "metadata": {"name": "maas-test"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
    }


def storage_class(**fields: Any) -> Object:
    body = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "maas-test"}}
    return {**body, "provisioner": "example.com/a", **fields}


def workload(kind: str, app: str, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}
    spec = {"selector": {"matchLabels": {"app": app}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}


def stateful_set(size: str) -> Object:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    templates = [{"metadata": {"name": "data"}, "spec": claim}]
    return workload("StatefulSet", "a", serviceName="a", volumeClaimTemplates=templates)


def job(image: str) -> Object:
    pod = {
        "restartPolicy": "Never",
        "containers": [{"name": "c", "image": image, "env": [{"name": "X", "value": "y" * 500}]}],
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": {"spec": pod}}}


def claim(mode: str) -> Object:
    spec = {"accessModes": [mode], "storageClassName": "a", "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": spec}


def service(address: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a"},
        "spec": {"ports": [{"port": 1}], "clusterIP": address},
    }


def secret(**fields: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a"},
        "stringData": {"k": "hunter2-old"},
        **fields,
    }


IMMUTABLE = [
    (role_binding("RoleBinding", "view"), role_binding("RoleBinding", "edit"), "RoleRef"),
    (role_binding("ClusterRoleBinding", "view"), role_binding("ClusterRoleBinding", "edit"), "RoleRef"),
    (storage_class(parameters={"a": "1"}), storage_class(parameters={"a": "2"}), "Parameters"),
    (storage_class(), storage_class(reclaimPolicy="Retain"), "ReclaimPolicy"),
    (service("127.100.0.77"), service("None"), "Spec.clusterIPs[0]"),
    (workload("Deployment", "a"), workload("Deployment", "b"), "Spec.selector"),
    (workload("DaemonSet", "a"), workload("DaemonSet", "b"), "Spec.selector"),
    (workload("StatefulSet", "a", serviceName="a"), workload("StatefulSet", "b", serviceName="a"), "Spec"),
    (stateful_set("1Gi"), stateful_set("2Gi"), "Spec"),
    (job("a:1"), job("a:2"), "Spec.template"),
    (claim("ReadWriteOnce"), claim("ReadWriteMany"), "Spec"),
    (secret(type="Opaque"), secret(type="example.com/x"), "Type"),
    (secret(immutable=True), secret(immutable=True, stringData={"k": "hunter2-new"}), "Data"),
]


@pytest.mark.parametrize(
    ("before", "after", "field"), IMMUTABLE, ids=[f"{before['kind']}-{field}" for before, _after, field in IMMUTABLE]
)
def test_immutable_fields_are_explained(run: Run, before: Object, after: Object, field: str) -> None:
    assert not run(before).failures
    try:
        error = run(after, force_conflicts=True).failures[0]["error"]
        assert f". {field} cannot be changed in place" in error
        assert "delete it first (state: absent with this definition)" in error
        assert ("with it goes its data" in error) == (before["kind"] == "PersistentVolumeClaim")
        assert "hunter2" not in error
        assert "yyyy" not in error
        # What the error advises.
        assert not run(after, state="absent", wait_deleted=False).failures
    finally:
        run(state="absent", wait_deleted=False)
