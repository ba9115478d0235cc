# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that send checks to Authorino without a pause, each with its key, over connections that stay open."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType


@dataclass
class Traffic:
    """`current(user)` gives the key that the user's client has now. Several threads share the users between them."""

    address: tuple[str, int]
    hosts: list[str]
    users: list[str]
    current: Callable[[str], str]
    threads: int = 4
    statuses: Counter[int] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __enter__(self) -> Traffic:
        self._stop = threading.Event()
        self._began = time.monotonic()
        self._running = [
            threading.Thread(target=self._send, args=(self.users[number :: self.threads],), daemon=True)
            for number in range(self.threads)
        ]
        for thread in self._running:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join()
        self.seconds = time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Checks per second."""
        return sum(self.statuses.values()) / self.seconds

    def _send(self, users: list[str]) -> None:
        connection = Connection(self.address)
        counted: Counter[int] = Counter()
        number = 0
        while not self._stop.is_set():
            for user in users:
                number += 1
                status = connection.check(self.hosts[number % len(self.hosts)], self.current(user))
                counted[status] += 1
                if status == 401:
                    self.refused.append(f"{user} at {time.time():.3f}")
        connection.close()
        self.statuses.update(counted)


class Connection:
    """One connection to Authorino's plain HTTP port."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=30)
        self._rest = b""

    def close(self) -> None:
        self._socket.close()

    def check(self, host: str, key: str) -> int:
        """The status that Authorino gives to that key."""
        head = f"GET /check HTTP/1.1\r\nHost: {host}\r\nAuthorization: APIKEY {key}\r\n\r\n"
        self._socket.sendall(head.encode())
        answer = self._rest
        while b"\r\n\r\n" not in answer:
            answer += self._receive()
        lines, _empty, body = answer.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in lines.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += self._receive()
        self._rest = body[length:]
        return int(lines.split(b" ", 2)[1])

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("Authorino closed the connection")
        return data
