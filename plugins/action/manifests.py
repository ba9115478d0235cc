# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of the manifests module: finds files, and keeps Secrets out of the module's visible arguments."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError
from ansible_collections.llmops.maas.plugins.module_utils._manifests.definitions import plain
from ansible_collections.llmops.maas.plugins.module_utils._manifests.redact import shown_definitions
from ansible_collections.llmops.maas.plugins.modules import manifests
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import DirectAction

_VAULT = b"$ANSIBLE_VAULT"


class ActionModule(DirectAction):
    TRANSFERS_FILES = False
    _requires_connection = True
    module = manifests

    def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = dict(self._task.args)
        sealed: dict[str, Any] = {}
        if arguments.get("sealed"):
            raise AnsibleError("sealed is for internal use; set definitions, files or urls")
        try:
            self._seal_definitions(arguments, sealed)
            if arguments.get("patches") is not None:
                arguments["patches"] = plain(arguments["patches"], "patches")
        except InputError as error:
            raise AnsibleError(f"Nothing was changed. {error}") from None
        self._find_files(arguments, sealed, task_vars)
        if sealed:
            arguments["sealed"] = json.dumps(sealed)
        return self._execute_module(module_name="llmops.maas.manifests", module_args=arguments, task_vars=task_vars)

    @staticmethod
    def _seal_definitions(arguments: dict[str, Any], sealed: dict[str, Any]) -> None:
        """Move definitions that may not be shown into the option that is not logged."""
        if arguments.get("definitions") is None:
            return
        definitions = plain(arguments["definitions"], "definitions")
        shown = shown_definitions(definitions)
        if shown != definitions:
            sealed["definitions"] = definitions
        arguments["definitions"] = shown

    def _find_files(self, arguments: dict[str, Any], sealed: dict[str, Any], task_vars: dict[str, Any]) -> None:
        """Find files as Ansible does. The module reads them itself where it can; else their text goes sealed."""
        find: Callable[[str, str], str] = self._find_needle
        paths = arguments.get("files") or []
        names = [str(path) for path in ([paths] if isinstance(paths, str) else paths)]
        found = [find("files", name) for name in names]
        local = self._connection.transport == "local" and not self._play_context.become
        contents = []
        readable = []
        for path in found:
            vaulted = _is_vaulted(path)
            if local and not vaulted:
                readable.append(path)
                contents.append([path, None])
            else:
                data = self._unvault(path, task_vars) if vaulted else Path(path).read_bytes()
                contents.append([path, base64.b64encode(data).decode()])
        if len(readable) < len(found):
            # In their order, which decides when an object appears twice.
            sealed["files"] = contents
        arguments["files"] = readable

    def _unvault(self, path: str, task_vars: dict[str, Any]) -> bytes:
        lookup = lookup_loader.get("ansible.builtin.unvault", loader=self._loader, templar=self._templar)
        text: str = lookup.run([path], variables=task_vars)[0]
        # Bytes that are not UTF-8, as in UTF-16, come escaped.
        return text.encode(errors="surrogateescape")


def _is_vaulted(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(len(_VAULT)) == _VAULT
