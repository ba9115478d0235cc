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
    """``current(user)`` gives the key that the user's client has now. Several threads share the users between them."""

    address: tuple[str, int]
    hosts: list[str]
    users: list[str]
    current: Callable[[str], str]
    threads: int = 2
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
        rounds = 0
        while not self._stop.is_set():
            rounds += 1
            host = self.hosts[rounds % len(self.hosts)]
            statuses = connection.checks(host, [self.current(user) for user in users])
            counted.update(statuses)
            refused = [user for user, status in zip(users, statuses, strict=True) if status == 401]
            self.refused.extend(f"{user} at {time.time():.3f}" for user in refused)
        connection.close()
        self.statuses.update(counted)


class Connection:
    """One connection to Authorino's plain HTTP port."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=30)
        self._answers = self._socket.makefile("rb")

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def checks(self, host: str, keys: list[str]) -> list[int]:
        """The statuses that Authorino gives to these keys. All are sent at once, which one connection may do."""
        head = "GET /check HTTP/1.1\r\nHost: {}\r\nAuthorization: APIKEY {}\r\n\r\n"
        self._socket.sendall("".join(head.format(host, key) for key in keys).encode())
        return [self._status() for _key in keys]

    def _status(self) -> int:
        status = int(self._answers.readline().split(b" ", 2)[1])
        length = 0
        while (line := self._answers.readline()) != b"\r\n":
            if not line:
                raise ConnectionError("Authorino closed the connection")
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self._answers.read(length)
        return status
