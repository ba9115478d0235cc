# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process that supervisord keeps running, and how it says that it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Health:
    """How a process says that it works: status 200 for an HTTPS request to a port of 127.0.0.1.

    A process with ``needs_api`` cannot work before the cluster has that API group, and is not waited for till then.
    """

    port: int
    path: str
    needs_api: str = ""


@dataclass(frozen=True)
class Component:
    """One supervised process; ``files`` are those that it reads once, at its start."""

    name: str
    command: tuple[str, ...]
    files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    health: Health | None = None
    stop_seconds: int = 10
    stops_own_children: bool = False
