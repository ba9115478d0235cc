# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dropping fields that a kind's schema does not have.

With server-side apply the API server refuses them whatever ``fieldValidation`` says, because it could not track their
owner. So ``validate: warn`` and ``validate: ignore`` are done here, from the paths that the server's error names.
"""

from __future__ import annotations

import json
import re
from typing import Any

_UNDECLARED = re.compile(r"(?:: |\n\s*)(\.[^\n]*?): field not declared in schema")
# `.name`, `[key="value",other=1]`, `[="value"]`, `[3]` (fieldpath.PathElement of structured-merge-diff).
_ELEMENT = re.compile(r'\.(?P<field>(?:[^.\[])+)|\[(?P<index>\d+)\]|\[(?P<keys>(?:[^"\]]|"(?:[^"\\]|\\.)*")*)\]')
_KEY = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,\]]+)')


def undeclared_fields(message: str) -> list[str]:
    """The paths of the fields that the error says are not in the schema, such as ``.spec.sise``."""
    return _UNDECLARED.findall(message)


def drop_path(body: dict[str, Any], path: str) -> bool:
    """Remove the field at that path. Returns whether it was there."""
    elements = list(_ELEMENT.finditer(path))
    holder: Any = body
    for element in elements[:-1]:
        holder = _step(holder, element)
    last = elements[-1]["field"] if elements else None
    if last is None or not isinstance(holder, dict) or last not in holder:
        return False
    del holder[last]
    return True


def _step(holder: Any, element: re.Match[str]) -> Any:
    if element["field"] is not None:
        return holder.get(element["field"]) if isinstance(holder, dict) else None
    if not isinstance(holder, list):
        return None
    if element["index"] is not None:
        index = int(element["index"])
        return holder[index] if index < len(holder) else None
    keys = {name: json.loads(value) for name, value in _KEY.findall(element["keys"])}
    # A key that the item leaves out has its default.
    return next((item for item in holder if all(item.get(name, value) == value for name, value in keys.items())), None)
