# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booleans that may come as text, as they do from ``-e name=false``, from surveys and from INI inventories.

Only texts are taken that Ansible's ``bool`` filter and its argument specs read in the same way (``to_bool`` in
``ansible/plugins/filter/core.py``, ``boolean`` in ``ansible/module_utils/parsing/convert_bool.py``): to the filter
``y`` and ``t`` are false, to a spec they are true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class BooleanError(ValueError):
    """A value that is neither true nor false; the message names its place and the fix."""


def as_boolean(value: Any, where: str) -> bool:
    """The boolean that a value stands for.

    :param value: a boolean, 0, 1, or one of the texts true, yes, on, 1, false, no, off, 0 in any case.
    :param where: variable and field, for the message.
    :raises BooleanError: for everything else, also for null.
    """
    text = str(value).lower() if isinstance(value, (str, int)) else ""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if value is None or value == "":
        raise BooleanError(f"{where}: is empty; write true or false, or leave it out")
    shown = repr(str(value)) if isinstance(value, str) else str(value)
    raise BooleanError(f"{where}: {shown} is not a boolean; write true or false")


def boolean_options(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of the ``options`` of an argument spec those that are booleans, or have suboptions that are.

    :returns: options by name, reduced to ``type`` for a boolean and to ``options`` for one with suboptions.
    """
    found: dict[str, Any] = {}
    for name, option in options.items():
        inner = boolean_options(option.get("options") or {})
        if option.get("type") == "bool":
            found[name] = {"type": "bool"}
        elif inner:
            found[name] = {"options": inner}
    return found


def wrong_booleans(values: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]], prefix: str = "") -> list[str]:
    """One message for each value that has to be a boolean and is none.

    :param values: values by name.
    :param options: as `boolean_options` gives them; names that are not among them are not looked at.
    :param prefix: what to write before each name.
    """
    messages: list[str] = []
    for name in sorted(set(values) & set(options)):
        option, where = options[name], prefix + name
        if option.get("type") == "bool":
            messages += _complaints(values[name], where)
        for place, part in _parts(values[name], where):
            messages += wrong_booleans(part, option.get("options") or {}, f"{place}.")
    return messages


def _complaints(value: Any, where: str) -> list[str]:
    try:
        as_boolean(value, where)
    except BooleanError as error:
        return [str(error)]
    return []


def _parts(value: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The dictionaries in a value, one or a list of them, with their places."""
    if isinstance(value, Mapping):
        yield where, value
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            if isinstance(entry, Mapping):
                name = f" ({entry['name']})" if entry.get("name") else ""
                yield f"{where}[{index}]{name}", entry
