# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text where Kubernetes wants text: YAML reads ``cost-center: 4711`` as a number and ``gpu: true`` as a boolean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class NoTextError(ValueError):
    """A value that is no text and has no obvious one; the message names its place and the fix, never the value."""


def text_of(value: Any, where: str) -> str:
    """The value as somebody would write it in YAML: ``true`` for a boolean, the digits of a number.

    :param where: option and name, for the message.
    :raises NoTextError: null, a list or a dictionary.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise NoTextError(f'{where}: is empty (null); write a text, such as "", or leave it out')
    if isinstance(value, Mapping | list | tuple):
        kind = "dictionary" if isinstance(value, Mapping) else "list"
        raise NoTextError(f"{where}: is a {kind}, where Kubernetes wants a text; write one, in quotes")
    return str(value)


def texts_of(values: Mapping[Any, Any], where: str) -> dict[str, str]:
    """Labels, annotations and the like with names and values as text.

    :param where: the option, for the message.
    :raises NoTextError: a value as in ``text_of``, or two names that are one as text, such as ``1001`` and ``"1001"``.
    """
    found: dict[str, str] = {}
    for key, value in values.items():
        name = text_of(key, f"{where}: a name")
        if name in found:
            raise NoTextError(f"{where}: {name} is given twice, as a text and as a number or boolean; keep one")
        found[name] = text_of(value, f"{where}.{name}")
    return found
