# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of runs: who may take it, and how holders are written down."""

from __future__ import annotations

import getpass
import http.server
import json
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.action import run_lock
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.module_utils._lock.lease import Attempt
from ansible_collections.llmops.maas.plugins.module_utils._lock.lock import (
    EXCLUSIVE,
    HOLDERS,
    SHARED,
    Holder,
    LockError,
    claim,
    lease_of,
    read_holders,
    renewed,
    sentence,
)
from ansible_collections.llmops.maas.plugins.modules import run_lock as module

NOW = datetime(2026, 11, 26, 10, 0, 30, tzinfo=UTC)
ALICE = Holder(
    id="3f9c2a7d",
    mode=EXCLUSIVE,
    user="alice",
    host="build-1",
    pid=4711,
    started=99,
    playbook="site.yml --tags models",
    seconds=60,
    since=NOW - timedelta(seconds=25),
    renewed=NOW - timedelta(seconds=5),
)
BOB = replace(ALICE, id="11111111", user="bob", pid=12, started=3)


@pytest.mark.parametrize(
    ("held", "wanted", "blocks"),
    [(EXCLUSIVE, EXCLUSIVE, True), (EXCLUSIVE, SHARED, True), (SHARED, EXCLUSIVE, True), (SHARED, SHARED, False)],
)
def test_only_sharing_runs_go_side_by_side(held: str, wanted: str, blocks: bool) -> None:
    alice = replace(ALICE, mode=held)
    found = claim([alice], replace(BOB, mode=wanted), NOW)
    assert (list(found.blocking), list(found.beside), list(found.stale)) == ([alice] if blocks else [], [alice], [])


@pytest.mark.parametrize(("seconds", "stale"), [(60, False), (61, True), (-3600, False)])
def test_a_run_that_does_not_renew_is_in_nobodys_way(seconds: int, stale: bool) -> None:
    alice = replace(ALICE, renewed=NOW - timedelta(seconds=seconds))
    found = claim([alice], BOB, NOW)
    assert (list(found.stale), list(found.blocking)) == (([alice], []) if stale else ([], [alice]))


def test_a_run_does_not_wait_for_itself_but_for_a_later_process_with_its_id() -> None:
    again = replace(ALICE, id="22222222")
    assert claim([ALICE], again, NOW) == claim([], again, NOW)
    assert list(claim([ALICE], replace(again, started=100), NOW).blocking) == [ALICE]
    assert list(claim([ALICE], replace(again, host="build-2"), NOW).blocking) == [ALICE]


def test_holders_are_read_as_they_were_written() -> None:
    lease = lease_of([ALICE, BOB], "llm", "llmops-maas", None)
    assert read_holders(lease) == [ALICE, BOB]
    assert lease["spec"] == {
        "holderIdentity": "alice@build-1/4711-3f9c2a7d",
        "leaseDurationSeconds": 60,
        "acquireTime": "2026-11-26T10:00:05.000000Z",
        "renewTime": "2026-11-26T10:00:25.000000Z",
    }


def test_a_change_keeps_what_else_the_lease_holds() -> None:
    found = lease_of([ALICE], "llm", "llmops-maas", None)
    found["metadata"] |= {"resourceVersion": "7", "uid": "u", "labels": {"a": "b"}, "managedFields": [{}]}
    found["metadata"]["annotations"]["note"] = "mine"
    metadata = lease_of([BOB], "llm", "llmops-maas", found)["metadata"]
    assert {part: metadata[part] for part in ("resourceVersion", "uid", "labels")} == {
        "resourceVersion": "7",
        "uid": "u",
        "labels": {"a": "b"},
    }
    assert metadata["annotations"]["note"] == "mine"
    assert "managedFields" not in metadata


def test_what_a_later_version_notes_is_no_mistake() -> None:
    lease = lease_of([ALICE], "llm", "llmops-maas", None)
    (entry,) = json.loads(lease["metadata"]["annotations"][HOLDERS])
    lease["metadata"]["annotations"][HOLDERS] = json.dumps([{**entry, "reason": "later"}])
    assert read_holders(lease) == [ALICE]


@pytest.mark.parametrize("text", [None, "", "{", "[{}]", "[1]", "7", '[{"since": "now"}]'])
def test_a_lease_that_says_nothing_is_refused_with_the_fix(text: str | None) -> None:
    annotations = {} if text is None else {HOLDERS: text}
    lease = {"metadata": {"name": "llmops-maas", "namespace": "llm", "annotations": annotations}}
    with pytest.raises(LockError, match="kubectl --namespace llm delete lease llmops-maas"):
        read_holders(lease)


def test_only_the_holder_itself_is_renewed() -> None:
    assert renewed([ALICE, BOB], BOB.id, NOW) == [ALICE, replace(BOB, renewed=NOW)]
    assert renewed([ALICE], BOB.id, NOW) is None


def test_a_holder_in_words() -> None:
    told = "alice on build-1 (process 4711) has been running site.yml --tags models since 2026-11-26 10:00:05Z"
    assert sentence(ALICE) == told


def test_ctrl_c_does_not_come_between_taking_the_lock_and_keeping_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def note(*_arguments: Any) -> Attempt:
        seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        return Attempt(held=True)

    task = object.__new__(module.Task)
    task._wanted, task._lock = ALICE, SimpleNamespace(take=note)
    monkeypatch.setattr(module, "start", note)
    task._attempt()
    assert [{signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= blocked for blocked in seen] == [True, True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


class Ahead(http.server.BaseHTTPRequestHandler):
    """A server whose clock is an hour ahead."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(int((timestamp or time.time()) + 3600))

    def log_message(self, *_arguments: Any) -> None:
        pass


def test_the_time_is_that_of_the_api_server() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Ahead) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        kube = Kube.connect({"host": f"http://127.0.0.1:{server.server_port}", "api_key": "none"})
        assert abs(kube.now() - datetime.now(UTC)) < timedelta(seconds=5)
        kube.request("GET", "/version")
        thread.join()
    assert abs(kube.now() - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("options", "variables", "words"),
    [
        ({"args": ["playbooks/site.yml"], "tags": ["all"]}, {}, "site.yml"),
        ({"args": ("llmops.maas.site",), "tags": ("models", "auth")}, {}, "llmops.maas.site --tags models,auth"),
        ({"args": ["a.yml", "/b/c.yml"]}, {"awx_job_id": 42}, "a.yml c.yml (AWX job 42)"),
        ({}, {}, "ansible"),
    ],
)
def test_what_runs_is_named(
    monkeypatch: pytest.MonkeyPatch, options: Mapping[str, Any], variables: Mapping[str, Any], words: str
) -> None:
    monkeypatch.setattr(run_lock.context, "CLIARGS", options)
    assert run_lock.this_run(variables)["playbook"] == words


def test_who_runs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock.context, "CLIARGS", {})
    here = run_lock.this_run({})
    assert (here["user"], here["pid"]) == (getpass.getuser(), os.getppid())
    assert run_lock.this_run({})["id"] != here["id"]
    assert run_lock.this_run({"awx_user_name": "carol"})["user"] == "carol"

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(run_lock.getpass, "getuser", nameless)
    assert run_lock.this_run({})["user"] == str(os.getuid())
