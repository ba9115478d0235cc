# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long module is, while it runs."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._common.progress import Progress, Tally, followed
from ansible_collections.llmops.maas.plugins.plugin_utils._action import progress as _progress
from tests.support.plays import playbook, run

LIMIT = 80


class SlowGateway(ThreadingHTTPServer):
    """Answers 200 so many times, each after some time, and then 429."""

    daemon_threads = True
    seconds = 0.8

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SlowAnswer)
        self.left = LIMIT
        self.lock = threading.Lock()

    def status(self) -> int:
        with self.lock:
            self.left -= 1
            return 200 if self.left >= 0 else 429


class SlowAnswer(BaseHTTPRequestHandler):
    server: SlowGateway

    def do_GET(self) -> None:
        time.sleep(self.server.seconds)
        self.send_response(self.server.status())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def slow_gateway() -> Iterator[SlowGateway]:
    with SlowGateway() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def task(server: SlowGateway) -> dict[str, Any]:
    """A burst without a key, so that no cluster is asked."""
    request = {"name": "limit", "section": "limits", "path": "/", "host": "h", "credentials": "none", "burst": LIMIT}
    connection = {"host": "https://127.0.0.1:9", "api_key": "no-such-key", "validate_certs": False}
    url = f"http://127.0.0.1:{server.server_port}"
    return {"llmops.maas.gateway_check": {**connection, "url": url, "requests": [request]}, "register": "sent"}


@pytest.mark.parametrize("keep", ["0", "1"], ids=["in Ansible's process", "packed"])
def test_requests_are_counted_while_they_are_sent(slow_gateway: SlowGateway, tmp_path: Path, keep: str) -> None:
    check = {"ansible.builtin.assert": {"that": ["sent.passed", "sent.results[0].got == '80 x 200, 3 x 429'"]}}
    options = {"ANSIBLE_KEEP_REMOTE_FILES": keep, "ANSIBLE_REMOTE_TMP": str(tmp_path / "remote")}
    done = run(playbook(tmp_path, task(slow_gateway), check), "-vvv", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"^  limits: (\d+) of 83 requests, 0 wrong$", done.stderr, re.MULTILINE)
    assert told, done.stderr
    # On a busy machine the module may still be there when the last answer is counted.
    assert any(1 < int(number) < 83 for number in told)
    assert "progress-" not in done.stdout
    assert list((tmp_path / "home").rglob("progress-*")) == []


def test_nothing_is_told_of_what_is_over_soon(slow_gateway: SlowGateway, tmp_path: Path) -> None:
    slow_gateway.seconds = 0
    done = run(playbook(tmp_path, task(slow_gateway)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "requests" not in done.stderr


def test_programs_are_told_nothing(slow_gateway: SlowGateway, tmp_path: Path) -> None:
    done = run(playbook(tmp_path, task(slow_gateway)), AWX_ISOLATED_DATA_DIR="/nonexistent")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "requests" not in done.stderr


def test_a_line_is_shown_once_and_again_when_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(_progress, "tell", told.append)
    with _progress.shown("[node1] ", first=0.05, later=0.05) as path:
        time.sleep(0.2)
        assert told == []
        Path(path).write_text("one\n")
        time.sleep(0.3)
        Path(path).write_text("half a li")
        time.sleep(0.3)
        Path(path).write_text("two\n")
        time.sleep(0.3)
    assert told == ["[node1]   one", "[node1]   two"]
    assert not Path(path).exists()


def test_a_shorter_line_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    path.write_text("a long line\n")
    Progress(str(path)).leave("short")
    assert path.read_text() == "short\n"


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    Progress(str(tmp_path / "progress")).leave("line")
    assert list(tmp_path.iterdir()) == []


def test_sections_under_way_are_told() -> None:
    tally = Tally({"access": 2, "hidden": 1, "limits": 10}, Progress(None))
    assert tally.line() == ""
    tally.count("access", right=True)
    assert tally.line() == "access: 1 of 2 requests, 0 wrong"
    tally.count("limits", right=False, requests=4)
    assert tally.line() == "access: 1 of 2 requests, 0 wrong; limits: 4 of 10 requests, 1 wrong"
    tally.count("access", right=True)
    tally.count("limits", right=True, requests=6)
    assert tally.line() == "limits: 10 of 10 requests, 1 wrong"


def test_work_that_does_not_tell_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    path.write_text("")
    seen = iter(range(1000))
    with followed(Progress(str(path)), lambda: f"{next(seen)} done", seconds=0.05):
        time.sleep(0.3)
    assert path.read_text() == "0 done\n"
    last = next(seen)
    assert last > 1
    time.sleep(0.2)
    assert next(seen) == last + 1
