# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: users, keys, groups, tiers and how long keys are valid."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.durations import DurationError, duration
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import token_problem
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import KeyValueError, check_given
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import TimeError, moment
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.access import complaints
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import RateError, parse_rates
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.values import Values

_DURATIONS = ("key_grace", "key_max_age", "key_expires_in", "key_retire_wait", "lock_timeout")
# Names of headers (RFC 9110, 5.1).
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")


def tables(values: Values, problems: Problems) -> None:
    """Groups, tiers, and the groups of the users."""
    models = [model["name"] for model in values["models"]]
    for message in complaints(values["groups"], values["tiers"], values["users"], models):
        problems.say(message)


def users(values: Values, problems: Problems) -> None:
    _unique(values["users"], "maas_users", ("name",), problems)
    for index, user in enumerate(values["users"]):
        _check_key(user, f"maas_users[{index}]", values, problems)


def api_keys(values: Values, problems: Problems) -> None:
    _unique(values["api_keys"], "maas_api_keys", ("user", "name"), problems)
    for index, key in enumerate(values["api_keys"]):
        _check_key(key, f"maas_api_keys[{index}]", values, problems)


def _unique(entries: Any, variable: str, fields: tuple[str, ...], problems: Problems) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for index, entry in enumerate(entries):
        identity = tuple(entry.get(field, "") for field in fields)
        if identity in seen:
            words = " ".join(filter(None, identity))
            problems.add(f"{variable}[{index}]", f"{words!r} is in {variable}[{seen[identity]}] already; keep one")
        seen.setdefault(identity, index)


def _check_key(entry: Any, where: str, values: Values, problems: Problems) -> None:
    if entry.get("key"):
        with problems.noting(KeyValueError):
            check_given(entry["key"], f"{where}.key", allow_weak=True)
            _check_strength(entry["key"], f"{where}.key", values, problems)
    if entry.get("expires_at") and entry["expires_at"] != "never":
        with problems.noting(TimeError):
            moment(entry["expires_at"], f"{where}.expires_at")


def _check_strength(key: str, where: str, values: Values, problems: Problems) -> None:
    try:
        check_given(key, where, allow_weak=values["allow_weak_keys"])
    except KeyValueError:
        problems.add(
            where,
            "the key has fewer than 32 characters, or they repeat too much; leave it out to have one generated, or set"
            " maas_allow_weak_keys for a demonstration",
        )


def header(values: Values, problems: Problems) -> None:
    """The words of the Authorization header, and the headers that are kept from backends."""
    prefix = values["api_key_prefix"]
    if token_problem(prefix):
        problems.add("maas_api_key_prefix", f"{prefix!r} {token_problem(prefix)}; use one word such as APIKEY")
    elif values["auth_mode"] == "both" and prefix.lower() == "bearer":
        problems.add(
            "maas_api_key_prefix",
            f"{prefix!r} is the word before a token, for which keys would be taken with maas_auth_mode both; use"
            " another word such as APIKEY",
        )
    for index, name in enumerate(values["credential_headers"]):
        if not _HEADER.fullmatch(name):
            problems.add(f"maas_credential_headers[{index}]", f"{name!r} is no name of a header")


def limits(values: Values, problems: Problems) -> None:
    with problems.noting(RateError):
        parse_rates(values["model_list_limits"], "maas_model_list_limits")


def durations(values: Values, problems: Problems) -> None:
    for name in _DURATIONS:
        if values[name]:
            with problems.noting(DurationError):
                duration(values[name], f"maas_{name}")
    if values["key_now"]:
        with problems.noting(TimeError):
            moment(values["key_now"], "maas_key_now")


def missing_durations(values: Values, problems: Problems) -> None:
    for name in _DURATIONS:
        if not values[name] and name != "key_expires_in":
            problems.add(f"maas_{name}", "is empty; write a duration such as 24h, or 0")


RULES = (tables, users, api_keys, header, limits, durations, missing_durations)
