# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects given as data: what Ansible has read otherwise than Kubernetes would is kept as written, or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError, read_sources
from ansible_collections.llmops.maas.plugins.module_utils._manifests.definitions import plain
from ansible_collections.llmops.maas.plugins.module_utils._manifests.inputs import definition_sources
from ansible_collections.llmops.maas.plugins.module_utils._manifests.redact import shown_definitions


def as_data(data: str) -> Any:
    """What a playbook's ``definitions:`` comes as."""
    return yaml.safe_load(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  {data}\n")


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        ("day: 2026-01-31", {"day": "2026-01-31"}),
        ("2026-01-31: day", {"2026-01-31": "day"}),
        ("sha: 61e9540", {"sha": "61e9540"}),
        ("'on': 'yes'", {"on": "yes"}),
        ("8080: a", {"8080": "a"}),
        ("face: \U0001f600", {"face": "\U0001f600"}),
        ("a: [1, 1.5, true, null]", {"a": [1, 1.5, True, None]}),
    ],
)
def test_text_is_kept_where_it_can_be_known(data: str, stored: dict[str, Any]) -> None:
    body = read_sources(definition_sources(as_data(data)), lambda body: body)[0].body()
    assert body["data"] == stored


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("at: 2026-01-31T10:00:00Z", "definitions.data.at: Ansible has read it as a time stamp"),
        ("at: [1, 2026-01-31 10:00:00]", "definitions.data.at[1]: Ansible has read it as a time stamp"),
        ("on: push", "definitions.data: Ansible has read the key True as a boolean"),
        ("no: 1", "definitions.data: Ansible has read the key False as a boolean"),
        ("1.10: x", "definitions.data: Ansible has read the key 1.1 as a number"),
        ("~: x", "definitions.data: Ansible has read the key None as something that is no text"),
        ("2026-01-31 10:00:00: x", "definitions.data: Ansible has read the key 2026-01-31 10:00:00 as a time stamp"),
        ("a: .inf", "definitions.data.a: Ansible has read it as the number inf"),
        ("a: 6.1e+9540", "definitions.data.a: Ansible has read it as the number inf"),
        ("a: .nan", "definitions.data.a: Ansible has read it as the number nan"),
    ],
)
def test_what_cannot_be_known_is_to_be_quoted(data: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        definition_sources(as_data(data))
    assert str(caught.value).startswith(said)
    assert str(caught.value).endswith("quote it")


def test_all_problems_are_reported_with_their_definition() -> None:
    with pytest.raises(InputError) as caught:
        definition_sources([as_data("a: 1"), as_data("{on: 1, a: !!binary aGk=}"), {"a": "\udce9"}, "a: \udce9", 5])
    found = [problem.split(":")[0] for problem in caught.value.problems]
    wanted = ["definitions[1].data", "definitions[1].data.a", "definitions[2].a", "definitions[3]", "definitions[4]"]
    assert found == wanted


def test_values_are_not_in_the_problems() -> None:
    with pytest.raises(InputError) as caught:
        plain({"data": {"key": b"hunter2", "at": yaml.safe_load("2026-01-31 10:00:00"), "text": "hunter2\udce9"}}, "x")
    assert len(caught.value.problems) == 3
    assert "hunter2" not in str(caught.value)
    assert "2026" not in str(caught.value)


def test_sets_come_in_one_order() -> None:
    names = [f"name-{number}" for number in range(10, 30)]
    assert plain({"a": set(names), "b": ("z",)}, "x") == {"a": names, "b": ["z"]}


@pytest.mark.parametrize("kind", ["SecretList", "List"])
def test_secrets_without_a_kind_in_a_list_are_hidden(kind: str) -> None:
    secret = {"metadata": {"name": "a", "annotations": {"copy": "hunter2"}}, "data": {"k": "hunter2"}}
    item = secret if kind == "SecretList" else {"kind": "SecretList", "items": [secret]}
    shown = shown_definitions({"apiVersion": "v1", "kind": kind, "items": [item, "text"]})
    assert "hunter2" not in json.dumps(shown)
    maps = {"kind": "ConfigMapList", "items": [{"metadata": {"name": "a"}, "data": {"k": "seen"}}]}
    assert shown_definitions(maps) == maps
