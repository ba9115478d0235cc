# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a module inside this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible.template import Templar

from ansible_collections.llmops.maas.plugins.plugin_utils._action.core import module_result, vault_secrets
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import printed

SPEC = {"name": {"type": "str", "required": True}, "password": {"type": "str", "no_log": True}}


def module_that(act: Callable[[basic.AnsibleModule], None]) -> ModuleType:
    made = ModuleType("example")

    def main() -> None:
        act(basic.AnsibleModule(argument_spec=SPEC, supports_check_mode=True))

    made.main = main  # type: ignore[attr-defined]
    return made


def answer(act: Callable[[basic.AnsibleModule], None], **arguments: Any) -> dict[str, Any]:
    return module_result(printed(module_that(act), arguments))


def test_gives_what_the_module_returns() -> None:
    found = answer(
        lambda module: module.exit_json(changed=True, check=module.check_mode, name=module.params["name"]),
        name="granite",
        _ansible_check_mode=True,
    )
    assert (found["changed"], found["check"], found["name"]) == (True, True, "granite")


def test_hides_what_may_not_be_logged() -> None:
    found = answer(lambda module: module.exit_json(url="redis://:hunter22@redis"), name="a", password="hunter22")
    assert "hunter22" not in json.dumps(found)


@pytest.mark.parametrize(
    ("act", "arguments", "words"),
    [
        (lambda module: module.fail_json(msg="no such model"), {"name": "a"}, "no such model"),
        (lambda module: module.exit_json(), {}, "missing required arguments: name"),
    ],
)
def test_gives_failures(act: Callable[[basic.AnsibleModule], None], arguments: dict[str, Any], words: str) -> None:
    found = answer(act, **arguments)
    assert found["failed"]
    assert words in found["msg"]


def test_leaves_no_argument_behind() -> None:
    before = basic._ANSIBLE_ARGS
    answer(lambda module: module.exit_json(), name="a", password="hunter22")
    assert basic._ANSIBLE_ARGS is before


def test_a_module_without_a_result_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="without a result"):
        answer(lambda _module: None, name="a")


def test_what_a_module_returns_is_no_template() -> None:
    found = answer(lambda module: module.exit_json(text="{{ 6 * 7 }}"), name="a")
    assert Templar(DataLoader(), variables={}).template(found["text"]) == "{{ 6 * 7 }}"


def test_what_passes_between_module_and_controller_only_is_left_out() -> None:
    found = answer(lambda module: module.exit_json(_ansible_verbose_always=True, changed=False), name="a")
    assert [key for key in found if key.startswith("_ansible_")] == []


def test_the_secrets_of_the_vault_are_found() -> None:
    loader, secrets = DataLoader(), [("default", VaultSecret(b"open"))]
    assert not vault_secrets(loader)
    loader.set_vault_secrets(secrets)
    assert vault_secrets(loader) == secrets
