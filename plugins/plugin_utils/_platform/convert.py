# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value of the inventory to what its variable is meant to hold.

Values come as text from ``-e name=value``, from surveys of AWX and from INI inventories; YAML reads as numbers,
booleans and dates what was meant as text. What can mean one thing alone is converted, everything else is refused.
"""

from __future__ import annotations

import datetime
import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import yaml

from ansible_collections.llmops.maas.plugins.module_utils._common.booleans import BooleanError, as_boolean
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems, shown
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.spec import Variable
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.yaml_text import parsed

INVALID: Final = object()
"""In the place of a value that was refused."""
_WHOLE = re.compile(r"[+-]?[0-9]+")
# Blanks may belong to a password; a line end at its end comes from a file or a text field.
_KEEPS_BLANKS = frozenset({"password", "secret_key"})
_ANY_LIST = re.compile(r"\s*(\[|-\s)")


def convert(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    """The value as its variable holds it.

    :param value: plain data, as the inventory has it.
    :param where: the value's place, for messages.
    :returns: the value, or ``INVALID`` after the mistake was noted. None where it is empty.
    """
    if value is None and variable.type != "bool":
        return None
    found = _CONVERTERS[variable.type](value, variable, where, problems)
    if found is INVALID or not variable.choices or variable.type == "list" or found in variable.choices:
        return found
    if found == "" and not variable.required:
        return found
    names = [str(choice) for choice in variable.choices]
    return refuse(where, f"{_shown(found, variable)} is not one of {', '.join(names)}{_meant(found, names)}", problems)


def refuse(where: str, words: str, problems: Problems) -> Any:
    """Note a mistake, and give what stands for the value."""
    problems.add(where, words)
    return INVALID


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that this one most resembles; empty for none."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), "")


def _meant(value: Any, known: Iterable[str]) -> str:
    close = nearest(str(value), known)
    return f"; did you mean {close}?" if close else ""


def _shown(value: Any, variable: Variable) -> str:
    return "the value" if variable.secret else shown(value)


def _boolean(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    del variable
    trimmed = value.strip() if isinstance(value, str) else value
    try:
        return as_boolean(trimmed, where)
    except BooleanError as error:
        problems.say(str(error))
        return INVALID


def _integer(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return refuse(where, f"{_shown(value, variable)} is not a whole number", problems)


def _number(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        return float(value.strip()) if isinstance(value, str) else refuse(where, "is not a number", problems)
    except ValueError:
        return refuse(where, f"{_shown(value, variable)} is not a number", problems)


def _text(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    if isinstance(value, bool) and not variable.item:
        return refuse(where, f"{shown(value)} is read as a boolean; write the text in quotes", problems)
    if isinstance(value, dict | list):
        return refuse(where, f"{shown(value)} is not a text", problems)
    text = as_text(value)
    return text.strip("\r\n") if variable.name in _KEEPS_BLANKS else text.strip()


def as_text(value: Any) -> str:
    """What Kubernetes gets where it wants text: ``true`` for a boolean, and a date as it was written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def _path(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    text = _text(value, variable, where, problems)
    return text if text is INVALID or not text else str(Path(os.path.expandvars(text)).expanduser())


def _list(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    entries = _entries(value, variable, where, problems)
    if entries is INVALID:
        return INVALID
    found = []
    for index, entry in enumerate(entries):
        place = f"{where}[{index}]"
        converted = (
            refuse(place, "is empty; remove it", problems)
            if entry is None
            else convert(entry, variable.entry, place, problems)
        )
        found.append(converted)
    return INVALID if any(entry is INVALID for entry in found) else found


def _entries(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    """The entries of a list; what is no list is its only entry, but for text that holds one as JSON or YAML."""
    if isinstance(value, list):
        return value
    if isinstance(value, str) and not value.strip():
        return []
    if isinstance(value, str) and (_ANY_LIST.match(value) or variable.elements in {"dict", "list"}):
        found = _container(value)
        if isinstance(found, list):
            return found
        if isinstance(found, dict) and variable.elements == "dict":
            return [found]
        return refuse(where, f"{_shown(value, variable)} is not a list, also not as JSON or YAML", problems)
    return [value]


def _container(text: str) -> Any:
    try:
        return parsed(text)
    except yaml.YAMLError:
        return None


def _dictionary(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    given = value
    if isinstance(value, str):
        given = _container(value) if value.strip() else {}
    if not isinstance(given, Mapping):
        return refuse(where, f"{_shown(value, variable)} is not a dictionary, also not as JSON or YAML", problems)
    fields = {key if isinstance(key, str) else as_text(key): entry for key, entry in given.items()}
    # A dictionary that is left empty means that something is not there at all.
    return _fields(fields, variable, where, problems) if variable.options and (fields or variable.item) else fields


def _fields(given: Mapping[str, Any], variable: Variable, where: str, problems: Problems) -> Any:
    unknown = sorted(set(given) - set(variable.options))
    for name in unknown:
        known = ", ".join(variable.options)
        problems.add(f"{where}.{name}", f"there is no such field{_meant(name, variable.options)}; known are {known}")
    found = {name: _field(given, option, f"{where}.{name}", problems) for name, option in variable.options.items()}
    if unknown or any(value is INVALID and variable.options[name].required for name, value in found.items()):
        return INVALID
    # A mistake in a field is noted. With its default instead, the rules can say what else is wrong.
    kept = {
        name: deepcopy(variable.options[name].default) if value is INVALID else value for name, value in found.items()
    }
    return {name: value for name, value in kept.items() if value is not None}


def _field(given: Mapping[str, Any], option: Variable, where: str, problems: Problems) -> Any:
    if option.name in given and (given[option.name] is not None or option.type == "bool"):
        found = convert(given[option.name], option, where, problems)
    else:
        found = deepcopy(option.default)
    if option.required and found in (None, ""):
        return refuse(where, "is missing; set it", problems)
    return found


def _raw(value: Any, variable: Variable, where: str, problems: Problems) -> Any:
    del variable, where, problems
    return value


_CONVERTERS: Mapping[str, Callable[[Any, Variable, str, Problems], Any]] = {
    "bool": _boolean,
    "int": _integer,
    "float": _number,
    "str": _text,
    "path": _path,
    "list": _list,
    "dict": _dictionary,
    "raw": _raw,
}
