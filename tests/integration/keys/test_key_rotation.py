# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotating API keys under the eyes of the real Authorino: traffic, kills at every write, restarts, and secrecy."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ansible_runner
import grpc
import pytest

from ansible_collections.llmops.maas.plugins.modules import api_key, api_key_info
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import printed
from tests.support.deployment import CHECKOUT, Deployment, authorino_status, platform
from tests.support.key_proxy import AFTER, BEFORE, CONFLICT, proxied
from tests.support.key_traffic import Connection, Traffic

MODEL = "mistral-7b-instruct"
NAMESPACE = "kuadrant-system"
CONTROLLERS = ["pilot-discovery", "kuadrant-operator", "authorino-operator", "authorino", "limitador-operator"]
# Nothing answers for the model, but there is where its route leads to.
BACKEND = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": f"{MODEL}-predictor", "namespace": "llm"},
    "spec": {"ports": [{"port": 80}]},
}
# The users of these tests are in one group, which may do everything.
GROUPS: dict[str, Any] = {
    "maas_groups": [
        {"name": name, "endpoints": ["all"]} for name in ("premium", "admin", "developer", "user", "readonly")
    ],
    "maas_tiers": [{"name": "all", "groups": ["premium", "admin", "developer", "user", "readonly"]}],
    "maas_model_list": False,
}
PROBE = {"method": "authorino_service", "timeout": "30s"}


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployment]:
    """Only what gives a real Authorino: no models."""
    models = [{"name": MODEL, "paths": ["/mistral"], "storage_uri": "hf://example/model", "request_limits": "50/min"}]
    for deployment in platform(maas_models=models, embedded_cluster_controllers=CONTROLLERS, **GROUPS):
        first = deployment.playbook("site.yml", "--tags", "istio,kuadrant")
        assert first.code == 0, first.output
        made = deployment.module("manifests", definitions=[BACKEND])
        assert made.code == 0, made.output
        policies = deployment.playbook("site.yml", "--tags", "auth")
        assert policies.code == 0, policies.output
        yield deployment


_numbers = itertools.count(1)


class Site:
    """Keys on the deployment, and what Authorino says to them."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self.deployment = deployment
        self.folder = folder
        configs = deployment.get("authorino.kuadrant.io/v1beta3", "authconfigs", NAMESPACE)
        self.hosts = sorted({host for config in configs for host in config["spec"]["hosts"]})
        service = deployment.get("v1", "services", NAMESPACE, "authorino-authorino-authorization")
        self.address = (service["spec"]["clusterIP"], 5001)

    def module(self, module: Any, **options: Any) -> dict[str, Any]:
        given = {"kubeconfig": str(self.deployment.kubeconfig), **options}
        result: dict[str, Any] = json.loads(printed(module, given))
        assert not result.get("failed"), result
        return result

    def users(self, count: int) -> list[str]:
        """New users with a key each, which Authorino knows."""
        made = [f"user-{next(_numbers)}" for _unused in range(count)]
        for user in made:
            self.module(api_key, user=user, groups=["premium"])
        for user in made:
            self.until(lambda user=user: self.status(self.values(user)[f"api-key-{user}"]) == 200)
        return made

    def secrets(self, user: str) -> list[dict[str, Any]]:
        found = self.deployment.get("v1", "secrets", NAMESPACE)
        return [
            item for item in found if item["metadata"].get("annotations", {}).get("secret.kuadrant.io/user-id") == user
        ]

    def values(self, user: str) -> dict[str, str]:
        return {item["metadata"]["name"]: plain(item["data"]["api_key"]) for item in self.secrets(user)}

    def status(self, value: str) -> int:
        return authorino_status(self.deployment, self.hosts[0], f"APIKEY {value}")

    @staticmethod
    def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def delivery(self) -> dict[str, Any]:
        return {"secret": {"namespace": "default", "name": "for-${user}"}, "file": "${lineage}"}

    def rotation(self, kubeconfig: Path | None = None, **options: Any) -> subprocess.Popen[str]:
        """A running rotation in a process of its own."""
        given = {
            "kubeconfig": str(kubeconfig or self.deployment.kubeconfig),
            "probe": PROBE,
            "delivery": self.delivery(),
            "grace": "1s",
            "force": True,
            "concurrency": 4,
            **options,
        }
        command = [
            sys.executable,
            str(CHECKOUT / "tests/support/rotate_once.py"),
            json.dumps(given),
            str(self.folder),
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def rotate(self, kubeconfig: Path | None = None, **options: Any) -> dict[str, Any]:
        """A rotation to its end."""
        process = self.rotation(kubeconfig, **options)
        output, errors = process.communicate(timeout=120)
        assert output, errors
        result: dict[str, Any] = json.loads(output)
        return result

    def check_one_key(self, user: str, former: set[str]) -> None:
        """The user has one Secret, whose key works and was delivered; all former ones are refused."""
        ((name, value),) = self.values(user).items()
        assert value not in former
        assert self.status(value) == 200
        assert plain(self.deployment.get("v1", "secrets", "default", f"for-{user}")["data"]["api_key"]) == value
        files = [path for path in self.folder.iterdir() if user in re.split(r"[^a-z0-9-]|^api-key-", path.name)]
        assert [path.read_text() for path in files] == [value], (name, files)
        for old in former:
            self.until(lambda old=old: self.status(old) == 401, 2)


def plain(text: str) -> str:
    return base64.b64decode(text).decode()


@pytest.fixture
def site(deployed: Deployment, tmp_path: Path) -> Site:
    return Site(deployed, tmp_path)


def test_what_site_yml_issued_is_rotated_and_not_undone(site: Site) -> None:
    assert site.status("admin-key-12345") == 200
    preview = site.deployment.playbook("playbooks/rotate_api_keys.yml", "--tags", "preview", maas_key_force=True)
    assert preview.code == 0, preview.output
    assert "api-key-admin" in preview.output
    assert site.values("admin") == {"api-key-admin": "admin-key-12345"}
    run = site.deployment.playbook("playbooks/rotate_api_keys.yml", maas_key_force=True, maas_key_grace="1s")
    assert run.code == 0, run.output
    assert "4 keys: 4 due, 4 rotated, 4 old ones deleted" in run.output
    for key in ("admin-key-12345", "dev-key-67890", "user-key-abcdef", "readonly-key-999"):
        assert site.status(key) == 401
    ((name, value),) = site.values("admin").items()
    assert site.status(value) == 200
    again = site.deployment.playbook("site.yml", "--tags", "auth")
    assert again.code == 0, again.output
    assert again.recap()["changed"] == 0, again.output
    assert site.values("admin") == {name: value}


def test_a_failed_user_fails_the_playbook_with_a_table(site: Site) -> None:
    (user,) = site.users(1)
    delivery = {"secret": {"namespace": "not-there", "name": "for-${user}"}}
    run = site.deployment.playbook(
        "playbooks/rotate_api_keys.yml", maas_key_force=True, maas_key_users=[user], maas_key_delivery=delivery
    )
    assert run.code != 0
    assert re.search(rf"{user} +api-key-{user} +rotate +failed", run.output), run.output
    assert 'namespaces "not-there" not found' in " ".join(run.output.split())
    assert all(site.status(value) == 200 for value in site.values(user).values())
    assert site.rotate(users=[user], force=False)["counts"]["failed"] == 0


def test_a_list_of_keys_is_kept_and_what_leaves_it_is_revoked(site: Site) -> None:
    listed = [{"user": "listed@example.com", "groups": ["premium"]}, {"user": "left", "groups": ["premium"]}]
    first = site.deployment.playbook("playbooks/api_keys.yml", maas_api_keys=listed)
    assert first.code == 0, first.output
    assert site.deployment.playbook("playbooks/api_keys.yml", maas_api_keys=listed).recap()["changed"] == 0
    (value,) = site.values("left").values()
    site.until(lambda: site.status(value) == 200)
    gone = site.deployment.playbook("playbooks/api_keys.yml", maas_api_keys=listed[:1], maas_api_keys_prune=True)
    assert gone.code == 0, gone.output
    site.until(lambda: site.status(value) == 401, 2)
    assert site.values("listed@example.com")
    # Those of maas_users stay.
    assert site.values("admin")


class Clients:
    """The users' clients: each takes its new key at a moment of its own in the grace period."""

    def __init__(self, site: Site, users: list[str], seconds: float) -> None:
        self.site, self.users, self.seconds = site, users, seconds
        self.current = {user: next(iter(site.values(user).values())) for user in users}
        self.old = dict(self.current)
        self.ended: dict[str, float] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._take, self._watch)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _take(self) -> None:
        while not self._stop.wait(0.05):
            for number, user in enumerate(self.users):
                path = self.site.folder / f"api-key-{user}"
                if path.exists() and time.time() - path.stat().st_mtime > self.seconds * number / len(self.users):
                    self.current[user] = path.read_text()

    def _watch(self) -> None:
        connection = Connection(self.site.address)
        while not self._stop.wait(0.05):
            for user in set(self.users) - set(self.ended):
                if connection.checks(self.site.hosts[0], [self.old[user]]) == [401]:
                    self.ended[user] = time.time()


def test_steady_traffic_sees_no_refusal_while_all_keys_rotate(site: Site) -> None:
    users, grace = site.users(40), 5.0
    with (
        Clients(site, users, grace - 1) as clients,
        Traffic(site.address, site.hosts, users, lambda user: clients.current[user]) as traffic,
    ):
        result = site.rotate(users=users, grace=f"{grace:g}s")
        time.sleep(1)
    assert not result.get("failed"), result
    assert result["counts"]["retired"] == len(users)
    sys.stdout.write(f"{sum(traffic.statuses.values())} checks, {traffic.rate:.0f} a second\n")
    assert traffic.refused == []
    assert set(traffic.statuses) == {200}
    # Enough of them that a moment without a valid key would have been seen; how fast they are is not tested.
    assert sum(traffic.statuses.values()) > 10 * len(users)
    for row in result["api_keys"]:
        ended = datetime.fromisoformat(row["retire_after"]).timestamp()
        assert 0 <= clients.ended[row["user"]] - ended < 2, row
        assert clients.current[row["user"]] != clients.old[row["user"]]


def by_hand(site: Site, user: str) -> str:
    """A key as the manifests of the guide make it: not watched."""
    value = f"{user}-by-hand-0123456789abcdef"
    body = {
        "metadata": {
            "name": f"api-key-{user}",
            "labels": {"app": "models-api"},
            "annotations": {"secret.kuadrant.io/user-id": user, "kuadrant.io/groups": "premium"},
        },
        "data": {"api_key": base64.b64encode(value.encode()).decode()},
    }
    site.deployment.kube.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", body=body)
    return value


# Adopt, create, note the proof, deliver, note the end, delete.
WRITES = 6


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_a_run_killed_at_any_write_is_completed_by_the_next(site: Site, number: int, when: str) -> None:
    user = f"killed-{number}-{when}"
    old = by_hand(site, user)
    running: list[subprocess.Popen[str]] = []
    started = threading.Event()

    def harm(write: int, moment: str) -> None:
        if (write, moment) == (number, when):
            started.wait()
            running[0].send_signal(signal.SIGKILL)
            running[0].wait()
            raise ConnectionAbortedError

    with proxied(site.deployment.kubeconfig, harm, site.folder) as (proxy, kubeconfig):
        running.append(site.rotation(kubeconfig, users=[user]))
        started.set()
        running[0].communicate(timeout=60)
        assert running[0].returncode == -signal.SIGKILL
        assert len(proxy.writes) == number
    # Whatever happened, there is a key that works.
    values = site.values(user).values()
    kubeconfig.unlink()
    result = site.rotate(users=[user], force=number < 3)
    assert not result.get("failed"), result
    assert values
    site.check_one_key(user, {old})


def test_every_write_may_meet_a_conflict_or_lose_its_answer(site: Site) -> None:
    users = site.users(3)
    old = {value for user in users for value in site.values(user).values()}
    met: set[str] = set()

    def harm(number: int, when: str) -> dict[str, Any] | None:
        write = proxy.writes[number - 1]
        if write in met:
            return None
        if when == BEFORE and ("DELETE" in write or ("PATCH" in write and NAMESPACE in write)):
            met.add(write)
            return CONFLICT
        if when == AFTER:
            met.add(write)
            raise ConnectionAbortedError
        return None

    with proxied(site.deployment.kubeconfig, harm, site.folder) as (proxy, kubeconfig):
        result = site.rotate(kubeconfig, users=users)
        kubeconfig.unlink()
    assert not result.get("failed"), result
    assert len(met) >= 3 * 4
    for user in users:
        site.check_one_key(user, old)


@pytest.mark.parametrize("program", ["kube-apiserver", "authorino"])
def test_a_restart_in_the_middle_is_waited_for(site: Site, program: str) -> None:
    users = site.users(6)
    old = {value for user in users for value in site.values(user).values()}
    killed: set[int] = set()

    def harm(number: int, when: str) -> None:
        if number == 8 and when == BEFORE:
            killed.update(site.deployment.pids(program))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    with proxied(site.deployment.kubeconfig, harm, site.folder) as (_proxy, kubeconfig):
        first = site.rotate(kubeconfig, users=users)
        kubeconfig.unlink()
    assert killed
    if first.get("failed"):
        # Where it took longer than a run waits, the next one finishes it.
        again = site.rotate(users=users, force=False)
        assert not again.get("failed"), again
    for user in users:
        site.check_one_key(user, old)
    assert killed.isdisjoint(site.deployment.pids(program))


def test_two_rotations_at_once_end_with_one_key_for_each_user(site: Site) -> None:
    users = site.users(6)
    old = {value for user in users for value in site.values(user).values()}
    both = [site.rotation(users=users) for _unused in range(2)]
    for process in both:
        process.communicate(timeout=120)
    last = site.rotate(users=users, force=False)
    assert not last.get("failed"), last
    for user in users:
        site.check_one_key(user, old)


@contextmanager
def gateway(site: Site) -> Iterator[str]:
    """An address that asks Authorino as a gateway does, for the one host that it serves."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(authorino_status(site.deployment, site.hosts[0], self.headers["Authorization"]))
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/mistral/models"
        server.shutdown()


def test_a_key_that_the_gateway_does_not_accept_is_withdrawn(site: Site) -> None:
    (user,) = site.users(1)
    before = site.values(user)
    open_to_all = {"urls": [f"http://{site.address[0]}:{site.address[1]}/metrics"], "timeout": "1s"}
    misled = site.rotate(users=[user], probe=open_to_all)
    assert "a key that does not exist should get 401, but" in misled["msg"]
    with gateway(site) as url:
        probe = {"urls": [url], "timeout": "1s"}
        # No AuthPolicy takes keys with these labels.
        failed = site.rotate(users=[user], probe=probe, key_labels={"app": "of-nobody"})
        assert failed["failed"]
        assert "has been withdrawn" in failed["msg"]
        assert list(site.folder.iterdir()) == []
        assert site.values(user) == before
        assert site.status(before[f"api-key-{user}"]) == 200
        assert not site.rotate(users=[user], probe={"urls": [url]}).get("failed")
    site.check_one_key(user, set(before.values()))


def check_over_grpc(site: Site, value: str, seconds: int) -> int:
    """What Authorino answers to Envoy's request, which carries the time. Messages as in Envoy's ext_authz v3."""
    headers = field(1, b"authorization") + field(2, f"APIKEY {value}".encode())
    http = field(2, b"GET") + field(3, headers) + field(4, b"/mistral") + field(5, site.hosts[0].encode())
    request = field(1, b"\x08" + varint(seconds)) + field(2, http)
    message = field(1, field(4, request))
    with grpc.insecure_channel(f"{site.address[0]}:50051") as channel:
        call = channel.unary_unary("/envoy.service.auth.v3.Authorization/Check")
        answer: bytes = call(message, timeout=10)
    # Status (field 1) is empty when all is well; else its code is 7 (forbidden) or 16 (not known).
    assert answer[0] == 0x0A
    status = answer[2 : 2 + answer[1]]
    return {b"": 200, b"\x08\x07": 403, b"\x08\x10": 401}[status[:2]]


def varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def test_the_policy_enforces_the_end_of_a_key(site: Site) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    site.module(api_key, user="ending", groups=["premium"], expires_at=end.isoformat())
    (value,) = site.values("ending").values()
    site.until(lambda: site.status(value) != 401)
    at = int(end.timestamp())
    assert [check_over_grpc(site, value, second) for second in (at - 3600, at - 1, at, at + 1)] == [200, 200, 403, 403]
    (endless,) = site.users(1)
    (value_without,) = site.values(endless).values()
    assert check_over_grpc(site, value_without, at + 1) == 200
    assert check_over_grpc(site, "unknown", at) == 401
    # Without a time nothing can be known: such a key is not let in.
    assert site.status(value) == 403
    rotated = site.rotate(users=["ending"])
    assert not rotated.get("failed"), rotated
    assert site.module(api_key_info, users=["ending"])["api_keys"][0]["expires_at"] == end.strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )


def spellings(value: str) -> list[str]:
    """A key as it may appear in text. The last two are those of a part of a longer text, whatever its offset."""
    encoded = [base64.b64encode(b"x" * offset + value.encode()).decode()[4:-4] for offset in (0, 1, 2)]
    return [value, quote(value, safe=""), json.dumps(value)[1:-1], *encoded]


def test_a_run_shows_no_key_anywhere(site: Site, tmp_path: Path) -> None:
    users = site.users(2)
    given = 'we-ird+key/with=marks&%"'.replace('"', "") + "0123456789ABCDEF"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    tasks = [
        {"llmops.maas.api_key": {"user": "scanned", "value": given, "delivery": {"file": f"{tmp_path}/out/${{user}}"}}},
        {
            "llmops.maas.api_key_rotation": {
                "users": [*users, "scanned"],
                "force": True,
                "grace": "0",
                "probe": PROBE,
                "delivery": {"registered": True, "file": f"{tmp_path}/out/${{user}}"},
            },
            "register": "rotated",
            "no_log": True,
        },
        {"llmops.maas.api_key_info": {}, "register": "listed"},
        {"ansible.builtin.debug": {"var": "listed"}},
        {"llmops.maas.api_key": {"user": "scanned", "value": given + "x", "groups": ["other"]}},
        {"llmops.maas.api_key": {"user": "scanned", "value": given + "x", "groups": ["third"]}, "ignore_errors": True},
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "module_defaults": {"group/llmops.maas.maas": {"kubeconfig": str(site.deployment.kubeconfig)}},
        "tasks": tasks,
    }
    private = tmp_path / "runner"
    (private / "project").mkdir(parents=True)
    (private / "project" / "play.yml").write_text(json.dumps([play]))
    values = {value for user in (*users, "scanned") for value in site.values(user).values()} | {given, given + "x"}
    processes: set[str] = set()
    stop = threading.Event()

    def look_at_processes() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    processes.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    looking = threading.Thread(target=look_at_processes, daemon=True)
    looking.start()
    environment = {"TMPDIR": str(temporary), "ANSIBLE_LOCAL_TEMP": str(temporary), "ANSIBLE_REMOTE_TMP": str(temporary)}
    run = ansible_runner.run(
        private_data_dir=str(private),
        playbook="play.yml",
        inventory="localhost,",
        verbosity=3,
        cmdline="--diff",
        envvars={
            **environment,
            "ANSIBLE_NOCOLOR": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        quiet=True,
    )
    stop.set()
    looking.join()
    output = run.stdout.read()
    assert run.rc == 0, output
    values |= {value for user in (*users, "scanned") for value in site.values(user).values()}
    values |= {path.read_text() for path in (tmp_path / "out").iterdir()}
    assert len(values) >= 7
    # The play itself holds the given keys, as somebody's inventory would.
    files = [path for folder in (private / "artifacts", temporary) for path in folder.rglob("*") if path.is_file()]
    assert any("stdout" in path.name for path in files)
    texts = {str(path): path.read_text(errors="replace") for path in files} | {
        "processes": "\n".join(processes),
        "output": output,
    }
    for value in values:
        for spelling in spellings(value):
            assert [where for where, text in texts.items() if spelling in text] == [], spelling
