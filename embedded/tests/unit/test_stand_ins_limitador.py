# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Limitador stand-in: actions evaluated for a request, limits and counters; and the vLLM stand-in's arguments."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.limitador import (
    __main__ as server,
)
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.limitador import (
    actions,
    limits,
    rls,
)
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.vllm.__main__ import simulator_arguments
from tests.support import gateway_objects as objects

TOKENS = 'responseBodyJSON("/usage/total_tokens")'
# As the operator writes it.
FILE = """
- conditions: ['descriptors[0]["limit.per_user__1"] == "1"']
  max_value: 2
  name: per-user
  namespace: llm/model
  seconds: 60
  variables: ['descriptors[0]["auth.identity.userid"]']
- conditions: ['descriptors[0]["limit.per_user__1"] == "1"']
  max_value: 3
  name: per-user
  namespace: llm/model
  seconds: 3600
  variables: ['descriptors[0]["auth.identity.userid"]']
"""


def facts(action: dict[str, Any], user: str = "ann", groups: str = "free,staff", **more: str) -> dict[str, str]:
    identity = {"identity": {"userid": user, "groups": groups}}
    request = {"request.method": "POST", "request.path": "/qwen/v1/completions?x=1", "request.host": "models"}
    return {actions.ACTION: json.dumps(action), actions.AUTH_DATA: json.dumps(identity), **request, **more}


def test_an_action_asks_with_the_callers_identity() -> None:
    asked = actions.question(facts(objects.limit_action()))
    assert asked == actions.Question("llm/model", {"limit.per_user__1": "1", "auth.identity.userid": "ann"}, 1)


@pytest.mark.parametrize(
    ("predicate", "holds"),
    [
        ('auth.identity.groups.split(",").exists(g, g == "free")', True),
        ('auth.identity.groups.split(",").exists(g, g == "premium")', False),
        ('"staff" in auth.identity.groups.split(",")', True),
        ('auth.identity.userid == "ann"', True),
        ('request.method == "POST"', True),
        ('request.method == "GET"', False),
        ('request.path.startsWith("/qwen/")', True),
        ('request.url_path == "/qwen/v1/completions"', True),
        ('request.headers["x-tier"] == "gold"', True),
        ('queryMap(request.query)["x"] == "1"', True),
    ],
)
def test_predicates_decide_whether_a_limit_applies(predicate: str, holds: bool) -> None:
    given = facts(objects.limit_action(predicates=[predicate]), **{f"{actions.HEADER}x-tier": "gold"})
    assert (actions.question(given) is not None) is holds


def test_the_answers_tokens_are_the_hits() -> None:
    body = {actions.RESPONSE_BODY: json.dumps({"/usage/total_tokens": 59.0})}
    asked = actions.question(facts(objects.limit_action(hits=TOKENS), **body))
    assert asked is not None
    assert asked.hits == 59
    assert "ratelimit.hits_addend" not in asked.entries


@pytest.mark.parametrize("predicate", ["auth.identity.nobody == 'x'", "request.", "nothing(1)"])
def test_what_cannot_be_evaluated_is_an_error_with_the_expression(predicate: str) -> None:
    with pytest.raises(actions.ExpressionError) as caught:
        actions.question(facts(objects.limit_action(predicates=[predicate])))
    assert predicate in str(caught.value)


@pytest.fixture
def service(tmp_path: Path) -> server.Service:
    (tmp_path / "limits.yaml").write_text(FILE)
    found = limits.LimitsFile(tmp_path / "limits.yaml")
    assert found.refresh()
    return server.Service(found)


def test_each_user_has_a_count_of_its_own(service: server.Service) -> None:
    action = objects.limit_action()
    assert [service.refused("ratelimit", facts(action)) for _unused in range(3)] == [False, False, True]
    assert service.refused("ratelimit", facts(action, user="ben")) is False


def test_what_one_limit_refuses_no_other_counts(tmp_path: Path) -> None:
    found = limits.parse(json.loads(json.dumps([{**minute(), "max_value": 1}, {**minute(), "seconds": 3600}])))
    counters = limits.Counters()
    entries = {"limit.per_user__1": "1", "auth.identity.userid": "ann"}
    results = [counters.check_and_add(found, "llm/model", entries, 1) for _unused in range(5)]
    assert [item is None for item in results] == [True, False, False, False, False]
    assert counters.check_and_add(found[1:], "llm/model", entries, 1) is None


def minute() -> dict[str, Any]:
    variables = ['descriptors[0]["auth.identity.userid"]']
    return {"namespace": "llm/model", "max_value": 2, "seconds": 60, "variables": variables}


def test_tokens_are_checked_before_and_counted_after(service: server.Service) -> None:
    """As Limitador does: the answer that goes over the limit is let through, the next request is not."""
    check = objects.limit_action(kind="ratelimit-check", hits="0")
    report = facts(objects.limit_action(hits=TOKENS), **{actions.RESPONSE_BODY: '{"/usage/total_tokens": 40}'})
    assert service.refused("ratelimit-check", facts(check)) is False
    assert service.refused("ratelimit-check", facts(check)) is False
    assert service.refused("ratelimit-report", report) is False
    assert service.refused("ratelimit-check", facts(check)) is True


def test_a_limit_for_another_condition_or_namespace_does_not_apply(service: server.Service) -> None:
    other = objects.limit_action(scope="llm/other")
    assert [service.refused("ratelimit", facts(other)) for _unused in range(5)] == [False] * 5


def test_a_limits_file_that_cannot_be_used_leaves_the_last_one(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(FILE)
    found = limits.LimitsFile(file)
    assert found.refresh()
    for number, text in enumerate(("- {namespace: x}", "{", "text"), start=1):
        file.write_text(text)
        os.utime(file, (number, number))
        assert found.refresh() is False
        assert len(found.current) == 2
    file.write_text("[]")
    os.utime(file, (9, 9))
    assert found.refresh()
    assert found.current == []


def test_messages_are_envoys() -> None:
    """Bytes as protoc's own encoding of envoy.service.ratelimit.v3.RateLimitRequest has them."""
    wire = b"\n\x01d\x12\n\n\x08\n\x03key\x12\x01v\x18\x01"
    request = rls.Request.FromString(wire)
    assert request.domain == "d"
    assert [(entry.key, entry.value) for entry in request.descriptors[0].entries] == [("key", "v")]
    assert rls.Response(overall_code=rls.OVER_LIMIT, raw_body=b"x").SerializeToString() == b"\x08\x02*\x01x"


KNOWN = {"model", "port", "served-model-name", "max-model-len", "seed"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (["/m", "--port=8080", "--served-model-name", "a", "b"], ["--model=/m", "--served-model-name", "a", "b"]),
        (["--served-model-name", "a", "--model", "/m"], ["--served-model-name", "a", "--model", "/m"]),
        (["--model=/m", "--dtype", "half", "--trust-remote-code"], ["--model=/m"]),
        (["/m", "--served-model-name", "a", "-tp", "2"], ["--model=/m", "--served-model-name", "a"]),
        (["/m", "--max_model_len=8192", "--seed", "-1"], ["--model=/m", "--max-model-len=8192", "--seed", "-1"]),
        ([], []),
    ],
)
def test_the_simulator_gets_what_it_knows_of_vllms_command_line(own: list[str], expected: list[str]) -> None:
    kept = simulator_arguments(KNOWN, "20001", own)
    assert kept == [*expected, "--force-dummy-tokenizer", "--port=20001"]
