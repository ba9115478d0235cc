# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import RateError, parse_rates

# The pattern of rates[].window in the CRD of RateLimitPolicy.
WINDOW = re.compile(r"^([0-9]{1,5}(h|m|s|ms)){1,4}$")


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("100/min", [(100, "1m")]),
        ("100/min, 1000/h", [(100, "1m"), (1000, "1h")]),
        ("5 / 10s", [(5, "10s")]),
        ("5/second", [(5, "1s")]),
        ("500/24H", [(500, "24h")]),
        ("", []),
    ],
)
def test_readable_rates(text: str, rates: list[tuple[int, str]]) -> None:
    assert parse_rates(text, "f") == [{"limit": limit, "window": window} for limit, window in rates]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("100", "'100' is not a rate"),
        ("100/1d", "no unit for days; write hours, such as '100/24h'"),
        ("7/2day", "'7/48h'"),
        ("100/week", "unknown unit 'week'"),
        ("0/min", "at least 1"),
        ("1/0s", "at least 1"),
        ("1/min, 2/m", "window 1m appears more than once"),
        ("100/min, 50/60s", "window 1m = 60s appears more than once"),
        ("1/h, 2/60m, 3/3600s", "window 1h = 3600s = 60m appears more than once"),
        ("-1/min", "is not a rate"),
        ("1/123456s", "is not a rate"),
    ],
)
def test_wrong_rates_name_the_field(text: str, message: str) -> None:
    with pytest.raises(RateError, match="maas_models.*" + message):
        parse_rates(text, "maas_models[1].request_limits")


@given(
    st.integers(1, 10**6),
    st.integers(1, 99999),
    st.sampled_from(["s", "sec", "second", "m", "min", "minute", "h", "hour"]),
)
def test_every_window_is_one_that_the_policy_takes(limit: int, count: int, unit: str) -> None:
    (rate,) = parse_rates(f"{limit}/{count}{unit}", "f")
    assert rate["limit"] == limit
    assert WINDOW.match(str(rate["window"]))
