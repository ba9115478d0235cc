# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""API servers for benchmarks, and what they saw: requests by the audit log."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.api_server import ApiServer

LOG = logging.getLogger("benchmarks")
# This collection, kubectl, and kubernetes.core; not the benchmark's own requests.
CLIENTS = re.compile(r"llmops\.maas|kubectl/|OpenAPI-Generator|kubernetes\.core")
TICK_SECONDS = 0.5
SETTLE_SECONDS = 90.0
# CLK_TCK, which is 100 on every Linux.
TICKS_PER_SECOND = 100


@contextmanager
def api_server(work: Path) -> Iterator[ApiServer]:
    """A new, empty API server that is idle; it is stopped and its files removed at the end."""
    server = ApiServer(Path(tempfile.mkdtemp(prefix="server-", dir=work)))
    try:
        server.start()
        settle([process.pid for process in server.processes])
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


def settle(pids: Sequence[int], busy: float = 0.15) -> None:
    """Wait until these processes use less than ``busy`` cores: a server still has work to do after many changes."""
    deadline = time.monotonic() + SETTLE_SECONDS
    quiet = 0
    before = cpu_seconds(pids)
    while quiet < 2 and time.monotonic() < deadline:
        time.sleep(TICK_SECONDS)
        now = cpu_seconds(pids)
        quiet = quiet + 1 if (now - before) / TICK_SECONDS < busy else 0
        before = now
    if quiet < 2:
        LOG.warning("the servers did not become idle within %d s; going on", SETTLE_SECONDS)


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time that the processes have used (fields 14 and 15 of /proc/<pid>/stat)."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_SECOND


def kubeconfig_via(server: ApiServer, port: int) -> Path:
    """A kubeconfig that reaches the server through another loopback port."""
    config = json.loads(server.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = server.directory / f"kubeconfig-{port}"
    path.write_text(json.dumps(config))
    return path


class Audit:
    """Reads an audit log bit by bit. A request counts once, where it is first seen."""

    def __init__(self, path: Path, clients: re.Pattern[str] = CLIENTS, user: str = "") -> None:
        self._path = path
        self._clients = clients
        self._user = user
        self._seen: set[str] = set()
        self._position = 0

    def new(self) -> list[str]:
        """``verb URI`` of every request of the clients since the last call."""
        found = []
        for event in self._events():
            name = event["auditID"]
            if name not in self._seen and self._counts(event):
                found.append(f"{event['verb']} {event['requestURI']}")
            self._seen.add(name)
        return found

    def _counts(self, event: dict[str, Any]) -> bool:
        if self._user and event["user"].get("username") != self._user:
            return False
        return bool(self._clients.match(event.get("userAgent", "")))

    def _events(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        if self._path.stat().st_size < self._position:
            # It was rotated.
            self._position = 0
        with self._path.open("rb") as log:
            log.seek(self._position)
            data = log.read()
        # The last line may be half written.
        complete = data[: data.rfind(b"\n") + 1]
        self._position += len(complete)
        return [json.loads(line) for line in complete.splitlines()]
