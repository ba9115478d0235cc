# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strange bytes in the credentials of a connection: sent as they are or refused, and shown by nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given

from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import token_problem
from ansible_collections.llmops.maas.plugins.module_utils._common.masking import as_bytes
from ansible_collections.llmops.maas.plugins.module_utils._kube import config as _kube_config
from ansible_collections.llmops.maas.plugins.modules import cluster_info
from tests.support.echo_server import EchoServer
from tests.support.odd_values import (
    BYTE,
    LINE_END,
    Odd,
    bounded,
    connection,
    kubeconfig,
    odd_bytes,
    odd_value,
    odds,
    run,
)

pytestmark = pytest.mark.usefixtures("alone")

WAYS: dict[str, Callable[[EchoServer, str], dict[str, Any]]] = {
    "option": lambda server, value: {**connection(server), "api_key": value},
    "kubeconfig": lambda server, value: {"kubeconfig": kubeconfig(server, {"token": value})},
    "password": lambda server, value: {"host": server.url, "username": "u", "password": value},
    "basic": lambda server, value: {"kubeconfig": kubeconfig(server, {"username": "u", "password": value})},
    "proxy": lambda server, value: {**connection(server), "proxy": f"http://u:{value}@127.0.0.1:9"},
    "host": lambda server, value: {**connection(server), "host": f"http://u:{value}@{server.url[7:]}"},
}
WAYS_OF_TOKENS = ("option", "kubeconfig")


def connected(server: EchoServer, options: dict[str, Any], secret: Odd, token: str) -> None:
    """Sends a request. The token of the connection has to arrive as it is, where a header can carry it."""
    server.answers = lambda _method, _path: None
    server.authorizations.clear()
    result = run(cluster_info, options, secret)
    assert result["failed"]
    assert "unexpected" not in result["msg"]
    if token:
        expected = [] if token_problem(token) else [f"Bearer {token}".encode()]
        assert server.authorizations == expected, result["msg"]


@pytest.mark.parametrize("way", WAYS)
@bounded
@given(secret=odds())
@example(secret=LINE_END)
@example(secret=odd_value(" {}{}\r\n"))
@example(secret=odd_value("{}/{}é"))
def test_a_connection_shows_no_secret(server: EchoServer, way: str, secret: Odd) -> None:
    connected(server, WAYS[way](server, secret.value), secret, secret.value.strip() if way in WAYS_OF_TOKENS else "")


@bounded
@given(secret=odds(odd_bytes))
@example(secret=odd_value("{}" + BYTE + "{}"))
@example(secret=LINE_END)
def test_a_token_in_a_variable_or_a_file_is_not_shown(server: EchoServer, secret: Odd, tmp_path: Path) -> None:
    value = secret.value.replace("\0", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K8S_AUTH_API_KEY", value)
        connected(server, {"host": server.url}, secret, value.strip())
    (tmp_path / "token").write_bytes(as_bytes(secret.value))
    connected(server, {"kubeconfig": kubeconfig(server, {"tokenFile": str(tmp_path / "token")})}, secret, "")


def test_a_token_with_a_line_end_is_trimmed_wherever_it_comes_from(
    server: EchoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("a.b.c\n")
    monkeypatch.setenv("K8S_AUTH_API_KEY", "a.b.c\r\n")
    for options in (
        {"host": f"{server.url}\n"},
        {"host": server.url, "api_key": " a.b.c\n"},
        {"kubeconfig": kubeconfig(server, {"token": "a.b.c\n"})},
        {"kubeconfig": kubeconfig(server, {"tokenFile": str(tmp_path / "token")})},
    ):
        assert _kube_config.load_settings(options).headers() in (
            {"authorization": "Bearer a.b.c"},
            {"Authorization": "Bearer a.b.c"},
        )


@pytest.mark.parametrize("token", ["two words", "two\nlines", "größe", "nul\0"])
def test_a_token_that_no_header_can_carry_is_refused_by_the_name_of_its_source(server: EchoServer, token: str) -> None:
    server.authorizations.clear()
    for options, source in (
        ({"host": server.url, "api_key": token}, "api_key (K8S_AUTH_API_KEY): the token holds"),
        ({"kubeconfig": kubeconfig(server, {"token": token})}, "kubeconfig: what it holds: the token holds"),
    ):
        result = run(cluster_info, options)
        assert source in result["msg"]
        assert token not in json.dumps(result, ensure_ascii=False)
    assert server.authorizations == []


def test_a_program_that_gives_no_token_is_quoted_without_what_it_was_given(
    server: EchoServer, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = odd_value("{}-{}")
    program = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", 'echo "no login with $LOGIN" >&2; exit 3'],
        "env": [{"name": "LOGIN", "value": secret.value}],
        "interactiveMode": "Never",
    }
    result = run(cluster_info, {"kubeconfig": kubeconfig(server, {"exec": program})}, secret)
    assert "gives no credentials: exec: process returned 3. no login with ********" in result["msg"]
    assert not secret.is_in("".join(capfd.readouterr()))


def test_a_kubeconfig_given_as_mapping_is_not_shown_and_a_path_is(server: EchoServer, tmp_path: Path) -> None:
    secret = odd_value("{}-{}")
    inline = run(cluster_info, {"kubeconfig": kubeconfig(server, {"token": secret.value})}, secret)
    assert inline["invocation"]["module_args"]["kubeconfig"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    wrong = run(cluster_info, {"kubeconfig": kubeconfig(server, {"token": secret.value}), "oops": 1}, secret)
    assert "Unsupported parameters" in wrong["msg"]
    path = run(cluster_info, {"kubeconfig": str(tmp_path / "nowhere")})
    assert path["msg"] == f"kubeconfig: there is no file {tmp_path}/nowhere"
    assert path["invocation"]["module_args"]["kubeconfig"] == str(tmp_path / "nowhere")


def test_a_short_secret_is_covered_where_it_is_a_value_and_not_in_every_word(server: EchoServer) -> None:
    server.answers = lambda _method, _path: None
    result = run(cluster_info, {"host": server.url, "api_key": "e"})
    assert "'Bearer ********'" in result["msg"]
    assert '"Bearer e"' not in result["msg"]
    assert "identity" in result["msg"]  # of Accept-Encoding
    assert result["invocation"]["module_args"]["api_key"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
