# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading from an image registry, as the OCI distribution specification describes it, without an account.

Not PyPI's ``oras``: it stores whole layers in files, and this needs one file of one layer. What is left of the protocol
is small, and ``requests`` (redirects, proxies, retries) is there with ``kubernetes`` anyway.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

# Without them nothing here can be called: `Registry` says what is missing.
with contextlib.suppress(ImportError):
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import HTTPError
    from urllib3.util.retry import Retry

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"^(?:(?P<host>localhost(?::\d+)?|[\w.-]+\.[\w-]+(?::\d+)?|[\w-]+:\d+)/)?(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>\S+))?$"
)
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$|^sha512:[0-9a-f]{128}$")
_LOOPBACK = re.compile(r"^(localhost|127\.\d+\.\d+\.\d+)$")
# The name under which people know it is not the one at which it answers.
_ADDRESSES = {"docker.io": "registry-1.docker.io"}

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_MOST_JSON = 4 * 1024 * 1024
_TIMEOUTS = (3, 30)


class RegistryError(Exception):
    """Why something could not be taken from a registry, in a few words."""


class RegistryDownError(RegistryError):
    """The registry, or where it sends us for a blob, does not answer."""


class BrokenOffError(RegistryError):
    """The connection ended before the blob did: another try may help."""


@dataclass(frozen=True)
class Reference:
    """Name of an image: ``host/repository:tag``, ``@digest`` instead of the tag or after it."""

    host: str
    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, text: str, digest: str = "") -> Reference:
        """Raises RegistryError for what is no name of an image, or has neither tag nor digest."""
        found = _REFERENCE.match(text)
        digest = digest or (found and found["digest"]) or ""
        if not found or not (found["tag"] or digest):
            raise RegistryError(f"{text} is no name of an image with a tag: write host/repository:tag")
        if digest and not _DIGEST.match(digest):
            raise RegistryError(f"{digest} is no digest: write sha256: and 64 hexadecimal digits")
        host, repository = found["host"] or "docker.io", found["repository"]
        if host == "docker.io" and "/" not in repository:
            repository = f"library/{repository}"
        return cls(host, repository, found["tag"] or "", digest)

    @property
    def server(self) -> str:
        """Where its registry answers: with TLS, except on this machine."""
        scheme = "http" if _LOOPBACK.match(self.host.partition(":")[0]) else "https"
        return f"{scheme}://{_ADDRESSES.get(self.host, self.host)}"


@dataclass(frozen=True)
class Descriptor:
    """What a manifest says of a blob or of another manifest."""

    digest: str
    size: int
    media_type: str

    @classmethod
    def of(cls, item: Any) -> Descriptor:
        try:
            made = cls(str(item["digest"]), int(item["size"]), str(item.get("mediaType", "")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RegistryError("its manifest is damaged: a descriptor without digest or size") from error
        if not _DIGEST.match(made.digest):
            raise RegistryError(f"its manifest has a digest that is none: {made.digest[:80]}")
        return made


class Checked(io.RawIOBase):
    """A blob while it arrives; ``finish`` reads the rest and proves that it is what the manifest names."""

    def __init__(self, source: Any, blob: Descriptor) -> None:
        self._source = source
        self._blob = blob
        self._hash = hashlib.new(blob.digest.partition(":")[0])
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        try:
            # As it was stored: the layer's own compression is no business of HTTP's.
            block = self._source.read(len(view), decode_content=False)
        except (HTTPError, OSError) as error:
            raise BrokenOffError(f"{self._blob.digest} broke off after {self._size} bytes: {brief(error)}") from error
        self._size += len(block)
        if self._size > self._blob.size:
            raise RegistryError(f"{self._blob.digest} is longer than the {self._blob.size} bytes of its manifest")
        self._hash.update(block)
        view[: len(block)] = block
        return len(block)

    def finish(self) -> None:
        """Raises RegistryError when digest or size differ."""
        while self.read(1024 * 1024):
            pass
        if self._size < self._blob.size:
            raise BrokenOffError(f"{self._blob.digest} broke off after {self._size} of {self._blob.size} bytes")
        check_digest(self._blob.digest, self._hash.hexdigest())


def check_digest(wanted: str, found: str) -> None:
    algorithm, _colon, value = wanted.partition(":")
    if found != value:
        raise RegistryError(f"what came for {wanted} has the digest {algorithm}:{found}, so it is not used")


def brief(error: BaseException) -> str:
    """The innermost reason of a failed connection, without the address of an object."""
    chain = [error]
    while inner := _cause(chain[-1]):
        chain.append(inner)
    text = re.sub(r"^<?.*? object at 0x[0-9a-f]+>?[:,]? ?|^\w+\(host=.*?\): ", "", str(chain[-1]))
    proxied = any(type(item).__name__ == "ProxyError" for item in chain)
    return f"{'the proxy cannot be used: ' if proxied else ''}{text or type(chain[-1]).__name__}"


def _cause(error: BaseException) -> BaseException | None:
    inner = (getattr(error, "reason", None), *reversed(error.args))
    return next((item for item in inner if isinstance(item, BaseException)), None)


class Registry:
    """One repository of a registry."""

    def __init__(self, reference: Reference) -> None:
        try:
            self._session = requests.Session()
        except NameError as error:
            raise RegistryError("the Python package requests is missing: pip install requests") from error
        retry = Retry(
            total=3,
            connect=1,
            backoff_factor=0.3,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
            # A registry may ask for minutes; a build is then quicker.
            respect_retry_after_header=False,
        )
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))
        self._reference = reference
        self._token = ""

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def top(self) -> tuple[Descriptor, dict[str, Any]]:
        """The manifest or index that the reference names; a digest in it wins over the tag, and is enforced."""
        return self._manifest(self._reference.digest or self._reference.tag, self._reference.digest)

    def manifest(self, descriptor: Descriptor) -> dict[str, Any]:
        return self._manifest(descriptor.digest, descriptor.digest)[1]

    def _manifest(self, name: str, digest: str) -> tuple[Descriptor, dict[str, Any]]:
        with self._get(f"manifests/{name}", {"Accept": ", ".join((*INDEXES, *MANIFESTS))}) as response:
            content = _read(response)
            said = digest or response.headers.get("Docker-Content-Digest", "")
            kind = response.headers.get("Content-Type", "").partition(";")[0]
        if said and not _DIGEST.match(said):
            raise RegistryError(f"the registry names a digest that is none: {said[:80]}")
        said = said or f"sha256:{hashlib.sha256(content).hexdigest()}"
        check_digest(said, hashlib.new(said.partition(":")[0], content).hexdigest())
        parsed = _parsed(content)
        return Descriptor(said, len(content), str(parsed.get("mediaType") or kind)), parsed

    def json(self, blob: Descriptor) -> dict[str, Any]:
        """A small blob, such as an image's configuration."""
        if blob.size > _MOST_JSON:
            raise RegistryError(f"{blob.digest} has {blob.size} bytes, too many for a configuration")
        with self.blob(blob) as stream:
            content = stream.read(blob.size)
            stream.finish()
        return _parsed(content or b"")

    @contextlib.contextmanager
    def blob(self, blob: Descriptor) -> Iterator[Checked]:
        """A blob while it arrives. Whoever reads it calls ``finish`` before trusting it."""
        with self._get(f"blobs/{blob.digest}", {"Accept-Encoding": "identity"}) as response:
            yield Checked(response.raw, blob)

    def _get(self, path: str, headers: Mapping[str, str]) -> requests.Response:
        url = f"{self._reference.server}/v2/{self._reference.repository}/{path}"
        response = self._send(url, headers)
        if response.status_code == 401:
            challenge = response.headers.get("WWW-Authenticate", "")
            response.close()
            self._log_in(challenge)
            response = self._send(url, headers)
        if response.status_code != 200:
            response.close()
            raise RegistryError(_refusal(response.status_code, path))
        return response

    def _log_in(self, challenge: str) -> None:
        """Get a token that anybody gets (distribution.github.io/distribution/spec/auth/token)."""
        kind, _blank, rest = challenge.partition(" ")
        asked = parse_keqv_list([item for item in parse_http_list(rest) if "=" in item])
        realm = asked.get("realm", "")
        if kind.lower() != "bearer" or not realm:
            raise RegistryError("the registry wants a login, and only anonymous tokens are asked for")
        if urlsplit(realm).scheme != "https" and self._reference.server.startswith("https://"):
            raise RegistryError(f"the registry names {realm} for tokens, which is no https URL")
        query = {"service": asked.get("service"), "scope": f"repository:{self._reference.repository}:pull"}
        self._token = ""
        with self._send(realm, {}, query) as response:
            if response.status_code != 200:
                raise RegistryError(f"no anonymous token from {urlsplit(realm).hostname}: HTTP {response.status_code}")
            answer = _parsed(_read(response))
        self._token = str(answer.get("token") or answer.get("access_token") or "")
        if not self._token:
            raise RegistryError(f"{urlsplit(realm).hostname} answers without a token")

    def _send(self, url: str, headers: Mapping[str, str], query: Any = None) -> requests.Response:
        try:
            response = self._session.get(
                url, params=query, headers=headers, auth=self._authorize, stream=True, timeout=_TIMEOUTS
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise RegistryDownError(f"{urlsplit(url).hostname} does not answer: {brief(error)}") from error
        except requests.RequestException as error:
            raise RegistryError(brief(error)) from error
        hops = [item.url for item in (*response.history, response)]
        if url.startswith("https://") and not all(hop.startswith("https://") for hop in hops):
            response.close()
            raise RegistryError("the registry redirects from https to http")
        return response

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # A function even without a token, since requests would send a password of ~/.netrc otherwise. It removes
        # the header itself when a redirect leads to another host.
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def probe(server: str, patience: float) -> str:
    """Why a registry cannot be used, "" if it can; waits for ``patience`` seconds and for the look-up of the name."""
    try:
        with requests.get(f"{server}/v2/", timeout=patience, auth=lambda request: request, stream=True) as response:
            return "" if response.status_code in (200, 401) else f"HTTP {response.status_code}"
    except requests.RequestException as error:
        return brief(error)
    except NameError:
        return "the Python package requests is missing: pip install requests"


def _read(response: requests.Response) -> bytes:
    """The content of a short answer."""
    try:
        content: bytes = response.raw.read(_MOST_JSON + 1, decode_content=True)
    except (HTTPError, OSError) as error:
        raise BrokenOffError(f"an answer broke off: {brief(error)}") from error
    if len(content) > _MOST_JSON:
        raise RegistryError("an answer of more than 4 MB is no manifest")
    return content


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise RegistryError("an answer is not the JSON that was expected") from error
    if not isinstance(value, dict):
        raise RegistryError("an answer is not the JSON that was expected")
    return value


def _refusal(status: int, path: str) -> str:
    known = {
        401: "the registry refuses an anonymous token",
        403: "the registry refuses it",
        404: f"the registry has no {path}",
        429: "the registry answers nobody of this address for a while (too many requests)",
    }
    return f"{known.get(status, f'the registry fails on {path}')}: HTTP {status}"
