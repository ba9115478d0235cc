# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._manifests.client_side import taken_over
from ansible_collections.llmops.maas.plugins.module_utils._manifests.lost_fields import lost_fields

HTTPS: dict[str, Any] = {'k:{"name":"https"}': {".": {}, "f:name": {}, "f:port": {}}}
HTTP: dict[str, Any] = {'k:{"name":"http"}': {".": {}, "f:name": {}, "f:port": {}}}
APPLIED = {"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:listeners": {**HTTP, **HTTPS}, "f:class": {}}}
BODY = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"class": "istio", "listeners": [{"name": "http", "port": 80}]},
}


def gateway(*entries: dict[str, Any]) -> dict[str, Any]:
    managed = [{"manager": "us", "operation": "Apply", "fieldsV1": fields} for fields in entries]
    listeners = [{"name": "http", "port": 80}, {"name": "https", "port": 443}]
    return {
        "metadata": {"labels": {"a": "b"}, "managedFields": managed},
        "spec": {"class": "istio", "listeners": listeners},
    }


def test_what_the_manifest_lacks_and_nobody_owns_is_lost() -> None:
    live = gateway({"f:metadata": APPLIED["f:metadata"]})
    lost = lost_fields(live, APPLIED, lambda: BODY, [])
    assert lost == {"f:spec": {"f:listeners": HTTPS}}
    merged = taken_over(live["metadata"], "us", [], lost, force=False)
    assert merged is not None
    assert merged[0]["fieldsV1"] == {"f:metadata": APPLIED["f:metadata"], "f:spec": {"f:listeners": HTTPS}}


@pytest.mark.parametrize(
    "owned",
    [
        APPLIED,
        {"f:spec": {"f:listeners": HTTPS}},
        # A leaf stands for all that is below it.
        {"f:spec": {"f:listeners": {}}},
    ],
)
def test_what_somebody_owns_is_not(owned: dict[str, Any]) -> None:
    assert lost_fields(gateway(owned), APPLIED, lambda: BODY, []) == {}


def test_neither_is_what_is_gone_or_left_to_others() -> None:
    live = gateway({})
    assert lost_fields(live, APPLIED, lambda: BODY, ["spec.listeners"]) == {}
    live["spec"]["listeners"].pop()
    assert lost_fields(live, APPLIED, lambda: BODY, []) == {}
