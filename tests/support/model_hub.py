# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model hub on loopback that answers what huggingface_hub asks for when it downloads a model: information about a
revision, and its files with their ETags. Errors have the status and the headers of huggingface.co.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = hashlib.sha1(b"the only revision", usedforsecurity=False).hexdigest()


@dataclass
class ModelHub:
    """The models by owner/name, and what is wrong with the hub. ``token`` is the one that gated models want."""

    models: Mapping[str, Mapping[str, bytes]]
    gated: frozenset[str] = frozenset()
    token: str = ""
    # Cleared: files are not sent before it is set again.
    sending: threading.Event = field(default_factory=threading.Event)
    broken: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self.sending.set()

    @contextmanager
    def served(self) -> Iterator[ModelHub]:
        server = _HubServer(self)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.sending.set()
            server.shutdown()
            server.server_close()
            thread.join()


class _HubServer(ThreadingHTTPServer):
    def __init__(self, hub: ModelHub) -> None:
        super().__init__(("127.0.0.1", 0), _HubHandler)
        self.hub = hub


class _HubHandler(BaseHTTPRequestHandler):
    server: _HubServer

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.hub.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0].strip("/")
        if self.server.hub.broken:
            self._refuse(503, "", "Service Unavailable")
        elif path.startswith("api/models/"):
            self._about(path.removeprefix("api/models/"))
        else:
            self._file(path)

    def _about(self, path: str) -> None:
        """api/models/OWNER/NAME[/revision/REVISION]"""
        name = "/".join(path.split("/")[:2])
        revision = path.partition("/revision/")[2] or "main"
        if self._knows(name, revision):
            siblings = [{"rfilename": file} for file in self.server.hub.models[name]]
            about = {"id": name, "modelId": name, "sha": COMMIT, "private": False, "siblings": siblings}
            self._send(json.dumps(about).encode(), {"Content-Type": "application/json"})

    def _file(self, path: str) -> None:
        """OWNER/NAME/resolve/REVISION/FILE"""
        name, _resolve, rest = path.partition("/resolve/")
        revision, _slash, file = rest.partition("/")
        if not self._knows(name, revision):
            return
        if name in self.server.hub.gated and self.headers.get("Authorization") != f"Bearer {self.server.hub.token}":
            self._refuse(
                403, "GatedRepo", f"Access to model {name} is restricted and you are not in the authorized list."
            )
        elif file not in self.server.hub.models[name]:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            content = self.server.hub.models[name][file]
            etag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            if self.command == "GET":
                self.server.hub.sending.wait(60)
            self._send(content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def _knows(self, name: str, revision: str) -> bool:
        if name not in self.server.hub.models:
            # Nobody who has not logged in learns whether there is such a model.
            status = 404 if self.headers.get("Authorization") else 401
            self._refuse(status, "RepoNotFound", "Repository not found")
        elif revision not in ("main", COMMIT):
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return True
        return False

    def _refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self._send(json.dumps({"error": message}).encode(), headers, status)

    def _send(self, content: bytes, headers: Mapping[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Tests have no use for it."""
