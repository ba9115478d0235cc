# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fields that a client-side apply has set: whose they become, and which of them are named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import LAST_APPLIED
from ansible_collections.llmops.maas.plugins.module_utils._manifests.client_side import (
    has_client_fields,
    leftovers,
    merge_patch,
    taken_over,
    without_client_fields,
)

SENT = {
    "metadata": {"annotations": {}, "labels": {"team": "a"}, "finalizers": ["x/y"]},
    "spec": {"ports": [{"port": 80, "name": "http"}, {"port": 81}]},
}
# With the defaults that the server put in, as kubectl's own entry has them.
THEIRS = {
    "f:metadata": {
        "f:annotations": {".": {}, f"f:{LAST_APPLIED}": {}},
        "f:labels": {".": {}, "f:team": {}},
        "f:finalizers": {".": {}, 'v:"x/y"': {}},
    },
    "f:spec": {
        "f:type": {},
        "f:ports": {
            ".": {},
            'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:name": {}, "f:targetPort": {}},
            'k:{"port":81,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:targetPort": {}},
        },
    },
}
OURS = {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}}}


def entry(manager: str, operation: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, **more}


def metadata(*entries: dict[str, Any], annotated: bool = True) -> dict[str, Any]:
    annotations = {LAST_APPLIED: json.dumps(SENT)} if annotated else {}
    return {"managedFields": list(entries), "annotations": annotations}


KUBECTL = entry("kubectl-client-side-apply", "Update", THEIRS)
CONTROLLER = entry("controller", "Update", {"f:status": {}}, subresource="status")


@pytest.mark.parametrize(
    ("known", "client"),
    [
        (KUBECTL, True),
        (entry("kubectl-client-side-apply", "Update", {}), True),
        # kubectl apply --field-manager, or another program that applies as kubectl does.
        (entry("somebody", "Update", THEIRS), True),
        (entry("somebody", "Update", {"f:data": {}}), False),
        (entry("kubectl", "Apply", THEIRS), False),
        (entry("somebody", "Update", THEIRS, subresource="status"), False),
    ],
)
def test_client_side_applies_are_known_by_name_or_annotation(known: dict[str, Any], client: bool) -> None:
    assert has_client_fields({"managedFields": [known]}) == client
    assert (taken_over({"managedFields": [known]}, "us", [], {}, force=True) is not None) == client


def test_what_they_own_becomes_ours() -> None:
    ours = entry("us", "Apply", OURS, time="now")
    merged = taken_over(metadata(KUBECTL, CONTROLLER, ours), "us", ["spec.type"], {}, force=True)
    assert merged is not None
    assert merged[1:] == [CONTROLLER]
    fields = merged[0].pop("fieldsV1")
    assert merged[0] == {"manager": "us", "operation": "Apply", "apiVersion": "v1", "time": "now"}
    assert set(fields["f:spec"]["f:ports"]) == set(THEIRS["f:spec"]["f:ports"])
    # Left to whoever changes it: without an owner it stays as it is.
    assert "f:type" not in fields["f:spec"]
    assert OURS["f:spec"]["f:ports"].keys() == {'k:{"port":80,"protocol":"TCP"}'}


def test_a_leaf_of_one_and_members_of_the_other_are_both_kept() -> None:
    ours = entry("us", "Apply", {"f:data": {}})
    merged = taken_over(
        metadata(entry("kubectl-client-side-apply", "Update", {"f:data": {"f:a": {}}}), ours), "us", [], {}, force=True
    )
    assert merged is not None
    assert merged[0]["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}


def test_only_what_was_sent_and_is_not_ours_is_named() -> None:
    live = {"metadata": metadata(KUBECTL, entry("us", "Apply", OURS))}
    assert leftovers(live, "us") == [
        "metadata.labels.team",
        'metadata.finalizers["x/y"]',
        "spec.ports[port=80,protocol=TCP].name",
        "spec.ports[port=81,protocol=TCP]",
    ]
    assert "metadata.labels.team" not in leftovers(live, "us", ["metadata.labels.team"])
    assert leftovers({"metadata": metadata(entry("us", "Apply", OURS))}, "us") == []
    whole = entry("us", "Apply", {"f:metadata": {}, "f:spec": {}})
    assert leftovers({"metadata": metadata(KUBECTL, whole)}, "us") == []


def test_without_the_annotation_everything_may_have_been_sent() -> None:
    live = {"metadata": metadata(KUBECTL, annotated=False)}
    assert "spec.type" in leftovers(live, "us")
    assert not any(LAST_APPLIED in path for path in leftovers(live, "us"))


def test_a_dry_run_shows_what_a_takeover_removes() -> None:
    known = metadata(KUBECTL, CONTROLLER)
    other = entry("other", "Apply", {"f:metadata": {"f:finalizers": {'v:"x/y"': {}}}})
    answer = {
        "metadata": {
            "labels": {"team": "a"},
            "finalizers": ["x/y", "z"],
            "annotations": dict(known["annotations"]),
            "managedFields": [KUBECTL, CONTROLLER, entry("us", "Apply", OURS), other],
        },
        "spec": {
            "type": "ClusterIP",
            "ports": [
                {"port": 80, "protocol": "TCP", "name": "http", "targetPort": 80},
                {"port": 81, "protocol": "TCP", "targetPort": 81},
            ],
        },
    }
    after = without_client_fields(answer, known, [], {}, force=True)
    # The defaults that kubectl's entry owns as well are the server's to put in again.
    assert after["spec"] == {"ports": [{"port": 80, "protocol": "TCP"}]}
    assert after["metadata"]["finalizers"] == ["x/y", "z"]
    assert set(after["metadata"]) == {"finalizers", "managedFields"}
    assert [item["manager"] for item in after["metadata"]["managedFields"]] == ["controller", "us", "other"]
    assert len(answer["spec"]["ports"]) == 2


def test_a_merge_patch_makes_one_of_the_other() -> None:
    before = {"a": {"b": 1, "c": {"d": 1}}, "e": [1, 2], "f": 1}
    after = {"a": {"b": 1, "c": {}}, "e": [1], "g": {"h": None}}
    assert merge_patch(before, after) == {"a": {"c": {"d": None}}, "e": [1], "f": None, "g": {"h": None}}
    assert merge_patch(before, before) == {}
