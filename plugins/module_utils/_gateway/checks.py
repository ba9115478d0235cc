# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One check: a request, or a burst of them, and whether the answer is the expected one."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import described
from ansible_collections.llmops.maas.plugins.module_utils._common.progress import Progress, Tally
from ansible_collections.llmops.maas.plugins.module_utils._common.retry import attempts
from ansible_collections.llmops.maas.plugins.module_utils._common.texts import texts_of
from ansible_collections.llmops.maas.plugins.module_utils._gateway.credentials import GatewayCredentials
from ansible_collections.llmops.maas.plugins.module_utils._gateway.http import Answer, Gateway
from ansible_collections.llmops.maas.plugins.module_utils._gateway.keys import KeyMissingError
from ansible_collections.llmops.maas.plugins.module_utils._gateway.kinds import KINDS, describe_answer, payload
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import error_of, in_parallel

# How many requests over the limit have to be refused.
OVER = 3
_PAUSE = 0.25
# Options with headers by name.
_HEADERS = ("headers", "answer_headers")
_NO_ANSWER = "no answer"
# Envoy adds it to what a backend has answered, and to nothing that it answers itself.
_FROM_BACKEND = "x-envoy-upstream-service-time"
_HINTS = {
    404: "no route leads there, or the model does not serve this name",
    500: "the gateway could not ask for a decision; are Authorino and Limitador running?",
    503: "the gateway has nothing to send this to; is the model running?",
}


@dataclass(frozen=True)
class GatewayChecker:
    """Sends requests and judges the answers."""

    # The Gateway by its address ("" for the usual one) and the host name for its certificate.
    connect: Callable[[str, str], Gateway]
    credentials: GatewayCredentials
    progress: Progress = field(default_factory=lambda: Progress(None))

    def run(self, checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Run the checks, bursts one after the other when all others are done; a result for each, in order."""
        tally = Tally(_sizes(checks), self.progress)
        single = [number for number, check in enumerate(checks) if not check["burst"]]
        bursts = [number for number, check in enumerate(checks) if check["burst"]]
        done = in_parallel(lambda number: self._one(checks[number], tally), single)
        done += in_parallel(lambda number: self._burst(checks[number], tally), bursts, workers=1)
        results = {number: _settled(checks[number], future) for number, future in done}
        return [results[number] for number in range(len(checks))]

    def _one(self, check: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
        found = self._asked(check)
        tally.count(check["section"], right=found["passed"])
        return found

    def _asked(self, check: Mapping[str, Any]) -> dict[str, Any]:
        expected = " or ".join(map(str, check["expected"]))
        try:
            headers = self._headers(check)
        except KeyMissingError as error:
            return result(check, expected, "no key", str(error), passed=False)
        answer = self._once_settled(check, headers, lambda status: status in check["expected"])
        reason = judged(check, answer) or leaked(check, answer, headers)
        passed = answer.status in check["expected"] and not reason
        return result(check, expected, _status(answer), reason, passed=passed, seconds=answer.seconds)

    def _burst(self, check: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
        section, limit = check["section"], int(check["burst"])
        expected = counted([200] * limit + [429] * OVER)
        try:
            headers = self._headers(check)
        except KeyMissingError as error:
            tally.count(section, right=False, requests=limit + OVER)
            return result(check, expected, "no key", str(error), passed=False)
        first = self._accepted(check, headers)
        if first.status != 200:
            tally.count(section, right=False, requests=limit + OVER)
            return result(check, expected, _status(first), judged({**check, "expected": [200]}, first), passed=False)
        tally.count(section, right=True)

        def send(status: int) -> Answer:
            answer = self._send(check, headers)
            tally.count(section, right=answer.status == status)
            return answer

        started = time.monotonic()
        answers = [first] + [future.result() for _n, future in in_parallel(lambda _n: send(200), range(limit - 1))]
        over = [send(429) for _n in range(OVER)]
        seconds = time.monotonic() - started + first.seconds
        passed, reason = judged_burst(check, answers, over, seconds)
        got = counted(answer.status for answer in [*answers, *over])
        return result(check, expected, got, reason, passed=passed, seconds=seconds)

    def _accepted(self, check: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
        """The first answer that is not for want of a known key: what is refused so is not counted by limits."""
        return self._once_settled(check, headers, lambda status: status not in {401, 403})

    def _once_settled(
        self, check: Mapping[str, Any], headers: Mapping[str, str], is_good: Callable[[int], bool]
    ) -> Answer:
        """The first answer with a good status; the last one when the time to settle is up."""
        answer = Answer(0, 0.0)
        for _turn in attempts(check["settle"], _PAUSE):
            answer = self._send(check, headers)
            if is_good(answer.status):
                break
        return answer

    def _send(self, check: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
        kind = KINDS[check["kind"]]
        method = check["method"] or kind.method
        gateway = self.connect(check["url"], check["server_name"] or check["host"])
        if check["target"]:
            return gateway.send_raw(method, check["target"], headers)
        return gateway.send(method, check["path"] + kind.endpoint, headers, payload(kind, check["served_name"]))

    def _headers(self, check: Mapping[str, Any]) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "llmops.maas", **check["headers"]}
        headers["Host"] = check["host"]
        authorization = self.credentials.header(check)
        return {**headers, "Authorization": authorization} if authorization else headers


def with_texts(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The checks of the option ``requests``, with text in their headers.

    :raises NoTextError: a header that is no text.
    """
    return [
        {**check, **{name: texts_of(check[name] or {}, f"requests[{number}].{name}") for name in _HEADERS}}
        for number, check in enumerate(requests)
    ]


def _sizes(checks: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Number of requests by section."""
    sizes: Counter[str] = Counter()
    for check in checks:
        sizes[check["section"]] += int(check["burst"]) + OVER if check["burst"] else 1
    return dict(sizes)


def _settled(check: Mapping[str, Any], future: Future[dict[str, Any]]) -> dict[str, Any]:
    """The result of a check. One that fails in a way that nobody expected ends no other."""
    error = error_of(future)
    if error is None:
        return future.result()
    if isinstance(error, KubeError):
        raise error
    return result(check, " or ".join(map(str, check["expected"])), _NO_ANSWER, described(error), passed=False)


def judged(check: Mapping[str, Any], answer: Answer) -> str:
    """Why the answer is not the expected one; empty when it is."""
    kind = KINDS[check["kind"]]
    if answer.status not in check["expected"]:
        hint = kind.hints.get(answer.status) or _HINTS.get(answer.status, "")
        return "; ".join(text for text in (describe_answer(answer), hint) if text) or "the answer says nothing more"
    if check["denied"] and _FROM_BACKEND in answer.headers:
        return "the gateway let it pass: this status is a backend's"
    for name, pattern in check["answer_headers"].items():
        if not re.fullmatch(pattern, answer.headers.get(name.lower(), "")):
            return f"its header {name} is {answer.headers.get(name.lower(), 'missing')}, not {pattern}"
    if answer.status != kind.judges:
        return ""
    # vLLM answers under its first name, whichever of its names was asked for.
    names = check["names"] or [name for name in dict.fromkeys((check["model"], check["served_name"])) if name]
    return kind.problem(answer, names)


def leaked(check: Mapping[str, Any], answer: Answer, sent: Mapping[str, str]) -> str:
    """Whether a backend that answers with what it has got, has got the credential; empty when it has not."""
    credential = sent.get("Authorization", "").rpartition(" ")[2].encode("latin-1")
    if check["kind"] == "echo" and credential and credential in answer.body:
        return "the backend got the caller's credential"
    return ""


def judged_burst(
    check: Mapping[str, Any], answers: Sequence[Answer], over: Sequence[Answer], seconds: float
) -> tuple[bool, str]:
    """Whether the limit let through what it should and nothing more, and a remark."""
    if seconds >= check["window"]:
        return False, f"took {seconds:.0f} s, longer than the limit's window of {check['window']} s: proves nothing"
    refused = [answer for answer in answers if answer.status != 200]
    if refused:
        statuses = {answer.status for answer in refused}
        early = "refused before the limit was reached" if statuses == {429} else judged(check, refused[0])
        return False, early
    passed = [answer for answer in over if answer.status != 429]
    if passed:
        return False, f"request {len(answers) + 1} should be refused; {describe_answer(passed[0])}"
    after = over[0].headers.get("retry-after")
    return True, f"Retry-After: {after}" if after else "429 comes without Retry-After"


def counted(statuses: Iterable[int]) -> str:
    """Such as ``150 x 200, 3 x 429``."""
    found = Counter(statuses)
    return ", ".join(f"{found[status]} x {status or _NO_ANSWER}" for status in sorted(found))


def result(
    check: Mapping[str, Any], expected: str, got: str, reason: str, *, passed: bool, seconds: float = 0.0
) -> dict[str, Any]:
    shown = {name: check[name] for name in ("section", "name", "model", "user", "kind")}
    return {
        **shown,
        "expected": expected,
        "got": got,
        "passed": passed,
        "reason": reason,
        "latency_ms": round(seconds * 1000, 1),
    }


def _status(answer: Answer) -> str:
    return str(answer.status) if answer.status else _NO_ANSWER
