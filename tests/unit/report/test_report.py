# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as people see them: on a terminal, in a pipe, under ansible-runner, and beside output for programs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import in_words, unchecked
from ansible_collections.llmops.maas.plugins.plugin_utils._report.display import host_prefix, is_quiet, shows_on_stdout
from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import (
    LayoutError,
    Part,
    laid_out,
    read_part,
    table,
    text,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._report.reports import forwards, rotation
from ansible_collections.llmops.maas.plugins.plugin_utils._report.unchecked import note, noted, of_check_mode
from tests.support.plays import on_a_terminal, playbook, run, within

LONG = "x" * 300
LINES: list[Any] = [
    {"text": "MODELS", "style": "heading"},
    {
        "heading": ["", "GOT", "CHECK"],
        "rows": [
            [{"text": "ok", "style": "ok"}, 200, 'it\'s "quoted": yes'],
            [{"text": "FAIL", "style": "failed"}, 404, LONG],
        ],
        "indent": 2,
    },
    {"text": "careful", "style": "warning"},
]
SHOWN = [
    "MODELS",
    "        GOT  CHECK",
    '  ok    200  it\'s "quoted": yes',
    f"  FAIL  404  {LONG}",
    "careful",
]
GREEN, RED, YELLOW, BOLD, END = "\033[0;32m", "\033[0;31m", "\033[0;33m", "\033[1m", "\033[0m"
COLOURED = [
    f"{BOLD}MODELS{END}",
    f"        {BOLD}GOT{END}  {BOLD}CHECK{END}",
    f'  {GREEN}ok{END}    200  it\'s "quoted": yes',
    f"  {RED}FAIL{END}  404  {LONG}",
    f"{YELLOW}careful{END}",
]


# Layout


def test_columns_are_as_wide_as_their_content_and_nothing_trails() -> None:
    part = table([["a", "", "wide cell", ""], ["long name", "", "b", "c"], ["d", "", "", ""]], ["N", "GONE", "X", "Y"])
    assert laid_out([part]) == [
        "N          X          Y",
        "a          wide cell",
        "long name  b          c",
        "d",
    ]


def test_a_table_without_rows_is_nothing() -> None:
    assert laid_out([table([], ["A", "B"]), text("end")]) == ["end"]


def test_rows_may_be_of_different_lengths() -> None:
    assert laid_out([table([["a"], ["b", "c"]], indent=1)]) == [" a", " b  c"]


def test_what_servers_say_cannot_move_the_cursor() -> None:
    told = "bad\x1b[2J\r\nnews\x07"
    assert laid_out([text(told), table([[told, "x"]])]) == ["bad [2J", "news", "bad [2J news  x"]


def test_painting_does_not_change_widths() -> None:
    rows: list[Any] = [[text("ok", "ok"), "one"], [text("FAIL", "failed"), "two"]]
    assert laid_out([table(rows)], lambda words, style: f"<{style}:{words}>") == [
        "<ok:ok>    <plain:one>",
        "<failed:FAIL>  <plain:two>",
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"style": "ok"}, "lines[0]: give a text"),
        ({"text": "a", "style": "loud"}, "lines[0].style: 'loud' is not one of plain, heading"),
        ({"text": "a", "colour": "red"}, "lines[0]: unknown field colour; known are style, text"),
        ({"rows": "a"}, "lines[0].rows: give a list of rows"),
        ({"rows": ["a"]}, "lines[0].rows[0]: give a list of cells"),
        ({"rows": [[["a"]]]}, "lines[0].rows[0][0]: give a text"),
        ({"rows": [], "indent": -1}, "lines[0].indent: give a number"),
        ({"rows": [], "head": []}, "lines[0]: unknown field head; known are heading, indent, rows"),
    ],
)
def test_mistakes_in_parts_are_named(given: Any, words: str) -> None:
    with pytest.raises(LayoutError) as caught:
        read_part(given, "lines[0]")
    assert words in str(caught.value)


# Where it goes


@pytest.mark.parametrize(
    ("callback", "environment", "stdout"),
    [
        ("default", {}, True),
        ("ansible.builtin.default", {}, True),
        ("community.general.yaml", {}, True),
        ("json", {}, False),
        ("ansible.posix.jsonl", {}, False),
        ("minimal", {}, False),
        ("somebodys.own.callback", {}, False),
        ("awx_display", {}, True),
        ("awx_display", {"ORIGINAL_STDOUT_CALLBACK": "ansible.posix.json"}, False),
        ("default", {"ORIGINAL_STDOUT_CALLBACK": "json"}, True),
    ],
)
def test_output_for_programs_is_left_alone(callback: str, environment: dict[str, str], stdout: bool) -> None:
    assert shows_on_stdout(callback, environment) is stdout


@pytest.mark.parametrize(
    ("environment", "verbosity", "quiet"),
    [
        ({}, 0, False),
        ({"AWX_ISOLATED_DATA_DIR": "/x"}, 0, True),
        ({"AWX_HOST": "h"}, 0, True),
        ({"AWX_HOST": "h"}, 1, False),
    ],
)
def test_programs_see_no_progress_unless_asked(environment: dict[str, str], verbosity: int, quiet: bool) -> None:
    assert is_quiet(environment, verbosity) is quiet


def test_several_hosts_are_told_apart() -> None:
    assert [host_prefix({"inventory_hostname": name}) for name in ("localhost", "node1")] == ["", "[node1] "]


def test_what_was_not_checked_is_kept_once_and_in_order(tmp_path: Path) -> None:
    assert noted(str(tmp_path)) == []
    note([unchecked("b\nc", "why", ["1", "2"]), unchecked("a", "d")], str(tmp_path))
    note([unchecked("a", "d"), unchecked("b\nc", "why", ["3", "1"])], str(tmp_path))
    assert noted(str(tmp_path)) == [unchecked("b\nc", "why", ["1", "2", "3"]), unchecked("a", "d")]
    assert laid_out(of_check_mode([unchecked("a", "d")])) == ["Not checked (check mode): a, because d"]
    assert in_words(unchecked("a", "d", ["1", "2", "3"]), most=2) == "a, because d: 1, 2 and 1 more"


# The plugin itself


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return playbook(tmp_path, {"name": "Show", "llmops.maas.report": {"lines": LINES}})


def test_a_terminal_gets_colours(report: Path) -> None:
    assert within(on_a_terminal(report), COLOURED)


def test_who_wants_no_colours_gets_none(report: Path) -> None:
    assert within(on_a_terminal(report, ANSIBLE_NOCOLOR="1"), SHOWN)


def test_a_pipe_gets_the_same_lines_without_colours_and_only_once(report: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run(report, "-v", ANSIBLE_LOG_PATH=str(log))
    assert done.returncode == 0, done.stderr
    assert within(done.stdout.split("\n"), SHOWN)
    assert done.stdout.count(LONG) == 1
    assert done.stdout.count("\033") == 0
    assert f"  FAIL  404  {LONG}" in log.read_text().split("\n")


def test_colours_that_are_asked_for_do_not_get_into_the_log(report: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run(report, ANSIBLE_FORCE_COLOR="1", ANSIBLE_LOG_PATH=str(log))
    assert within(done.stdout.split("\n"), COLOURED)
    assert "\033" not in log.read_text()
    assert "  ok    200" in log.read_text()


# As ansible.posix.json: a document at the end.
JSON_CALLBACK = """
import json
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = "{name: document, type: stdout, short_description: JSON, description: JSON}"

class CallbackModule(CallbackBase):
    CALLBACK_TYPE, CALLBACK_NAME = "stdout", "document"

    def __init__(self):
        super().__init__()
        self.results = []

    def v2_runner_on_ok(self, result):
        found = getattr(result, "result", None) or result._result
        self.results.append({name: value for name, value in found.items() if not name.startswith("_")})

    def v2_playbook_on_stats(self, stats):
        self._display.display(json.dumps(self.results))
"""


def test_json_stays_json(report: Path, tmp_path: Path) -> None:
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks/document.py").write_text(JSON_CALLBACK)
    done = run(report, ANSIBLE_STDOUT_CALLBACK="document", ANSIBLE_CALLBACK_PLUGINS=str(tmp_path / "callbacks"))
    assert json.loads(done.stdout) == [{"changed": False, "lines": len(SHOWN)}], done.stderr
    assert within(done.stderr.split("\n"), SHOWN)


def test_the_minimal_callback_has_its_output_to_itself(report: Path) -> None:
    done = run(report, ANSIBLE_STDOUT_CALLBACK="minimal")
    assert LONG not in done.stdout
    assert within(done.stderr.split("\n"), SHOWN)


def test_runner_gets_plain_events(report: Path, tmp_path: Path) -> None:
    # A tool of development: not there where the built collection is tested on other releases of Ansible.
    ansible_runner = pytest.importorskip("ansible_runner")
    private = tmp_path / "runner"
    (private / "project").mkdir(parents=True)
    (private / "project/play.yml").write_text(report.read_text())
    variables = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "ANSIBLE_FORCE_COLOR": "1"}
    options: dict[str, Any] = {"private_data_dir": str(private), "playbook": "play.yml", "inventory": "localhost,"}
    done = ansible_runner.run(**options, envvars=variables, quiet=True)
    assert done.rc == 0, done.stdout.read()
    (shown,) = [event["stdout"] for event in done.events if LONG in event["stdout"]]
    assert shown.replace("\r\n", "\n").split("\n") == SHOWN


def test_no_log_hides_the_lines(tmp_path: Path) -> None:
    path = playbook(tmp_path, {"llmops.maas.report": {"lines": ["topsecret"]}, "no_log": True})
    done = run(path, "-vvv")
    assert "topsecret" not in done.stdout + done.stderr
    assert "(a report that no_log hides)" in done.stdout


def test_lines_of_other_hosts_bear_their_name(tmp_path: Path) -> None:
    path = playbook(tmp_path, {"llmops.maas.report": {"lines": ["a line"]}})
    path.write_text(path.read_text().replace('"localhost"', '"node1"'))
    done = run(path, "-i", "node1,")
    assert "[node1] a line" in done.stdout.split("\n")


def test_mistakes_in_a_task_are_named(tmp_path: Path) -> None:
    done = run(playbook(tmp_path, {"llmops.maas.report": {"lines": [{"txt": "a"}]}}))
    assert done.returncode != 0
    assert "lines[0]: give a text, or a dictionary with text or rows" in " ".join((done.stdout + done.stderr).split())


def test_a_report_in_check_mode_ends_with_what_was_not_checked(tmp_path: Path) -> None:
    answers = unchecked("whether it answers", "it is off")
    tasks: list[dict[str, Any]] = [
        {"llmops.maas.report": {"unchecked": [answers]}},
        {"llmops.maas.report": {"lines": ["first"]}},
        {"llmops.maas.report": {"unchecked": [unchecked("whether it stays", "it is slow"), answers]}},
        {"llmops.maas.report": {"lines": ["last"]}},
    ]
    path = playbook(tmp_path, *tasks)
    checked = run(path, "--check").stdout.split("\n")
    first = ["Not checked (check mode): whether it answers, because it is off"]
    assert within(checked, ["first", *first])
    assert within(checked, ["last", *first, "Not checked (check mode): whether it stays, because it is slow"])
    assert "Not checked" not in run(path).stdout


def parts_of(given: list[Any]) -> list[Part]:
    return [read_part(part, "lines") for part in given]


def test_the_expected_lines_are_those_of_the_layout() -> None:
    assert laid_out(parts_of(LINES)) == SHOWN


# Tables of results


def test_a_rotation_is_a_row_for_each_key() -> None:
    row = {"user": "", "name": "api-key-a", "action": "rotate", "successor": "", "reason": "due", "error": ""}
    rows: list[dict[str, Any]] = [
        {**row, "user": "alice", "status": "waiting", "successor": "api-key-a-2", "retire_after": "2026-01-02"},
        {**row, "status": "failed", "error": "it is refused", "retire_after": ""},
    ]
    counts = {"keys": 2, "due": 2, "rotated": 1, "retired": 0, "waiting": 1, "failed": 1, "not_started": 0}
    assert laid_out(rotation(rows, counts)) == [
        "USER    KEY        ACTION  STATUS   NEW KEY      DETAIL",
        "alice   api-key-a  rotate  waiting  api-key-a-2  old key ends 2026-01-02",
        "(none)  api-key-a  rotate  failed   -            it is refused",
        "2 keys: 2 due, 1 rotated, 0 old ones deleted, 1 in their grace period, 1 failed, 0 not started",
    ]


def test_forwarded_ports_are_a_row_each() -> None:
    row = {"name": "gateway", "url": "http://127.0.0.1:8000", "target": "llm/gate:80", "state": "forwarding", "why": ""}
    dead = {**row, "name": "minio", "state": "dead", "why": "nothing answers behind it"}
    assert laid_out(forwards([row, dead], ["grafana"])) == [
        "gateway  http://127.0.0.1:8000  forwarding  llm/gate:80",
        "minio    http://127.0.0.1:8000  dead        llm/gate:80  nothing answers behind it",
        "Not in this cluster: grafana",
    ]
    assert laid_out(forwards([], [])) == ["Nothing is forwarded."]


def test_modules_leave_to_the_report_what_they_could_not_check(tmp_path: Path) -> None:
    resource = {"api_version": "apps/v1", "kind": "Deployment", "namespace": "a", "name": "istiod"}
    wait = {"llmops.maas.resource_wait": {"resources": [resource]}}
    models = {"llmops.maas.inference_service_wait": {"namespace": "llm", "names": ["qwen", "granite"]}}
    path = playbook(tmp_path, wait, models, wait, {"llmops.maas.report": {"lines": ["Summary"]}})
    left = unchecked(
        "readiness",
        "nothing is waited for",
        ["Deployment istiod", "InferenceService qwen", "InferenceService granite"],
    )
    wanted = ["Summary", f"Not checked (check mode): {in_words(left)}"]
    for keep in ("0", "1"):
        done = run(path, "--check", ANSIBLE_KEEP_REMOTE_FILES=keep, ANSIBLE_REMOTE_TMP=str(tmp_path / "remote"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert within(done.stdout.split("\n"), wanted), done.stdout


def test_what_runs_in_check_mode_of_its_own_accord_leaves_nothing_out(tmp_path: Path) -> None:
    resource = {"api_version": "apps/v1", "kind": "Deployment", "namespace": "a", "name": "istiod"}
    wait = {"llmops.maas.resource_wait": {"resources": [resource]}, "check_mode": True}
    done = run(playbook(tmp_path, wait, {"llmops.maas.report": {"lines": ["Summary"]}}))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Not checked" not in done.stdout
