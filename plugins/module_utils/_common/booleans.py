# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booleans that may come as text, as they do from ``-e name=false``, from surveys and from INI inventories.

Only texts are taken that Ansible's ``bool`` filter and its argument specs read in the same way (``to_bool`` in
``ansible/plugins/filter/core.py``, ``boolean`` in ``ansible/module_utils/parsing/convert_bool.py``): to the filter
``y`` and ``t`` are false, to a spec they are true.
"""

from __future__ import annotations

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
