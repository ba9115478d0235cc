# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two kinds of durations, and what is neither."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.module_utils._common.durations import (
    DurationError,
    duration,
    gateway_seconds,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2592000), ("1h30m", 5400), ("45s", 45), ("0", 0), (0, 0), (" 2W ", 1209600)]
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text, "grace") == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5 s", "1.5h", "5s!", "20000d", "d5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DurationError, match="grace: "):
        duration(text, "grace")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30", "'30' has no unit; write 30d for days, or 30h, 30m, 30s"),
        (30, "30 has no unit"),
        ("1M", "'1M' may be minutes or months"),
        ("1h30M", "may be minutes or months"),
    ],
)
def test_a_duration_says_its_unit(text: Any, words: str) -> None:
    with pytest.raises(DurationError, match=words):
        duration(text, "max_age")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1m", 60), ("1h30m", 5400), ("500ms", 0.5), ("1m500ms", 60.5), ("60s", 60), ("0s", 0), ("99999h", 359996400)],
)
def test_durations_of_the_gateway_api(text: str, seconds: float) -> None:
    assert gateway_seconds(text, "window") == seconds


@pytest.mark.parametrize("text", ["", "30", "1d", "1M", "1.5h", "-1s", "123456s", "1h1m1s1ms1s", "1m ", "one"])
def test_what_is_no_duration_of_the_gateway_api_is_refused(text: str) -> None:
    with pytest.raises(DurationError, match=r"window: .* is no duration of the Gateway API"):
        gateway_seconds(text, "window")


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from("smh")), min_size=1, max_size=4))
def test_both_kinds_agree_where_both_can_be_written(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert duration(text, "x") == gateway_seconds(text, "x")
