# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter between this collection and a Kubernetes API server.

Configuration and authentication (kubeconfig, exec plugins, token refresh) are the ``kubernetes`` package's; requests go
through one urllib3 connection pool, so that many small ones are cheap and may run in parallel threads.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from urllib.parse import urlencode

from ansible_collections.llmops.maas.plugins.module_utils._kube.config import AUTH_ARGUMENTS, Settings, load_settings
from ansible_collections.llmops.maas.plugins.module_utils._kube.credentials import KubeConfigError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.discovery import DISCOVERY, Resources, ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._kube.pools import ADVICE, URLLIB3_MISSING, connection_pool

# Without it nothing here can be called: `Kube.connect` says what is missing.
with contextlib.suppress(ImportError):
    import urllib3
    from urllib3.exceptions import HTTPError, LocationParseError, MaxRetryError, NewConnectionError, SSLError

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

__all__ = [
    "AUTH_ARGUMENTS",
    "ApiError",
    "ConnectError",
    "Kube",
    "KubeConfigError",
    "KubeError",
    "ResourceType",
    "Resources",
]

PARTIAL_OBJECT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_CONNECTIONS = 16
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0


class ConnectError(KubeError):
    """No answer from the API server: refused, not resolved, TLS, timed out or cut off."""


class ApiError(KubeError):
    """An error answer of the API server (a ``Status`` object where it sent one)."""

    def __init__(
        self, status: int, body: Mapping[str, Any], *, host: str = "", retry_after: float | None = None
    ) -> None:
        self.status = status
        self.reason = str(body.get("reason") or "")
        self.message = str(body.get("message") or f"HTTP {status}")
        self.details: dict[str, Any] = dict(body.get("details") or {})
        self.retry_after = retry_after
        super().__init__(self.message + _advice(status, host))


def _advice(status: int, host: str) -> str:
    if status == 401:
        return (
            f" (HTTP 401 from {host}: the API server does not accept the credentials; renew the token or the"
            " kubeconfig, or check that they belong to this cluster)"
        )
    if status == 403:
        return " (HTTP 403: these credentials lack this right; grant it with a Role or ClusterRole and a binding)"
    return ""


class RequestOptions(TypedDict, total=False):
    """What may be said about a request.

    A mapping as ``body`` is sent as JSON. ``content_type`` and ``accept`` are JSON unless they say otherwise.
    ``timeout`` is in seconds, between two bytes of the answer; None waits for ever.
    """

    query: Mapping[str, Any] | None
    body: bytes | Mapping[str, Any] | None
    content_type: str
    accept: str
    timeout: float | None


class Kube:
    """A connection to one API server. All methods may be called from several threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = connection_pool(
            _CONNECTIONS,
            verify=not settings.insecure,
            proxy=settings.proxy,
            proxy_headers=settings.proxy_headers,
            num_pools=2,
            **settings.pool_options(),
        )
        self._lock = threading.Lock()
        self.host = settings.host
        self.insecure = settings.insecure
        self._watches: set[Any] = set()
        self.warnings: list[str] = []
        """Texts of the ``Warning`` headers that the API server sent, each once, in order."""
        self._ahead = timedelta()
        self.resources = Resources(lambda path: self.request("GET", path, accept=DISCOVERY))

    @classmethod
    def connect(cls, params: Mapping[str, Any]) -> Kube:
        """Connect with module parameters named as in AUTH_ARGUMENTS.

        Raises KubeConfigError when no cluster was chosen or the choice cannot be used. Sends nothing yet.
        """
        if URLLIB3_MISSING:
            raise KubeConfigError(ADVICE)
        return cls(load_settings(params))

    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Any:
        """Send one request and return the parsed JSON answer.

        Raises ApiError for an answer >= 400 and ConnectError for none.
        """
        return _json(self._send(method, path, **options).data, path)

    def text(self, path: str, *, query: Mapping[str, Any] | None = None) -> str:
        """The answer as text: the logs of a Pod."""
        response = self._send("GET", path, query=query, accept="text/plain, application/json, */*")
        return response.data.decode("utf-8", "replace")

    def watch(self, path: str, *, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield watch events (``type``, ``object``) until the server closes the watch.

        Set ``timeoutSeconds`` in the query to bound it. An ERROR event is raised as ApiError (410: list again and go on
        from there), a cut connection as ConnectError. Close the iterator to stop early.
        """
        query = {"watch": "true", **(query or {})}
        seconds = query.get("timeoutSeconds")
        timeout = float(seconds) + _CONNECT_SECONDS if seconds is not None else None
        response = self._send("GET", path, stream=True, query=query, timeout=timeout)
        with self._lock:
            self._watches.add(response)
        try:
            yield from self._events(response)
        except HTTPError as error:
            raise self._connect_error(error) from error
        except (OSError, ValueError) as error:
            # What reading may raise when `end_watches` shuts the socket in that moment.
            raise ConnectError(f"the watch of {path} was ended: {error}") from error
        finally:
            with self._lock:
                self._watches.discard(response)
            # Closed, not given back to the pool: an unread rest of the answer would block the next request on it.
            response.close()

    def now(self) -> datetime:
        """The time by the API server's clock, which is the same for all of its clients; exact to about a second.

        Taken from the Date header of its last answer (RFC 9110, 6.6.1). Before any answer it is this host's time.
        """
        return datetime.now(UTC) + self._ahead

    def end_watches(self) -> None:
        """End every watch that is under way, also those in which other threads wait for the next event."""
        with self._lock:
            watches = list(self._watches)
        for response in watches:
            # Not there before urllib3 2.3: the watch then ends with the process. RuntimeError: it has just ended.
            with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):
                response.shutdown()

    def _events(self, response: BaseHTTPResponse) -> Iterator[dict[str, Any]]:
        rest = b""
        for chunk in response.stream(65536, decode_content=True):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                event = json.loads(line)
                if event.get("type") == "ERROR":
                    status = event.get("object") or {}
                    raise ApiError(int(status.get("code") or 500), status, host=self.host)
                yield event

    def _send(
        self, method: str, path: str, *, stream: bool = False, **options: Unpack[RequestOptions]
    ) -> BaseHTTPResponse:
        query, body = options.get("query"), options.get("body")
        url = self.host + path + (f"?{urlencode(query)}" if query else "")
        accept = options.get("accept", "application/json")
        headers = {"Accept": accept, "User-Agent": "llmops.maas", **self._authorization()}
        if body is not None:
            headers["Content-Type"] = options.get("content_type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            response: BaseHTTPResponse = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=options.get("timeout", _READ_SECONDS)),
                # One more try of a read whose pooled connection the server had closed meanwhile.
                retries=urllib3.Retry(1 if method == "GET" else 0, redirect=False, raise_on_status=False),
                preload_content=not stream,
            )
        except LocationParseError as error:
            raise KubeConfigError(f"host: {self.host} is no address of an API server") from error
        except HTTPError as error:
            raise self._connect_error(error) from error
        self._note_warnings(response, path)
        self._note_date(response)
        if response.status >= 400:
            raise self._api_error(response)
        return response

    def _authorization(self) -> dict[str, str]:
        # Under a lock: an exec plugin or an expired token is refreshed once, not once per thread.
        with self._lock:
            return self._settings.headers()

    def _note_warnings(self, response: BaseHTTPResponse, path: str) -> None:
        for header in response.headers.getlist("Warning"):
            text = header.partition('"')[2].rpartition('"')[0].replace('\\"', '"') or header
            if "field" in text:
                # The server does not say in which object.
                text = f"{path.rpartition('/')[2]}: {text}"
            with self._lock:
                if text not in self.warnings:
                    self.warnings.append(text)

    def _note_date(self, response: BaseHTTPResponse) -> None:
        # ValueError: no date that can be read.
        with contextlib.suppress(ValueError):
            self._ahead = parsedate_to_datetime(response.headers.get("Date") or "") - datetime.now(UTC)

    def _api_error(self, response: BaseHTTPResponse) -> ApiError:
        data = response.data
        try:
            status = json.loads(data)
        except ValueError:
            status = None
        if not isinstance(status, dict):
            status = {"message": data.decode("utf-8", "replace").strip()[:1000]}
        retry_after = response.headers.get("Retry-After", "")
        seconds = float(retry_after) if retry_after.isdigit() else None
        return ApiError(response.status, status, host=self.host, retry_after=seconds)

    def _connect_error(self, error: Exception) -> ConnectError:
        cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        return ConnectError(f"no answer from the Kubernetes API server {self.host}: {_explain(cause)}")


def _explain(cause: Exception) -> str:
    if isinstance(cause, SSLError):
        return f"TLS failed ({cause}); set ca_cert to the cluster's CA, and check host and the client certificate"
    text = str(cause).rpartition(">: ")[2].rpartition("object at 0x")[2] or str(cause)
    if isinstance(cause, NewConnectionError):
        return f"{text}; is the cluster running, and is this its address?"
    return f"{type(cause).__name__}: {text}; the connection was cut or too slow, try again"


def _json(data: bytes, path: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise KubeError(f"{path}: the answer is not JSON; is this address a Kubernetes API server?") from error
