# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of requests that prove who may do what. Its statuses are those of the inventory's tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import parse_rates
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import all_kinds, task_of

Row = dict[str, Any]

_MINUTE = 60
_OK = 200
_WINDOW = re.compile(r"(\d+)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LIST = "list"
_FIELDS = {"group", "model", "kind", "expected"}


class TableError(ValueError):
    """A table of expected statuses that cannot be used; the message names the variable, the entry and the mend."""


def access(
    models: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    expected: Mapping[str, Mapping[str, int]],
    exceptions: Sequence[Mapping[str, Any]],
    host: str,
) -> list[Row]:
    """A request for each model, user and kind.

    :param models: the catalogue with every field.
    :param users: ``name`` and ``groups``; the first group that `expected` knows counts, else its entry ``default``.
    :param expected: status by group and kind.
    :param exceptions: ``expected`` for a ``group``, ``model`` and ``kind``, which may be left out; the last one counts.
    """
    _check(expected, exceptions)
    rows = []
    for model in models:
        for user in users:
            group = _group(user, expected)
            for kind in task_of(model).kinds:
                status = _status(group, str(model["name"]), kind, expected, exceptions)
                name = f"{model['name']} {kind} as {user['name']}"
                rows.append({**_row("access", name, kind, model, host), "user": user["name"], "expected": [status]})
    return rows


def lists(
    models: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    expected: Mapping[str, Mapping[str, int]],
    exceptions: Sequence[Mapping[str, Any]],
    host: str,
) -> list[Row]:
    """For each user the Gateway's list of models: all names of those whose own list the user may read, by `expected`.

    Arguments are those of `access`. A group without a status for ``list`` is left out.
    """
    rows = []
    for user in users:
        group = _group(user, expected)
        if _LIST not in expected[group]:
            continue
        may = [model for model in models if _status(group, str(model["name"]), "models", expected, exceptions) == _OK]
        rows.append(
            {
                "section": "access",
                "name": f"list of models as {user['name']}",
                "kind": _LIST,
                "path": "",
                "host": host,
                "user": user["name"],
                "names": [name for model in may for name in model["served_names"]],
                "expected": [expected[group][_LIST]],
            }
        )
    return rows


def paths(models: Sequence[Mapping[str, Any]], user: str, host: str) -> list[Row]:
    """Every path and every served name of a model leads to it."""
    rows = []
    for model in models:
        kind = task_of(model).main
        others = [(path, model["served_names"][0]) for path in model["paths"][1:]]
        others += [(model["paths"][0], served) for served in model["served_names"][1:]]
        for path, served in others:
            row = _row("access", f"{served} at {path} as {user}", kind, model, host)
            rows.append({**row, "path": path, "served_name": served, "user": user})
    return rows


def credentials(models: Sequence[Mapping[str, Any]], user: str, expected: Mapping[str, int], host: str) -> list[Row]:
    """Requests that bear no key or a wrong one, for each model."""
    rows = []
    for model in models:
        kind = task_of(model).main
        for case in ("none", "wrong_key", "wrong_prefix") if user else ("none", "wrong_key"):
            name = f"{model['name']} {kind} with {_WORDS[case]}"
            row = {**_row("credentials", name, kind, model, host), "credentials": case, "expected": [expected[case]]}
            rows.append({**row, "denied": True, "user": user if case == "wrong_prefix" else ""})
    return rows


_WORDS = {"none": "no key", "wrong_key": "a wrong key", "wrong_prefix": "a wrong word before the key"}


def tokens(
    models: Sequence[Mapping[str, Any]],
    clients: Sequence[Mapping[str, Any]],
    expected: Mapping[str, Mapping[str, int]],
    exceptions: Sequence[Mapping[str, Any]],
    credentials: Mapping[str, int],
    host: str,
) -> list[Row]:
    """Requests with tokens: of each client for each model, and one that somebody has tampered with.

    :param clients: ``name``, ``groups``, ``secret``, and ``lacks`` (``role``, ``audience``) for one without rights.
    :param expected: status by group and kind, as for `access`; `exceptions` likewise.
    :param credentials: status for ``tampered_token``, ``token_without_role`` and ``token_without_audience``.
    """
    _check(expected, exceptions)
    rows = []
    for model in models:
        kind = task_of(model).main
        for client in clients:
            lacks = client.get("lacks")
            group = _group(client, expected, "client")
            status = _status(group, str(model["name"]), kind, expected, exceptions)
            status = credentials[f"token_without_{lacks}"] if lacks else status
            row = _row("tokens", f"{model['name']} {kind} with a token of {client['name']}", kind, model, host)
            rows.append({**row, "credentials": "token", "secret": client["secret"], "expected": [status]})
        for client in clients[:1]:
            row = _row("tokens", f"{model['name']} {kind} with a token of another signature", kind, model, host)
            forged = {"credentials": "tampered_token", "secret": client["secret"], "denied": True}
            rows.append({**row, **forged, "expected": [credentials["tampered_token"]]})
    return rows


def probe(
    models: Sequence[Mapping[str, Any]], name: str, secret: Mapping[str, str], expected: int, host: str
) -> list[Row]:
    """A request for each model with a key from a Secret (``name``, and ``entry`` in it), until it gets that status."""
    return [
        {
            **_row(
                "credentials", f"{model['name']} {task_of(model).main} with {name}", task_of(model).main, model, host
            ),
            "secret": secret["name"],
            "secret_entry": secret.get("entry", "api_key"),
            "expected": [expected],
            "settle": 10,
        }
        for model in models
    ]


def hidden(models: Sequence[Mapping[str, Any]], names: Mapping[str, Sequence[str]], user: str, host: str) -> list[Row]:
    """Hosts and paths that must lead nowhere, even with a user's key. `names` has ``hosts`` and ``paths``."""
    rows = []
    bearer = {"user": user} if user else {"credentials": "none"}
    for model in models[:1]:
        for other in names["hosts"]:
            row = _row("hidden", f"host {other}", task_of(model).main, model, other)
            # The seal refuses what has no route before Envoy finds that out.
            rows.append({**row, **bearer, "server_name": host, "expected": [403, 404]})
    for path in names["paths"]:
        row = {"section": "hidden", "name": f"path {path}", "kind": "plain", "path": path, "host": host}
        rows.append({**row, **bearer, "expected": [404]})
    return rows


def bursts(
    models: Sequence[Mapping[str, Any]],
    tiers: Sequence[Mapping[str, Any]],
    limits: Mapping[str, Any],
    expected: Mapping[str, Mapping[str, int]],
    exceptions: Sequence[Mapping[str, Any]],
    host: str,
) -> list[Row]:
    """A burst for each model and tier that has a limit of a minute or less, or one in `limits`.

    Limits that last longer are not exhausted here. A tier none of whose groups may use a model is left out there.

    :param tiers: ``maas_tiers`` as in the inventory, each with the ``user`` and the ``secret`` of its probe as well.
    :param limits: by model, requests per minute, or these by tier; 0 tries none.
    :param expected: status by group and kind, as for `access`; `exceptions` likewise.
    """
    rows = []
    for tier in tiers:
        for model in models:
            kind = task_of(model).main
            limit, window = _limit(model, tier, limits.get(str(model["name"])))
            if limit and _may(tier, model, kind, expected, exceptions):
                name = f"{model['name']} {limit} requests in {window} s, tier {tier['name']}"
                row = _row("limits", name, kind, model, host)
                probe_of = {"user": tier["user"], "secret": tier["secret"]}
                rows.append({**row, **probe_of, "burst": limit, "window": window, "settle": 10})
    return rows


def _may(
    tier: Mapping[str, Any],
    model: Mapping[str, Any],
    kind: str,
    expected: Mapping[str, Mapping[str, int]],
    exceptions: Sequence[Mapping[str, Any]],
) -> bool:
    known = [group if group in expected else "default" for group in tier["groups"]]
    statuses = [_status(group, str(model["name"]), kind, expected, exceptions) for group in known if group in expected]
    return _OK in statuses


def _limit(model: Mapping[str, Any], tier: Mapping[str, Any], given: Any) -> tuple[int, int]:
    """The limit with the shortest window in seconds, which has to be a minute or less; 0 without one."""
    if isinstance(given, Mapping):
        given = given.get(tier["name"])
    if given is not None:
        return int(given), _MINUTE
    own = parse_rates(str(tier.get("requests") or ""), "maas_tiers.requests")
    factor = 1 if own else float(tier.get("requests_factor") or 1)
    rates = own or model["rates"]
    found = [(max(1, int(int(rate["limit"]) * factor)), int(seconds(str(rate["window"])))) for rate in rates]
    short = [(limit, window) for limit, window in found if 1 <= window <= _MINUTE]
    return min(short, key=lambda rate: rate[1], default=(0, 0))


def seconds(window: str) -> float:
    """Seconds of a window as policies have them, such as ``1m``."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _WINDOW.findall(window))


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
        if not _attached(item, gateway):
            continue
        where = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        if where in open_routes:
            continue
        asked = [url for scheme, url in (urls or {}).items() if scheme in _schemes(item, gateway)] or [""]
        for url, host, match in itertools.product(asked, _hosts(item, gateway), _matches(item)):
            row = {**_probe(match, host), "name": f"HTTPRoute {where}: {_in_words(match, host)}", "url": url}
            rows[where, host, str(match), url] = {**row, "section": "routes", "expected": list(denied)}
    return list(rows.values())


def _schemes(item: Mapping[str, Any], gateway: Mapping[str, Any]) -> set[str]:
    """Schemes of the listeners that the route is for: those that it names, else all."""
    names = {parent.get("sectionName") for parent in item["spec"].get("parentRefs") or ()}
    return {
        str(listener.get("protocol") or "HTTP").lower()
        for listener in gateway["spec"].get("listeners") or ()
        if None in names or listener.get("name") in names
    }


def _attached(item: Mapping[str, Any], gateway: Mapping[str, Any]) -> bool:
    home, target = item["metadata"]["namespace"], gateway["metadata"]
    return any(
        parent.get("kind", "Gateway") == "Gateway"
        and (parent.get("namespace") or home, parent["name"]) == (target["namespace"], target["name"])
        for parent in item["spec"].get("parentRefs") or ()
    )


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


def _row(section: str, name: str, kind: str, model: Mapping[str, Any], host: str) -> Row:
    return {
        "section": section,
        "name": name,
        "kind": kind,
        "model": model["name"],
        "served_name": model["served_names"][0],
        "path": model["paths"][0],
        "host": host,
    }


def _group(user: Mapping[str, Any], expected: Mapping[str, Any], kind: str = "user") -> str:
    group = next((name for name in user.get("groups") or () if name in expected), "default")
    if group not in expected:
        raise TableError(
            f"maas_verify_expected: has none of the groups of {kind} {user['name']}; add one of them, or an entry"
            " default"
        )
    return group


def _status(
    group: str,
    model: str,
    kind: str,
    expected: Mapping[str, Mapping[str, int]],
    exceptions: Sequence[Mapping[str, Any]],
) -> int:
    asked = {"group": group, "model": model, "kind": kind}
    for entry in reversed(exceptions):
        if all(entry.get(field, value) == value for field, value in asked.items()):
            return int(entry["expected"])
    if kind not in expected[group]:
        raise TableError(f"maas_verify_expected.{group}: has no status for {kind}; add it, such as {kind}: 200")
    return int(expected[group][kind])


def _check(expected: Mapping[str, Mapping[str, int]], exceptions: Sequence[Mapping[str, Any]]) -> None:
    kinds = {_LIST, *all_kinds()}
    for group, statuses in expected.items():
        unknown = sorted(set(statuses) - kinds)
        if unknown:
            raise TableError(
                f"maas_verify_expected.{group}: unknown kind {', '.join(unknown)}; known are {', '.join(sorted(kinds))}"
            )
    for number, entry in enumerate(exceptions):
        unknown = sorted(set(entry) - _FIELDS)
        if unknown or "expected" not in entry:
            raise TableError(
                f"maas_verify_exceptions[{number}]: needs expected, and may have group, model and kind;"
                f" unknown is {', '.join(unknown) or 'nothing'}"
            )
