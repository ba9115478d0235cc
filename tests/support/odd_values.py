# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values with strange bytes, and a cluster whose Secrets hold them."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ansible.module_utils import basic
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.module_utils._common.masking import as_bytes
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import printed
from tests.support.echo_server import EchoServer

ODD = ["\n", "\r\n", "\0", "\t", " ", "\x7f", "\x1b", "é", "€", "😀", "\u2028", "'", '"', "\\", "\\n", "%", "%41", "&"]
ODD += ["<", ">", "=", "/", "+", "@", ":", "#", "?", "{", "}", "${x}", "{{ x }}", ",", "x" * 1500, ""]
# A byte that is no UTF-8, as environment variables, files and Secrets may hold it, and YAML and JSON may not.
BYTE = "\udcff"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
cores = st.text(alphabet=LETTERS, min_size=14, max_size=14)
odd = st.lists(st.sampled_from(ODD), max_size=4).map("".join)
odd_bytes = st.lists(st.sampled_from([*ODD, BYTE]), max_size=4).map("".join)


@dataclass(frozen=True)
class Odd:
    """A value with strange parts around and between two parts that can be found in any text."""

    value: str
    cores: tuple[str, str]

    @property
    def encoded(self) -> str:
        return base64.b64encode(as_bytes(self.value)).decode()

    def is_in(self, text: str) -> bool:
        return any(form in text for core in self.cores for form in forms(core))


def forms(core: str) -> Iterator[str]:
    """A part without anything to escape, as it is in all that escapes, and in base64 at any offset."""
    yield core
    for offset in (0, 1, 2):
        inner = base64.b64encode(b"\0" * offset + core.encode()).decode()[4:-4]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


@st.composite
def odds(draw: st.DrawFn, parts: st.SearchStrategy[str] = odd) -> Odd:
    first, second = draw(cores), draw(cores)
    return Odd("".join([draw(parts), first, draw(parts), second, draw(parts)]), (first, second))


FIRST, SECOND = "q7Jr2LmX9cVb4T", "nK8wHs5PdG1zYf"


def odd_value(text: str) -> Odd:
    return Odd(text.format(FIRST, SECOND), (FIRST, SECOND))


# From ansible-core 2.20 on, results say how a module was called only where that is asked for.
INJECT = "_ansible_inject_invocation"
INVOCATION = {INJECT: True} if INJECT in inspect.getsource(basic) else {}
LINE_END = odd_value("{}{}\n")
bounded = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def connection(server: EchoServer, **options: Any) -> dict[str, Any]:
    # Reading the system's certificates would take most of the time.
    return {"host": server.url, "api_key": "a-token-of-no-matter", "validate_certs": False, **options}


def run(module: ModuleType, options: dict[str, Any], *hidden: Odd) -> dict[str, Any]:
    """The result of a module, in which, as printed, nothing of the values may be."""
    text = printed(module, {**options, **INVOCATION})
    for secret in hidden:
        assert not secret.is_in(text), text
    result: dict[str, Any] = json.loads(text)
    return result


def kubeconfig(server: EchoServer, user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": user}],
    }


def key_secret(name: str, user: str, value: bytes, **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "kuadrant-system",
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {
                "app": "models-api",
                "authorino.kuadrant.io/managed-by": "authorino",
                "llmops.maas/key-id": "0123456789",
            },
            "annotations": {"secret.kuadrant.io/user-id": user, **annotations},
        },
        "data": {"api_key": base64.b64encode(value).decode()},
    }


class Cluster:
    """As much of an API server as keys need, with Secrets in memory."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = {item["metadata"]["name"]: item for item in items}
        self.deleted: list[str] = []

    def __call__(self, method: str, path: str) -> Any:
        name = path.partition("?")[0].rpartition("/secrets")[2].strip("/")
        if method == "GET" and not name:
            return {"items": list(self.items.values()), "metadata": {}}
        if method == "GET":
            return self.items.get(name)
        if method == "DELETE":
            self.deleted.append(name)
            return self.items.pop(name, None)
        # An error that quotes what it keeps.
        return b" ".join(base64.b64decode(item["data"]["api_key"]) for item in self.items.values())


GOOD = key_secret("good", "bob", b"good-key-0123456789abcdefghijklmn")
