# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping Secrets out of what Ansible shows of a task's arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._manifests.diff import HIDDEN

# Longer text says nothing to a reader of a log, and makes the log slow.
_LONG = 16384
_SECRET = re.compile(r"\bSecret(List)?\b")


def shown_definitions(definitions: Any) -> Any:
    """The ``definitions`` option as it may be logged: Secrets' values hidden, long text cut to its size."""
    if isinstance(definitions, list):
        return [shown_definitions(item) for item in definitions]
    if isinstance(definitions, str):
        if _SECRET.search(definitions):
            return f"(hidden: {len(definitions)} characters of YAML that mention a Secret)"
        return definitions if len(definitions) <= _LONG else f"({len(definitions)} characters of YAML)"
    if isinstance(definitions, Mapping):
        return _shown_object(definitions, "")
    return definitions


def _shown_object(item: Mapping[str, Any], listed: str) -> dict[str, Any]:
    """The object, whose kind is ``listed``, that of the items of the list around it, if it names none."""
    shown = dict(item)
    kind = str(item.get("kind") or listed)
    if isinstance(item.get("items"), list):
        kind_of_items = kind.removesuffix("List")
        shown["items"] = [
            _shown_object(inner, kind_of_items) if isinstance(inner, Mapping) else shown_definitions(inner)
            for inner in item["items"]
        ]
    if not _SECRET.search(kind):
        return shown
    for part in ("data", "stringData"):
        values = item.get(part)
        if values:
            shown[part] = dict.fromkeys(values, HIDDEN) if isinstance(values, Mapping) else HIDDEN
    # It may hold a copy of the whole object.
    metadata = item.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("annotations"):
        shown["metadata"] = {**metadata, "annotations": HIDDEN}
    return shown
