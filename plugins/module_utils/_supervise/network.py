# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of 127.0.0.1."""

from __future__ import annotations

import socket
import time

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now (connections that linger do not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def is_free_soon(port: int, seconds: float = 1.0) -> bool:
    """As is_free, but gives a server that was just killed the time to close its sockets."""
    end = time.monotonic() + seconds
    while not is_free(port):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
