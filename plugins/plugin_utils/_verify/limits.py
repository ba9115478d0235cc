# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts that show where limits are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.durations import gateway_seconds
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import parse_rates
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import task_of
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import ExpectedStatuses
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, Row, model_row

_MINUTE = 60
_SETTLE_SECONDS = 10


def bursts(
    models: Sequence[Model],
    tiers: Sequence[Mapping[str, Any]],
    limits: Mapping[str, Any],
    expected: ExpectedStatuses,
    host: str,
) -> list[Row]:
    """A burst for each model and tier that has a limit of a minute or less, or one in ``limits``.

    Limits that last longer are not exhausted here. A tier none of whose groups may use a model is left out there.

    :param tiers: ``maas_tiers`` as in the inventory, each with the ``user`` and the ``secret`` of its probe as well.
    :param limits: by model, requests per minute, or these by tier; 0 tries none.
    """
    rows = []
    for tier in tiers:
        for model in models:
            kind = task_of(model).main
            limit, window = _limit(model, tier, limits.get(str(model["name"])))
            if limit and expected.any_may(tier["groups"], str(model["name"]), kind):
                name = f"{model['name']} {limit} requests in {window} s, tier {tier['name']}"
                row = model_row("limits", name, kind, model, host)
                probe_of = {"user": tier["user"], "secret": tier["secret"]}
                rows.append({**row, **probe_of, "burst": limit, "window": window, "settle": _SETTLE_SECONDS})
    return rows


def smallest(models: Sequence[Model]) -> list[Model]:
    """The model whose first limit is the lowest, as a list; none where no model has a limit."""
    limited = [model for model in models if model["rates"]]
    return sorted(limited, key=lambda model: int(model["rates"][0]["limit"]))[:1]


def _limit(model: Model, tier: Mapping[str, Any], given: Any) -> tuple[int, int]:
    """The limit with the shortest window in seconds, which has to be a minute or less; 0 without one."""
    if isinstance(given, Mapping):
        given = given.get(tier["name"])
    if given is not None:
        return int(given), _MINUTE
    own = parse_rates(str(tier.get("requests") or ""), "maas_tiers.requests")
    factor = 1 if own else float(tier.get("requests_factor") or 1)
    rates = own or model["rates"]
    found = [(max(1, int(int(rate["limit"]) * factor)), _window(rate)) for rate in rates]
    short = [(limit, window) for limit, window in found if 1 <= window <= _MINUTE]
    return min(short, key=lambda rate: rate[1], default=(0, 0))


def _window(rate: Mapping[str, Any]) -> int:
    return int(gateway_seconds(str(rate["window"]), "maas_tiers.requests"))
