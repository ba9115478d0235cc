# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes Services reachable on their loopback ClusterIPs, and serves kube-apiserver's egress selector."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from .services import Routes, Target

LOG = logging.getLogger(__name__)

_CHUNK = 64 * 1024
# Where a port is relayed that only root may listen on: 80 becomes 8080, 443 becomes 8443.
PRIVILEGED_SHIFT = 8000


async def pipe(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter], other: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Copies both ways until both sides have ended; an end of one direction is passed on."""
    try:
        await asyncio.gather(_copy(one[0], other[1]), _copy(other[0], one[1]))
    finally:
        for _unused, writer in (one, other):
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        # A side that broke off: the other one must not go on waiting for it.
        writer.transport.abort()


class Relays:
    """One listener per Service port, on a higher one where the right to listen on it is missing. A port that cannot be
    had is reported once and left out: kube-apiserver reaches the Service through the egress proxy all the same.
    """

    def __init__(self, routes: Routes, failed: Callable[[Target, str], Awaitable[None]]) -> None:
        self._routes = routes
        self._failed = failed
        self._servers: dict[tuple[str, int], asyncio.Server] = {}
        self._open: set[asyncio.Task[None]] = set()

    async def add(self, target: Target) -> int | None:
        """The port that is listened on; None when there is none."""
        try:
            self._servers[target.key], port = await self._listen(target)
        except OSError as error:
            message = f"{target.address}:{target.port} of Service {target.namespace}/{target.service}: {_why(error)}"
            LOG.warning("not relayed: %s", message)
            await self._failed(target, message)
            return None
        return port

    async def _listen(self, target: Target) -> tuple[asyncio.Server, int]:
        try:
            return await asyncio.start_server(self._serve(target), target.address, target.port), target.port
        except PermissionError:
            port = target.port + PRIVILEGED_SHIFT
            return await asyncio.start_server(self._serve(target), target.address, port), port

    async def remove(self, target: Target) -> None:
        server = self._servers.pop(target.key, None)
        if server is not None:
            server.close()

    async def close(self) -> None:
        for server in self._servers.values():
            server.close()
        for task in self._open:
            task.cancel()
        self._servers.clear()

    def _serve(self, target: Target) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task:
                self._open.add(task)
                task.add_done_callback(self._open.discard)
            destination = self._routes.pick(*target.key)
            try:
                if destination is None:
                    raise ConnectionRefusedError
                other = await asyncio.open_connection(*destination)
            except OSError:
                _reset(writer)
                return
            # Cancelled only by close(): that is no error to report.
            with contextlib.suppress(asyncio.CancelledError):
                await pipe((reader, writer), other)

        return serve


def _why(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return "no right to listen on ports below 1024"
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return str(error)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes so that the client sees a refused connection rather than an empty answer."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class EgressProxy:
    """HTTP CONNECT on a unix socket: the network of the Pods, for what cannot be given their local ports instead.

    That are kube-apiserver, by its EgressSelectorConfiguration (name cluster, HTTPConnect, uds), and Prometheus, which
    finds the addresses of Pods. Connects to Pods that run here, to Services in front of them and to the one kubelet
    address, and refuses everything else with 403, so that no connection leaves this machine. 503 means: no ready Pod at
    present.
    """

    def __init__(self, path: Path, routes: Routes, kubelet: tuple[str, int]) -> None:
        self._path = path
        self._routes = routes
        self._kubelet = kubelet
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        self._path.chmod(0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            status, destination = self.decide(head)
            other = await asyncio.open_connection(*destination) if destination else None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.close()
            return
        except OSError:
            status, other = "503 Service Unavailable", None
        with contextlib.suppress(ConnectionError, OSError):
            writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
            await writer.drain()
            if other is not None:
                await pipe((reader, writer), other)
        writer.close()

    def decide(self, head: bytes) -> tuple[str, tuple[str, int] | None]:
        """Status line for a request head, and where to connect for 200."""
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        host, _unused, port_text = words[1].rpartition(":") if len(words) == 3 else ("", "", "")
        if words[0] != "CONNECT" or not port_text.isdigit():
            return "400 Bad Request", None
        address, port = host.strip("[]"), int(port_text)
        if (address, port) == self._kubelet:
            return "200 OK", self._kubelet
        if pod := self._routes.pod_port(address, port):
            return "200 OK", pod
        if not self._routes.knows(address, port):
            LOG.warning("refused to connect to %s:%s: neither a Pod nor a Service of this cluster", address, port)
            return "403 Forbidden", None
        destination = self._routes.pick(address, port)
        return ("200 OK", destination) if destination else ("503 Service Unavailable", None)
