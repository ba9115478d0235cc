# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._kube import tls as _kube_tls
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube, KubeConfigError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError
from tests.support.api_server import ApiServer
from tests.support.manifests_run import Run, with_certificates

MERGE = "application/merge-patch+json"


def config_map(name: str = "settings", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"mode": "fast"}}


def crd(name: str, group: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}s.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": name.title(), "plural": f"{name}s"},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    }


def path_of(namespace: str, name: str = "settings") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{name}"


def test_first_run_creates_second_sends_no_write(run: Run, api_server: ApiServer, namespace: str) -> None:
    first = run(config_map())
    second = run(config_map())
    assert first.actions == {"ConfigMap/settings": "created"}
    assert not second.changed
    assert second.writes == []
    assert second.result["counts"] == {"unchanged": 1}
    assert api_server.request("GET", path_of(namespace))["data"] == {"mode": "fast"}


@pytest.mark.parametrize(
    "edit",
    [
        {"data": {"mode": "slow"}},
        {"data": {"mode": None}},
        {"metadata": {"labels": {"team": "b"}}},
        {"metadata": {"annotations": {"note": None}}},
    ],
)
def test_drift_is_repaired_in_the_same_run(
    run: Run, api_server: ApiServer, namespace: str, edit: dict[str, Any]
) -> None:
    wanted = config_map()
    wanted["metadata"] |= {"labels": {"team": "a"}, "annotations": {"note": "x"}}
    run(wanted)
    before = api_server.request("GET", path_of(namespace))
    api_server.request("PATCH", path_of(namespace) + "?fieldManager=kubectl-edit", edit, MERGE)
    done = run(wanted, force_conflicts=True)
    after = api_server.request("GET", path_of(namespace))
    assert done.actions == {"ConfigMap/settings": "configured"}
    for part in ("labels", "annotations"):
        assert after["metadata"][part] == before["metadata"][part]
    assert after["data"] == before["data"]
    assert run(wanted).writes == []


def test_drift_without_force_is_a_conflict_that_names_field_and_owner(
    run: Run, api_server: ApiServer, namespace: str
) -> None:
    run(config_map())
    api_server.request("PATCH", path_of(namespace) + "?fieldManager=somebody", {"data": {"mode": "slow"}}, MERGE)
    error = run(config_map()).failures[0]["error"]
    assert ".data.mode" in error
    assert "somebody" in error
    assert "force_conflicts" in error


def test_fields_of_others_are_left_alone(run: Run, api_server: ApiServer, namespace: str) -> None:
    run(config_map())
    edit = {"data": {"other": "theirs"}, "metadata": {"labels": {"seen": "yes"}}}
    api_server.request("PATCH", path_of(namespace) + "?fieldManager=controller", edit, MERGE)
    done = run(config_map())
    assert not done.changed
    assert done.writes == []
    assert api_server.request("GET", path_of(namespace))["data"] == {"mode": "fast", "other": "theirs"}


def test_edit_under_our_own_name_is_found(run: Run, api_server: ApiServer, namespace: str) -> None:
    run(config_map())
    forged = {**config_map(mode="forged"), "metadata": {"name": "settings"}}
    query = "?fieldManager=llmops.maas&force=true"
    api_server.request("PATCH", path_of(namespace) + query, forged, "application/apply-patch+yaml")
    assert run(config_map()).actions == {"ConfigMap/settings": "configured"}
    assert api_server.request("GET", path_of(namespace))["data"] == {"mode": "fast"}


def test_deleted_and_recreated_objects_are_found(run: Run, api_server: ApiServer, namespace: str) -> None:
    run(config_map())
    api_server.request("DELETE", path_of(namespace))
    assert run(config_map()).actions == {"ConfigMap/settings": "created"}
    api_server.request("DELETE", path_of(namespace))
    api_server.request("POST", path_of(namespace).rpartition("/")[0], config_map(mode="other"))
    assert run(config_map(), force_conflicts=True).actions == {"ConfigMap/settings": "configured"}
    assert api_server.request("GET", path_of(namespace))["data"] == {"mode": "fast"}


def test_rbac_rule_and_secret_drift(run: Run, api_server: ApiServer, namespace: str) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"api_key": "abc"}}
    run(role, secret)
    role_path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/reader"
    wider = [{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}]
    api_server.request("PATCH", role_path, {"rules": wider}, MERGE)
    value = base64.b64encode(b"xyz").decode()
    api_server.request("PATCH", f"/api/v1/namespaces/{namespace}/secrets/key", {"data": {"api_key": value}}, MERGE)
    done = run(role, secret, force_conflicts=True)
    assert done.actions == {"Role/reader": "configured", "Secret/key": "configured"}
    assert api_server.request("GET", role_path)["rules"] == role["rules"]


def test_dropped_field_is_removed(run: Run, api_server: ApiServer, namespace: str) -> None:
    run(config_map(mode="fast", extra="1"))
    assert run(config_map()).actions == {"ConfigMap/settings": "configured"}
    assert api_server.request("GET", path_of(namespace))["data"] == {"mode": "fast"}


def test_prune_removes_what_the_bundle_dropped_and_nothing_else(
    run: Run, api_server: ApiServer, namespace: str
) -> None:
    api_server.request("POST", path_of(namespace).rpartition("/")[0], config_map("theirs"))
    run(config_map("one"), config_map("two"))
    assert run(config_map("one")).actions == {}
    done = run(config_map("one"), prune=True)
    assert done.actions == {"ConfigMap/two": "pruned"}
    assert run(config_map("one"), prune=True).writes == []
    names = {
        item["metadata"]["name"] for item in api_server.request("GET", path_of(namespace).rpartition("/")[0])["items"]
    }
    assert {"one", "theirs"} <= names
    assert "two" not in names


def test_prune_spares_what_somebody_else_recreated(run: Run, api_server: ApiServer, namespace: str) -> None:
    run(config_map("one"), config_map("two"))
    api_server.request("DELETE", path_of(namespace, "two"))
    api_server.request("POST", path_of(namespace).rpartition("/")[0], config_map("two", theirs="1"))
    assert run(config_map("one"), prune=True).actions == {}
    assert api_server.request("GET", path_of(namespace, "two"))["data"] == {"theirs": "1"}


def test_absent_by_bundle_alone(run: Run, api_server: ApiServer, namespace: str) -> None:
    run(config_map("one"), config_map("two"))
    check = run(state="absent", check=True)
    assert check.writes == []
    done = run(state="absent")
    assert check.actions == done.actions == {"ConfigMap/one": "deleted", "ConfigMap/two": "deleted"}
    assert [left["what"] for left in check.result["unchecked"]] == ["whether objects go"]
    assert "unchecked" not in done.result
    again = run(state="absent")
    assert not again.changed
    assert again.writes == []


def test_record_and_its_namespace_go_with_the_last_bundle(run: Run, api_server: ApiServer, namespace: str) -> None:
    own = f"records-{namespace}"
    run(config_map("one"), inventory_namespace=own, bundle="a")
    run(config_map("two"), inventory_namespace=own, bundle="b")
    run(state="absent", inventory_namespace=own, bundle="a")
    assert "deletionTimestamp" not in api_server.request("GET", f"/api/v1/namespaces/{own}")["metadata"]
    run(state="absent", inventory_namespace=own, bundle="b")
    assert "deletionTimestamp" in api_server.request("GET", f"/api/v1/namespaces/{own}")["metadata"]


def test_keep_kinds_keeps_object_and_record(run: Run, api_server: ApiServer, namespace: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kept"}, "data": {}}
    run(config_map("one"), secret)
    done = run(state="absent", keep_kinds=["Secret"])
    assert done.actions == {"ConfigMap/one": "deleted"}
    assert done.result["counts"]["kept"] == 1
    assert not run(state="absent", keep_kinds=["Secret"]).changed
    assert run(state="absent").actions == {"Secret/kept": "deleted"}


def test_stuck_finalizer_is_named(run: Run, api_server: ApiServer, namespace: str) -> None:
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    run(held)
    done = run(state="absent", timeout=0.5)
    assert "example.com/hold" in done.failures[0]["error"]
    remove = {"metadata": {"finalizers": None}}
    api_server.request("PATCH", path_of(namespace, "held"), remove, MERGE)
    assert not run(state="absent").failures


def test_crd_and_its_objects_in_one_bundle(run: Run, api_server: ApiServer, namespace: str) -> None:
    group = f"{namespace}.example.com"
    thing = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"size": 1}}
    objects = [thing, crd("thing", group)]
    check = run(*objects, check=True)
    assert all("dryRun=All" in write for write in check.writes)
    done = run(*objects)
    assert (
        check.actions == done.actions == {f"CustomResourceDefinition/things.{group}": "created", "Thing/a": "created"}
    )
    assert run(*objects).writes == []
    misspelt = {**thing, "spec": {"sise": 1}}
    error = run(misspelt, objects[1]).failures[0]["error"]
    assert "spec.sise" in error
    lenient = run(misspelt, objects[1], validate="warn")
    assert any("spec.sise" in text for text in lenient.warnings)
    gone = run(state="absent")
    assert list(gone.actions.values()) == ["deleted", "deleted"]
    assert gone.result["objects"][0]["kind"] == "Thing"


def test_check_mode_predicts_and_writes_nothing(run: Run, api_server: ApiServer, namespace: str) -> None:
    run(config_map("same"), config_map("changes"), config_map("dropped"))
    objects = [config_map("same"), config_map("changes", mode="slow"), config_map("new")]
    before = api_server.request("GET", path_of(namespace).rpartition("/")[0])
    check = run(*objects, check=True, diff=True, prune=True)
    assert api_server.request("GET", path_of(namespace).rpartition("/")[0])["items"] == before["items"]
    assert all("dryRun=All" in write for write in check.writes)
    done = run(*objects, diff=True, prune=True)
    assert check.actions == done.actions
    assert done.actions == {
        "ConfigMap/changes": "configured",
        "ConfigMap/new": "created",
        "ConfigMap/dropped": "pruned",
    }
    assert check.result["diff"] == done.result["diff"]


def test_check_mode_on_an_empty_cluster(run: Run) -> None:
    unknown = {"apiVersion": "nowhere.example.com/v1", "kind": "Thing", "metadata": {"name": "a"}}
    check = run({**config_map(), "metadata": {"name": "a", "namespace": "not-there"}}, unknown, check=True)
    assert check.actions == {"ConfigMap/a": "created", "Thing/a": "created"}
    assert check.writes == []
    (left,) = check.result["unchecked"]
    assert left["why"] == "their kinds or namespaces are not there yet"
    assert [item.partition(" of ")[0] for item in left["items"]] == ["2"]


def test_diff_hides_secret_values(run: Run) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"k": "hunter2-old"}}
    run(secret, diff=True)
    changed = {**secret, "stringData": {"k": "hunter2-new"}}
    diff = str(run(changed, diff=True).result["diff"])
    assert "differs" in diff
    for text in ("hunter2", base64.b64encode(b"hunter2-old").decode(), base64.b64encode(b"hunter2-new").decode()):
        assert text not in diff


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("a: b: c", "not valid YAML at line 1"),
        ("kind: ConfigMap\nmetadata: {name: a}", "apiVersion is missing"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}", "metadata.name is missing"),
        ("- a", "not a Kubernetes object"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}", "generateName"),
        ("apiVersion: v1\nkind: Widget\nmetadata: {name: a}", "no such kind"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: nope}", "no namespace nope"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: '%%%'}", "not base64"),
    ],
)
def test_bad_input_is_refused_before_anything_changes(run: Run, definition: str, said: str) -> None:
    since = run.server.audit_position()
    with pytest.raises(InputError, match="definitions\\[1\\], document 1") as caught:
        run(config_map("good"), definition)
    assert said in str(caught.value)
    assert run.server.writes(since) == []


def test_duplicates(run: Run) -> None:
    with pytest.raises(InputError, match=r"definitions\[1\].*already in definitions\[0\]"):
        run(config_map(mode="1"), config_map(mode="2"))
    assert run(config_map(mode="1"), config_map(mode="2"), duplicates="last").actions == {
        "ConfigMap/settings": "created"
    }


def test_several_failures_are_all_told_and_the_rest_is_recorded(run: Run, namespace: str) -> None:
    bad = [{**config_map(f"bad{n}"), "data": {"k": {"nested": "no"}}} for n in range(2)]
    done = run(config_map("good"), *bad)
    assert {item["name"] for item in done.failures} == {"bad0", "bad1"}
    assert done.actions == {"ConfigMap/good": "created"}
    assert all("definitions[" in item["source"] for item in done.failures)
    assert run(state="absent").actions == {"ConfigMap/good": "deleted"}


def test_immutable_field_is_explained(run: Run) -> None:
    frozen = {**config_map("frozen"), "immutable": True}
    run(frozen)
    error = run({**frozen, "data": {"mode": "slow"}}).failures[0]["error"]
    assert "immutable" in error
    assert "state: absent" in error


def test_error_of_a_secret_does_not_tell_its_value(run: Run) -> None:
    broken = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/dockerconfigjson\n"
        "stringData: {.dockerconfigjson: 'hunter2-not-json'}"
    )
    error = run(broken).failures[0]["error"]
    assert "hunter2" not in error
    assert base64.b64encode(b"hunter2-not-json").decode() not in error


def test_create_only_field_is_left_to_others(run: Run, api_server: ApiServer, namespace: str) -> None:
    left = [{"kind": "ConfigMap", "name": "settings", "fields": ["data.mode"]}]
    wanted = config_map(mode="first", rest="a")
    run(wanted, create_only=left)
    assert api_server.request("GET", path_of(namespace))["data"]["mode"] == "first"
    api_server.request("PATCH", path_of(namespace) + "?fieldManager=other", {"data": {"mode": "theirs"}}, MERGE)
    quiet = run(wanted, create_only=left)
    assert quiet.writes == []
    run(config_map(mode="first", rest="b"), create_only=left)
    assert api_server.request("GET", path_of(namespace))["data"] == {"mode": "theirs", "rest": "b"}


def test_patches_exclude_and_namespaces(run: Run, api_server: ApiServer, namespace: str) -> None:
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\ndata: {k: '1'}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: default}\n"
    )
    options = {
        "replace_namespace": {"default": namespace},
        "exclude": [{"kind": "ConfigMap", "name": "b"}],
        "patches": [{"target": {"kind": "ConfigMap", "name": "a"}, "merge": {"data": {"k": "2"}}}],
    }
    assert run(text, **options).actions == {"ConfigMap/a": "created"}
    assert api_server.request("GET", path_of(namespace, "a"))["data"] == {"k": "2"}
    with pytest.raises(InputError, match="exclude"):
        run(text, exclude=[{"kind": "ConfigMap", "name": "typo"}])


def test_interrupted_run_leaves_nothing_unrecorded(
    run: Run, api_server: ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after the objects were made and before the record was completed."""
    real: Callable[..., Any] = Kube.request

    def dies(self: Kube, method: str, path: str, **options: Any) -> Any:
        if method == "PUT":
            raise KeyboardInterrupt
        return real(self, method, path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Kube, "request", dies)
        with pytest.raises(KeyboardInterrupt):
            run(config_map("one"))
    assert run(state="absent").actions == {"ConfigMap/one": "deleted"}
    with pytest.raises(HTTPError):
        api_server.request("GET", path_of(namespace, "one"))


def test_no_cluster_is_guessed(monkeypatch: pytest.MonkeyPatch, api_server: ApiServer) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    with pytest.raises(KubeConfigError, match="no cluster chosen"):
        Kube.connect({})
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", str(api_server.kubeconfig))
    assert Kube.connect({}).resources.find("v1", "Secret")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"host": "https://127.0.0.1:1", "api_key": "x"}, "is the cluster running"),
        ({"api_key": "x"}, "set ca_cert"),
        ({"api_key": "wrong", "validate_certs": False}, "does not accept the credentials"),
    ],
)
def test_connection_errors_say_what_to_mend(api_server: ApiServer, params: dict[str, Any], said: str) -> None:
    with pytest.raises(KubeError, match=said):
        Kube.connect({"host": api_server.url, **params}).request("GET", "/api")


@pytest.mark.parametrize("memory", ["memory", "nowhere"])
def test_certificates_and_keys_stay_in_no_file(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    (tmp_path / "pki").mkdir()
    config = with_certificates(api_server, tmp_path / "pki")
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    places = [tmp_path / "memory", tmp_path / "temporary"]
    for place in places:
        place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(places[1]))
    monkeypatch.setattr(_kube_tls, "_MEMORY", str(tmp_path / memory))
    for source in (config, str(tmp_path / "kubeconfig")):
        kube = Kube.connect({"kubeconfig": source})
        assert not [path for place in places for path in place.rglob("*")]
        assert not _kube_tls.kube_config._temp_files
        # A new connection of the pool needs them again.
        assert [kube.request("GET", "/version")["major"] for _again in range(2)] == ["1", "1"]
    user = {**config["users"][0]["user"], "client-key-data": config["users"][0]["user"]["client-certificate-data"]}
    with pytest.raises(KubeConfigError, match="certificate and key belong together"):
        Kube.connect({"kubeconfig": {**config, "users": [{**config["users"][0], "user": user}]}})
    assert not [path for place in places for path in place.rglob("*")]
