# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of a verification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import laid_out
from ansible_collections.llmops.maas.plugins.plugin_utils._report.verify_report import About, failure, lines
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.plan import LeftOut, kinds
from tests.support.plays import playbook, run, within
from tests.support.verification import planned, platform

ABOUT = About(["access", "tokens", "limits"], "http://127.0.0.1:8000", "localhost", "/tmp/verify")


def result(section: str, name: str, got: str, expected: str = "200", reason: str = "") -> dict[str, Any]:
    return {
        "section": section,
        "name": name,
        "got": got,
        "expected": expected,
        "passed": got == expected,
        "reason": reason,
        "model": "m",
        "user": "u",
        "kind": "chat",
        "latency_ms": 1.0,
    }


RESULTS = [
    result("access", "qwen chat as admin", "200"),
    result("access", "mistral chat as admin", "404", reason="no route leads there"),
    result(
        "limits", "qwen 2 requests in 60 s", "2 x 200, 3 x 429", "2 x 200, 3 x 429", "429 comes without Retry-After"
    ),
    result("backend", "no key reaches the backend", "none", "none"),
]
OWN_KEYS = "they are tried with keys that would have to be made"
SHOWN = [
    "Gateway http://127.0.0.1:8000, host localhost",
    "ACCESS: 2 checks, 1 failed",
    "        GOT  EXPECTED  CHECK                  REASON",
    "  ok    200  200       qwen chat as admin",
    "  FAIL  404  200       mistral chat as admin  no route leads there",
    "TOKENS: no checks",
    "LIMITS: 1 check, 0 failed",
    "      GOT               EXPECTED          CHECK                    REASON",
    "  ok  2 x 200, 3 x 429  2 x 200, 3 x 429  qwen 2 requests in 60 s  429 comes without Retry-After",
    "BACKEND: 1 check, 0 failed",
    "      GOT   EXPECTED  CHECK",
    "  ok  none  none      no key reaches the backend",
    "4 checks, 1 failed, reports in /tmp/verify",
]


def left_out(*sections: str) -> list[LeftOut]:
    """What check mode leaves out of these sections."""
    return planned(verify_only=sections, check_mode=True)["unchecked"]


def test_each_section_is_a_table_also_one_that_nobody_knows() -> None:
    assert laid_out(lines(RESULTS, ABOUT)) == SHOWN


def test_the_status_is_what_is_coloured() -> None:
    painted = laid_out(lines(RESULTS[:2], ABOUT), lambda words, style: f"<{style}:{words}>")
    assert painted[1] == "<heading:ACCESS: 2 checks, 1 failed>"
    assert painted[3].startswith("  <ok:ok>    <plain:200>")
    assert painted[4].startswith("  <failed:FAIL>  <plain:404>")
    assert painted[-1].startswith("<failed:2 checks, 1 failed")
    assert laid_out(lines(RESULTS[:1], ABOUT), lambda words, style: style)[-1] == "ok"
    assert laid_out(lines([], ABOUT), lambda words, style: style)[-1] == "warning"


def test_a_failure_counts_and_names_the_first_faults() -> None:
    assert failure(RESULTS[:1]) == ""
    assert failure(RESULTS).split("\n") == [
        "1 of 4 checks failed:",
        "mistral chat as admin: expected 200, got 404 (no route leads there)",
    ]
    many = failure([result("access", f"check {number}", "500") for number in range(5)]).split("\n")
    last = ["check 2: expected 200, got 500", "and 2 more, see the table above"]
    assert [many[0], *many[3:]] == ["5 of 5 checks failed:", *last]


def test_check_mode_says_what_it_left_out() -> None:
    about = About(["access", "credentials", "limits"], "u", "h", unchecked=left_out("access", "credentials", "limits"))
    assert laid_out(lines(RESULTS[:1], about))[-3:] == [
        "1 check, 0 failed",
        f"Not checked (check mode): limits, because {OWN_KEYS}",
        f"Not checked (check mode): expired and removed keys, because {OWN_KEYS}",
    ]
    assert left_out("access") == []
    assert planned(verify_only=["limits"])["unchecked"] == []


def test_with_tokens_alone_limits_are_said_to_be_left_out() -> None:
    unchecked = planned(verify_only=["limits"], auth_mode="jwt", users=[])["unchecked"]
    about = About(["limits"], "u", "h", unchecked=unchecked)
    reason = "only tokens are taken, and a token's user cannot be a new one for each run"
    assert laid_out(lines([], about))[-1] == f"Not checked: limits, because {reason}"


def test_monitoring_is_shown_when_it_is_asked_for() -> None:
    def workload(name: str, ready: int, **spec: int) -> dict[str, Any]:
        status = {"readyReplicas": ready} if ready else {}
        return {"metadata": {"namespace": "obs", "name": name}, "spec": spec, "status": status}

    shown = laid_out(lines([], About([], "u", "h"), [workload("grafana", 1), workload("prometheus", 1, replicas=2)]))
    assert shown[1:4] == ["MONITORING", "  ok         1 of 1  obs/grafana", "  not ready  1 of 2  obs/prometheus"]
    assert laid_out(lines([], About([], "u", "h"), [workload("off", 0, replicas=0)]))[2] == "  ok  0 of 0  obs/off"
    assert "MONITORING: not deployed" in laid_out(lines([], About([], "u", "h"), []))


def with_targets(*active: dict[str, Any], error: str = "") -> list[str]:
    """What is shown of the monitoring when Prometheus says this of its targets."""
    asked = {"answer": None if error else {"data": {"activeTargets": list(active)}}, "error": error}
    return laid_out(lines([], About([], "u", "h"), [], asked))[2:-1]


def scraped(health: str, error: str = "", **labels: str) -> dict[str, Any]:
    url = "http://10.0.0.7:8080/metrics"
    return {"health": health, "lastError": error, "labels": {"namespace": "llm", **labels}, "scrapeUrl": url}


def test_targets_that_are_down_are_named_with_the_reason() -> None:
    up, down = scraped("up", pod="qwen-1"), scraped("down", "connection refused", pod="granite-1", service="granite")
    assert with_targets(up, up) == ["SCRAPE TARGETS: 2 of 2 up"]
    assert with_targets(up, scraped("unknown", service="nomic"), down) == [
        "SCRAPE TARGETS: 1 of 3 up",
        "  down           llm/granite-1 http://10.0.0.7:8080/metrics  connection refused",
        "  not asked yet  llm/nomic http://10.0.0.7:8080/metrics",
    ]


def test_a_prometheus_that_does_not_answer_is_no_sound_one() -> None:
    assert with_targets(error="no endpoints available") == [
        "SCRAPE TARGETS: unknown, because Prometheus was not reached: no endpoints available"
    ]


@pytest.fixture
def verification(tmp_path: Path) -> Path:
    """The last part of the role, with results as the parts before leave them."""
    variables = {
        "__verify_results": RESULTS,
        "__verify_found": {"resources": [[]] * len(kinds(platform()))},
        "__verify_probe": "probe-1",
        "maas_users": [{"name": "u", "groups": ["admin"]}],
        "maas_gateway_url": ABOUT.url,
        "maas_verify_only": ABOUT.sections,
        "maas_verify_report_dir": str(tmp_path / "reports"),
    }
    role = {"name": "llmops.maas.verify", "tasks_from": "report"}
    return playbook(tmp_path, {"ansible.builtin.include_role": role}, **variables)


def test_the_role_prints_the_report_and_fails_in_short(verification: Path, tmp_path: Path) -> None:
    done = run(verification)
    assert done.returncode == 2, done.stdout + done.stderr
    shown = [*SHOWN[:-1], f"4 checks, 1 failed, reports in {tmp_path}/reports"]
    assert within(done.stdout.split("\n"), shown), done.stdout
    assert "1 of 4 checks failed:" in done.stdout + done.stderr
    report = json.loads((tmp_path / "reports/verify.json").read_text())
    assert (report["passed"], report["unchecked"], len(report["results"])) == (False, [], 4)
    assert (tmp_path / "reports/verify.xml").exists()


def test_the_role_says_in_check_mode_what_it_left_out(verification: Path, tmp_path: Path) -> None:
    done = run(verification, "--check")
    unchecked = "limits, because they are tried with keys that would have to be made"
    assert f"Not checked (check mode): {unchecked}" in done.stdout.split("\n"), done.stdout + done.stderr
    assert json.loads((tmp_path / "reports/verify.json").read_text())["unchecked"] == [unchecked]
