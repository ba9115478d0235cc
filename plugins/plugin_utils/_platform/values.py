# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables after their conversion, for rules to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.convert import INVALID


class UnreadableError(LookupError):
    """A rule asked for a variable that was refused already: its own question is for the next run."""


class Values(Mapping[str, Any]):
    """Variables by name, without ``maas_``; to ask for one that was refused ends the rule."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        if value is INVALID:
            raise UnreadableError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def readable(self) -> set[str]:
        """The names of what was not refused."""
        return {name for name, value in self._values.items() if value is not INVALID}

    def change(self, name: str, value: Any) -> None:
        """Set a variable, or refuse it with ``INVALID``."""
        self._values[name] = value
