# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that prove that nobody comes around the policies, and that credentials stay at the Gateway.

Rows are requests of the module gateway_check. Statuses are literals: what a sound Gateway answers, whatever its
policies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.gateway_url import preferred
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.listeners import REDIRECT, REFUSE
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.seal import MODELS_HEADER, PROBE_PATH, USER_HEADER

Row = dict[str, Any]
Model = Mapping[str, Any]

# How a Gateway may refuse: malformed, no or a wrong key, not admitted, no such host or path, not for this listener.
REFUSED = [400, 401, 403, 404, 421]
# By which a request for a model reaches the verification's own backend; no name that the seal removes.
ECHO_HEADER = "x-verify-echo"
_SETTLE_SECONDS = 60


@dataclass(frozen=True)
class Form:
    """A way to write the host of a request: the header and, for the absolute form, the target, of a host and a path."""

    words: str
    header: Callable[[str], str]
    target: Callable[[str, str], str] = field(default=lambda _host, _path: "")


# Spellings that Envoy takes for the same host, and some that it does not (RFC 9110, sections 4.2.3 and 7.1).
FORMS = (
    Form("in capitals", str.upper),
    Form("in mixed case", lambda host: "".join(c.upper() if n % 2 else c for n, c in enumerate(host))),
    Form("in capitals with its port", lambda host: f"{host.upper()}:80"),
    Form("with an odd port", lambda host: f"{host}:65535"),
    Form("with a trailing dot", lambda host: f"{host}."),
    Form("in white space", lambda host: f"\t{host.upper()} ", lambda _host, path: path),
    Form("in an absolute target", lambda host: host, lambda host, path: f"http://{host}{path}"),
    Form("in capitals in an absolute target", lambda host: host, lambda host, path: f"http://{host.upper()}{path}"),
    Form(
        "in an absolute target only", lambda _host: "other.invalid", lambda host, path: f"HTTP://{host.upper()}{path}"
    ),
)


def seal(hosts: Sequence[str], urls: Mapping[str, str], settle: int = 0) -> list[Row]:
    """The seal refuses on every listener and host.

    :param urls: address of the Gateway by scheme.
    :param settle: how long a refusal is waited for, s.
    """
    return [
        {
            **_row("seal", f"{scheme}, host {host}: what no policy has admitted", host, PROBE_PATH, url),
            "kind": "seal",
            # On a connection of its own: one from before the seal may not have its filters.
            "target": PROBE_PATH,
            "headers": _forged("admin"),
            "expected": [403],
            "denied": True,
            "settle": settle,
        }
        for scheme, url in urls.items()
        for host in hosts
    ]


def hosts(
    models: Sequence[Model], hosts: Sequence[str], urls: Mapping[str, str], users: Sequence[Mapping[str, Any]]
) -> list[Row]:
    """Each form of each host, for each model, without a key, with a wrong one and with forged headers; nobody gets in.

    And the other way round: a user whose client writes the host in capitals is served where models are.
    """
    rows: list[Row] = []
    for url in urls.values():
        for host in hosts:
            for model in models:
                for form in FORMS:
                    rows += _denied(form, model, host, url, str(users[0]["name"]) if users else "admin")
            rows += _served(models, host, url, users) if url == preferred(urls) else []
    return rows


def _denied(form: Form, model: Model, host: str, url: str, user: str) -> Iterator[Row]:
    path = f"{model['paths'][0]}/v1/models"
    for words, how in (
        ("without a key", {"credentials": "none"}),
        ("with a wrong key", {"credentials": "wrong_key"}),
        ("with forged headers", {"credentials": "none", "headers": _forged(user)}),
    ):
        row = _row("hosts", f"{model['name']}, host {host} {form.words}, {words}", form.header(host), path, url)
        yield {
            **row,
            **how,
            "model": model["name"],
            "server_name": host,
            "target": form.target(host, path),
            "expected": _refused(url),
            "denied": True,
        }


def _refused(url: str) -> list[int]:
    """A listener of plain http may send a client to https instead."""
    return REFUSED if url.startswith("https:") else [301, *REFUSED]


def _served(models: Sequence[Model], host: str, url: str, users: Sequence[Mapping[str, Any]]) -> list[Row]:
    if not (models and users):
        return []
    model, user = models[0], str(users[0]["name"])
    row = _row("hosts", f"{model['name']}, host {host} in capitals, with the key of {user}", host.upper(), "", url)
    more = {
        "kind": "models",
        "path": model["paths"][0],
        "model": model["name"],
        "served_name": model["served_names"][0],
    }
    return [{**row, **more, "server_name": host, "credentials": "key", "user": user, "expected": [200]}]


def transport(models: Sequence[Model], host: str, urls: Mapping[str, str], *, plain_http: str, hsts: str) -> list[Row]:
    """With https, models are not served over http, and browsers are asked to stay with https."""
    if not {"http", "https"} <= set(urls):
        return []
    rows = []
    for model in models if plain_http in {REDIRECT, REFUSE} else ():
        path = f"{model['paths'][0]}/v1/models"
        row = _row("transport", f"{model['name']} over http: {plain_http}", host, path, urls["http"])
        rows.append({**row, "model": model["name"], "expected": [404], "denied": True})
        if plain_http == REDIRECT:
            where = f"https://{re.escape(host)}(:443)?{re.escape(path)}"
            rows[-1] |= {"expected": [301], "answer_headers": {"location": where}}
    if hsts:
        row = _row("transport", "https with Strict-Transport-Security", host, PROBE_PATH, urls["https"])
        headers = {"strict-transport-security": re.escape(hsts)}
        rows.append({**row, "expected": [403], "answer_headers": headers})
    return rows


def backend(model: Model, host: str, how: Mapping[str, Any], credential_headers: Sequence[str]) -> list[Row]:
    """What a backend gets of a request with a key and with headers that only policies may set.

    :param how: ``credentials``, and what they need: see gateway_check.
    :param credential_headers: headers that must not reach it.
    """
    others = {name: "not-a-key" for name in credential_headers if name.lower() != "authorization"}
    path = f"{model['paths'][0]}/v1/models"
    return [
        {
            **_row("backend", "headers that a backend gets", host, path, ""),
            **how,
            "kind": "echo",
            "headers": {**others, **_forged("admin"), ECHO_HEADER: "yes"},
            "names": [*(name.lower() for name in credential_headers), "x-maas-*", "x_maas_*"],
            "expected": [200],
            "settle": _SETTLE_SECONDS,
        }
    ]


def _forged(user: str) -> dict[str, str]:
    return {USER_HEADER: user, MODELS_HEADER: "{}", "x-maas-groups": "admin", "x_maas_user": user}


def _row(section: str, name: str, host: str, path: str, url: str) -> Row:
    return {
        "section": section,
        "name": name,
        "kind": "plain",
        "host": host,
        "path": path,
        "url": url,
        "credentials": "none",
    }
