# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small asynchronous client of the Kubernetes API, configured by one kubeconfig file."""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
NOT_FOUND: Final = 404
CONFLICT: Final = 409

# 30 s is what kubectl grants a single request too; watches do not pass through here.
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class ApiError(Exception):
    """The API server refused a request: ``status`` is the HTTP status, ``message`` the server's own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class KubeconfigError(Exception):
    """The kubeconfig file cannot be used; the message says why."""


class Kubeconfig:
    """The current context of a kubeconfig file.

    Understands certificates and keys as files or inline, a token and a token file; nothing else (no exec plugins),
    because the embedded cluster writes its own kubeconfigs.
    """

    def __init__(self, path: Path) -> None:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        try:
            contexts = {item["name"]: item["context"] for item in content["contexts"]}
            context = contexts[content["current-context"]]
            self.cluster: dict[str, Any] = _named(content["clusters"], "cluster", context["cluster"])
            self.user: dict[str, Any] = _named(content.get("users") or [], "user", context.get("user", ""))
            self.server: str = str(self.cluster["server"]).rstrip("/")
        except (KeyError, TypeError) as error:
            raise KubeconfigError(f"{path}: no usable current context ({error})") from error
        self.path = path.absolute()
        self._directory = self.path.parent

    def content_of(self, section: Mapping[str, Any], key: str) -> bytes | None:
        """Bytes of e.g. ``certificate-authority``, from ``<key>-data`` (base64) or from the file named by ``<key>``."""
        if section.get(f"{key}-data"):
            return base64.b64decode(section[f"{key}-data"])
        if section.get(key):
            return (self._directory / str(section[key])).read_bytes()
        return None

    @property
    def ca_certificate(self) -> bytes | None:
        """PEM bundle that the server's certificate is checked against; None is the system's own."""
        return self.content_of(self.cluster, "certificate-authority")

    @property
    def ca_file(self) -> Path | None:
        """Path of the CA bundle when the kubeconfig names a file."""
        name = self.cluster.get("certificate-authority")
        return self._directory / str(name) if name else None

    def ssl_context(self) -> ssl.SSLContext:
        ca = self.ca_certificate
        context = ssl.create_default_context(cadata=ca.decode() if ca else None)
        certificate = self.content_of(self.user, "client-certificate")
        key = self.content_of(self.user, "client-key")
        if certificate and key:
            with private_file(certificate + b"\n" + key) as name:
                context.load_cert_chain(name)
        return context

    def token(self) -> str | None:
        """The bearer token, read anew each time because ServiceAccount tokens are rotated in place."""
        if self.user.get("tokenFile"):
            return (self._directory / str(self.user["tokenFile"])).read_text(encoding="utf-8").strip()
        token = self.user.get("token")
        return str(token) if token else None


def _named(items: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    for item in items:
        if item["name"] == name:
            return dict(item[kind] or {})
    return {}


@contextlib.contextmanager
def private_file(content: bytes) -> Iterator[str]:
    """A name under which OpenSSL can read content; in memory where the system can, else a 0600 file removed at once."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-key")
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


class Api:
    """One connection pool to one API server. Use as an asynchronous context manager."""

    def __init__(self, kubeconfig: Kubeconfig) -> None:
        self.kubeconfig = kubeconfig
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Api:
        connector = aiohttp.TCPConnector(ssl=self.kubeconfig.ssl_context(), limit=32)
        self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def request(self, method: str, path: str, body: Any = None, *, content_type: str = JSON) -> Any:
        """Parsed JSON of the answer.

        Raises ApiError for a refusal, aiohttp.ClientError or TimeoutError when the server cannot be reached.
        """
        if self._session is None:
            raise RuntimeError("Api is used outside its context manager")
        headers = {"Accept": JSON}
        token = self.kubeconfig.token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            data = aiohttp.payload.JsonPayload(body)
            headers["Content-Type"] = content_type
        url = self.kubeconfig.server + path
        async with self._session.request(method, url, data=data, headers=headers) as response:
            if response.status >= 400:
                raise ApiError(response.status, await _message(response))
            if response.content_type != JSON:
                return await response.text()
            return await response.json()

    async def find(self, path: str) -> Any | None:
        """The object at path, or None when there is none."""
        try:
            return await self.request("GET", path)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise


async def _message(response: aiohttp.ClientResponse) -> str:
    try:
        status = await response.json()
        return str(status.get("message") or status.get("reason") or response.reason)
    except (aiohttp.ClientError, ValueError):
        return str(response.reason)
