# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booleans that come as text mean what they say, in every playbook and role."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.filter.core import to_bool

from ansible_collections.llmops.maas.plugins.module_utils._common.booleans import BooleanError, as_boolean
from tests.support.boolean_uses import Uses
from tests.support.door_inputs import read

ROOT = Path(__file__).parents[3]


def booleans(options: dict[str, Any]) -> dict[str, Any]:
    """Of options those that are booleans or have suboptions that are, reduced to that."""
    found: dict[str, Any] = {}
    for name, option in options.items():
        inner = booleans(option.get("options") or {})
        if option.get("type") == "bool" or inner:
            found[name] = {"options": inner} if inner else {"type": "bool"}
    return found


OPTIONS: dict[str, Any] = booleans(
    {
        name: option
        for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))
        for entry_point in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values()
        for name, option in (entry_point.get("options") or {}).items()
    }
)
TEXTS = ["true", "True", "YES", "on", "1", "false", "FALSE", "no", "Off", "0"]


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [*TEXTS, True, False, 0, 1])
def test_what_counts_as_a_boolean_is_the_same_to_ansible(value: Any) -> None:
    assert as_boolean(value, "x") is to_bool(value) is boolean(value)


@pytest.mark.parametrize("value", ["y", "t", "n", "f", "flase", " true", "", None, 2, 0.5, [], {}, ["true"]])
def test_everything_else_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(BooleanError, match=r"^maas_models\[0\]\.enabled: .*true or false"):
        as_boolean(value, "maas_models[0].enabled")


def test_wrong_values_are_found_at_every_depth() -> None:
    found = read(
        tls_enabled="ture",
        minio_enabled="false",
        namespace="llm",
        s3={"https": None},
        models=[{"name": "qwen", "enabled": "off"}, {"name": "nomic", "enabled": "of"}, {"name": "x", "enabled": 7}],
    ).problems
    # The models have other mistakes, which are shown as well.
    assert [message for message in found if "true or false" in message] == [
        "maas_tls_enabled: 'ture' is not a boolean; write true or false",
        "maas_s3.https: is empty; write true or false, or leave it out",
        "maas_models[1].enabled: 'of' is not a boolean; write true or false",
        "maas_models[2].enabled: 7 is not a boolean; write true or false",
    ]


def test_options_are_those_of_the_argument_specs() -> None:
    assert OPTIONS["maas_teardown_data"] == OPTIONS["auth_rotation_preview"] == {"type": "bool"}
    assert OPTIONS["maas_s3"] == {"options": {"https": {"type": "bool"}}}
    assert "maas_namespace" not in OPTIONS


# --- uses -----------------------------------------------------------------------------------------------------------


def every_boolean() -> set[str]:
    """Those of the argument specs, those whose default is one, and those that are called so."""
    found = {name for name, option in OPTIONS.items() if option.get("type") == "bool"}
    for path in [*ROOT.glob("roles/*/defaults/**/*.yml"), *ROOT.glob("roles/*/vars/**/*.yml")]:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        found |= {name for name, value in values.items() if isinstance(value, bool) or name.endswith("_enabled")}
    return found


def every_field() -> set[str]:
    return {field for option in OPTIONS.values() for field in option.get("options", {})}


USES = Uses(every_boolean(), every_field())
FILES = sorted(
    path
    for pattern in ("playbooks/**/*.yml", "roles/*/*/**/*.yml", "roles/*/templates/**/*.j2")
    for path in ROOT.glob(pattern)
    if "meta" not in path.parts and "files" not in path.parts
)


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 60
    assert {"maas_cluster_dns", "auth_rotation_preview"} <= every_boolean()
    assert every_field() == {"https", "enabled", "role", "audience"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_booleans_go_through_the_filter(path: Path) -> None:
    assert USES.in_file(path) == []


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{{ maas_cluster_dns }}", ["maas_cluster_dns"]),
        ("{{ maas_cluster_dns | bool }}", []),
        ("{{ maas_cluster_dns | default(false) | bool }}", []),
        ("{{ maas_cluster_dns | default(maas_mtls) | bool }}", ["maas_mtls"]),
        ("{{ maas_cluster_dns | bool or maas_mtls }}", ["maas_mtls"]),
        ("{{ (maas_cluster_dns or maas_mtls) | bool }}", ["maas_cluster_dns", "maas_mtls"]),
        ("{% if maas_cluster_dns and x | bool %}{% endif %}", ["maas_cluster_dns"]),
        ("{{ maas_cluster_dns is defined }}", []),
        ("{{ client.role | default(true) }}", [".role"]),
        ("{{ client['role'] | bool }}", []),
        ("{{ models | selectattr('enabled') }}", [".enabled"]),
    ],
)
def test_uses_without_the_filter_are_found(template: str, found: list[str]) -> None:
    assert USES.in_template(template) == found


def test_uses_in_conditions_are_found(tmp_path: Path) -> None:
    tasks = tmp_path / "main.yml"
    tasks.write_text(
        "- {when: maas_cluster_dns, debug: {msg: maas_cluster_dns}}\n- {assert: {that: [not maas_mtls]}}\n"
    )
    assert USES.in_file(tasks) == ["maas_cluster_dns", "maas_mtls"]


# --- playbooks ------------------------------------------------------------------------------------------------------


def play(playbook: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", str(playbook), *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH_", "ANSIBLE_"))}
    kept["ANSIBLE_PYTHON_INTERPRETER"] = sys.executable
    return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=120)


def local(tasks: list[dict[str, Any]]) -> str:
    return yaml.safe_dump(
        [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}], sort_keys=False
    )


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("maas_teardown_dat=true", "did you mean maas_teardown_data?"),
        ("maas_teardown_data=flase", "maas_teardown_data: ''flase'' is not a boolean"),
    ],
)
def test_teardown_refuses_mistakes_before_anything_is_removed(variable: str, message: str) -> None:
    done = play("playbooks/teardown.yml", "-e", variable)
    assert done.returncode == 2
    assert message in done.stdout
    assert "Remove one bundle" not in done.stdout


def test_teardown_keeps_what_a_text_says_it_keeps(tmp_path: Path) -> None:
    tasks = yaml.safe_load((ROOT / "roles/maas/tasks/teardown.yml").read_text(encoding="utf-8"))
    keep_kinds = next(task["llmops.maas.manifests"]["keep_kinds"] for task in tasks if "llmops.maas.manifests" in task)
    crds, data = ["CustomResourceDefinition"], ["PersistentVolumeClaim", "Namespace"]
    expected = [("false", "no", crds + data), ("true", "0", data), ("Off", "yes", crds), (True, "on", [])]
    book = tmp_path / "book.yml"
    book.write_text(
        local(
            [
                {
                    "ansible.builtin.assert": {"that": f"kept == {kept}"},
                    "vars": {
                        "kept": keep_kinds,
                        "maas_platform": read(teardown_crds=crds_text, teardown_data=data_text).values,
                    },
                }
                for crds_text, data_text, kept in expected
            ]
        )
    )
    done = play(book)
    assert done.returncode == 0, done.stdout


def test_roles_that_a_text_turns_off_do_nothing(tmp_path: Path) -> None:
    """Each of them would need a cluster, which there is not."""
    roles = {
        "minio": "maas_minio_enabled",
        "observability": "maas_observability_enabled",
    }
    book = tmp_path / "book.yml"
    book.write_text(
        local(
            [
                {"ansible.builtin.import_role": {"name": f"llmops.maas.{role}"}, "vars": {"__maas_preflight": False}}
                for role in roles
            ]
        )
    )
    done = play(book, *(part for name in roles.values() for part in ("-e", f"{name}=false")))
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout


@pytest.mark.parametrize("variables", [{"embedded_cluster_enabled": "false"}, {"embedded_cluster_enabled": False}])
def test_no_embedded_cluster_is_started_where_a_text_says_so(variables: dict[str, Any]) -> None:
    done = play("site.yml", "-e", json.dumps(variables))
    embedded, _heading, platform = done.stdout.partition("Deploy the Models-as-a-Service platform")
    assert "ok: [localhost]" not in embedded
    assert "no cluster chosen" in platform
