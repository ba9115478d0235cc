# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the Services, written as a hosts file: what the cluster's DNS is to the Pods."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ServiceNames:
    """Keeps the hosts file in step with the Services: each ClusterIP with the names under which Pods know it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[tuple[str, str], str] = {}

    def seen(self, kind: str | None, service: Mapping[str, Any]) -> None:
        """An event of a Service, or its present state when kind is None. The file is replaced only if it changes."""
        meta = service["metadata"]
        key = (str(meta["namespace"]), str(meta["name"]))
        former = self._lines.pop(key, "")
        address = service["spec"].get("clusterIP")
        line = ""
        if kind != "DELETED" and address and address != "None":
            line = self._lines[key] = f"{address} {' '.join(names(*key))}"
        if line != former or not self.path.exists():
            self._write()

    def _write(self) -> None:
        fresh = self.path.with_name(f".{self.path.name}")
        fresh.write_text("".join(f"{line}\n" for _key, line in sorted(self._lines.items())), encoding="utf-8")
        fresh.replace(self.path)


def names(namespace: str, name: str) -> list[str]:
    """The longest first, as the DNS gives it."""
    return [f"{name}.{namespace}{suffix}" for suffix in (".svc.cluster.local", ".svc", "")]
