# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the gateway of a deployed platform, as its clients send them."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.deployment import Deployment


@dataclass
class Client:
    """A client of the gateway at ``address``, with the key of one user ("" for none)."""

    address: str
    key: str = ""
    prefix: str = "APIKEY"
    host: str = "localhost"
    port: int = 80
    tls: ssl.SSLContext | None = None

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection(self.address, self.port, timeout=30)
        connection = http.client.HTTPSConnection(self.host, context=self.tls, timeout=30)
        connection.sock = self.tls.wrap_socket(
            socket.create_connection((self.address, self.port), timeout=30), server_hostname=self.host
        )
        return connection

    def request(self, path: str, body: Any = None) -> tuple[int, str]:
        """Status and body; a body makes it a POST of JSON."""
        headers = {"Host": self.host, "Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"{self.prefix} {self.key}"
        connection = self._connection()
        try:
            connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def answer(self, path: str) -> tuple[int, str | None]:
        """Status, and where the answer sends the client."""
        connection = self._connection()
        try:
            connection.request("GET", path, headers={"Host": self.host, "Authorization": f"{self.prefix} {self.key}"})
            found = connection.getresponse()
            return found.status, found.getheader("Location")
        finally:
            connection.close()

    def allowed_origin(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str | None]:
        """Status, and the origin whose pages may read the answer."""
        connection = self._connection()
        try:
            connection.request(method, path, headers={"Host": self.host, **headers})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Access-Control-Allow-Origin")
        finally:
            connection.close()

    def status(self, path: str, body: Any = None) -> int:
        """Status alone; 0 when nobody answers."""
        try:
            return self.request(path, body)[0]
        except (OSError, http.client.HTTPException):
            return 0

    def json(self, path: str, body: Any = None) -> Any:
        """The answer to a request that must be answered with 200."""
        status, text = self.request(path, body)
        assert status == 200, (path, status, text)
        return json.loads(text)

    def events(self, path: str, body: Mapping[str, Any]) -> list[Any]:
        """The parsed events of a stream, without the mark of its end, which must be there."""
        status, text = self.request(path, {**body, "stream": True})
        assert status == 200, (path, status, text)
        lines = [line.removeprefix("data: ") for line in text.splitlines() if line]
        assert lines[-1] == "[DONE]"
        return [json.loads(line) for line in lines[:-1]]


def gateway(deployment: Deployment, key: str = "", **more: Any) -> Client:
    service = deployment.get("v1", "services", "llm", "kuadrant-gateway-istio")
    return Client(service["spec"]["clusterIP"], key, **more)


def newcomer(deployment: Deployment, group: str) -> Client:
    """A client with a key of its own, of which nothing has been counted yet."""
    user = f"{group}-{secrets.token_hex(4)}"
    key = secrets.token_urlsafe(32)
    metadata = {
        "name": f"api-key-{user}",
        "namespace": "kuadrant-system",
        "labels": {"app": "models-api", "authorino.kuadrant.io/managed-by": "authorino"},
        "annotations": {"secret.kuadrant.io/user-id": user, "kuadrant.io/groups": group},
    }
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"api_key": key}}
    deployment.kube.request("POST", "/api/v1/namespaces/kuadrant-system/secrets", body=body)
    client = gateway(deployment, key)
    # Known is a key for which a path that nobody has is missing, not refused.
    assert until(lambda: client.status("/granite/nothing") != 401, wanted=True)
    return client


def chat(model: str, tokens: int = 5, prompt: str = "Hello") -> dict[str, Any]:
    return {"model": model, "max_tokens": tokens, "messages": [{"role": "user", "content": prompt}]}


def until(question: Callable[[], Any], wanted: Any, seconds: float = 30) -> Any:
    """The last answer: the wanted one as soon as it comes, else whatever there is after so many seconds."""
    deadline = time.monotonic() + seconds
    while (answer := question()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer
