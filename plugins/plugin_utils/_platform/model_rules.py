# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the policies of each model need to know, and those of the list of all models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform import access as _access
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import policies
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import parse_rates

Entry = dict[str, Any]
Model = Mapping[str, Any]

LIST_NAME = "model-list"
"""Name of all objects of the list of models, which no model may have."""
LIST_PATH = "/v1/models"


class NameTakenError(ValueError):
    """A model has a name that the platform needs itself; the message says so."""


def of_models(catalogue: Sequence[Model], table: _access.Access, groups: str) -> list[Entry]:
    """Each model with ``allowed`` and ``tier`` (CEL), and its limits by the fields of ``POLICIES``.

    :param groups: CEL of the caller's groups, separated by commas.
    """
    tier = _access.tier_expression(table, groups)
    return [
        {
            **model,
            "allowed": _access.allowed_expression(table, model, groups),
            "tier": tier,
            **policies.limits_by_field(table, model),
        }
        for model in catalogue
    ]


def of_list(
    catalogue: Sequence[Model], table: _access.Access, groups: str, *, name: str, taken: Sequence[str], limits: str
) -> Entry:
    """An entry like those of ``of_models``, for the path that lists the models; ``list`` is that list, in CEL.

    :param taken: names of all models, also of disabled ones.
    :param limits: ``maas_model_list_limits``.
    :raises AccessError: the list is too long.
    :raises RateError: the limits cannot be read.
    :raises NameTakenError: a model has this name.
    """
    if name in taken:
        raise NameTakenError(f"maas_models ({name}): this name is taken by the list of models; choose another")
    rates = parse_rates(limits, "maas_model_list_limits")
    counted = {"requests": {"counters": [{"expression": "auth.identity.userid"}], "rates": rates}} if rates else {}
    none: Entry = {policy.limits_field: {} for policy in policies.POLICIES if policy.limits_field}
    return {
        "name": name,
        "allowed": _access.list_allowed_expression(table, catalogue, groups),
        "tier": _access.tier_expression(table, groups),
        "list": _access.list_expression(table, catalogue, groups),
        **none,
        policies.of_kind("RateLimitPolicy").limits_field: counted,
    }


def limits_of(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The policies with limits that such an entry needs: their ``api_version``, ``kind`` and ``limits``."""
    return [
        {"api_version": policy.api_version, "kind": policy.kind, "limits": entry[policy.limits_field]}
        for policy in policies.POLICIES
        if policy.limits_field and entry[policy.limits_field]
    ]
