# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy in front of an API server that can do harm at any write: before it is made, or before its answer arrives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from urllib3.exceptions import HTTPError

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube

BEFORE, AFTER = "before", "after"
CONFLICT = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409}


class Proxy(ThreadingHTTPServer):
    """Forwards to the API server of a kubeconfig, with its credentials. ``harm(number, when)`` is called around each
    write, numbered from 1; it may return an answer to give in place of the server's, or raise ConnectionAbortedError.
    """

    daemon_threads = True

    def __init__(self, kubeconfig: Path, harm: Callable[[int, str], dict[str, Any] | None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.harm = harm
        self.writes: list[str] = []
        self._lock = threading.Lock()
        self.kube = Kube.connect({"kubeconfig": str(kubeconfig)})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def number(self, what: str) -> int:
        with self._lock:
            self.writes.append(what)
            return len(self.writes)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is what this is for."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        number = self.server.number(f"{self.command} {self.path}") if self.command != "GET" else 0
        try:
            answer = self.server.harm(number, BEFORE) if number else None
            status, content = (answer["code"], json.dumps(answer).encode()) if answer else self._ask(body)
            if number:
                self.server.harm(number, AFTER)
        except ConnectionAbortedError:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = forward  # noqa: N815 - names that the base class calls

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        kube = self.server.kube
        kept = {name: self.headers[name] for name in ("Accept", "Content-Type", "User-Agent") if name in self.headers}
        headers = {**kept, **kube._authorization()}
        try:
            answer = kube._pool.request(
                self.command, kube.host + self.path, body=body or None, headers=headers, timeout=30, retries=False
            )
        except HTTPError:
            # As a client would see it without the proxy.
            raise ConnectionAbortedError from None
        return answer.status, answer.data

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def proxied(
    kubeconfig: Path, harm: Callable[[int, str], dict[str, Any] | None], folder: Path
) -> Iterator[tuple[Proxy, Path]]:
    """A running proxy, and a kubeconfig that leads to it."""
    proxy = Proxy(kubeconfig, harm)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        "clusters": [{"name": "proxy", "cluster": {"server": proxy.url}}],
        "users": [{"name": "proxy", "user": {"token": "the-proxy-has-its-own"}}],
    }
    path = folder / f"kubeconfig-{proxy.server_port}"
    path.write_text(json.dumps(config))
    try:
        yield proxy, path
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
