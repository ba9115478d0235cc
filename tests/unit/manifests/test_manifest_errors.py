# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What errors of the API server and broken manifests advise the user to do."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import (
    InputError,
    Manifest,
    ManifestSource,
    read_sources,
)
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import explain, worth_retrying
from ansible_collections.llmops.maas.plugins.module_utils._kube.pins import broken_pins
from ansible_collections.llmops.maas.plugins.module_utils._manifests.transform import Transformation

EXPORTED = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  resourceVersion: "42"
  uid: 0c6a
"""


def invalid(kind: str, field: str, message: str, status: int = 422) -> ApiError:
    causes = [{"reason": "FieldValueInvalid", "field": field, "message": message}]
    body = {"message": f'{kind} "x" is invalid: {field}: {message}', "details": {"kind": kind, "causes": causes}}
    return ApiError(status, body)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("roleRef", 'Invalid value: {"Kind":"Role","Name":"b"}: cannot change roleRef'),
        ("spec.selector", 'Invalid value: {"matchLabels":{"a":"2"}}: field is immutable'),
        ("spec.clusterIPs[0]", 'Invalid value: ["None"]: may not change once set'),
        ("parameters", "Forbidden: updates to parameters are forbidden."),
        ("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas' and 'x' are forbidden"),
        ("spec", "Forbidden: pod updates may not change fields other than `spec.tolerations`"),
        ("value", "Forbidden: may not be changed in an update."),
        ("data", "Forbidden: field is immutable when `immutable` is set"),
        ("spec.a", 'Invalid value: "string": failed rule: self == oldSelf'),
        ("spec.a", 'Invalid value: "string": Value is immutable'),
        ("spec.mode", "Forbidden: the mode can't be modified"),
    ],
)
def test_immutable_fields_are_named_with_what_to_do(field: str, message: str) -> None:
    text = explain(invalid("Thing", field, message))
    assert f". {field[0].upper()}{field[1:]} cannot be changed in place" in text
    assert "delete it first (state: absent with this definition) and run again" in text
    # An object that was not there before cannot be helped by deleting it.
    assert "delete it first" not in explain(invalid("Thing", field, message), live=False)


def test_refusals_of_webhooks_are_explained_as_well() -> None:
    denied = ApiError(400, {"message": 'admission webhook "x" denied the request: deploymentMode cannot be changed'})
    assert "This field cannot be changed in place" in explain(denied)
    assert "delete" not in explain(invalid("Thing", "spec.size", "Invalid value: 0: must be greater than 0"))


@pytest.mark.parametrize(("kind", "loss"), [("PersistentVolumeClaim", "its data"), ("Thing", "")])
def test_what_goes_with_the_object_is_said(kind: str, loss: str) -> None:
    text = explain(invalid(kind, "spec", "Forbidden: spec is immutable after creation"))
    assert text.endswith(f"with it goes {loss}" if loss else "run again")


def test_long_values_are_left_out() -> None:
    message = "Invalid value: {" + '"Env":"hunter2",' * 100 + "}: field is immutable"
    text = explain(invalid("Job", "spec.template", message))
    assert "spec.template: Invalid value: field is immutable" in text
    assert "hunter2" not in text


def test_what_has_to_be_text_is_to_be_quoted() -> None:
    problems = [
        f"{path}: expected string, got &value.valueUnstructured{{Value:1}}"
        for path in (".data.a", '.spec.containers[name="c"].args[0]')
    ]
    for message in (f"failed to create typed patch object (a/b): {problems[0]}", "errors:\n  " + "\n  ".join(problems)):
        text = explain(ApiError(500, {"message": message}))
        assert "Quote data.a" in text
        assert ('Quote data.a, spec.containers[name="c"].args[0]: YAML' in text) == (problems[1] in message)


def read(text: str, **params: Any) -> list[Manifest]:
    return read_sources([ManifestSource("input", text.encode())], Transformation(params))


@pytest.mark.parametrize(
    ("live", "said"),
    [
        (None, "metadata.uid (line 6) and metadata.resourceVersion (line 5) belong to an object that is gone"),
        ({"uid": "0c6a", "resourceVersion": "42"}, None),
        ({"uid": "ffff", "resourceVersion": "42"}, "metadata.uid (line 6) belongs to an object that is gone"),
        (
            {"uid": "0c6a", "resourceVersion": "43"},
            "metadata.resourceVersion (line 5) belongs to an earlier state of the object; remove this line",
        ),
        (
            {"uid": "0c6a", "resourceVersion": "42", "deletionTimestamp": "now"},
            "metadata.uid (line 6) and metadata.resourceVersion (line 5) belong to an object that is gone",
        ),
    ],
)
def test_pins_to_another_object_are_named_with_their_lines(live: dict[str, Any] | None, said: str | None) -> None:
    manifest = read(EXPORTED)[0]
    problems = broken_pins([manifest], {} if live is None else {manifest.key: live})
    assert len(problems) == bool(said)
    assert said is None or said in problems[0]


def test_lines_are_those_of_the_file() -> None:
    items = "kind: ConfigMapList\napiVersion: v1\nitems:\n- metadata: {name: b}\n- metadata:\n    name: c\n    uid: x\n"
    one_line = '{"apiVersion": "v1", "kind": "A", "metadata": {"name": "d", "uid": "x"}}'
    text = "\n---\n".join([EXPORTED, EXPORTED, items, one_line])
    assert [[str(pin) for pin in manifest.pins] for manifest in read(text)] == [
        ["metadata.uid (line 6)", "metadata.resourceVersion (line 5)"],
        ["metadata.uid (line 14)", "metadata.resourceVersion (line 13)"],
        [],
        ["metadata.uid (line 23)"],
        ["metadata.uid"],
    ]


def test_a_patch_can_remove_pins() -> None:
    merge = {"metadata": {"uid": None, "resourceVersion": None}}
    assert read(EXPORTED, patches=[{"target": {"kind": "ConfigMap"}, "merge": merge}])[0].pins == ()


def test_conflicts_of_pinned_manifests_are_not_retried() -> None:
    conflict = ApiError(409, {"message": "the object has been modified", "reason": "Conflict"})
    assert worth_retrying(conflict)
    assert not worth_retrying(conflict, pinned=True)
    pins = read(EXPORTED)[0].pins
    assert "remove these lines" in explain(conflict, pins=pins)
    other = invalid("ConfigMap", "metadata.uid", 'Invalid value: "0c6a": field is immutable')
    assert "remove these lines" in explain(other, pins=pins)
    assert "delete it first" not in explain(other, pins=pins)


def test_managed_fields_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(InputError, match=r"ConfigMap a: metadata\.managedFields is the API server's; remove it"):
        read(EXPORTED + "  managedFields: [{manager: x}]\n")
