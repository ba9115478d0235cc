# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Limitador stand-in: actions evaluated for a request, limits and counters; and the vLLM stand-in's arguments."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins import service_names
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.limitador import (
    __main__ as server,
)
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.limitador import (
    actions,
    limits,
    rls,
    storage,
)
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.limitador.metrics import LimitMetrics
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


def refused(service: server.Service, kind: str, *asked: dict[str, str]) -> list[bool]:
    """The answers to questions of one kind, asked one after the other."""

    async def answers() -> list[bool]:
        return [await service.refused(kind, item) for item in asked]

    return asyncio.run(answers())


def test_each_user_has_a_count_of_its_own(service: server.Service) -> None:
    ann, ben = facts(objects.limit_action()), facts(objects.limit_action(), user="ben")
    assert refused(service, "ratelimit", ann, ann, ann, ben) == [False, False, True, False]


def test_what_one_limit_refuses_no_other_counts(tmp_path: Path) -> None:
    found = limits.parse(json.loads(json.dumps([{**minute(), "max_value": 1}, {**minute(), "seconds": 3600}])))
    counters = limits.Counters()
    entries = {"limit.per_user__1": "1", "auth.identity.userid": "ann"}

    async def passed() -> list[bool]:
        asked = [found] * 5 + [found[1:]]
        return [await counters.check_and_add(item, "llm/model", entries, 1) is None for item in asked]

    assert asyncio.run(passed()) == [True, False, False, False, False, True]


def minute() -> dict[str, Any]:
    variables = ['descriptors[0]["auth.identity.userid"]']
    return {"namespace": "llm/model", "max_value": 2, "seconds": 60, "variables": variables}


def test_tokens_are_checked_before_and_counted_after(service: server.Service) -> None:
    """As Limitador does: the answer that goes over the limit is let through, the next request is not."""
    check = objects.limit_action(kind="ratelimit-check", hits="0")
    report = facts(objects.limit_action(hits=TOKENS), **{actions.RESPONSE_BODY: '{"/usage/total_tokens": 40}'})
    assert refused(service, "ratelimit-check", facts(check), facts(check)) == [False, False]
    assert refused(service, "ratelimit-report", report) == [False]
    assert refused(service, "ratelimit-check", facts(check)) == [True]


def counted(service: server.Service) -> dict[str, float]:
    """The metrics by name and labels, as Prometheus reads them."""
    families = text_string_to_metric_families(service.metrics.text().decode())
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in families
        for sample in family.samples
    }


def test_what_was_decided_is_counted_as_limitador_counts_it(service: server.Service) -> None:
    ann, check = facts(objects.limit_action()), facts(objects.limit_action(kind="ratelimit-check", hits="0"))
    report = facts(objects.limit_action(hits=TOKENS), **{actions.RESPONSE_BODY: '{"/usage/total_tokens": 40}'})
    refused(service, "ratelimit", ann)
    refused(service, "ratelimit-check", check)
    refused(service, "ratelimit-report", report)
    refused(service, "ratelimit", ann)
    label = [("limitador_namespace", "llm/model")]
    assert counted(service) == {
        # A report is no call, and a check no hit.
        f"authorized_calls{label}": 2,
        f"authorized_hits{label}": 41,
        f"limited_calls{label}": 1,
        "limitador_up": 1,
        "datastore_partitioned": 0,
    }


def test_a_limit_that_refuses_is_named_where_that_is_asked_for(service: server.Service) -> None:
    service.metrics = LimitMetrics(limit_names=True)
    refused(service, "ratelimit", *[facts(objects.limit_action())] * 3)
    labels = [("limit_name", "per-user"), ("limitador_namespace", "llm/model")]
    assert counted(service)[f"limited_calls{labels}"] == 1


def test_a_limit_for_another_condition_or_namespace_does_not_apply(service: server.Service) -> None:
    other = objects.limit_action(scope="llm/other")
    assert refused(service, "ratelimit", *[facts(other)] * 5) == [False] * 5


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


# --- Redis


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_redis_questions_fail_and_the_message_has_no_password() -> None:
    counts = storage.SharedStorage(f"redis://:hush@127.0.0.1:{closed_port()}/0")
    for question in (counts.get("key"), counts.incr("key", 60)):
        with pytest.raises(storage.StorageUnavailableError) as caught:
            asyncio.run(question)  # type: ignore[arg-type]
        assert "hush" not in str(caught.value)


def test_a_start_without_redis_fails_with_the_place_but_not_the_password() -> None:
    url = f"redis://user:hush@127.0.0.1:{closed_port()}/3"
    counts = storage.SharedStorage(url, Retry(NoBackoff(), 2))
    with pytest.raises(storage.StorageUnavailableError) as caught:
        asyncio.run(counts.connect())
    assert f"Failed to connect to Redis at {url.replace('hush', '****')}: " in str(caught.value)


@pytest.mark.parametrize("url", ["cassandra://:hush@x:1", "hush"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="does not begin with redis://") as caught:
        asyncio.run(storage.SharedStorage(url).connect())
    assert "hush" not in str(caught.value)


def test_names_of_services_are_resolved_as_by_the_clusters_dns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.100.0.9 redis.kuadrant-system.svc.cluster.local redis.kuadrant-system.svc\n")
    monkeypatch.setenv(service_names.VARIABLE, str(hosts))
    asked: list[str] = []

    def elsewhere(host: str, *_arguments: Any, **_options: Any) -> Any:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "asked elsewhere")

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    service_names.install()
    names = ("redis.kuadrant-system.svc.cluster.local", "redis.kuadrant-system.svc", "redis.example.com")
    for name in names:
        with pytest.raises(storage.StorageUnavailableError, match="asked elsewhere"):
            asyncio.run(storage.SharedStorage(f"redis://:hush@{name}:6379").get("key"))
    assert asked == ["127.100.0.9", "127.100.0.9", "redis.example.com"]
    with pytest.raises(storage.StorageUnavailableError, match=r"no Service gone\.x\.svc"):
        asyncio.run(storage.SharedStorage("redis://gone.x.svc:6379").get("key"))
    assert len(asked) == len(names)


@pytest.mark.parametrize(
    ("own", "environment", "expected"),
    [
        ([], "", ("memory", None)),
        (["redis"], "redis://from-environment", ("redis", "redis://from-environment")),
        (["redis", "redis://x"], "", ("redis", "redis://x")),
        (["redis_cached", "--batch-size", "5"], "redis://y", ("redis_cached", "redis://y")),
        (["disk", "/var/counters"], "", ("disk", "/var/counters")),
    ],
)
def test_the_storage_is_the_one_that_the_operator_names(
    monkeypatch: pytest.MonkeyPatch, own: list[str], environment: str, expected: tuple[str, str | None]
) -> None:
    ports = ["--http-port", "8080", "--rls-port", "8081"]
    map_adds = ["--http-port=1", "--rls-port=2"]
    monkeypatch.setattr(sys, "argv", ["limitador", *ports, "/limits.yaml", *own, *map_adds])
    monkeypatch.setenv("LIMITADOR_OPERATOR_REDIS_URL", environment)
    options = server.arguments()
    assert (options.storage, options.url) == expected
    assert (str(options.limits), options.http_port, options.rls_port) == ("/limits.yaml", 1, 2)


def test_redis_without_a_url_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["limitador", "--http-port=1", "--rls-port=2", "/limits.yaml", "redis"])
    monkeypatch.delenv("LIMITADOR_OPERATOR_REDIS_URL", raising=False)
    with pytest.raises(SystemExit):
        server.arguments()
    assert "redis needs a URL" in capsys.readouterr().err


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
