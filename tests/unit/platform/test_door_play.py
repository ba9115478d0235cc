# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door in ansible-playbook: what users write on its command line, and what they see."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import plays
from tests.support.door_inputs import QWEN, STRONG_KEY

ROLES = Path(__file__).parents[3] / "roles"
ENTER = {"ansible.builtin.import_role": {"name": "llmops.maas.maas"}}


def enter(
    folder: Path, *arguments: str, shown: str = "", environment: dict[str, str] | None = None, **variables: Any
) -> Any:
    """The role's tasks with these variables, and the value of an expression afterwards.

    :returns: the run, and the value that was ``shown``.
    """
    target = folder / "shown.json"
    content = "{{ (" + shown + ") | to_json }}"
    show = {"ansible.builtin.copy": {"dest": str(target), "content": content, "mode": "0600"}, "no_log": True}
    book = plays.playbook(folder, ENTER, *([show] if shown else []), **variables)
    done = plays.run(book, *arguments, **(environment or {}))
    return done, json.loads(target.read_text()) if target.exists() else None


def messages(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout
    return done.stdout + done.stderr


def test_text_on_the_command_line_means_what_it_says(tmp_path: Path) -> None:
    given = {
        "maas_hostnames": "models.example.com",
        "maas_tls_enabled": "no",
        "maas_gateway_replicas": "2",
        "maas_verify_unauthenticated": "401",
        "maas_models": json.dumps([{**QWEN, "served_names": "q", "args": "--x=1"}]),
        "maas_lock_timeout": "0",
        "maas_gateway_url": "http://127.0.0.1:8000/",
    }
    arguments = [part for name, value in given.items() for part in ("-e", f"{name}='{value}'")]
    shown = "[{}]".format(
        ", ".join(
            f"maas_platform.{name}"
            for name in ("hostnames", "tls_enabled", "gateway_replicas", "verify_unauthenticated", "gateway_url")
        )
        + ", maas_platform.catalogue[0].served_names, maas_platform.catalogue[0].args"
    )
    done, found = enter(tmp_path, *arguments, shown=shown)
    assert done.returncode == 0, done.stdout
    assert found == [
        ["models.example.com"],
        False,
        2,
        [401],
        "http://127.0.0.1:8000",
        ["qwen", "q"],
        ["--x=1"],
    ]


def test_all_mistakes_are_shown_together_and_no_secret_is(tmp_path: Path) -> None:
    users = [
        {"name": "a", "groups": ["user"], "key": "weak-SECRET"},
        {"name": "b", "groups": ["user"], "key": STRONG_KEY},
    ]
    arguments = ["-vvvv", "--diff", "-e", "maas_tls_enabled=ture", "-e", "maas_key_max_age=30", "-e", "maas_modles=x"]
    done, _found = enter(tmp_path, *arguments, maas_users=users, maas_hf_token="hf_SECRET token")
    output = messages(done)
    assert "5 mistakes in the variables, nothing was changed:" in output
    assert "maas_modles is not a variable of this collection; did you mean maas_models?" in output
    for place in ("maas_tls_enabled: ", "maas_key_max_age: ", "maas_users[0].key: ", "maas_hf_token: "):
        assert place in output
    assert "SECRET" not in output
    assert STRONG_KEY not in output


def test_the_result_is_not_shown_at_any_verbosity(tmp_path: Path) -> None:
    secret = "SECRET" + STRONG_KEY
    variables = {
        "maas_users": [{"name": "a", "groups": ["user"], "key": "{{ key }}"}],
        "maas_s3": {"endpoint": "s3.example.com", "access_key": "idSECRET", "secret_key": 'SECRET"\\x'},
        "key": secret,
    }
    done, found = enter(tmp_path, "-vvvv", "--diff", shown="maas_platform.users[0].key", **variables)
    assert done.returncode == 0, done.stdout
    assert found == secret
    assert "SECRET" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["maas_platform", "maas_upstream"])
def test_what_the_collection_computes_is_refused(tmp_path: Path, name: str) -> None:
    done, _found = enter(tmp_path, "-e", json.dumps({name: {"namespace": "mine"}}))
    assert f"{name}: is made by the collection and cannot be set" in messages(done)


def test_a_variable_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    done, _found = enter(tmp_path, "-e", "maas_namespace=Llm", maas_hf_token="{{ vault_hf_token }}")
    output = messages(done)
    assert "maas_hf_token: cannot be made: " in output
    assert "vault_hf_token" in output
    assert "maas_namespace: " in output


def test_a_template_that_fails_on_a_secret_does_not_show_it(tmp_path: Path) -> None:
    users = [{"name": "a", "groups": ["user"], "key": "{{ vault | from_json }}"}]
    done, _found = enter(
        tmp_path, "-vvvv", maas_users=users, vault="SECRET, not JSON", maas_namespace="{{ 'no JSON' | from_json }}"
    )
    output = messages(done)
    assert "maas_users: cannot be made: its template failed, on a value that is not shown" in output
    assert "maas_namespace: cannot be made: " in output
    assert "SECRET" not in output


def test_without_a_home_the_variable_to_set_is_named(tmp_path: Path) -> None:
    done, _found = enter(tmp_path, environment={"HOME": "", "XDG_CACHE_HOME": "", "XDG_STATE_HOME": ""})
    output = messages(done)
    assert "maas_cache_dir: '/.cache/llmops-maas' was meant to be in the home directory, but HOME is not set" in output


def rendered(folder: Path, template: str, *arguments: str, **variables: Any) -> list[dict[str, Any]]:
    """The objects of a template of the role ``models``, after the door."""
    path = ROLES / "models/templates" / template
    names = "models_namespace='llm', models_catalogue=maas_platform.catalogue, models_hf_token=''"
    runtimes = "models_runtimes=maas_platform.runtimes"
    shown = f"lookup('ansible.builtin.template', '{path}', template_vars=dict({names}, {runtimes}))"
    done, text = enter(folder, *arguments, shown=shown, **variables)
    assert done.returncode == 0, done.stdout
    return [document for document in yaml.safe_load_all(text) if document]


def test_models_are_sent_as_kubernetes_takes_them(tmp_path: Path) -> None:
    reference = {"valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}
    model = {
        **QWEN,
        "storage_uri": "s3://models/",
        "args": ["--max-model-len", 8192],
        "node_selector": {"gpu": True},
        "env": {"VLLM_USE_V1": True, "THREADS": 4, "HF_TOKEN": reference},
        "gpus": "1",
        "gpu_resource": "nvidia.com/mig-1g.10gb",
    }
    [sent] = rendered(tmp_path, "models.yaml.j2", "-e", json.dumps({"maas_models": json.dumps([model])}))
    predictor = sent["spec"]["predictor"]
    assert predictor["nodeSelector"] == {"gpu": "true"}
    assert predictor["tolerations"] == [
        {"key": "nvidia.com/mig-1g.10gb", "operator": "Exists"},
        {"key": "nvidia.com/gpu", "operator": "Exists"},
    ]
    assert predictor["model"]["args"] == ["--served-model-name", "qwen", "--max-model-len", "8192"]
    assert predictor["model"]["env"] == [
        {"name": "HF_TOKEN", **reference},
        {"name": "THREADS", "value": "4"},
        {"name": "VLLM_USE_V1", "value": "true"},
    ]
    assert predictor["model"]["storage"] == {
        "key": "default",
        "path": "",
        "parameters": {"type": "s3", "bucket": "models"},
    }
    assert predictor["model"]["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == "1"


def test_odd_secrets_are_exact_in_what_kserve_reads(tmp_path: Path) -> None:
    secret = '[1] quo"te back\\slash\nline $' + "{user} {{ name }} ä"
    tasks = yaml.safe_load((ROLES / "minio/tasks/main.yml").read_text(encoding="utf-8"))
    template = next(
        task["llmops.maas.secrets"]["secrets"][0]["data"]["default"] for task in tasks if "data" in str(task)
    )
    extra = {"maas_s3": {"endpoint": "s3.example.com", "access_key": "id", "secret_key": {"__ansible_unsafe": secret}}}
    done, text = enter(tmp_path, "-e", json.dumps(extra), shown="secret_data", secret_data=template)
    assert done.returncode == 0, done.stdout
    found = text if isinstance(text, dict) else json.loads(text)
    assert found["secret_access_key"] == secret


def test_a_role_of_the_object_store_reaches_the_service_account(tmp_path: Path) -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/models"}
    store = {"endpoint": "s3.example.com", "service_account_annotations": role}
    runtimes = {"mine": {"image": "mine:1", "env": {"A": True}, "self_contained": True}}
    models = [{"name": "qwen", "runtime": "mine"}]
    account, runtime = rendered(tmp_path, "runtimes.yaml.j2", maas_s3=store, maas_models=models, maas_runtimes=runtimes)
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == role["eks.amazonaws.com/role-arn"]
    assert account["metadata"]["annotations"]["serving.kserve.io/s3-endpoint"] == "s3.example.com"
    assert runtime["spec"]["containers"][0]["env"] == [{"name": "A", "value": "true"}]
