# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: groups and tiers as people write them, and as Kuadrant's policies want them.

Authorino decides by the caller's groups, and publishes the caller's tier; limits compare the tier alone. So the only
CEL that the gateway's filter evaluates is equality and membership of literals.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.names import as_text, named
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.cel import quoted, quoted_list
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import RateError, parse_rates
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import ends

# Groups travel in one annotation, separated by commas; tiers become names of limits. Keycloak's groups may come with
# their path, which begins with a slash.
_GROUP = re.compile(r"^/?[A-Za-z0-9]([A-Za-z0-9._/@-]*[A-Za-z0-9])?$")
_TIER = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
# The condition for counting tokens. Not by path: the gateway's filter compares it as it came, where Authorino decodes
# it first, so that an escaped slash would go uncounted; and once the answer is there, Envoy has rewritten it. Of all
# that is posted, groups without "all" only get to inference.
_HAS_USAGE = 'request.method == "POST"'
ENDPOINTS = ("inference", "models", "metrics", "all")
GROUP_DEFAULTS: dict[str, Any] = {"endpoints": ["inference", "models"], "models": []}
_TIER_DEFAULTS: dict[str, Any] = {"requests": "", "requests_factor": 1, "tokens": ""}


class AccessError(ValueError):
    """A table that cannot be enforced; the message names the field and the fix."""


@dataclass(frozen=True)
class Access:
    """The tables, valid, with every field filled in."""

    groups: Sequence[Mapping[str, Any]]
    tiers: Sequence[Mapping[str, Any]]


def complaints(
    groups: Sequence[Mapping[str, Any]],
    tiers: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    models: Iterable[str],
) -> list[str]:
    """What is wrong with the tables, one message for each entry; the arguments are those of ``read_access``."""
    found: list[str] = []
    known = list(models)
    names = [str(group["name"]) for group in groups]

    def look(check: Callable[..., Any], *arguments: Any) -> None:
        try:
            check(*arguments)
        except AccessError as error:
            found.append(str(error))

    for index, group in enumerate(named(groups)):
        look(_group, group, f"maas_groups[{index}]", known)
    for index, tier in enumerate(named(tiers)):
        look(_tier, tier, f"maas_tiers[{index}]", names)
    look(_unique, groups, "maas_groups")
    look(_unique, tiers, "maas_tiers")
    look(_one_tier_each, names, tiers)
    for index, user in enumerate(named(users)):
        look(_check_user, user, f"maas_users[{index}] ({user.get('name')}).groups", names)
    return found


def read_access(
    groups: Sequence[Mapping[str, Any]],
    tiers: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    models: Iterable[str],
) -> Access:
    """Validate the tables and fill in what their entries leave out.

    :param groups: ``maas_groups`` as in the inventory.
    :param tiers: ``maas_tiers`` as in the inventory, from the best to the least.
    :param users: ``maas_users``: of each only its name and groups are read.
    :param models: names of all models of the catalogue, also of disabled ones.
    :raises AccessError: at the first entry that is wrong.
    """
    known = [as_text(model) for model in models]
    read_groups = [_group(entry, f"maas_groups[{index}]", known) for index, entry in enumerate(_plain(groups, "name"))]
    names = _unique(read_groups, "maas_groups")
    read_tiers = [_tier(entry, f"maas_tiers[{index}]", names) for index, entry in enumerate(_plain(tiers))]
    _unique(read_tiers, "maas_tiers")
    _one_tier_each(names, read_tiers)
    for index, user in enumerate(_plain(users)):
        _check_user(user, f"maas_users[{index}] ({user.get('name')}).groups", names)
    return Access(read_groups, read_tiers)


def group_name(name: str) -> str:
    """A group's name without the slash with which Keycloak's full paths begin: ``/developer`` is ``developer``."""
    return name.removeprefix("/")


def _plain(entries: Sequence[Mapping[str, Any]], *fields: str) -> list[Any]:
    """Entries with the names of groups as the rules have them: those in ``groups``, and in these fields."""
    return [_renamed(entry, fields) if isinstance(entry, Mapping) else entry for entry in named(entries)]


def _renamed(entry: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    names = {field: group_name(entry[field]) for field in fields if isinstance(entry.get(field), str)}
    groups = entry.get("groups")
    lists = {"groups": [group_name(name) for name in groups]} if isinstance(groups, list) else {}
    return {**entry, **names, **lists}


def _entry(entry: Any, where: str, defaults: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    if not isinstance(entry, Mapping) or not entry.get("name"):
        raise AccessError(f"{where}: give it a name")
    where = f"{where} ({entry['name']})"
    known = {"name", *defaults}
    unknown = sorted(set(map(str, entry)) - known)
    if unknown:
        raise AccessError(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    # A field that is there without a value is as good as left out.
    return {**defaults, **{key: value for key, value in entry.items() if value is not None}}, where


def _names(entry: Mapping[str, Any], field: str, where: str, known: Sequence[str]) -> None:
    values = entry[field]
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise AccessError(f"{where}.{field}: {values!r} must be a list")
    for index, value in enumerate(values):
        if value not in known:
            raise AccessError(
                f"{where}.{field}[{index}]: {value!r} is not known; known are {', '.join(known) or 'none'}"
            )


def _group(given: Any, place: str, models: Sequence[str]) -> dict[str, Any]:
    entry, where = _entry(given, place, GROUP_DEFAULTS)
    if not _GROUP.match(str(entry["name"])):
        raise AccessError(
            f"{where}.name: use letters, digits and . _ / @ -, begin with a letter, a digit or '/', and end with a"
            " letter or digit"
        )
    _names(entry, "endpoints", where, ENDPOINTS)
    _names(entry, "models", where, models)
    if not entry["endpoints"]:
        raise AccessError(f"{where}.endpoints: name at least one of {', '.join(ENDPOINTS)}, or remove the group")
    return entry


def _tier(given: Any, place: str, groups: Sequence[str]) -> dict[str, Any]:
    entry, where = _entry(given, place, {"groups": [], **_TIER_DEFAULTS})
    if not _TIER.match(str(entry["name"])):
        raise AccessError(f"{where}.name: use lower-case letters, digits and '-', and start with a letter")
    _names(entry, "groups", where, groups)
    factor = entry["requests_factor"]
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 0 < factor < math.inf:
        raise AccessError(f"{where}.requests_factor: {factor!r} must be a number above 0, such as 0.5")
    if entry["requests"] and factor != 1:
        raise AccessError(f"{where}: requests replaces the models' own limits; leave it or requests_factor out")
    try:
        entry["request_rates"] = parse_rates(str(entry["requests"]), f"{where}.requests")
        entry["token_rates"] = parse_rates(str(entry["tokens"]), f"{where}.tokens")
    except RateError as error:
        raise AccessError(str(error)) from error
    return entry


def _unique(entries: Iterable[Mapping[str, Any]], variable: str) -> list[str]:
    names = [str(entry["name"]) for entry in entries]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise AccessError(f"{variable}[{index}] ({name}).name: is used by an entry before; keep one")
    return names


def _one_tier_each(groups: Iterable[str], tiers: Iterable[Mapping[str, Any]]) -> None:
    """A group in no tier would have no limits by accident, one in two would have those of the first alone."""
    owners: dict[str, str] = {}
    for number, tier in enumerate(tiers):
        for index, group in enumerate(tier["groups"]):
            if group in owners:
                raise AccessError(
                    f"maas_tiers[{number}] ({tier['name']}).groups[{index}]: {group} is in the tier {owners[group]}"
                    " already; keep one"
                )
            owners[group] = str(tier["name"])
    for index, group in enumerate(groups):
        if group not in owners:
            raise AccessError(
                f"maas_groups[{index}] ({group}): is in no tier; add it to the groups of one in maas_tiers"
            )


def _check_user(user: Mapping[str, Any], where: str, groups: Sequence[str]) -> None:
    of_user = user.get("groups") or []
    if not of_user:
        raise AccessError(f"{where}: name at least one group; known are {', '.join(groups) or 'none'}")
    for index, group in enumerate(of_user):
        if group not in groups:
            raise AccessError(
                f"{where}[{index}]: {group!r} is not in maas_groups; known are {', '.join(groups) or 'none'}"
            )


def member(groups_expression: str, groups: Iterable[str]) -> str:
    """CEL: whether one of the groups, separated by commas in the expression's value, is one of these."""
    return f'({groups_expression}).split(",").exists(g, g in {quoted_list(groups)})'


def tier_expression(access: Access, groups_expression: str) -> str:
    """CEL for Authorino: the first tier, from the best to the least, that has one of the caller's groups."""
    found = '""'
    for tier in reversed(access.tiers):
        if tier["groups"]:
            found = f"{member(groups_expression, tier['groups'])} ? {quoted(tier['name'])} : {found}"
    return found


def allowed_expression(access: Access, model: Mapping[str, Any], groups_expression: str) -> str:
    """CEL for Authorino: whether the caller may send this request to the route of this model.

    Paths are compared as a whole, in the form that the route offers them: what is not listed is for those groups alone
    that may use everything.
    """
    clauses = []
    for endpoint in ENDPOINTS:
        groups = [
            group["name"]
            for group in access.groups
            if endpoint in group["endpoints"] and (not group["models"] or model["name"] in group["models"])
        ]
        if groups:
            conditions = _request_conditions(model, endpoint)
            clauses.append("(" + " && ".join([*conditions, member(groups_expression, groups)]) + ")")
    return " || ".join(clauses) or "false"


def _request_conditions(model: Mapping[str, Any], endpoint: str) -> list[str]:
    if endpoint == "all":
        return []
    if endpoint == "inference":
        return ['request.method == "POST"', _is_path(model, ends(model, "inference"))]
    return ['request.method == "GET"', _is_path(model, ends(model, "models") if endpoint == "models" else ["/metrics"])]


def _is_path(model: Mapping[str, Any], below: Iterable[str]) -> str:
    return f"request.url_path in {quoted_list(path + end for path in model['paths'] for end in below)}"


# What a caller may list travels in one header; Envoy takes 60 KiB of headers from a request.
_MOST_BYTES = 32 * 1024
_LIST = '{"object": "list", "data": [', "]}"


def may_list(access: Access, model: Mapping[str, Any]) -> list[str]:
    """The groups that may ask this model's server for its names."""
    return [
        str(group["name"])
        for group in access.groups
        if {"models", "all"} & set(group["endpoints"]) and (not group["models"] or model["name"] in group["models"])
    ]


def list_expression(access: Access, models: Iterable[Mapping[str, Any]], groups_expression: str) -> str:
    """CEL for Authorino: the models that the caller may use, as OpenAI's API lists them, in JSON.

    :raises AccessError: the list of all models is too long for the header in which the gateway hands it on.
    """
    by_groups: dict[tuple[str, ...], list[str]] = {}
    for model in models:
        groups = tuple(may_list(access, model))
        if groups:
            by_groups.setdefault(groups, []).extend(json.dumps(entry) for entry in _listed(model))
    size = sum(len(entry) + 2 for entries in by_groups.values() for entry in entries)
    if size > _MOST_BYTES:
        raise AccessError(
            f"maas_models: their list has {size} bytes, and /v1/models can answer with {_MOST_BYTES} at most; set"
            " maas_model_list to false"
        )
    parts = [
        f'{member(groups_expression, groups)} ? {quoted(", ".join(entries))} : ""'
        for groups, entries in by_groups.items()
    ]
    found = f'[{", ".join(parts)}].filter(part, part != "").join(", ")'
    return f"{quoted(_LIST[0])} + {found} + {quoted(_LIST[1])}"


def list_allowed_expression(access: Access, models: Iterable[Mapping[str, Any]], groups_expression: str) -> str:
    """CEL for Authorino: whether the caller may list any model."""
    groups = dict.fromkeys(group for model in models for group in may_list(access, model))
    return member(groups_expression, groups) if groups else "false"


def _listed(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """An entry for each name, as vLLM lists them, and where on the Gateway it is served."""
    owner = re.match(r"hf://([^/]+)/", str(model.get("storage_uri") or ""))
    shared = {"object": "model", "created": 0, "owned_by": owner[1] if owner else "vllm"}
    return [
        {"id": name, **shared, "root": model["name"], "base_path": f"{model['paths'][0]}/v1"}
        for name in model["served_names"]
    ]


def request_limits(access: Access, model: Mapping[str, Any]) -> dict[str, Any]:
    """``limits`` of the model's RateLimitPolicy: one for each tier that has any, counted per user."""
    made = {}
    for tier in access.tiers:
        rates = tier["request_rates"] or [_scaled(rate, tier["requests_factor"]) for rate in model["rates"]]
        if rates:
            made[f"requests-{tier['name']}"] = _limit(rates, tier["name"])
    return made


def token_limits(access: Access) -> dict[str, Any]:
    """``limits`` of each model's TokenRateLimitPolicy."""
    return {
        f"tokens-{tier['name']}": _limit(tier["token_rates"], tier["name"], _HAS_USAGE)
        for tier in access.tiers
        if tier["token_rates"]
    }


def _limit(rates: Sequence[Mapping[str, Any]], tier: str, *conditions: str) -> dict[str, Any]:
    predicates = [f"auth.identity.tier == {quoted(tier)}", *conditions]
    return {
        "when": [{"predicate": predicate} for predicate in predicates],
        "counters": [{"expression": "auth.identity.userid"}],
        "rates": list(rates),
    }


def _scaled(rate: Mapping[str, Any], factor: float) -> dict[str, Any]:
    return {**rate, "limit": max(1, math.floor(rate["limit"] * factor))}
