# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request without credentials for everything that has a route."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._kuadrant.routes import attached, schemes
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Row


def routes(
    items: Sequence[Mapping[str, Any]],
    gateway: Mapping[str, Any],
    denied: Sequence[int],
    open_routes: Sequence[str] = (),
    urls: Mapping[str, str] | None = None,
) -> list[Row]:
    """A request without credentials for each match of each HTTPRoute that names the Gateway as its parent.

    :param gateway: the Gateway object.
    :param denied: statuses that deny.
    :param open_routes: ``namespace/name`` of those that anybody may use.
    :param urls: address by scheme of the listeners that can be asked, each of which is asked for its routes.
    """
    rows: dict[tuple[str, ...], Row] = {}
    for item in items:
        if not attached(item, gateway):
            continue
        where = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        if where in open_routes:
            continue
        asked = [url for scheme, url in (urls or {}).items() if scheme in schemes(item, gateway)] or [""]
        for url, host, match in itertools.product(asked, _hosts(item, gateway), _matches(item)):
            row = {**_probe(match, host), "name": f"HTTPRoute {where}: {_in_words(match, host)}", "url": url}
            rows[where, host, str(match), url] = {**row, "section": "routes", "expected": list(denied)}
    return list(rows.values())


def _hosts(item: Mapping[str, Any], gateway: Mapping[str, Any]) -> Iterator[str]:
    listeners = [listener.get("hostname") or "*" for listener in gateway["spec"].get("listeners") or ()]
    for name in dict.fromkeys(item["spec"].get("hostnames") or listeners):
        # A wildcard host stands for any.
        yield name.replace("*", "verify", 1) if name != "*" else "verify.invalid"


def _matches(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for rule in item["spec"].get("rules") or ():
        yield from rule.get("matches") or [{}]


def _probe(match: Mapping[str, Any], host: str) -> Row:
    path = match.get("path") or {}
    value = path.get("value") or "/"
    if path.get("type") == "RegularExpression":
        value = _example(value)
    query = "&".join(f"{item['name']}={item['value']}" for item in match.get("queryParams") or ())
    headers = {item["name"]: item["value"] for item in match.get("headers") or ()}
    return {
        "kind": "plain",
        "path": value + (f"?{query}" if query else ""),
        "method": match.get("method") or "GET",
        "headers": headers,
        "host": host,
        "credentials": "none",
        # A path that its backend does not know is open all the same.
        "denied": True,
    }


def _example(expression: str) -> str:
    """A path that a simple regular expression matches: its beginning up to the first special character, then ``x``."""
    plain = re.split(r"[\\.\[\](){}*+?|^$]", expression.lstrip("^"), maxsplit=1)[0] or "/"
    return plain if re.fullmatch(expression, plain) else f"{plain}x"


def _in_words(match: Mapping[str, Any], host: str) -> str:
    path = match.get("path") or {}
    return f"{match.get('method') or 'GET'} {host}{path.get('value') or '/'}"
