# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The worst server there could be: its errors quote all that it was sent, in every form."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

# Gets method and path, and returns what is to be answered with 200. None has all that came quoted, bytes these as well.
Answers = Callable[[str, str], Any]


@dataclass
class EchoServer:
    url: str
    authorizations: list[bytes] = field(default_factory=list, repr=False)
    bodies: list[bytes] = field(default_factory=list, repr=False)
    answers: Answers = lambda _method, _path: None


def quoted(data: bytes) -> list[str]:
    """The bytes as programs show them."""
    text = data.decode("utf-8", "replace")
    return [
        text,
        repr(text),
        repr(data),
        repr(repr(data)),
        json.dumps(text),
        quote(data),
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
    ]


@contextmanager
def echo_server() -> Iterator[EchoServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        # Each answer in one piece: two would wait for each other.
        wbufsize = -1

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            # Latin-1 is how the library reads the bytes of headers.
            values = [value.encode("latin-1") for value in self.headers.values()]
            authorization = (self.headers.get("Authorization") or "").encode("latin-1")
            running.authorizations.append(authorization)
            running.bodies.append(body)
            content = running.answers(self.command, self.path)
            status = 422 if content is None or isinstance(content, bytes) else 200
            if status == 422:
                parts = [_inner(authorization), authorization, content or b"", body, *values, *map(_inner, values)]
                words = [text for part in parts for text in quoted(part)]
                content = {"kind": "Status", "code": 422, "message": " | ".join(words)}
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - names of the library

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running = EchoServer(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield running
        finally:
            server.shutdown()


def _inner(header: bytes) -> bytes:
    """What basic authentication holds."""
    scheme, _space, credentials = header.partition(b" ")
    try:
        return base64.b64decode(credentials) if scheme == b"Basic" else b""
    except ValueError:
        return b""
