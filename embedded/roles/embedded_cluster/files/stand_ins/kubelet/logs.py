# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container logs in the CRI format that KWOK's kubelet API serves (``kubectl logs``).

Each line is ``<RFC 3339 time with nanoseconds> stdout|stderr F|P <text>``; see
https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Stream = Literal["stdout", "stderr"]

MAX_BYTES = 10 * 1024 * 1024
# Longer lines are split, marked P (partial) up to the last part.
MAX_LINE = 16 * 1024


def cri_line(stream: Stream, text: bytes, *, complete: bool, now: datetime) -> bytes:
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return b"%s %s %s %s\n" % (stamp.encode(), stream.encode(), b"F" if complete else b"P", text)


class ContainerLog:
    """The log file of one container: <name>.log, the former instance's in <name>.previous.log.

    A file that reaches MAX_BYTES moves to <name>.log.1 (replacing the one there) and starts again empty.
    """

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = directory / f"{name}.log"
        self.previous = directory / f"{name}.previous.log"
        self._size = 0
        for path in (self.path, self.previous):
            path.touch(mode=0o600)

    def start(self) -> None:
        """Begins the log of a new instance."""
        if self.path.stat().st_size:
            self.path.replace(self.previous)
        self.path.touch(mode=0o600)
        self._size = 0

    def write(self, stream: Stream, text: bytes, *, complete: bool = True) -> None:
        line = cri_line(stream, text, complete=complete, now=datetime.now(UTC))
        if self._size + len(line) > MAX_BYTES:
            self.path.replace(self.path.with_suffix(".log.1"))
            self._size = 0
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
        self._size += len(line)

    async def copy(self, stream: Stream, reader: asyncio.StreamReader) -> None:
        """Writes what comes until the stream ends."""
        pending = b""
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(MAX_LINE):
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    self._write_long(stream, line)
                if len(pending) >= MAX_LINE:
                    self.write(stream, pending, complete=False)
                    pending = b""
        if pending:
            self.write(stream, pending)

    def _write_long(self, stream: Stream, line: bytes) -> None:
        while len(line) > MAX_LINE:
            self.write(stream, line[:MAX_LINE], complete=False)
            line = line[MAX_LINE:]
        self.write(stream, line)

    def tail(self, limit: int = 2048) -> str:
        """The text of the last lines, at most so many characters: what a terminated container's message shows."""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 4 * limit))
            lines = file.read().splitlines()
        texts = [line.split(b" ", 3)[-1].decode(errors="replace") for line in lines]
        return "\n".join(texts)[-limit:]
