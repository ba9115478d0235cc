# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that people write, as text: YAML reads ``name: 1001`` as a number, and the cluster knows texts alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_NAMES = ("name", "user", "group", "model")
_LISTS = ("groups", "models")


def as_text(value: Any) -> str:
    """A name as Ansible gives it to modules (``type: str``); empty for none."""
    return "" if value is None else str(value)


def named(entries: Iterable[Any]) -> list[Any]:
    """Entries of the inventory (users, groups, tiers, keys) with every name in them as text. The rest is left alone,
    and so is what is no mapping: whoever reads the entries says what is wrong with it.
    """
    return [_named(entry) if isinstance(entry, Mapping) else entry for entry in entries]


def _named(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = {field: as_text(entry[field]) for field in _NAMES if entry.get(field) is not None}
    lists = {
        field: [as_text(value) for value in entry[field]]
        for field in _LISTS
        if isinstance(entry.get(field), list | tuple)
    }
    return {**entry, **names, **lists}
