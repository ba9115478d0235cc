# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Gateway's listeners, and which of them serve models: with TLS none that takes keys in plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ALLOW, REDIRECT, REFUSE = "allow", "redirect", "refuse"
PLAIN_HTTP = (REDIRECT, REFUSE, ALLOW)
# The route that leads from http to https.
REDIRECT_ROUTE = "https-redirect"


@dataclass(frozen=True)
class Listeners:
    """Listeners of a Gateway (``spec.listeners``), and their names by what they do with a request.

    ``serving``: listeners of the models' routes; ``redirecting``: those that send clients to https. A name is the
    ``sectionName`` of a route's ``parentRefs``. ``redirects``: names of the routes that do so.
    """

    listeners: list[Json]
    serving: list[str]
    redirecting: list[str]
    redirects: list[str]


def listeners(hostnames: Sequence[str], *, tls_secret: str, plain_http: str) -> Listeners:
    """A listener for http per host name, and one for https where there is a certificate.

    :param tls_secret: Secret with the certificate; empty without TLS.
    :param plain_http: what becomes of http where there is https: one of PLAIN_HTTP.
    """
    plain = [_listener("http", number, name) for number, name in enumerate(hostnames, 1)]
    if not tls_secret:
        return Listeners(plain, _names(plain), [], [])
    reference = {"mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": tls_secret}]}
    secure = [{**_listener("https", number, name), "tls": reference} for number, name in enumerate(hostnames, 1)]
    found = [item for pair in zip(plain, secure, strict=True) for item in pair]
    serving = [*plain, *secure] if plain_http == ALLOW else secure
    redirecting, redirects = (_names(plain), [REDIRECT_ROUTE]) if plain_http == REDIRECT else ([], [])
    return Listeners(found, _names(serving), redirecting, redirects)


def _listener(scheme: str, number: int, hostname: str) -> Json:
    return {
        "name": scheme if number == 1 else f"{scheme}-{number}",
        "protocol": scheme.upper(),
        "port": {"http": 80, "https": 443}[scheme],
        "hostname": hostname,
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }


def _names(items: Sequence[Json]) -> list[str]:
    return [str(item["name"]) for item in items]
