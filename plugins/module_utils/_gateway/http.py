# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the platform's Gateway, as a client sends them: no redirects, no second tries, bounded time and size."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import without_password
from ansible_collections.llmops.maas.plugins.module_utils._kube.pools import ADVICE, URLLIB3_MISSING, connection_pool

# Without it nothing here can be called: `Gateway` says what is missing.
with contextlib.suppress(ImportError):
    import urllib3
    from urllib3.exceptions import HTTPError, MaxRetryError

# Enough for any answer that a check asks for; a stream that never ends is cut here.
_MOST_BYTES = 1024 * 1024
_CONNECTIONS = 16


class GatewayError(Exception):
    """The Gateway cannot be asked at all; the message names the option and the fix."""


@dataclass(frozen=True)
class Answer:
    """An answer. Without one, ``status`` is 0 and ``error`` says why. ``seconds`` is the time it took."""

    status: int
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""


@dataclass(frozen=True)
class Trust:
    """Which certificates are accepted. ``ca_file`` replaces the system's CAs, ``ca_data`` (PEM) is trusted as well."""

    ca_file: str = ""
    ca_data: str = ""
    validate: bool = True

    def context(self) -> ssl.SSLContext:
        """:raises GatewayError: the CA certificates cannot be read."""
        try:
            made = ssl.create_default_context(cafile=self.ca_file or None)
            if self.ca_data:
                made.load_verify_locations(cadata=self.ca_data)
        except (OSError, ssl.SSLError) as error:
            raise GatewayError(
                f"gateway_ca_cert: {self.ca_file or 'the CA in the Secret'} cannot be used: {error}"
            ) from error
        if not self.validate:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        return made


class Gateway:
    """A connection to one Gateway. ``send`` may be called from several threads at once."""

    def __init__(self, url: str, host: str, *, timeout: float, trust: Trust | None = None) -> None:
        """
        :param url: scheme, address and port, such as ``http://127.0.0.1:8000``.
        :param host: host name for the certificate of an https address.
        :param timeout: seconds to connect, and between two reads.
        :param trust: which certificates of an https address are accepted; those that the system trusts by default.
        """
        if URLLIB3_MISSING:
            raise GatewayError(ADVICE)
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise GatewayError(
                f"url: {without_password(url)!r} is no address of a gateway; write http://host:port or https://host:port"
            )
        self._url = url.rstrip("/")
        self._address = (parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme])
        self._host = host
        self._timeout = timeout
        self._tls = (trust or Trust()).context() if parts.scheme == "https" else None
        self._pool = _pool(self._tls, host)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send one request; that nothing answers is an answer too, and that no request can be made of it."""
        started = time.monotonic()
        try:
            response = self._pool.request(
                method,
                self._url + path,
                body=body,
                headers=dict(headers),
                timeout=urllib3.Timeout(connect=self._timeout, read=self._timeout),
                # An idle connection that the Gateway has closed meanwhile shows when the request is sent.
                retries=urllib3.Retry(0, redirect=False, other=0, raise_on_status=False),
                redirect=False,
                preload_content=False,
            )
            return _answer(response, started)
        except (HTTPException, ValueError) as error:
            # urllib3's own errors of addresses are ValueErrors as well. What they say may quote a header.
            return Answer(0, time.monotonic() - started, error=_unsendable(error))
        except HTTPError as error:
            cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
            text = str(cause).rpartition(">: ")[2] or type(cause).__name__
            return Answer(0, time.monotonic() - started, error=f"{type(cause).__name__}: {text}")

    def send_raw(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """Send one request without a body whose target and Host are not touched, on a connection of its own.

        :param target: the target in the request line, such as ``http://MODELS.EXAMPLE.COM/qwen3`` (absolute form).
        """
        started = time.monotonic()
        connection = http.client.HTTPConnection(*self._address, timeout=self._timeout)
        try:
            connection.connect()
            if self._tls is not None:
                connection.sock = self._tls.wrap_socket(connection.sock, server_hostname=self._host)
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("Connection", "close")
            connection.endheaders()
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, time.monotonic() - started, found, response.read(_MOST_BYTES))
        except OSError as error:
            return Answer(0, time.monotonic() - started, error=f"{type(error).__name__}: {error}")
        except (http.client.HTTPException, ValueError) as error:
            return Answer(0, time.monotonic() - started, error=_unsendable(error))
        finally:
            with contextlib.suppress(OSError):
                connection.close()


def _unsendable(error: Exception) -> str:
    return f"this request cannot be sent ({type(error).__name__}): see its path, method and headers"


def _answer(response: Any, started: float) -> Answer:
    try:
        # ``read`` may return less than it was asked for.
        body = b"".join(_parts(response))
    finally:
        # Given back whole, or closed with what was not read.
        if response.isclosed():
            response.release_conn()
        else:
            response.close()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(int(response.status), time.monotonic() - started, headers, body)


def _parts(response: Any) -> Any:
    left = _MOST_BYTES
    while left > 0:
        part = response.read(min(left, 65536))
        if not part:
            return
        left -= len(part)
        yield part


def _pool(tls: ssl.SSLContext | None, host: str) -> Any:
    if tls is None:
        return connection_pool(_CONNECTIONS, num_pools=2)
    named = host if tls.check_hostname else False
    options: dict[str, Any] = {"ssl_context": tls, "server_hostname": host, "assert_hostname": named}
    return connection_pool(_CONNECTIONS, verify=tls.check_hostname, num_pools=2, **options)
