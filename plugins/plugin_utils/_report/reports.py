# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of modules as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import Cell, Part, Style, table, text

_OF_KEY: dict[str, Style] = {"done": "ok", "waiting": "ok", "failed": "failed", "not started": "warning"}
_OF_FORWARD: dict[str, Style] = {"forwarding": "ok", "dead": "failed"}


def rotation(api_keys: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> list[Part]:
    """What a rotation did with each key, see RETURN of M(llmops.maas.api_key_rotation)."""
    heading = ["USER", "KEY", "ACTION", "STATUS", "NEW KEY", "DETAIL"]
    total = (
        f"{counts['keys']} keys: {counts['due']} due, {counts['rotated']} rotated, {counts['retired']} old ones"
        f" deleted, {counts['waiting']} in their grace period, {counts['failed']} failed,"
        f" {counts['not_started']} not started"
    )
    style: Style = "failed" if counts["failed"] else "ok"
    return [table([_key(row) for row in api_keys], heading), text(total, style)]


def _key(row: Mapping[str, Any]) -> list[Cell]:
    status = str(row["status"])
    detail = row["error"] or (f"old key ends {row['retire_after']}" if status == "waiting" else row["reason"])
    shown = text(status, _OF_KEY.get(status, "plain"))
    return [row["user"] or "(none)", row["name"], row["action"], shown, row["successor"] or "-", detail]


def forwards(found: Sequence[Mapping[str, Any]], absent: Sequence[str]) -> list[Part]:
    """Which port of this machine leads where, see RETURN of M(llmops.maas.port_forward)."""
    parts: list[Part] = [table([_forward(item) for item in found])]
    if not found:
        parts = [text("Nothing is forwarded.")]
    if absent:
        parts.append(text(f"Not in this cluster: {', '.join(absent)}"))
    return parts


def _forward(item: Mapping[str, Any]) -> list[Cell]:
    state = str(item["state"])
    return [item["name"], item["url"], text(state, _OF_FORWARD.get(state, "plain")), item["target"], item["why"]]
