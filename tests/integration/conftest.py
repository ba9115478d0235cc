# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_server import ApiServer
from tests.support.manifests_run import Run


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real etcd and kube-apiserver on loopback; no controllers."""
    server = ApiServer(tmp_path_factory.mktemp("cluster"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


_numbers = itertools.count(1)


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """A new namespace of the test's own. It stays: nothing here could finish its deletion."""
    name = f"test-{next(_numbers)}"
    api_server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
def run(api_server: ApiServer, namespace: str) -> Run:
    """Runs the module's code against the server, with a bundle of the test's own."""
    return Run(api_server, {"bundle": namespace, "namespace": namespace, "timeout": 10})


@pytest.fixture(scope="session")
def checkout() -> Path:
    return Path(__file__).resolve().parents[2]


def pytest_configure() -> None:
    # A run that is asked to end must still stop its servers: fixtures are torn down for an exception only.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
