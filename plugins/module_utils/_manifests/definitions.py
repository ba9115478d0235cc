# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects that are given as data, which Ansible has read from YAML by rules that are not those of Kubernetes."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError

_NO_KEYS: dict[tuple[type, ...], str] = {
    (bool,): "a boolean",
    (datetime.datetime,): "a time stamp",
    (float,): "a number",
    (bytes, tuple, type(None)): "something that is no text",
}
_QUOTE = "how it was written cannot be known any more; quote it"


def plain(value: Any, where: str) -> Any:
    """The value with plain dicts, lists and strings: without Ansible's tagged, lazy or vaulted ones.

    What Ansible's YAML reader takes for something that JSON does not have (PyYAML: YAML 1.1) keeps its text where there
    is but one way to write it. ``where`` names the value in errors. Raises InputError with all problems.
    """
    reader = _Reader()
    result = reader.read(value, where)
    if reader.problems:
        raise InputError(reader.problems)
    return result


class _Reader:
    def __init__(self) -> None:
        self.problems: list[str] = []

    def read(self, value: Any, where: str) -> Any:
        if isinstance(value, Mapping):
            return {self._key(key, where): self.read(item, f"{where}.{key}") for key, item in value.items()}
        if isinstance(value, set | frozenset):
            value = sorted(value, key=str)
        if isinstance(value, list | tuple):
            return [self.read(item, f"{where}[{index}]") for index, item in enumerate(value)]
        return self._scalar(value, where)

    def _scalar(self, value: Any, where: str) -> Any:
        problem = ""
        if isinstance(value, datetime.datetime):
            problem = f"Ansible has read it as a time stamp, and {_QUOTE}"
        elif isinstance(value, bytes):
            problem = "it is binary; give it as text, without !!binary"
        elif isinstance(value, float) and not math.isfinite(value):
            problem = f"Ansible has read it as the number {value}, and {_QUOTE}"
        elif isinstance(value, str) and not _is_text(value):
            problem = "it holds bytes that are not UTF-8; save the file that it comes from as UTF-8"
        if problem:
            self.problems.append(f"{where}: {problem}")
        if value is None or isinstance(value, bool | int | float):
            return value
        # Also a date, which has one spelling only: 2026-01-31.
        return str(value)

    def _key(self, key: Any, where: str) -> str:
        what = next((what for kind, what in _NO_KEYS.items() if isinstance(key, kind)), None)
        if what:
            self.problems.append(f"{where}: Ansible has read the key {key} as {what}, and {_QUOTE}")
        return str(key)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
