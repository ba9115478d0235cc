# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec is the one list of variables: the defaults and the documentation say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.llmops.maas.plugins.modules import platform
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.spec import read_variables
from tests.support.door_inputs import values

ROLE = Path(__file__).parents[3] / "roles/maas"
OPTIONS: dict[str, Any] = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["platform"][
    "options"
]
DEFAULTS: dict[str, Any] = {
    name: value
    for path in sorted((ROLE / "defaults/main").glob("*.yml"))
    for name, value in yaml.safe_load(path.read_text()).items()
}
# Tables and paths, which the documentation describes in words.
IN_WORDS = {
    "maas_cache_dir", "maas_groups", "maas_images", "maas_issuer", "maas_keycloak_url",
    "maas_runtimes", "maas_s3", "maas_tiers", "maas_verify_credentials", "maas_verify_expected",
    "maas_verify_failure_modes", "maas_verify_hidden_paths", "maas_verify_report_dir", "maas_versions",
}  # fmt: skip


def test_defaults_and_spec_name_the_same_variables() -> None:
    assert set(DEFAULTS) == set(OPTIONS)


def test_defaults_and_spec_have_the_same_defaults() -> None:
    assert {name for name in OPTIONS if "default" not in OPTIONS[name]} | {"maas_runtimes"} == IN_WORDS
    for name in set(OPTIONS) - IN_WORDS:
        assert OPTIONS[name]["default"] == DEFAULTS[name], name


def test_every_default_of_the_spec_is_what_the_door_makes_of_it() -> None:
    found = values()
    for name, variable in read_variables().items():
        if variable.default not in (None, {}):
            assert found[name] == variable.default, name


def test_ansible_itself_checks_none_of_the_variables() -> None:
    """It would refuse texts that the door converts, and split others at their commas."""
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    files = {path.stem for path in (ROLE / "tasks").glob("*.yml")}
    assert not set(specs) & files


def test_the_module_documents_what_is_derived() -> None:
    documented = set(yaml.safe_load(platform.RETURN))
    assert documented == (set(values()) - set(read_variables())) | {"namespace", "connection"}


def test_secrets_are_marked_in_the_spec() -> None:
    """What is called so is a secret, and everything around it too."""
    named = {"key", "password", "secret_key", "access_key", "hf_token"}
    for name, variable in read_variables().items():
        for option in (variable, *variable.options.values()):
            assert option.no_log or option.name.removeprefix("maas_") not in named, (name, option.name)
    assert read_variables()["users"].secret
