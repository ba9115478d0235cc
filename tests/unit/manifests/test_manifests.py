# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import (
    InputError,
    Manifest,
    ManifestSource,
    ObjectKey,
    read_sources,
    split_documents,
)
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import explain, worth_retrying
from ansible_collections.llmops.maas.plugins.module_utils._kube.undeclared import drop_path, undeclared_fields
from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import YamlError, dump_json, load_yaml
from ansible_collections.llmops.maas.plugins.module_utils._manifests.bundle import Bundle
from ansible_collections.llmops.maas.plugins.module_utils._manifests.diff import difference
from ansible_collections.llmops.maas.plugins.module_utils._manifests.order import wave
from ansible_collections.llmops.maas.plugins.module_utils._manifests.owned_fields import (
    body_digest,
    drop_field,
    metadata_digest,
    owns_field,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.redact import shown_definitions
from ansible_collections.llmops.maas.plugins.module_utils._manifests.transform import (
    Transformation,
    merge,
    replace_namespaces,
)
from ansible_collections.llmops.maas.plugins.modules.manifests import ARGUMENTS

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def read(text: str) -> list[Manifest]:
    return read_sources([ManifestSource("input", text.encode())], lambda body: body)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("=", "="),
        ("2001-12-14", "2001-12-14"),
        ("1:30", "1:30"),
        ("1e3", 1000.0),
        ("0777", 511),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("y", True),
        ("off", False),
        ("'yes'", "yes"),
        ("~", None),
        ("1.2.3", "1.2.3"),
        ("100m", "100m"),
        ("08", "08"),
        ("-.5", -0.5),
    ],
)
def test_scalars_are_read_as_the_api_server_reads_them(text: str, value: Any) -> None:
    found = load_yaml(f"v: {text}")["v"]
    # "08" is no integer for Go, but it is a float.
    assert found == (8.0 if text == "08" else value)
    assert isinstance(found, float if text == "08" else type(value))


def test_keys_are_strings_and_never_twice() -> None:
    assert load_yaml("{80: a, true: b}") == {"80": "a", "true": "b"}
    with pytest.raises(YamlError, match="twice"):
        load_yaml("a: 1\nb: 2\na: 3")
    assert load_yaml("base: &b {x: 1, y: 2}\nmore: {<<: *b, x: 3}")["more"] == {"x": 3, "true": 2}


def test_yaml_errors_show_no_text_of_the_input() -> None:
    with pytest.raises(YamlError) as caught:
        load_yaml("a: hunter2\n b: 'hunter2: c")
    assert "hunter2" not in str(caught.value)
    assert caught.value.line


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_json_that_is_sent_as_yaml_says_the_same(value: Any) -> None:
    text = dump_json({"v": value})
    if "\\ud" in text.decode():
        return
    assert load_yaml(text) == {"v": value}
    assert json.loads(text) == {"v": value}


def test_documents_are_split_at_markers_only() -> None:
    text = f"# head\n---\n{CONFIG_MAP}data:\n  k: |\n    ---\n    x\n---\n# nothing\n--- # next\n{CONFIG_MAP}"
    found = list(split_documents(text.encode()))
    assert [(number, line) for number, line, _text in found] == [(1, 2), (2, 12)]
    assert read(CONFIG_MAP + "data:\n  k: |\n    ---\n    x\n")[0].body()["data"] == {"k": "---\nx\n"}


def test_what_is_sent_is_the_object_alone() -> None:
    longer = read(f"# a comment\n{CONFIG_MAP}data:   {{k: 'v'}}\n")[0]
    assert json.loads(longer.payload) == load_yaml(CONFIG_MAP) | {"data": {"k": "v"}}
    assert longer.digest(b"") == read(f"{CONFIG_MAP}data:\n  k: v\n")[0].digest(b"") != read(CONFIG_MAP)[0].digest(b"")


def test_lists_are_taken_apart_and_all_problems_are_told() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [load_yaml(CONFIG_MAP)] * 2}
    assert len(read(json.dumps(listed))) == 2
    with pytest.raises(InputError) as caught:
        read("kind: A\n---\n- 1\n---\na: b: c\n")
    assert len(caught.value.problems) == 4
    assert "input, document 3 (line 4)" in str(caught.value)


def test_string_data_becomes_data() -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: MQ==}\nstringData: {b: é}\n"
    assert read(text)[0].body()["data"] == {"a": "MQ==", "b": base64.b64encode("é".encode()).decode()}


def test_waves() -> None:
    order = [
        ("", "Namespace"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("rbac.authorization.k8s.io", "Role"),
        ("", "Secret"),
        ("apps", "Deployment"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("gateway.networking.k8s.io", "Gateway"),
    ]
    assert [wave(*kind) for kind in order] == list(range(7))
    assert wave("policy", "PodDisruptionBudget") == wave("apps", "Deployment")


def live(ours: dict[str, Any], others: dict[str, Any], **parts: Any) -> dict[str, Any]:
    entries = [
        {"manager": "us", "operation": "Apply", "fieldsV1": ours},
        {"manager": "them", "operation": "Update", "fieldsV1": others},
    ]
    return {"metadata": {"name": "a", "managedFields": entries, **parts.pop("metadata", {})}, **parts}


def test_digests_cover_our_fields_and_no_others() -> None:
    ours = {
        "f:metadata": {"f:labels": {"f:a": {}}},
        "f:data": {"f:k": {}},
        "f:spec": {"f:ports": {'k:{"port":1}': {".": {}, "f:port": {}}}},
    }
    theirs = {"f:data": {"f:z": {}}}
    ports = [{"port": 1, "extra": 5}, {"port": 2}]
    base = live(ours, theirs, metadata={"labels": {"a": "1"}}, data={"k": "1", "z": "1"}, spec={"ports": ports})
    same = live(
        ours, theirs, metadata={"labels": {"a": "1", "b": "2"}}, data={"k": "1", "z": "9"}, spec={"ports": ports[::-1]}
    )
    assert body_digest(base, "us") == body_digest(same, "us")
    assert metadata_digest(base["metadata"], "us") == metadata_digest(same["metadata"], "us")
    assert body_digest({**base, "data": {"k": "2"}}, "us") != body_digest(base, "us")
    assert body_digest({**base, "spec": {"ports": []}}, "us") != body_digest(base, "us")
    assert metadata_digest({**base["metadata"], "labels": {}}, "us") != metadata_digest(base["metadata"], "us")
    assert metadata_digest(base["metadata"], "nobody") == ""


def test_what_others_put_into_our_empty_mapping_is_not_ours() -> None:
    ours = {"f:spec": {"f:annotations": {}}}
    empty = live(ours, {}, spec={"annotations": {}})
    filled = live(ours, {"f:spec": {"f:annotations": {"f:x": {}}}}, spec={"annotations": {"x": "1"}})
    assert body_digest(empty, "us") == body_digest(filled, "us")
    atomic = live(ours, {}, spec={"annotations": {"x": "1"}})
    assert body_digest(empty, "us") != body_digest(atomic, "us")


def test_left_fields_do_not_count() -> None:
    fields = {
        "f:webhooks": {'k:{"name":"x"}': {".": {}, "f:name": {}, "f:failurePolicy": {}}},
        "f:spec": {"f:replicas": {}},
    }
    assert drop_field(fields, "webhooks[*].failurePolicy")["f:webhooks"] == {'k:{"name":"x"}': {".": {}, "f:name": {}}}
    # Not left behind as an empty set, which would stand for everything below it.
    assert "f:spec" not in drop_field(fields, "spec.replicas")
    assert owns_field(live(fields, {})["metadata"], "us", "webhooks[*].failurePolicy")
    assert not owns_field(live(fields, {})["metadata"], "us", "webhooks[*].sideEffects")


def test_merge() -> None:
    base = {"a": {"b": 1, "c": 2}, "env": [{"name": "x", "value": "1"}, {"name": "y", "value": "2"}], "list": [1, 2]}
    patch = {"a": {"b": None}, "env": [{"name": "x", "value": "9"}, {"name": "z"}], "list": [3]}
    assert merge(base, patch) == {
        "a": {"c": 2},
        "env": [{"name": "x", "value": "9"}, {"name": "y", "value": "2"}, {"name": "z"}],
        "list": [3],
    }


def test_replace_namespaces() -> None:
    body = {
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "x"},
        "webhooks": [{"clientConfig": {"service": {"namespace": "default"}}}, {"clientConfig": {"url": "https://x"}}],
        "subjects": [{"namespace": "default"}, {"namespace": "other"}],
    }
    replace_namespaces(body, {"default": "new"})
    assert body["webhooks"][0]["clientConfig"]["service"]["namespace"] == "new"
    assert [subject["namespace"] for subject in body["subjects"]] == ["new", "other"]


def test_targets_that_match_nothing_are_an_error() -> None:
    params = {"exclude": [{"kind": "Role", "name": "typo"}], "patches": [{"target": {"kind": "X"}, "merge": {}}]}
    transformation = Transformation(params)
    transformation(load_yaml(CONFIG_MAP))
    with pytest.raises(InputError) as caught:
        transformation.check_used()
    assert len(caught.value.problems) == 2


def test_secrets_are_hidden_in_arguments() -> None:
    secret = {"kind": "Secret", "metadata": {"annotations": {"a": "hunter2"}}, "data": {"k": "hunter2"}}
    wrapped = {"kind": "List", "items": [secret, {"kind": "ConfigMap", "data": {"k": "seen"}}]}
    for definitions in (secret, [secret], wrapped, json.dumps(secret), "kind: Secret\n: : hunter2"):
        assert "hunter2" not in str(shown_definitions(definitions))
    assert "seen" in str(shown_definitions(wrapped))


def test_secrets_are_hidden_in_differences() -> None:
    old = {"kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "aHVudGVy", "same": "eA=="}}
    new = {**old, "data": {"k": "b3RoZXI=", "same": "eA=="}}
    diff = difference(ObjectKey("", "Secret", "ns", "a"), old, new)
    assert diff["before"] != diff["after"]
    for text in ("aHVudGVy", "b3RoZXI=", "eA=="):
        assert text not in str(diff)


def test_large_differences_show_what_differs() -> None:
    big = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {str(n): "x" * 100 for n in range(2000)}}
    changed = {**big, "data": {**big["data"], "7": "changed"}}
    diff = difference(ObjectKey("", "ConfigMap", "ns", "a"), big, changed)
    assert "changed" in diff["after"]
    assert len(diff["after"]) < 200


def test_undeclared_fields() -> None:
    text = (
        "failed to create typed patch object (a/b; apps/v1.x, Kind=D): errors:\n"
        '  .spec.ports[port=80,protocol="TCP"].foo: field not declared in schema\n'
        "  .spec.bar: field not declared in schema"
    )
    paths = undeclared_fields(text)
    body = {"spec": {"ports": [{"port": 80, "foo": 1}], "bar": 2}}
    assert all(drop_path(body, path) for path in paths)
    assert body == {"spec": {"ports": [{"port": 80}]}}


@pytest.mark.parametrize(
    ("status", "body", "retried"),
    [
        (500, {"message": 'failed calling webhook "x": no endpoints available for service'}, True),
        (500, {"message": "failed to create typed patch object"}, False),
        (429, {}, True),
        (409, {"reason": "Conflict"}, True),
        (409, {"reason": "Conflict", "details": {"causes": [{"reason": "FieldManagerConflict"}]}}, False),
        (403, {"message": "namespace x is being terminated"}, False),
        (422, {}, False),
        (404, {}, False),
    ],
)
def test_only_what_may_pass_is_retried(status: int, body: dict[str, Any], retried: bool) -> None:
    assert worth_retrying(ApiError(status, body)) == retried


def test_errors_mask_secrets() -> None:
    error = ApiError(500, {"message": "expected string, got &value.valueUnstructured{Value:12345} for hunter2"})
    text = explain(error, ("hunter2",))
    assert "hunter2" not in text
    assert "12345" not in text


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "nothing to do"),
        ({"state": "absent"}, "nothing to do"),
        ({"bundle": "Not_Good", "definitions": "a"}, "bundle"),
        ({"prune": True, "definitions": "a"}, "prune needs bundle"),
        ({"timeout": 0, "definitions": "a"}, "timeout"),
        ({"namespace": "a", "override_namespace": "b", "definitions": "a"}, "exclude each other"),
        ({"definitions": [1]}, r"definitions\[0\]"),
        ({"files": ["/nowhere.yaml"]}, "cannot be read"),
        ({"urls": [{"url": "http://example.invalid/a"}]}, "https://"),
        ({"definitions": "a", "sealed": "["}, "internal use"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, Any], said: str) -> None:
    checked = ArgumentSpecValidator(ARGUMENTS).validate(params)
    assert not checked.error_messages
    with pytest.raises(InputError, match=said):
        Bundle(checked.validated_parameters, check=False, diff=False, warn=print)
