# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backends of a gateway on free ports of this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Backend(BaseHTTPRequestHandler):
    """Answers 200 with ``text()``."""

    def text(self) -> str:
        """Its own port, and the path that it was asked for."""
        return f"{self.connection.getsockname()[1]} {self.path}"

    def do_GET(self) -> None:
        body = self.text().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        return


@contextlib.contextmanager
def serving(kind: type[Backend] = Backend, *ports: int) -> Iterator[list[int]]:
    """Serves on these ports; 0 is any."""
    servers = [ThreadingHTTPServer(("127.0.0.1", port), kind) for port in ports]
    with ThreadPoolExecutor(len(servers)) as pool:
        for server in servers:
            pool.submit(server.serve_forever)
        try:
            yield [server.server_port for server in servers]
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()
