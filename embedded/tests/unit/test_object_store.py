# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The object store's parts that need no server: names of Services, SeaweedFS's start, Python environments."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.python_environments import PythonEnvironment
from ansible_collections.llmops.embedded.plugins.modules import python_environments
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins import object_store, service_names
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.kubelet.names import ServiceNames
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError


def service(name: str, address: str | None) -> dict[str, Any]:
    return {"metadata": {"namespace": "store", "name": name}, "spec": {"clusterIP": address}}


def test_the_hosts_file_follows_the_services(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    names = ServiceNames(hosts)
    names.seen(None, service("minio", "127.100.0.5"))
    names.seen("ADDED", service("headless", "None"))
    names.seen("ADDED", service("pending", None))
    assert hosts.read_text() == "127.100.0.5 minio.store.svc.cluster.local minio.store.svc minio.store\n"
    written = hosts.stat().st_mtime_ns
    names.seen("MODIFIED", service("minio", "127.100.0.5"))
    assert hosts.stat().st_mtime_ns == written
    names.seen("MODIFIED", service("minio", "127.100.0.6"))
    assert service_names.address_of("minio.store.svc.cluster.local.", hosts) == "127.100.0.6"
    names.seen("DELETED", service("minio", "127.100.0.6"))
    assert hosts.read_text() == ""


def test_a_process_finds_services_made_later_and_everything_else_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("")
    monkeypatch.setenv(service_names.VARIABLE, str(hosts))
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    service_names.install()
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("minio.store.svc", 9000, type=socket.SOCK_STREAM)
    hosts.write_text("127.100.0.5 minio.store.svc.cluster.local minio.store.svc minio.store\n")
    for name in ("minio.store.svc", b"minio.store"):
        assert socket.getaddrinfo(name, 9000, type=socket.SOCK_STREAM)[0][4] == ("127.100.0.5", 9000)
    assert socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][4] == ("127.0.0.1", 80)
    assert socket.getaddrinfo(None, 80, family=socket.AF_INET, type=socket.SOCK_STREAM)[0][4] == ("127.0.0.1", 80)


def test_the_data_s_folder_is_the_one_that_minio_was_given() -> None:
    assert object_store.data_folder(["server", "/root/data", "--console-address", ":9001"]) == "/root/data"
    for wrong in (["server", "--console-address", ":9001"], ["server", "/a", "/b"], ["/a"], []):
        with pytest.raises(ValueError, match="one folder"):
            object_store.data_folder(wrong)


def test_there_is_one_identity_and_a_login_for_the_console() -> None:
    (only,) = json.loads(object_store.identities("me", "secret"))["identities"]
    assert only["credentials"] == [{"accessKey": "me", "secretKey": "secret"}]
    made = object_store.environment({"MINIO_ROOT_USER": "me", "MINIO_ROOT_PASSWORD": "secret", "HOME": "/x"})
    assert (made["WEED_ADMIN_USER"], made["WEED_ADMIN_PASSWORD"], made["HOME"]) == ("me", "secret", "/x")
    keys = [value for name, value in made.items() if name.startswith("WEED_JWT_")]
    assert len(set(keys)) == len(keys) == 4


def test_an_environment_is_named_after_what_is_in_it(tmp_path: Path) -> None:
    requirements = tmp_path / "some.txt"
    requirements.write_text("a==1\n")
    environment = PythonEnvironment(tmp_path, requirements)
    former = environment.path
    requirements.write_text("a==2\n")
    assert environment.path != former
    with pytest.raises(SuperviseError, match="no Python environment other, only some"):
        PythonEnvironment(tmp_path, tmp_path / "other.txt").make()


def test_an_environment_is_made_once_and_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "empty.txt").write_text("# nothing\n")
    wanted = {"source": str(tmp_path), "names": ["empty"]}
    dry = python_environments.run(wanted, dry=True)
    assert dry["changed"]
    assert not Path(dry["pythons"]["empty"]).exists()
    assert python_environments.run(wanted, dry=False) == dry
    assert Path(dry["pythons"]["empty"]).exists()
    assert not python_environments.run(wanted, dry=False)["changed"]

    (tmp_path / "bad.txt").write_text(f"{tmp_path}/nowhere.whl\n")
    with pytest.raises(SuperviseError, match=r"environment bad could not be made: (?s:.*)nowhere.whl"):
        python_environments.run({**wanted, "names": ["bad"]}, dry=False)
    assert [path.name for path in (tmp_path / "cache/llmops-maas/python").glob("*") if "bad" in path.name] == []
    assert list((tmp_path / "cache/llmops-maas/python").glob(".making-*")) == []
