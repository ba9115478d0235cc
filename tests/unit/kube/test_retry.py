# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loops that try again, on a clock of their own; and requests that are sent again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import Deadline, attempts
from ansible_collections.llmops.maas.plugins.module_utils._kube.apply import persist, server_side_apply
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, ConnectError, KubeError


class FakeTime:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(round(seconds, 6))
        self.now += seconds

    def deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, clock=self.clock, sleep=self.sleep)


def test_pauses_double_up_to_the_longest_and_the_last_attempt_begins_when_time_is_up() -> None:
    time = FakeTime()
    begins = [time.now for _turn in time.deadline(2.0).attempts(0.1, 0.8)]
    assert time.sleeps == [0.1, 0.2, 0.4, 0.8, 0.5]
    assert begins[-1] == pytest.approx(102.0)
    assert len(begins) == 6


def test_without_a_longest_pause_all_are_alike() -> None:
    time = FakeTime()
    assert len(list(time.deadline(1.0).attempts(0.25))) == 5
    assert time.sleeps == [0.25] * 4


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_is_one_attempt_and_no_pause(seconds: float) -> None:
    time = FakeTime()
    assert len(list(time.deadline(seconds).attempts(0.1))) == 1
    assert time.sleeps == []
    assert len(list(attempts(seconds, 10.0))) == 1


def test_a_slow_attempt_is_not_repeated_when_it_ends_after_the_time() -> None:
    time = FakeTime()
    count = 0
    for _turn in time.deadline(1.0).attempts(0.1):
        count += 1
        time.now += 5
    assert count == 1
    assert time.sleeps == []


def test_two_loops_share_one_deadline() -> None:
    time = FakeTime()
    deadline = time.deadline(1.0)
    for _turn in deadline.attempts(0.6):
        if time.now > 100.5:
            break
    assert deadline.left == pytest.approx(0.4)
    assert len(list(deadline.attempts(0.3))) == 3
    assert deadline.over
    assert time.now == pytest.approx(101.0)


def _failing(errors: list[KubeError]) -> tuple[Callable[[], str], list[int]]:
    calls: list[int] = []

    def send() -> str:
        calls.append(len(calls))
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        return "done"

    return send, calls


def _api_error(status: int, retry_after: float | None = None) -> ApiError:
    return ApiError(status, {"message": f"HTTP {status}"}, retry_after=retry_after)


def test_a_request_is_sent_again_while_the_server_restarts() -> None:
    time = FakeTime()
    send, calls = _failing([ConnectError("refused"), _api_error(503), _api_error(429, retry_after=7)])
    assert persist(send, time.deadline(30)) == "done"
    assert len(calls) == 4
    assert time.sleeps == [0.1, 0.2, 7]


def test_an_error_that_stays_is_raised_at_once() -> None:
    time = FakeTime()
    send, calls = _failing([_api_error(403)])
    with pytest.raises(ApiError, match="403"):
        persist(send, time.deadline(30))
    assert len(calls) == 1
    assert time.sleeps == []


def test_the_last_error_is_raised_when_time_is_up() -> None:
    time = FakeTime()
    send, _calls = _failing([_api_error(503), *[_api_error(504)] * 100])
    with pytest.raises(ApiError, match="504"):
        persist(send, time.deadline(5))
    assert sum(time.sleeps) == pytest.approx(5)


def test_the_caller_says_which_errors_pass() -> None:
    time = FakeTime()
    send, calls = _failing([_api_error(404)])
    assert persist(send, time.deadline(5), lambda error: isinstance(error, ApiError) and error.status == 404) == "done"
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, {"force": "true", "fieldValidation": "Strict"}),
        ({"force": False, "validation": "Warn"}, {"force": "false", "fieldValidation": "Warn"}),
        ({"dry_run": True}, {"force": "true", "fieldValidation": "Strict", "dryRun": "All"}),
    ],
)
def test_a_server_side_apply_as_it_is_sent(options: dict[str, Any], query: dict[str, str]) -> None:
    sent: list[tuple[str, str, Mapping[str, Any], Any, str]] = []

    def request(method: str, path: str, *, query: Mapping[str, Any], body: bytes, content_type: str) -> Any:
        sent.append((method, path, query, json.loads(body), content_type))
        return {"kind": "Secret"}

    answer = server_side_apply(request, "/api/v1/x", {"kind": "Secret"}, manager="me", **options)
    assert answer == {"kind": "Secret"}
    expected = {"fieldManager": "me", **query}
    assert sent == [("PATCH", "/api/v1/x", expected, {"kind": "Secret"}, "application/apply-patch+yaml")]
