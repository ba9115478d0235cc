# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trying keys where they are used: on the gateway, or on every ready replica of Authorino.

A key counts as accepted when no answer is 401 or a server's error: Authorino answers 401 only to credentials it does
not know, and 403 to those it knows and does not allow this. A key that nobody has must get 401 first; where it does
not, answers prove nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Protocol
from urllib.parse import quote

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import AUTHORINO_SERVICE, KEY_PREFIX
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import header_value, key_problem
from ansible_collections.llmops.maas.plugins.module_utils._common.retry import attempts
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import generate, random_id
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.pools import connection_pool

# The adapter to Kubernetes says so first.
with contextlib.suppress(ImportError):
    from urllib3.exceptions import HTTPError

_PAUSE_SECONDS = 0.05
_ANSWER_SECONDS = 5.0
_CONNECTIONS = 64
_PORT = 5001


class ProbeError(Exception):
    """Keys cannot be tried; the message says what to set."""


@dataclass(frozen=True)
class Endpoint:
    """Where a key is tried. ``host`` is the value of the Host header, where it is not that of the URL."""

    url: str
    host: str = ""

    def __str__(self) -> str:
        return f"{self.url} ({self.host})" if self.host else self.url


@dataclass(frozen=True)
class ProbeTerms:
    """When a key counts as proved.

    :param times: expected answers in a row.
    :param timeout: seconds within which they have to come.
    :param prefix: word before the key.
    """

    times: int = 3
    timeout: float = 30.0
    prefix: str = KEY_PREFIX
    ca_cert: str | None = None
    validate_certs: bool = True


class Prober:
    """Tries keys on endpoints. With none, nothing is tried and everything counts as proved."""

    def __init__(self, endpoints: Callable[[], Sequence[Endpoint]], terms: ProbeTerms) -> None:
        self._find = endpoints
        self._terms = terms
        self._endpoints: Sequence[Endpoint] = ()
        trusted: dict[str, Any] = {"ca_certs": terms.ca_cert} if terms.validate_certs and terms.ca_cert else {}
        self._pool = connection_pool(_CONNECTIONS, verify=terms.validate_certs, retries=False, **trusted)

    def prepare(self) -> None:
        """Find the endpoints, and see that each of them asks for a key.

        :raises ProbeError: there is none, or it lets anything in.
        """
        self._endpoints = self._find()
        invented = generate(random_id())
        trouble = self._until(invented, lambda status: status == 401)
        if trouble:
            raise ProbeError(
                f"a key that does not exist should get 401, but {trouble}. Set the probe's url to a path that asks for"
                " an API key, or wait until Authorino is ready"
            )

    def accepted(self, value: str) -> str:
        """Wait until every endpoint accepts the key, several times in a row; empty, or the reason why not."""
        problem = key_problem(value)
        if problem:
            return f"it {problem}, so it cannot be sent"
        return self._until(value, lambda status: status != 401 and 200 <= status < 500)

    def refused(self, value: str) -> str:
        """The same for an old key: until every endpoint answers 401. One that nobody can send needs no proof."""
        if key_problem(value):
            return ""
        return self._until(value, lambda status: status == 401)

    def _until(self, value: str, good: Callable[[int], bool]) -> str:
        trouble = ""
        for number, _turn in enumerate(attempts(self._terms.timeout, _PAUSE_SECONDS)):
            if number:
                # Replicas come and go.
                self._refresh()
            trouble = self._in_a_row(value, good)
            if not trouble:
                return ""
        return f"{trouble} for {self._terms.timeout:g} s"

    def _in_a_row(self, value: str, good: Callable[[int], bool]) -> str:
        rounds = (self._round(value, good) for _round in range(self._terms.times))
        return next((trouble for trouble in rounds if trouble), "")

    def _refresh(self) -> None:
        # While Authorino or the API server restarts, there may be none: the ones known are asked until time is up.
        with contextlib.suppress(KubeError, ProbeError):
            self._endpoints = self._find()

    def _round(self, value: str, good: Callable[[int], bool]) -> str:
        for endpoint in self._endpoints:
            status, words = self._ask(endpoint, value)
            if not good(status):
                return f"{endpoint} {words}"
        return ""

    def _ask(self, endpoint: Endpoint, value: str) -> tuple[int, str]:
        authorization = header_value(f"{self._terms.prefix} {value}")
        headers = {"Authorization": authorization, "User-Agent": "llmops.maas"}
        if endpoint.host:
            headers["Host"] = endpoint.host
        try:
            answer = self._pool.request(
                "GET", endpoint.url, headers=headers, timeout=_ANSWER_SECONDS, redirect=False, preload_content=True
            )
        except (HTTPError, HTTPException, ValueError) as error:
            return 0, f"does not answer ({type(error).__name__})"
        return answer.status, f"answers {answer.status}"


class Read(Protocol):
    """Reads from the API server."""

    def __call__(self, path: str, query: Mapping[str, Any] | None) -> Any:
        """Read an object of the API server, or raise KubeError."""


def gateway(urls: Sequence[str]) -> Callable[[], Sequence[Endpoint]]:
    """The endpoints that a user named."""
    found = [Endpoint(url) for url in urls]
    return lambda: found


class Authorino:
    """Every ready replica of Authorino (or its Service), for every AuthConfig that takes keys with these labels."""

    def __init__(
        self,
        read: Read,
        namespace: str,
        labels: Mapping[str, str],
        *,
        service: bool = False,
        renew_seconds: float = 2.0,
    ) -> None:
        self._read = read
        self._namespace = namespace
        self._labels = labels
        self._service = service
        self._renew_seconds = renew_seconds
        self._found: Sequence[Endpoint] = ()
        self._asked = float("-inf")

    def __call__(self) -> Sequence[Endpoint]:
        if time.monotonic() - self._asked >= self._renew_seconds:
            self._found = self._find()
            self._asked = time.monotonic()
        return self._found

    def _find(self) -> Sequence[Endpoint]:
        addresses, hosts = self._addresses(), self._hosts()
        if not hosts:
            raise ProbeError(
                f"no AuthConfig takes keys with the labels {dict(self._labels)}, so no key can be tried: deploy the"
                " policies of the models first, or set the probe's method to none"
            )
        if not addresses:
            raise ProbeError(
                f"Service {self._namespace}/{AUTHORINO_SERVICE} has no ready replica of Authorino: look at its"
                " Deployment, or set the probe's url to try keys on the gateway"
            )
        return [Endpoint(f"http://{address}/check", host) for address in addresses for host in hosts]

    def _addresses(self) -> list[str]:
        if self._service:
            service = self._read(
                f"/api/v1/namespaces/{quote(self._namespace, safe='')}/services/{AUTHORINO_SERVICE}", None
            )
            return [f"{service['spec']['clusterIP']}:{_PORT}"]
        path = f"/apis/discovery.k8s.io/v1/namespaces/{quote(self._namespace, safe='')}/endpointslices"
        slices = self._read(path, {"labelSelector": f"kubernetes.io/service-name={AUTHORINO_SERVICE}"})["items"]
        return sorted({address for item in slices for address in _ready(item)})

    def _hosts(self) -> list[str]:
        try:
            configs = self._read("/apis/authorino.kuadrant.io/v1beta3/authconfigs", None)["items"]
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        return sorted({host for config in configs if self._takes_keys(config) for host in config["spec"]["hosts"]})

    def _takes_keys(self, config: Mapping[str, Any]) -> bool:
        for source in (config["spec"].get("authentication") or {}).values():
            wanted = ((source.get("apiKey") or {}).get("selector") or {}).get("matchLabels")
            if wanted and wanted.items() <= self._labels.items():
                return True
        return False


def _ready(endpoint_slice: Mapping[str, Any]) -> list[str]:
    """``address:port`` of the ready endpoints that answer plain HTTP."""
    ports = [port["port"] for port in endpoint_slice.get("ports") or [] if "http" in str(port.get("name"))]
    port = ports[0] if ports else _PORT
    family = "[{}]:{}" if endpoint_slice.get("addressType") == "IPv6" else "{}:{}"
    return [
        family.format(address, port)
        for endpoint in endpoint_slice.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready", True)
        for address in endpoint["addresses"]
    ]
