# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a new key goes: a Secret of its consumer, a file, or the task's result; never a log.

Secrets are written here. Files and results are the controller's: its action plugin runs the module in its own process
and takes the keys over in memory (``received_by``), so that they are in no text that passes between the two.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any, Protocol

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import KEY_ENTRY, PART_OF
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import key_problem
from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import ApiKey
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import KeyStore

_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_DNS_LENGTH = 253
DELIVERY_ARGUMENTS: dict[str, Any] = {
    "type": "dict",
    "options": {
        "secret": {
            "type": "dict",
            "no_log": False,
            "options": {
                "namespace": {"type": "str", "required": True},
                "name": {"type": "str", "required": True},
                "key": {"type": "str", "default": KEY_ENTRY, "no_log": False},
            },
        },
        "file": {"type": "path"},
        "registered": {"type": "bool", "default": False},
    },
}


class DeliveryError(Exception):
    """A key that cannot be delivered as asked; the message names option or place and the fix, never the key."""


class KeyReceiver(Protocol):
    """Takes keys over on the control node."""

    def file(self, path: str, value: str) -> bool:
        """Keep the key in that file; returns whether it changed.

        :raises DeliveryError: the file cannot be written.
        """

    def register(self, name: str, value: str) -> None:
        """Keep the key for the result of the task, by the name of its Secret."""


_RECEIVERS: list[KeyReceiver] = []


@contextlib.contextmanager
def received_by(receiver: KeyReceiver) -> Iterator[None]:
    """Let modules that run inside the block, in this process, deliver to the control node."""
    _RECEIVERS.append(receiver)
    try:
        yield
    finally:
        _RECEIVERS.remove(receiver)


@dataclass(frozen=True)
class DeliveryPlace:
    """Where one key goes, as shown to people: ``kind`` is ``secret``, ``file`` or ``registered``."""

    kind: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind} {self.where}"


class Delivery:
    """Brings keys to the places that the option ``delivery`` names."""

    def __init__(self, options: Mapping[str, Any] | None) -> None:
        """Read the option.

        :raises DeliveryError: a placeholder that is not known, or a place that cannot be reached from here.
        """
        options = options or {}
        self._secret: Mapping[str, str] = options.get("secret") or {}
        self._file: str = options.get("file") or ""
        self._registered = bool(options.get("registered"))
        self._receiver = _RECEIVERS[-1] if _RECEIVERS else None
        if (self._file or self._registered) and self._receiver is None:
            raise DeliveryError(
                "delivery to a file or the result happens on the control node, so the module has to run in Ansible's"
                " own process: use hosts: localhost with connection: local, ansible_python_interpreter:"
                ' "{{ ansible_playbook_python }}", and neither become, delegate_to, async nor environment; or deliver'
                " to a secret"
            )
        self._check_templates()

    def _check_templates(self) -> None:
        texts = {f"delivery.secret.{name}": text for name, text in self._secret.items()} | {"delivery.file": self._file}
        for option, text in texts.items():
            try:
                Template(text).substitute(user="user", lineage="lineage")
            except (KeyError, ValueError) as error:
                raise DeliveryError(
                    f"{option}: {text!r} holds a placeholder that is not known; use ${{user}} or ${{lineage}}, and $$"
                    " for the character $"
                ) from error

    def places(self, user: str, lineage: str) -> list[DeliveryPlace]:
        """Where the key of that user and lineage goes."""
        found = []
        if self._secret:
            namespace, name = (self._dns(part, user, lineage) for part in ("namespace", "name"))
            found.append(DeliveryPlace("secret", f"{namespace}/{name}"))
        if self._file:
            found.append(DeliveryPlace("file", Template(self._file).substitute(user=_plain(user), lineage=lineage)))
        if self._registered:
            found.append(DeliveryPlace("registered", lineage))
        return found

    def _dns(self, part: str, user: str, lineage: str) -> str:
        text = Template(self._secret[part]).substitute(user=_plain(user).lower(), lineage=lineage)
        if not _DNS_NAME.fullmatch(text) or len(text) > _DNS_LENGTH:
            raise DeliveryError(
                f"delivery.secret.{part}: {text!r} is no name that Kubernetes takes; use ${{lineage}} in place of"
                " ${user}, or a fixed text"
            )
        return text

    def clashes(self, keys: Iterable[ApiKey], known: Iterable[ApiKey]) -> dict[str, str]:
        """Keys that may not be delivered as asked, by uid, each with the reason: two would go to one place, the place
        is itself a key's Secret, or its name is not possible.
        """
        sources = {f"secret {key.namespace}/{key.name}" for key in known}
        by_place: dict[str, list[ApiKey]] = defaultdict(list)
        problems: dict[str, str] = {}
        for key in keys:
            try:
                places = self.places(key.identity.user, key.lineage)
            except DeliveryError as error:
                problems[key.uid] = str(error)
                continue
            for place in places:
                by_place[str(place)].append(key)
        for target, found in by_place.items():
            if target in sources:
                words = f"{target} is the Secret of a key itself; choose another name"
            elif len(found) > 1:
                names = ", ".join(key.name for key in found)
                words = f"the keys {names} would all go to {target}; use ${{lineage}} in its name"
            else:
                continue
            problems.update({key.uid: words for key in found})
        return problems

    def deliver(self, key: ApiKey, store: KeyStore) -> tuple[list[str], bool]:
        """Bring the key to its places; returns them, and whether one did not have it yet.

        :param store: writes to Secrets.
        :raises DeliveryError: at the first place that fails; for a Secret, KubeError.
        """
        places = self.places(key.identity.user, key.lineage)
        problem = key_problem(key.value) if places else ""
        if problem:
            raise DeliveryError(f"{key.where} is not delivered, because its {KEY_ENTRY} {problem}; rotate this key")
        changed = [self._bring(key, place, store) for place in places]
        return [str(place) for place in places], any(changed)

    def _bring(self, key: ApiKey, place: DeliveryPlace, store: KeyStore) -> bool:
        if place.kind == "secret":
            namespace, _slash, name = place.where.partition("/")
            data = {self._secret["key"]: base64.b64encode(key.value.encode()).decode()}
            return store.apply(namespace, name, data, PART_OF)
        if self._receiver is None:
            raise DeliveryError(f"{place}: nothing on the control node takes keys over")
        if place.kind == "file":
            return self._receiver.file(place.where, key.value)
        self._receiver.register(key.name, key.value)
        return False


def _plain(user: str) -> str:
    """The user id as part of a file or object name: nothing that leads to another folder."""
    return re.sub(r"[^A-Za-z0-9._@-]+", "-", user).strip("-.") or "-"
