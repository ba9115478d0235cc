# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's values as plain data on every release: without tags, vaults, lazy containers and what is omitted."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Final

_OMITTED: Final = object()
_PLAIN: tuple[type, ...] = (bool, int, float, str)


def plain(value: Any, omit: Any = None) -> Any:
    """A copy of dictionaries, lists and scalars alone; None for what is omitted.

    :param omit: what the variable ``omit`` is: a text before ansible-core 2.19, an object of its own later.
    """
    found = _plain(value, omit)
    return None if found is _OMITTED else found


def _plain(value: Any, omit: Any) -> Any:
    if omit is not None and (value is omit or (isinstance(value, str) and value == omit)):
        return _OMITTED
    if isinstance(value, Mapping):
        fields = {_key(key): _plain(entry, omit) for key, entry in value.items()}
        return {key: entry for key, entry in fields.items() if entry is not _OMITTED}
    if isinstance(value, list | tuple | set):
        return [entry for entry in (_plain(entry, omit) for entry in value) if entry is not _OMITTED]
    return _scalar(value)


def _key(key: Any) -> Any:
    return str(key) if isinstance(key, str) else key


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    for kind in _PLAIN:
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, datetime.datetime):
        return datetime.datetime.fromisoformat(value.isoformat())
    if isinstance(value, datetime.date):
        return datetime.date.fromisoformat(value.isoformat())
    # A vaulted text of ansible-core before 2.19, and whatever else a plugin gave.
    return str(value)
