# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file with all results: written case by case, so that a long run that fails late keeps what it has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, versions


@dataclass(frozen=True)
class Results:
    """``{"machine": {...}, "versions": {...}, "results": [row, ...]}``; rows are those of ``bench.row``."""

    path: Path

    def store(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows; older ones of the same case, size and kind of objects go."""
        content = self._read()
        new = {identity(row) for row in rows}
        kept = [row for row in content["results"] if identity(row) not in new]
        content = {"machine": machine(), "versions": versions(), "results": [*kept, *rows]}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(content, indent=2) + "\n")
        temporary.replace(self.path)

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"results": []}
        if not self.path.exists():
            return empty
        content: dict[str, Any] = json.loads(self.path.read_text())
        # Figures of different machines or versions cannot stand side by side.
        same = content.get("machine") == machine() and content.get("versions") == versions()
        return content if same else empty


def identity(row: dict[str, Any]) -> tuple[str, str, int]:
    # The number of all objects changes with what is installed; there is only one row of it.
    size = row["size"] if row["what"] in {"small objects", "InferenceServices", "models", "API keys"} else 0
    return row["case"], row["what"], size
