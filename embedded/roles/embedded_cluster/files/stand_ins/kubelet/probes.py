# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of containers, run against the local ports that stand for the container's."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp

from .ports import PodPorts
from .processes import Command

PERIOD, TIMEOUT, FAILURES, SUCCESSES = 10, 1, 3, 1


class Prober:
    """Runs the probes of one container's running process."""

    def __init__(self, ports: PodPorts, command: Command) -> None:
        self._ports = ports
        self._command = command

    async def check(self, probe: Mapping[str, Any]) -> str | None:
        """None for success, else why it failed, worded as the kubelet's events are. Never raises."""
        seconds = float(probe.get("timeoutSeconds") or TIMEOUT)
        try:
            return await asyncio.wait_for(self._run(probe), seconds)
        except TimeoutError:
            return f"probe timed out after {seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return str(error) or type(error).__name__

    async def _run(self, probe: Mapping[str, Any]) -> str | None:
        if probe.get("httpGet"):
            return await self._http(probe["httpGet"])
        if probe.get("exec"):
            return await self._exec(probe["exec"].get("command") or [])
        # The gRPC health protocol would need an HTTP/2 client; that the port answers must do for it.
        target = probe.get("tcpSocket") or probe.get("grpc") or {}
        await self._tcp(target.get("port", 0))
        return None

    def _port(self, port: str | int) -> int:
        local = self._ports.local(port)
        if local is None:
            raise ValueError(f"no local port stands for container port {port}: use {{port:{port}}} in the image map")
        return local

    async def _http(self, target: Mapping[str, Any]) -> str | None:
        scheme = str(target.get("scheme") or "HTTP").lower()
        path = str(target.get("path") or "/")
        url = f"{scheme}://127.0.0.1:{self._port(target['port'])}/{path.removeprefix('/')}"
        headers = {item["name"]: item["value"] for item in target.get("httpHeaders") or ()}
        # The kubelet does not verify the certificate of a probed container either.
        async with (
            aiohttp.ClientSession(trust_env=False) as session,
            session.get(url, headers=headers, ssl=_unverified(), allow_redirects=False) as response,
        ):
            if 200 <= response.status < 400:
                return None
            return f"HTTP probe failed with statuscode: {response.status}"

    async def _tcp(self, port: str | int) -> None:
        _unused, writer = await asyncio.open_connection("127.0.0.1", self._port(port))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _exec(self, argv: list[str]) -> str | None:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=dict(self._command.env),
            cwd=self._command.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _unused = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        return None if process.returncode == 0 else output.decode(errors="replace").strip()[-1024:] or "failed"


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
