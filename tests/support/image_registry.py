# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real image registry on loopback (go-containerregistry's), images made for a test, and a front that misbehaves."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.go_modules import (
    Flags,
    GoMod,
)
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.layers import zstd_library
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import cache_home, file_lock
from tests.support.go_toolchain import go_toolchain

EMBEDDED = Path(__file__).resolve().parents[2] / "embedded"
OCI = "application/vnd.oci.image"
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "+gzip": lambda data: gzip.compress(data, 1),
    "+zstd": lambda data: bytes(zstd_library().compress(data, 3)),
}
# What a test says of a layer: contents by path, a link as ("symlink", target) or ("hardlink", target), None a folder.
Files = Mapping[str, "bytes | tuple[str, str] | None"]
LINKS = {"symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}


FLAGS = Flags("-s -w", ("-N", "-l"))


def crane() -> Path:
    """The registry's program, built once into the cache of the tests; its build caches are removed afterwards."""
    mod = GoMod.read(EMBEDDED / "tests" / "tools" / "crane")
    folder = cache_home() / "tests" / f"crane-{mod.requires[mod.main]}-{mod.digest()}"
    with file_lock(folder.with_name(f"{folder.name}.lock"), 900, "Another run is building crane"):
        if not (folder / "crane").exists():
            _build(mod, folder)
    return folder / "crane"


def _build(mod: GoMod, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder.parent) as name:
        work = Path(name)
        (work / "out").mkdir()
        packages = [f"{mod.main}/cmd/crane"]
        why = go_toolchain(mod.go, work).build(mod, packages, work / "out" / "crane", FLAGS, work / "log")
        assert not why, why
        (work / "out").replace(folder)


@contextmanager
def image_registry(folder: Path) -> Iterator[str]:
    """Its address; blobs are files below ``folder``."""
    command = [crane(), "registry", "serve", "--address", "127.0.0.1:0", "--disk", folder]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield f"127.0.0.1:{_port(process)}"
        finally:
            process.terminate()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stderr
    for line in process.stderr:
        found = re.search(r"serving on port (\d+)", line)
        if found:
            # Nobody may stop reading, or the server waits at its next line.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return int(found[1])
    raise AssertionError(f"the registry ended with {process.wait()}")


@dataclass(frozen=True)
class Repository:
    """A repository to push to."""

    address: str
    name: str

    def reference(self, tag: str) -> str:
        return f"{self.address}/{self.name}:{tag}"

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        url = f"http://{self.address}/v2/{self.name}/blobs/uploads/"
        requests.post(url, params={"digest": digest}, data=data, timeout=60).raise_for_status()
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, content: Mapping[str, Any], tag: str = "") -> dict[str, Any]:
        data = json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        url = f"http://{self.address}/v2/{self.name}/manifests/{tag or digest}"
        kind = str(content["mediaType"])
        requests.put(url, data=data, headers={"Content-Type": kind}, timeout=60).raise_for_status()
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def image(
        self, layers: Sequence[Files], *, tag: str = "", architecture: str = "amd64", compression: str = "+gzip"
    ) -> dict[str, Any]:
        """Push an image; its layers are given from the lowest on."""
        config = {"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": []}}
        pushed = [
            self.blob(COMPRESSIONS[compression](archive(files)), f"{OCI}.layer.v1.tar{compression}") for files in layers
        ]
        content = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": self.blob(json.dumps(config).encode(), f"{OCI}.config.v1+json"),
            "layers": pushed,
        }
        made = self.manifest(content, tag)
        return {**made, "platform": {"os": "linux", "architecture": architecture}}

    def index(self, images: Sequence[Mapping[str, Any]], tag: str) -> dict[str, Any]:
        attestation = {**images[0], "platform": {"os": "unknown", "architecture": "unknown"}}
        content = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.index.v1+json",
            "manifests": [attestation, *images],
        }
        return self.manifest(content, tag)


def archive(files: Files) -> bytes:
    """A layer's archive, with the names as builders of images write them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, tuple):
                member.type, member.linkname = LINKS[content[0]], content[1]
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


@dataclass
class Front:
    """Stands before a registry, and passes on what it is not told to do otherwise."""

    address: str
    registry: str
    # Wanted of every request when it is there; whoever asks for it gets it.
    token: str = ""
    # Where blobs are: the client is sent there.
    elsewhere: str = ""
    # Statuses of the next answers, instead of the registry's.
    statuses: list[int] = field(default_factory=list)
    # How many of the next blobs of more than 10,000 bytes end in their middle.
    cut: int = 0
    # Whether answers say how long they are; else their end is that of the connection.
    with_length: bool = True
    change: Callable[[str, bytes], bytes] = lambda _path, content: content
    # Path and Authorization of each request
    requests: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, path: str, authorization: str, accept: str) -> tuple[int, dict[str, str], bytes]:
        self.requests.append((path, authorization))
        if self.statuses:
            return self.statuses.pop(0), {}, b""
        if path.startswith("/token?"):
            fits = parse_qs(urlsplit(path).query) == {"service": ["test"], "scope": ["repository:tool:pull"]}
            return (200, {}, json.dumps({"token": self.token}).encode()) if fits else (400, {}, b"")
        if self.token and authorization != f"Bearer {self.token}":
            realm = f'Bearer realm="http://{self.address}/token",service="test",scope="repository:tool:pull,push"'
            return 401, {"WWW-Authenticate": realm}, b""
        if self.elsewhere and "/blobs/" in path:
            return 307, {"Location": f"http://{self.elsewhere}{path}"}, b""
        # A proxy gets the whole URL.
        url = path if path.startswith("http://") else f"http://{self.registry}{path}"
        found = _asking().get(url, headers={"Accept": accept}, timeout=60)
        kept = {
            name: found.headers[name] for name in ("Content-Type", "Docker-Content-Digest") if name in found.headers
        }
        return found.status_code, kept, self.change(path, found.content)


def _asking() -> requests.Session:
    """For requests to the registry itself, past the proxy that a test sets."""
    session = requests.Session()
    session.trust_env = False
    return session


@contextmanager
def front(registry: str) -> Iterator[Front]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorization, accept = (self.headers.get(name) or "" for name in ("Authorization", "Accept"))
            status, headers, content = made.answer(self.path, authorization, accept)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if made.with_length:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if made.cut and "/blobs/" in self.path and len(content) > 10_000:
                made.cut -= 1
                content = content[: len(content) // 2]
            self.wfile.write(content)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Front(f"127.0.0.1:{server.server_port}", registry)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
