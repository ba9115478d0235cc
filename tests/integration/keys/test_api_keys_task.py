# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules for API keys against a real API server, without Authorino: what they write, and what they refuse."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import Delivery, received_by
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import PATTERN
from ansible_collections.llmops.maas.plugins.module_utils._keys.options import KeyScope
from ansible_collections.llmops.maas.plugins.module_utils._keys.rotation import Rotation
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import in_parallel
from ansible_collections.llmops.maas.plugins.modules import api_key, api_key_info, api_key_rotation
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import printed
from ansible_collections.llmops.maas.plugins.plugin_utils._action.key_action import ControllerReceiver
from tests.support.api_server import ADMIN_TOKEN, ApiServer
from tests.support.manifests_run import run_playbook

GIVEN = "Zk3hR8vQ1xW6pT9mB4nL7sD2fG5jC0yA"
OTHER = "q7Jr2LmX9cVb4TnK8wHs5PdG1zYf6RaE"
LATER = "2030-01-01T00:00:00Z"


class Keys:
    """Runs the modules in this process, in a namespace of the test's own."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace
        self.path = f"/api/v1/namespaces/{namespace}/secrets"

    def __call__(self, module: ModuleType, *, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"kubeconfig": str(self.server.kubeconfig), "namespace": self.namespace, **options}
        given |= {"_ansible_check_mode": check, "_ansible_diff": True}
        result: dict[str, Any] = json.loads(printed(module, given))
        text = json.dumps(result)
        for value in filter(None, self.values().values()):
            assert value not in text
            assert base64.b64encode(value.encode()).decode() not in text
        return result

    def key(self, **options: Any) -> dict[str, Any]:
        return self(api_key, **{"user": "alice", **options})

    def rotate(self, **options: Any) -> dict[str, Any]:
        return self(api_key_rotation, **{"probe": {"method": "none"}, "force": True, "grace": "1h", **options})

    def info(self, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self(api_key_info, **options)["api_keys"]
        return found

    def secrets(self) -> dict[str, dict[str, Any]]:
        return {item["metadata"]["name"]: item for item in self.server.request("GET", self.path)["items"]}

    def values(self) -> dict[str, str]:
        return {
            name: base64.b64decode(item["data"]["api_key"]).decode("utf-8", "replace")
            for name, item in self.secrets().items()
            if "api_key" in item.get("data", {})
        }

    def by_hand(self, name: str, value: str, labels: dict[str, str], annotations: dict[str, str]) -> None:
        body = {
            "metadata": {"name": name, "labels": labels, "annotations": annotations},
            "data": {"api_key": base64.b64encode(value.encode()).decode()},
        }
        self.server.request("POST", self.path, body)


@pytest.fixture
def keys(api_server: ApiServer, namespace: str) -> Keys:
    return Keys(api_server, namespace)


def test_a_key_is_issued_once(keys: Keys) -> None:
    since = keys.server.audit_position()
    checked = keys.key(check=True, groups=["premium"])
    assert (checked["changed"], checked["action"], keys.secrets()) == (True, "created", {})
    made = keys.key(groups=["premium"], labels={"team": "a"}, expires_at=LATER)
    assert (made["changed"], made["action"], made["key"]["state"]) == (True, "created", "active")
    assert len(keys.server.writes(since)) == 1
    (secret,) = keys.secrets().values()
    assert secret["immutable"] is True
    assert secret["metadata"]["labels"]["authorino.kuadrant.io/managed-by"] == "authorino"
    assert secret["metadata"]["labels"].items() >= {"app": "models-api", "team": "a"}.items()
    assert secret["metadata"]["annotations"]["secret.kuadrant.io/user-id"] == "alice"
    assert secret["metadata"]["annotations"]["kuadrant.io/groups"] == "premium"
    assert secret["metadata"]["annotations"]["llmops.maas/expires-at"] == LATER
    assert PATTERN.fullmatch(keys.values()["api-key-alice"])
    since = keys.server.audit_position()
    for options in ({"groups": ["premium"], "labels": {"team": "a"}, "expires_at": LATER}, {}, {"tier": "premium"}):
        assert keys.key(**options)["action"] == "unchanged"
    assert keys.server.writes(since) == []


@pytest.mark.parametrize(
    "change", [{"groups": ["staff"]}, {"tier": "staff"}, {"expires_at": "never"}, {"value": OTHER}]
)
def test_what_authorino_would_not_notice_makes_a_new_version(keys: Keys, change: dict[str, Any]) -> None:
    keys.key(groups=["premium"], expires_at=LATER)
    before = keys.values()
    checked = keys.key(check=True, **change)
    assert (checked["changed"], checked["action"], keys.values()) == (True, "superseded", before)
    changed = keys.key(**change)
    assert (changed["action"], changed["key"]["state"]) == ("superseded", "active")
    assert keys.key(**change)["changed"] is False
    states = {row["name"]: row["state"] for row in keys.info()}
    assert states == {"api-key-alice": "retiring", changed["key"]["name"]: "active"}
    assert keys.values()["api-key-alice"] == before["api-key-alice"]
    assert keys.values()[changed["key"]["name"]] == change.get("value", keys.values()[changed["key"]["name"]])
    assert len(set(keys.values().values())) == 2
    late = keys.key(**change, now="2029-01-01T00:00:00Z")
    assert (late["action"], [row["name"] for row in keys.info()]) == ("retired", [changed["key"]["name"]])


def test_without_grace_the_former_version_ends_at_once(keys: Keys) -> None:
    keys.key(groups=["premium"])
    keys.key(groups=["staff"], grace="0")
    assert [(row["groups"], row["state"]) for row in keys.info()] == [(["staff"], "active")]


def test_labels_are_changed_in_place(keys: Keys) -> None:
    keys.key()
    before = keys.values()
    assert keys.key(check=True, labels={"team": "a"})["action"] == "configured"
    assert keys.key(labels={"team": "a"})["action"] == "configured"
    assert keys.key(labels={"team": "a"})["changed"] is False
    assert keys.values() == before


@pytest.mark.parametrize(("state", "names"), [("absent", []), ("disabled", ["api-key-alice", "second"])])
def test_keys_are_revoked_and_disabled(keys: Keys, state: str, names: list[str]) -> None:
    keys.key()
    keys.key(name="second")
    keys.key(user="bob")
    assert keys.key(state=state, check=True)["changed"] is True
    assert len(keys.info()) == 3
    assert keys.key(state=state)["changed"] is True
    assert keys.key(state=state)["changed"] is False
    rows = {row["name"]: row for row in keys.info()}
    assert sorted(rows) == sorted([*names, "api-key-bob"])
    assert all(rows[name]["disabled"] and rows[name]["state"] == "unwatched" for name in names)
    assert rows["api-key-bob"]["state"] == "active"
    if names:
        # Authorino finds keys by this label also when it reads all of them again.
        assert "app" not in keys.secrets()["second"]["metadata"]["labels"]
        assert keys.key()["action"] == "enabled"
        assert {row["name"]: row["disabled"] for row in keys.info()}["api-key-alice"] is False


def test_one_of_several_keys_is_revoked_by_name(keys: Keys) -> None:
    keys.key()
    keys.key(name="second")
    keys.key(name="second", state="absent")
    assert [row["name"] for row in keys.info()] == ["api-key-alice"]


def test_a_rotated_key_is_not_undone_by_the_value_that_it_had_first(keys: Keys) -> None:
    keys.key(value="admin-key-12345", allow_weak=True, groups=["admin"])
    assert keys.key(value="admin-key-12345", allow_weak=True)["changed"] is False
    for _unused in range(2):
        keys.rotate(grace="0")
        assert keys.key(value="admin-key-12345", allow_weak=True, groups=["admin"])["changed"] is False
    assert "admin-key-12345" not in keys.values().values()
    assert keys.key(value=GIVEN)["action"] == "superseded"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"user": ""}, "user: '' is no user id"),
        ({"name": "Not_A_Name"}, "name: 'Not_A_Name' is no name"),
        ({"state": "gone"}, "value of state must be one of"),
        ({"groups": ["a,b"]}, "groups: 'a,b' is no group"),
        ({"groups": [""]}, "groups: '' is no group"),
        ({"groups": ["a"], "tier": "b"}, "mutually exclusive"),
        ({"labels": {"app": "Not a value!"}}, "a valid label must be"),
        ({"expires_at": "tomorrow"}, "expires_at: 'tomorrow' is no moment"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "set expires_at to a later moment"),
        ({"value": "short"}, "fewer than 32 characters"),
        ({"value": "ab" * 40}, "can be guessed"),
        ({"value": "two words", "allow_weak": True}, "without spaces"),
        ({"grace": "soon"}, "grace: 'soon' is no duration"),
        ({"now": "soon"}, "now: 'soon' is no moment"),
        ({"namespace": "Upper"}, "namespace: 'Upper' is no name"),
        ({"namespace": "nowhere"}, 'namespaces "nowhere" not found'),
        ({"key_labels": {}}, "key_labels: give the labels"),
        ({"delivery": {"secret": {"namespace": "x"}}}, "missing required arguments: name found in delivery -> secret"),
        ({"delivery": {"secret": {"namespace": "x", "name": "${oops}"}}}, "holds a placeholder that is not known"),
        ({"delivery": {"file": "/tmp/x"}}, "happens on the control node"),
        ({"delivery": {"registered": True}}, "happens on the control node"),
        ({"kubeconfig": "/nowhere"}, "there is no file /nowhere"),
    ],
)
def test_mistakes_in_a_key_are_refused_before_anything_changes(keys: Keys, options: dict[str, Any], words: str) -> None:
    found = keys.key(**options)
    assert found["failed"], found
    assert words in found["msg"]
    assert keys.secrets() == {}


def test_a_value_is_never_in_two_secrets(keys: Keys) -> None:
    keys.key(value=GIVEN, groups=["a"])
    other = keys.key(user="bob", value=GIVEN)
    assert "is that of Secret" in other["msg"]
    same = keys.key(value=GIVEN, groups=["b"])
    assert "Authorino does not take over other groups" in same["msg"]
    taken = keys.key(user="bob", name="api-key-alice")
    assert "belongs to alice" in taken["msg"]
    assert list(keys.values().values()) == [GIVEN]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_age": "old"}, "max_age: 'old'"),
        ({"grace": "-1"}, "grace: '-1'"),
        ({"retire_wait": "x"}, "retire_wait: 'x'"),
        ({"expires_in": "1m"}, "expires_in: new keys would end before"),
        ({"batch_size": 0}, "batch_size: 0 is not possible; choose 1"),
        ({"concurrency": 65}, "concurrency: 65 is not possible; choose 1 to 64"),
        ({"max_failures": -1}, "max_failures: -1"),
        ({"users": [" x"]}, "user: ' x'"),
        ({"now": "x"}, "now: 'x'"),
        ({"adopt_selectors": ["a=b=c"]}, "'a=b=c' is no label selector"),
        ({"probe": {"method": "gateway"}}, "probe.urls: give addresses"),
        ({"probe": {"method": "authorino", "urls": ["http://127.0.0.1"]}}, "probe.urls: give addresses"),
        ({"probe": {"urls": ["127.0.0.1"]}}, "no address that begins with"),
        ({"probe": {"times": 0}}, "probe.times"),
        ({"probe": {"timeout": "x"}}, "probe.timeout"),
        ({"probe": {"method": "authorino"}}, "no AuthConfig takes keys"),
        ({"delivery": {"file": "x"}}, "happens on the control node"),
    ],
)
def test_mistakes_in_a_rotation_are_refused_before_anything_changes(
    keys: Keys, options: dict[str, Any], words: str
) -> None:
    keys.key()
    before = keys.secrets()
    found = keys.rotate(**options)
    assert found["failed"], found
    assert words in found["msg"]
    assert keys.secrets() == before


def test_a_rotation_plans_does_and_then_has_nothing_to_do(keys: Keys) -> None:
    keys.key(groups=["premium"], labels={"team": "a"}, expires_at=LATER)
    before = keys.secrets()
    planned = keys.rotate(check=True)
    assert (planned["changed"], planned["api_keys"][0]["status"], keys.secrets()) == (True, "planned", before)
    done = keys.rotate()
    (row,) = done["api_keys"]
    assert (done["changed"], row["status"]) == (True, "waiting")
    assert row["successor"] == planned["api_keys"][0]["successor"]
    new = keys.secrets()[row["successor"]]
    assert new["metadata"]["labels"]["team"] == "a"
    assert new["metadata"]["annotations"]["llmops.maas/expires-at"] == LATER
    since = keys.server.audit_position()
    again = keys.rotate()
    assert (again["changed"], again["counts"]["due"], keys.server.writes(since)) == (False, 0, [])
    after = keys.rotate(force=False, now="2027-01-01T00:00:00Z", max_age="3000d")
    assert (after["counts"]["retired"], [key["name"] for key in keys.info()]) == (1, [row["successor"]])


def test_a_new_end_is_given_when_asked(keys: Keys) -> None:
    keys.key()
    keys.rotate(grace="0", expires_in="90d", now="2027-01-01T00:00:00Z")
    (row,) = keys.info()
    assert row["expires_at"].startswith("2027-04-01T00:0")
    assert keys.key()["changed"] is False


def test_writes_for_a_key_are_the_same_for_few_and_for_many(keys: Keys) -> None:
    found = []
    for count in (2, 40):
        for number in range(count):
            keys.key(user=f"user-{count}-{number}")
        since = keys.server.audit_position()
        delivery = {"secret": {"namespace": keys.namespace, "name": "for-${user}"}}
        keys.rotate(users=[f"user-{count}-{number}" for number in range(count)], grace="0", delivery=delivery)
        found.append(len(keys.server.writes(since)) / count)
    # Create, proof noted, delivered, end noted, deleted.
    assert found == [5, 5]


def test_a_thousand_keys_rotate_in_one_task(keys: Keys, tmp_path: Path) -> None:
    count = 1000
    made = [{"user": f"user-{number:04}", "name": f"key-{number:04}"} for number in range(count)]

    def make(row: dict[str, str]) -> None:
        annotations = {"secret.kuadrant.io/user-id": row["user"]}
        labels = {
            "app": "models-api",
            "authorino.kuadrant.io/managed-by": "authorino",
            "llmops.maas/key-id": row["user"],
        }
        keys.by_hand(row["name"], f"{row['user']}-0123456789abcdefghijklmnop", labels, annotations)

    in_parallel(make, made)
    since = keys.server.audit_position()
    options = {
        "kubeconfig": str(keys.server.kubeconfig),
        "namespace": keys.namespace,
        "force": True,
        "grace": "0",
        "probe": {"method": "none"},
        "delivery": {"secret": {"namespace": keys.namespace, "name": "for-${user}"}},
    }
    script = Path(__file__).parents[2] / "support" / "rotate_once.py"
    done = subprocess.run(
        [sys.executable, script, json.dumps(options), tmp_path], capture_output=True, text=True, check=True, timeout=300
    )
    result = json.loads(done.stdout)
    assert result["counts"]["retired"] == count, result.get("msg")
    assert len(keys.server.writes(since)) == 5 * count
    # Peak memory in KiB, which the process reports at its end.
    peak = int(done.stderr.split()[-1])
    assert peak < 150 * 1024, peak


def test_a_failed_delivery_leaves_the_old_key_and_the_next_run_goes_on(keys: Keys) -> None:
    keys.key()
    keys.key(user="bob")
    body = {"metadata": {"name": "for-alice"}, "data": {"other": "eA=="}, "immutable": True}
    keys.server.request("POST", keys.path, body)
    delivery = {"secret": {"namespace": keys.namespace, "name": "for-${user}"}}
    failed = keys.rotate(delivery=delivery, grace="0", max_failures=5)
    assert failed["failed"]
    rows = {row["user"]: row for row in failed["api_keys"]}
    assert (rows["alice"]["status"], rows["bob"]["status"]) == ("failed", "done")
    assert "immutable" in rows["alice"]["error"]
    assert "api-key-alice" in keys.values()
    begun = keys.values()[rows["alice"]["successor"]]
    keys.server.request("DELETE", f"{keys.path}/for-alice")
    again = keys.rotate(delivery=delivery, grace="0", force=False)
    assert [row["action"] for row in again["api_keys"] if row["user"] == "alice"] == ["resume"]
    assert base64.b64decode(keys.secrets()["for-alice"]["data"]["api_key"]).decode() == begun
    assert begun in [value for name, value in keys.values().items() if name != "for-alice"]
    assert "api-key-alice" not in keys.values()


def test_too_many_failures_end_the_run_between_batches(keys: Keys) -> None:
    for number in range(4):
        keys.key(user=f"user-{number}")
    delivery = {"secret": {"namespace": "not-there", "name": "for-${user}"}}
    stopped = keys.rotate(delivery=delivery, batch_size=2, max_failures=1)
    assert [row["status"] for row in stopped["api_keys"]] == ["failed", "failed", "not started", "not started"]
    assert "No further key was begun" in stopped["msg"]


def test_keys_made_by_hand_are_adopted_with_a_warning(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    keys.by_hand("seed", "admin-key-12345", {"app": "models-api"}, {"secret.kuadrant.io/user-id": "admin"})
    keys.by_hand("nobody", OTHER, {"app": "models-api"}, {})
    keys.by_hand("foreign", GIVEN, {"app": "something-else"}, {"secret.kuadrant.io/user-id": "eve"})
    assert {row["name"]: row["state"] for row in keys.info()} == {"seed": "unwatched", "nobody": "unwatched"}
    done = keys.rotate(max_age="30d", force=False)
    warnings = capsys.readouterr().err
    assert "not made by this collection" in warnings
    assert "without a user id" in warnings
    assert done["adopted"] == ["seed"]
    assert keys.rotate(force=False)["changed"] is False
    seed = keys.secrets()["seed"]
    assert seed["metadata"]["labels"]["authorino.kuadrant.io/managed-by"] == "authorino"
    assert seed["immutable"] is True
    assert "llmops.maas/key-id" not in keys.secrets()["foreign"]["metadata"]["labels"]
    taken = keys.rotate(adopt_selectors=["app=something-else"], users=["eve"], grace="0")
    assert taken["counts"]["rotated"] == 1
    (row,) = keys.info(users=["eve"])
    assert (row["state"], row["lineage"]) == ("active", "foreign")


def test_a_given_key_is_found_in_a_secret_of_another_name(keys: Keys) -> None:
    keys.by_hand("seed-secret", GIVEN, {"app": "models-api"}, {"secret.kuadrant.io/user-id": "alice"})
    assert keys.key(value=GIVEN, check=True)["action"] == "adopted"
    assert keys.key(value=GIVEN)["action"] == "adopted"
    assert keys.key(value=GIVEN)["changed"] is False
    assert list(keys.secrets()) == ["seed-secret"]
    keys.rotate(grace="0")
    assert keys.key(value=GIVEN)["changed"] is False
    (row,) = keys.info()
    assert (row["lineage"], row["name"].startswith("api-key-alice-")) == ("api-key-alice", True)


def test_secrets_with_the_same_key_are_left_alone(keys: Keys) -> None:
    for name in ("one", "two"):
        keys.by_hand(name, GIVEN, {"app": "models-api"}, {"secret.kuadrant.io/user-id": name})
    found = keys.rotate(grace="0")
    assert "the Secrets one, two hold the same key" in found["msg"]
    assert set(keys.values()) == {"one", "two"}


def test_an_old_key_stays_while_no_newer_one_is_in_use(keys: Keys) -> None:
    keys.key()
    successor = keys.rotate()["api_keys"][0]["successor"]
    keys.server.request("DELETE", f"{keys.path}/{successor}")
    assert keys.rotate(force=False, now="2029-01-01T00:00:00Z", check=True)["changed"] is True
    late = keys.rotate(force=False, now="2029-01-01T00:00:00Z")
    assert "no newer key is in use in its place" in late["msg"]
    assert list(keys.values()) == ["api-key-alice"]


def test_two_rotations_at_once_leave_one_key_for_each_user(keys: Keys) -> None:
    users = [f"user-{number}" for number in range(12)]
    for user in users:
        keys.key(user=user)
    delivery = {"secret": {"namespace": keys.namespace, "name": "for-${user}"}}
    from_threads: list[Any] = []

    def run() -> None:
        # Not through the module: its arguments are the process's.
        options = {"kubeconfig": str(keys.server.kubeconfig), "namespace": keys.namespace, "force": True, "grace": "0"}
        checked = ArgumentSpecValidator(api_key_rotation.ARGUMENTS).validate({**options, "delivery": delivery})
        params = checked.validated_parameters
        scope = KeyScope.of(params)
        store = scope.store(Kube.connect(params))
        given = (Delivery(params["delivery"]), api_key_rotation.options_of(params))
        rotation = Rotation(store, None, *given, scope.clock, lambda _text: None)
        start.wait()
        rotation.run(check=False)
        from_threads.append(rotation)

    start = threading.Barrier(2)
    threads = [threading.Thread(target=run) for _unused in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(from_threads) == 2
    # What one run met half done by the other, one more run finishes.
    assert not keys.rotate(force=False, grace="0", delivery=delivery).get("failed")
    rows = keys.info()
    assert sorted(row["user"] for row in rows) == sorted(users)
    assert {row["state"] for row in rows} == {"active"}
    values = keys.values()
    for row in rows:
        assert values[f"for-{row['user']}"] == values[row["name"]]


def test_a_rotation_takes_seven_requests_for_each_key(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made, proved, looked for at its consumer and delivered there, marked; its successor looked at, deleted."""
    count = 5
    for number in range(count):
        keys.key(user=f"user-{number}")
    asked: list[str] = []
    send = Kube.request

    def counted(self: Kube, method: str, path: str, **more: Any) -> Any:
        asked.append(method)
        return send(self, method, path, **more)

    monkeypatch.setattr(Kube, "request", counted)
    done = keys.rotate(grace="0", delivery={"secret": {"namespace": keys.namespace, "name": "for-${user}"}})
    assert done["counts"]["retired"] == count
    lists = 2
    assert Counter(asked) == {"GET": 2 * count + lists, "POST": count, "PATCH": 3 * count, "DELETE": count}


def test_numbers_in_labels_are_text(keys: Keys) -> None:
    labels = {"cost-center": 4711, "gpu": True}
    keys.key(labels=labels)
    assert keys.key(labels=labels)["changed"] is False
    (secret,) = keys.secrets().values()
    assert secret["metadata"]["labels"].items() >= {"cost-center": "4711", "gpu": "true"}.items()
    assert "labels.gpu: is a list" in keys.key(labels={"gpu": ["a"]})["msg"]


def test_files_are_private_and_replaced_in_one_step(keys: Keys, tmp_path: Path) -> None:
    receiver = ControllerReceiver(str(tmp_path), [])
    with received_by(receiver):
        first = keys.key(delivery={"file": "keys/${lineage}"})
        path = tmp_path / "keys" / "api-key-alice"
        assert path.read_text() == keys.values()["api-key-alice"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert first["delivered"] == ["file keys/api-key-alice"]
        assert keys.key(delivery={"file": "keys/${lineage}"})["changed"] is False
        # What a killed run left there is taken over.
        (path.parent / ".api-key-alice.new").write_text("half a k")
        row = keys.rotate(delivery={"file": "keys/${lineage}"})["api_keys"][0]
        assert path.read_text() == keys.values()[row["successor"]]
        assert list(path.parent.iterdir()) == [path]
        path.unlink()
        path.parent.rmdir()
        path.parent.write_text("in the way")
        failed = keys.rotate(delivery={"file": "keys/${lineage}"}, now="2029-01-01T00:00:00Z", users=["alice"])
        assert not failed.get("failed")  # only the old one was due: it is deleted
        failed = keys.rotate(delivery={"file": "keys/${lineage}"})
        assert "cannot be written: File exists" in failed["msg"]


def test_through_ansible_with_a_vault_and_with_registered_keys(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("vault password")
    common = {"namespace": keys.namespace, "user": "alice"}
    tasks: list[dict[str, Any]] = [
        {"llmops.maas.api_key": {**common, "delivery": {"file": f"{tmp_path}/alice.vault"}}},
        {"llmops.maas.api_key": {**common, "delivery": {"file": f"{tmp_path}/alice.vault"}}, "register": "again"},
        {"ansible.builtin.assert": {"that": "again is not changed"}},
        {
            "llmops.maas.api_key_rotation": {
                "namespace": keys.namespace,
                "force": True,
                "probe": {"method": "none"},
                "delivery": {"registered": True, "file": f"{tmp_path}/alice.vault"},
            },
            "register": "rotated",
            "no_log": True,
        },
        {
            "ansible.builtin.copy": {"content": "{{ rotated.new_keys.values() | first }}", "dest": f"{tmp_path}/copy"},
            "no_log": True,
        },
    ]
    run = run_playbook(tmp_path, keys.server, tasks, "--vault-password-file", str(tmp_path / "password"), "-vvv")
    values = keys.values()
    new = next(value for name, value in values.items() if name != "api-key-alice")
    assert (tmp_path / "copy").read_text() == new
    sealed = (tmp_path / "alice.vault").read_text()
    assert sealed.startswith("$ANSIBLE_VAULT;1.1")
    read = [
        {
            "ansible.builtin.copy": {
                "content": "{{ lookup('ansible.builtin.unvault', path) }}",
                "dest": "{{ path }}.clear",
            },
            "no_log": True,
        }
    ]
    variables = ["-e", f"path={tmp_path}/alice.vault", "--vault-password-file", str(tmp_path / "password")]
    run_playbook(tmp_path, keys.server, read, *variables)
    assert (tmp_path / "alice.vault.clear").read_text() == new
    for value in values.values():
        assert value not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"delivery": {"registered": True}}, "unless the task has no_log: true"),
        ({"delivery": '{"registered": true}'}, "delivery: give a dictionary"),
        ({"async": 10}, "does not support async"),
    ],
)
def test_what_would_show_keys_is_refused(keys: Keys, tmp_path: Path, task: dict[str, Any], words: str) -> None:
    options = {"namespace": keys.namespace, "user": "alice", **{k: v for k, v in task.items() if k == "delivery"}}
    play = {"llmops.maas.api_key": options, **{k: v for k, v in task.items() if k == "async"}}
    run = run_playbook(tmp_path, keys.server, [play], check=False)
    assert run.returncode != 0
    assert words in " ".join(run.stdout.split())
    assert keys.secrets() == {}


@contextmanager
def gateway(keys: Keys) -> Iterator[str]:
    """An address that accepts the keys of the namespace, as Authorino does: by the bytes of their Secrets."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = (self.headers["Authorization"] or "").encode("latin-1").removeprefix(b"APIKEY ")
            known = {base64.b64decode(item["data"]["api_key"]) for item in keys.secrets().values() if "data" in item}
            self.send_response(200 if given in known else 401)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/m/models"
        server.shutdown()


BAD_KEYS = {
    "line-end": f"{GIVEN}\n".encode(),
    "binary": b"\xff\xfe" + GIVEN[::-1].encode(),
    "control": b"nul\0" + OTHER.encode(),
    "not-latin": f"{OTHER[::-1]}€".encode(),
}


def test_one_bad_key_ends_nothing_for_the_others(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    labels = {"app": "models-api", "authorino.kuadrant.io/managed-by": "authorino"}
    for user, value in {**BAD_KEYS, "empty": b""}.items():
        body = {
            "metadata": {
                "name": f"key-{user}",
                "labels": labels,
                "annotations": {"secret.kuadrant.io/user-id": f"{user}-{keys.namespace}"},
            },
            "data": {"api_key": base64.b64encode(value).decode()},
        }
        keys.server.request("POST", keys.path, body)
    keys.key(user="good")
    listed = {row["name"] for row in keys.info()}
    assert listed == {"api-key-good", *(f"key-{user}" for user in BAD_KEYS)}
    with gateway(keys) as url:
        done = keys.rotate(probe={"urls": [url], "times": 1, "timeout": "5s"}, grace="1s", retire_wait="10s")
    assert not done.get("failed"), done
    assert {row["status"] for row in done["api_keys"]} == {"done"}
    assert done["counts"]["retired"] == len(BAD_KEYS) + 1
    values = keys.values()
    assert not {f"key-{user}" for user in BAD_KEYS} & set(values)
    assert all(PATTERN.fullmatch(value) for name, value in values.items() if name != "key-empty")
    said = " ".join(capsys.readouterr().err.split())
    for user, words in (("line-end", "ends in a line end"), ("binary", "is no text"), ("control", "holds control")):
        assert f"key-{user}: its api_key {words}" in said
        assert f"user {user}-{keys.namespace}" in said
    assert "key-empty: its api_key is empty" in said
    for text in (json.dumps(done), said):
        assert not any(part in text for part in (GIVEN, GIVEN[::-1], OTHER, OTHER[::-1]))


def test_bad_keys_are_revoked(keys: Keys) -> None:
    body = {
        "metadata": {"name": "bad", "labels": {"app": "models-api"}, "annotations": {"user-id": "mallory"}},
        "data": {"api_key": base64.b64encode(b"\xff" + GIVEN.encode()).decode()},
    }
    keys.server.request("POST", keys.path, body)
    assert keys.key(user="mallory", state="absent")["action"] == "deleted"
    assert keys.secrets() == {}


@pytest.mark.parametrize(("token", "works"), [(f" {ADMIN_TOKEN}\r\n", True), (f"{ADMIN_TOKEN}\nand-more", False)])
def test_a_token_with_a_line_end_is_trimmed_or_refused_and_never_shown(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, works: bool
) -> None:
    monkeypatch.setenv("K8S_AUTH_API_KEY", token)
    monkeypatch.setenv("K8S_AUTH_HOST", keys.server.url)
    monkeypatch.setenv("K8S_AUTH_SSL_CA_CERT", str(keys.server.ca))
    monkeypatch.setenv("ANSIBLE_DISPLAY_TRACEBACK", "always")
    # Not the connection of the play, and once in this process, once as a module of its own.
    task = {"llmops.maas.api_key_info": {"namespace": keys.namespace, "kubeconfig": ""}}
    apart = {**task, "vars": {"ansible_python_interpreter": str(Path(sys.executable).resolve())}}
    apart["environment"] = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if "site-packages" in path)}
    for one in (task, apart):
        run = run_playbook(tmp_path, keys.server, [one], "-vvv", check=False)
        assert (run.returncode == 0) is works, run.stdout
        if not works:
            words = " ".join(run.stdout.split())
            assert "api_key (K8S_AUTH_API_KEY): the token holds white space" in words
        shown = run.stdout + run.stderr
        assert ADMIN_TOKEN not in shown
        assert base64.b64encode(ADMIN_TOKEN.encode()).decode()[:-4] not in shown


def test_the_key_of_a_user_whose_name_is_a_number_is_not_revoked(keys: Keys, tmp_path: Path) -> None:
    """With the role's own tasks: who is listed, by whatever type, keeps the key; who is not loses it."""
    numbers = {"users": [{"name": 1001, "groups": ["user"]}], "keys": [{"user": 2002}, {"user": 3003, "name": "batch"}]}
    for user, name in (("1001", None), ("2002", None), ("3003", "batch"), ("4004", None)):
        keys.key(user=user, **({"name": name} if name else {}))
    variables = {
        "maas_key_grace": "1h",
        "maas_users": numbers["users"],
        "maas_api_keys": numbers["keys"],
        "maas_api_keys_prune": True,
    }
    names = {"maas_namespaces": {"kuadrant": keys.namespace}, "maas_key_labels": {"app": "models-api"}}
    tasks = Path(__file__).parents[3] / "roles/auth/tasks/api_keys.yml"
    play = [
        {"ansible.builtin.import_role": {"name": "llmops.maas.maas", "tasks_from": "variables"}, "vars": variables},
        {"ansible.builtin.include_tasks": {"file": str(tasks)}, "vars": names},
    ]
    run = run_playbook(tmp_path, keys.server, play)
    assert sorted(row["user"] for row in keys.info()) == ["1001", "2002", "3003"], run.stdout
    assert "changed=1" in run.stdout
    assert "changed=0" in run_playbook(tmp_path, keys.server, play).stdout
