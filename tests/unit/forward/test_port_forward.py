# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port forwards: what needs no cluster."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._forward import port_forward as _port_forward
from ansible_collections.llmops.maas.plugins.module_utils._forward.port_forward import Connection, Forward, Forwards
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def forwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forwards:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Forwards("unit")


def forward(port: int) -> Forward:
    return Forward("gateway", "llm", "gate-istio", 80, port)


def test_kubectl_is_told_the_cluster_and_keeps_to_loopback() -> None:
    command = Connection(Path("/etc/config"), "lab").command("/bin/kubectl", forward(8000))
    assert command == (
        "/bin/kubectl",
        "--kubeconfig=/etc/config",
        "--context=lab",
        "--namespace=llm",
        "port-forward",
        "--address=127.0.0.1",
        "svc/gate-istio",
        "8000:80",
    )
    assert "--context=" not in " ".join(Connection(Path("/etc/config")).command("kubectl", forward(8000)))


def test_the_process_that_listens_is_found(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert _port_forward.holder(port) == os.getpid()
    listener.close()
    assert _port_forward.holder(port) == 0


@pytest.mark.parametrize("dry", [False, True])
def test_a_taken_port_is_refused_with_its_holder_before_anything_changes(
    forwards: Forwards, listener: socket.socket, tmp_path: Path, dry: bool
) -> None:
    with pytest.raises(SuperviseError, match=rf"taken by .* \(process {os.getpid()}\)"):
        forwards.start([forward(listener.getsockname()[1])], Connection(tmp_path / "config"), 1, dry=dry)
    assert not (tmp_path / "state").exists()


def test_a_port_answers_only_where_a_server_does(listener: socket.socket) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert _port_forward.answers(server.server_port)
    port = listener.getsockname()[1]
    listener.close()
    assert not _port_forward.answers(port)


def test_without_any_everything_is_stopped(forwards: Forwards) -> None:
    assert [item["state"] for item in forwards.status([forward(8000)])] == ["stopped"]
    assert forwards.stop(dry=False) == []


def test_a_missing_supervisor_is_named_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    kubeconfig = tmp_path / "config"
    kubeconfig.touch()
    forward = _port_forward.Forward("gateway", "llm", "gateway", 80, 0)
    with pytest.raises(SuperviseError, match=r"has no Python package 'supervisor': install it there"):
        _port_forward.Forwards("x").start([forward], _port_forward.Connection(kubeconfig, ""), 1, dry=False)
    assert not (tmp_path / "llmops-maas").exists()
