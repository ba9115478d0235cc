# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of the modules that make API keys: takes keys over in memory, into files or the task's result."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.parsing.vault import VaultLib, match_encrypt_secret

from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import DeliveryError, received_by
from ansible_collections.llmops.maas.plugins.plugin_utils._action.core import vault_secrets
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import DirectAction

_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


class ControllerReceiver:
    """Keeps keys in files and in memory. ``secrets`` are those of the vault that is loaded, if any."""

    def __init__(self, folder: str, secrets: Any) -> None:
        self._folder = Path(folder)
        self._secrets = secrets
        self._vault = VaultLib(secrets)
        # Vault's libraries are used from the rotation's threads.
        self._lock = threading.Lock()
        self.registered: dict[str, str] = {}

    def register(self, name: str, value: str) -> None:
        self.registered[name] = value

    def file(self, path: str, value: str) -> bool:
        """Replace the file in one step, so that it never holds half a key; leave it when it holds this one."""
        target = self._folder / path
        try:
            if self._holds(target, value):
                return False
            target.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            # Always the same name: what a killed run has left there, the next one takes over.
            temporary = target.with_name(f".{target.name}.new")
            temporary.unlink(missing_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE), "wb") as file:
                file.write(self._sealed(value))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except (OSError, ValueError, AnsibleError) as error:
            # A ValueError: what the operating system takes for no path.
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise DeliveryError(f"delivery.file: {target} cannot be written: {reason}") from error
        return True

    def _holds(self, target: Path, value: str) -> bool:
        if not target.is_file() or target.stat().st_mode & 0o777 != _PRIVATE_FILE:
            return False
        content = target.read_bytes()
        sealed = self._vault.is_encrypted(content)
        if sealed != bool(self._secrets):
            return False
        if not sealed:
            return content == value.encode()
        with self._lock:
            try:
                return bytes(self._vault.decrypt(content)) == value.encode()
            except AnsibleError:
                # Another vault secret: the file is made anew with this one.
                return False

    def _sealed(self, value: str) -> bytes:
        if not self._secrets:
            return value.encode()
        identity, secret = match_encrypt_secret(self._secrets, _encrypt_identity())
        with self._lock:
            return bytes(self._vault.encrypt(value, secret, vault_id=identity))


def _encrypt_identity() -> str | None:
    chosen: str | None = constants.config.get_config_value("DEFAULT_VAULT_ENCRYPT_IDENTITY")
    return chosen


class KeyAction(DirectAction):
    """Base of the action plugins."""

    TRANSFERS_FILES = False

    def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        delivery = self._task.args.get("delivery") or {}
        registered = self._refuse(delivery)
        receiver = ControllerReceiver(self._loader.get_basedir(), vault_secrets(self._loader))
        with received_by(receiver) if self._runs_here(task_vars) else contextlib.nullcontext():
            result = self._execute_module(task_vars=task_vars)
        if registered:
            # Also after a failure: some users' keys may have been rotated.
            result["new_keys"] = receiver.registered
        return result

    def _refuse(self, delivery: Any) -> bool:
        """Refuse what would show keys; returns whether they are to be returned."""
        if self._task.async_val:
            raise AnsibleActionFail(
                f"{self._task.action} does not support async: its keys would be written to a file. Leave async out"
            )
        if not isinstance(delivery, Mapping):
            raise AnsibleActionFail("delivery: give a dictionary with secret, file or registered")
        registered: bool = boolean(delivery.get("registered") or False, strict=False)
        if registered and not self._task.no_log:
            raise AnsibleActionFail(
                "delivery.registered returns keys, which Ansible shows unless the task has no_log: true. Set it, or"
                " deliver to a secret or a file"
            )
        return registered
