# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the manifests module: its code in this process, or the whole through ansible-playbook."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.pki import CertificateSpec, ensure_pki
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.module_utils._manifests.bundle import Bundle
from ansible_collections.llmops.maas.plugins.modules.manifests import ARGUMENTS
from tests.support.api_server import ApiServer


@dataclass
class Done:
    """What one run gave: the module's result, failures, warnings, and the writes it sent."""

    result: dict[str, Any]
    failures: list[dict[str, str]]
    warnings: list[str]
    writes: list[str]

    @property
    def actions(self) -> dict[str, str]:
        return {f"{item['kind']}/{item['name']}": item["action"] for item in self.result["objects"]}

    @property
    def changed(self) -> bool:
        return bool(self.result["changed"])


@dataclass
class Run:
    server: ApiServer
    defaults: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *definitions: Any, check: bool = False, diff: bool = False, **options: Any) -> Done:
        """Run with these definitions. Raises what the module would fail with before it does anything."""
        given = {"kubeconfig": str(self.server.kubeconfig), **self.defaults, **options}
        if definitions:
            given["definitions"] = list(definitions)
        checked = ArgumentSpecValidator(ARGUMENTS).validate(given)
        assert not checked.error_messages, checked.error_messages
        warnings: list[str] = []
        since = self.server.audit_position()
        bundle = Bundle(checked.validated_parameters, check=check, diff=diff, warn=warnings.append)
        bundle.run(Kube.connect(checked.validated_parameters))
        return Done(bundle.result(), bundle.outcome.failures, warnings, self.server.writes(since))


def run_playbook(
    directory: Path, server: ApiServer, tasks: list[dict[str, Any]], *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run tasks on localhost through ansible-playbook, with the connection as module_defaults."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "module_defaults": {"group/llmops.maas.maas": {"kubeconfig": str(server.kubeconfig)}},
        "tasks": tasks,
    }
    playbook = directory / "play.yml"
    playbook.write_text(json.dumps([play]))
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", *arguments, playbook],
        cwd=directory,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=300,
        check=check,
    )


def with_certificates(server: ApiServer, folder: Path) -> dict[str, Any]:
    """The server's kubeconfig, complete in itself, and with a client's certificate and key that the server ignores."""
    ensure_pki(folder, [CertificateSpec("client", "somebody")])
    certificate, key, authority = (
        base64.b64encode(path.read_bytes()).decode()
        for path in (folder / "client.crt", folder / "client.key", server.ca)
    )
    config: dict[str, Any] = json.loads(server.kubeconfig.read_text())
    del config["clusters"][0]["cluster"]["certificate-authority"]
    config["clusters"][0]["cluster"]["certificate-authority-data"] = authority
    config["users"][0]["user"].update({"client-certificate-data": certificate, "client-key-data": key})
    return config
