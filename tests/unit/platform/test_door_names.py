# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that users write: of variables and of fields inside them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.plugin_utils._platform import door
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.spec import computed_names, read_defaults
from tests.support.door_inputs import QWEN, problem, read, values


def test_known_names_are_silent() -> None:
    assert values(users=[], models=[])["users"] == []


def test_a_typing_error_gets_the_nearest_name() -> None:
    assert problem(modles=[]) == "maas_modles is not a variable of this collection; did you mean maas_models?"


def test_something_else_gets_no_guess() -> None:
    assert problem(zzzzzzzz=1) == "maas_zzzzzzzz is not a variable of this collection"


def test_removed_names_say_what_replaced_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REMOVED", {"maas_model_catalog": "use maas_models"})
    assert problem(model_catalog=[]) == "maas_model_catalog was removed: use maas_models"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"models": [{**QWEN, "gpu": 1}]}, "maas_models[0].gpu: there is no such field; did you mean gpus?; known are"),
        ({"s3": {"endpiont": "x"}}, "maas_s3.endpiont: there is no such field; did you mean endpoint?"),
        (
            {"users": [{"name": "a", "group": "user"}]},
            "maas_users[0].group: there is no such field; did you mean groups",
        ),
        (
            {"runtimes": {"x": {"image": "x", "arg": 1}}},
            "maas_runtimes.x.arg: there is no such field; did you mean args",
        ),
        ({"local_ports": {"graphana": 1}}, "maas_local_ports.graphana: there is no such forward; known are gateway"),
    ],
)
def test_misspelt_fields_are_named_with_the_nearest(variables: dict[str, Any], message: str) -> None:
    assert problem(**variables).startswith(message)


def test_the_result_cannot_be_given_as_an_extra_variable() -> None:
    given = {**read_defaults(), "maas_platform": {"namespace": "mine"}}
    messages = door.read_platform(given, extra_vars={"maas_platform"}).problems
    assert "maas_platform: is made by the collection and cannot be set; remove it from the extra variables" in messages
    assert not any("maas_platform" in message for message in door.read_platform(given).problems)


def test_names_that_the_role_computes_are_known() -> None:
    assert {"maas_platform", "maas_upstream"} <= computed_names()
    assert all(name.startswith("maas_") for name in computed_names())


def test_all_mistakes_are_found_at_once() -> None:
    found = read(
        modles=[],
        tls_enabled="ture",
        gateway_replicas="two",
        hostnames="http://x",
        key_max_age="30",
        models=[{**QWEN, "gpus": "one"}, {**QWEN, "name": "b", "memory": "8"}],
        users=[{"name": "a", "groups": "nobody"}],
    ).problems
    assert [message.partition(":")[0].partition(" ")[0] for message in found] == [
        "maas_modles",
        "maas_gateway_replicas",
        "maas_tls_enabled",
        "maas_models[0].gpus",
        "maas_hostnames[0]",
        "maas_models[1].memory",
        "maas_users[0]",
        "maas_key_max_age",
    ]


def test_a_variable_whose_template_fails_is_named_beside_the_others() -> None:
    found = door.read_platform(
        {**read_defaults(), "maas_tls_enabled": "ture"}, unreadable={"maas_hf_token": "cannot be made: no vault"}
    ).problems
    assert found[0] == "maas_hf_token: cannot be made: no vault"
    assert any(message.startswith("maas_tls_enabled") for message in found)


def test_booleans_that_other_roles_have_of_their_own_are_checked() -> None:
    given = {**read_defaults(), "auth_rotation_preview": "ture", "not_ours": "ture"}
    found = [message for message in door.read_platform(given).problems if "ture" in message]
    assert found == ["auth_rotation_preview: 'ture' is not a boolean; write true or false"]
