# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rates as people write them (``100/min, 1000/h``) and as Kuadrant's policies want them."""

from __future__ import annotations

import re

from ansible_collections.llmops.maas.plugins.module_utils._common.durations import gateway_seconds

# Units as people write them, and as a window of RateLimitPolicy has them, which is a duration of the Gateway API.
_UNITS = {
    "s": "s",
    "sec": "s",
    "second": "s",
    "m": "m",
    "min": "m",
    "minute": "m",
    "h": "h",
    "hour": "h",
}
_DAYS = {"d", "day"}
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"^\s*(?P<limit>\d+)\s*/\s*(?P<count>\d{0,5})\s*(?P<unit>[a-z]+)\s*$")
_HELP = "write a number, a slash and a window of s, min or h, such as '100/min, 1000/h' or '500/24h'"


class RateError(ValueError):
    """A rate that cannot be enforced; the message names the field and the fix."""


def parse_rates(text: str, field: str) -> list[dict[str, int | str]]:
    """Turn ``"100/min, 1000/h"`` into ``[{"limit": 100, "window": "1m"}, {"limit": 1000, "window": "1h"}]``.

    :param text: rates separated by commas; an empty string means no limit and gives an empty list.
    :param field: path of the value in the inventory, for error messages.
    :raises RateError: wrong form, unknown unit, limit or window of 0, or two windows of the same length.
    """
    rates = [_parse_rate(part, field) for part in text.split(",") if part.strip()]
    by_length: dict[float, list[str]] = {}
    for rate in rates:
        window = str(rate["window"])
        by_length.setdefault(gateway_seconds(window, field), []).append(window)
    # Limitador keeps one counter for each length, however it is written.
    twice = [" = ".join(sorted(set(windows))) for windows in by_length.values() if len(windows) > 1]
    if twice:
        raise RateError(
            f"{field}: the window {' = '.join(twice)} appears more than once in {text!r}; keep one rate per window"
        )
    return rates


def _parse_rate(part: str, field: str) -> dict[str, int | str]:
    match = _RATE.match(part.lower())
    if match is None:
        raise RateError(f"{field}: {part.strip()!r} is not a rate: {_HELP}")
    unit, count, limit = match["unit"], int(match["count"] or 1), int(match["limit"])
    if unit in _DAYS:
        raise RateError(
            f"{field}: {part.strip()!r}: Kuadrant has no unit for days; write hours, such as '{limit}/{24 * count}h'"
        )
    if unit not in _UNITS:
        raise RateError(f"{field}: {part.strip()!r} has the unknown unit {unit!r}: {_HELP}")
    if limit == 0 or count == 0:
        raise RateError(f"{field}: {part.strip()!r}: limit and window must be at least 1")
    return {"limit": limit, "window": f"{count}{_UNITS[unit]}"}
