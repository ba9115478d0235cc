# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs at once: real runs of ansible-playbook against a real API server, killed in every way."""

from __future__ import annotations

import getpass
import os
import re
import signal
import socket
import sys
import time
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.module_utils._lock.lease import LeaseLock
from ansible_collections.llmops.maas.plugins.module_utils._lock.lock import EXCLUSIVE, SHARED, Holder
from tests.support.api_server import ApiServer
from tests.support.lock_runs import LEASE_SECONDS, Runs, Started, make, until

REVIEWS = ("selfsubjectaccessreviews", "selfsubjectreviews")


@pytest.fixture
def runs(api_server: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Runs]:
    """Also tests that no process is left."""
    made = Runs(api_server, namespace, tmp_path)
    try:
        yield made
    finally:
        made.stop()
    until("no process that renews a lock is left", lambda: not made.keepers(), 15)


def test_the_second_run_waits_and_says_for_whom(runs: Runs) -> None:
    first = runs.holding()
    second = runs.hold(maas_lock_timeout="60s")
    line = ""
    assert second.process.stdout
    while "waiting" not in line:
        line = second.process.stdout.readline()
        assert line, "it ended without waiting"
    (holder,) = runs.holders()
    since = holder["since"].replace("T", " ").partition(".")[0]
    who = f"{getpass.getuser()} on {socket.gethostname()} (process {first.process.pid})"
    assert f"{who} has been running holder-0.yml since {since}Z" in line
    kubeconfig = f"--kubeconfig {runs.server.kubeconfig}"
    assert re.search(rf"kubectl {kubeconfig} --namespace {runs.namespace} delete lease llmops-maas$", line.rstrip())
    time.sleep(2)
    assert [entry["pid"] for entry in runs.holders()] == [first.process.pid]
    assert first.finish()[0] == 0
    until("the second run holds the lock", lambda: [item["pid"] for item in runs.holders()] == [second.process.pid], 5)
    code, output = second.finish()
    assert (code, re.findall(r"changed=(\d+)", output)) == (0, ["0"])
    assert runs.lease() is None


def test_the_second_run_ends_at_once_when_it_may_not_wait(runs: Runs) -> None:
    first = runs.holding()
    code, output = runs.hold(maas_lock_timeout=0).wait(20)
    assert code != 0
    assert f"(process {first.process.pid}) has been running holder-0.yml" in output
    assert "maas_lock_timeout" in output
    assert "waiting up to" not in output
    assert first.finish()[0] == 0


def test_waiting_ends_when_the_time_is_up(runs: Runs) -> None:
    first = runs.holding()
    begin = time.monotonic()
    code, output = runs.hold(maas_lock_timeout="3s").wait(30)
    assert code != 0
    assert "waiting up to 3 s" in output
    assert time.monotonic() - begin > 3
    assert first.finish()[0] == 0


def test_the_lease_says_who_where_and_since_when(runs: Runs) -> None:
    before = time.time()
    run = runs.holding()
    lease = runs.lease()
    assert lease
    identity = re.escape(f"{getpass.getuser()}@{socket.gethostname()}/{run.process.pid}")
    assert re.fullmatch(identity + "-[0-9a-f]{8}", lease["spec"]["holderIdentity"])
    assert lease["spec"]["leaseDurationSeconds"] == LEASE_SECONDS
    # The API server's clock is this machine's, in whole seconds.
    acquired = time.strptime(lease["spec"]["acquireTime"].partition(".")[0] + "Z", "%Y-%m-%dT%H:%M:%SZ")
    assert before - 2 < time.mktime(acquired) - time.timezone < time.time()
    assert run.finish()[0] == 0


def test_the_lock_is_renewed_for_as_long_as_the_run_lasts(runs: Runs) -> None:
    first = runs.holding()
    begin = runs.holders()[0]["renewed"]
    time.sleep(2 * LEASE_SECONDS)
    assert runs.holders()[0]["renewed"] > begin
    assert runs.hold(maas_lock_timeout=0).wait()[0] != 0
    assert first.finish()[0] == 0


# With another Python than Ansible's the module runs in a process of its own.
@pytest.mark.parametrize("interpreter", [sys.executable, str(Path(sys.executable).with_name("python3"))])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_frees_the_lock(runs: Runs, number: int, interpreter: str) -> None:
    run = runs.holding(interpreter=interpreter)
    keeper = runs.keeper()
    run.end_by(number)
    until("the lock is free", lambda: runs.lease() is None, 5)
    until("the process that renewed it has ended", lambda: keeper not in runs.keepers(), 5)
    # Nobody else holds the pipe of its output open.
    assert run.wait(5)[0] != 0


@pytest.mark.parametrize("pause", [0, 0.05, 0.1, 0.2])
def test_ctrl_c_at_any_moment_leaves_no_lock(runs: Runs, pause: float) -> None:
    run = runs.hold()
    until("it takes the lock", runs.lease)
    time.sleep(pause)
    run.end_by(signal.SIGINT)
    # Nobody would remove it otherwise: it would only go stale.
    until("the lock is free", lambda: runs.lease() is None, 5)


def test_a_stale_lock_is_taken_over(runs: Runs) -> None:
    dead = runs.holding()
    os.kill(runs.keeper(), signal.SIGKILL)
    dead.end_by(signal.SIGKILL)
    assert runs.holders()
    begin = time.monotonic()
    run = runs.holding(maas_lock_timeout="60s")
    assert time.monotonic() - begin < LEASE_SECONDS + 10
    code, output = run.finish()
    assert code == 0
    assert f"(process {dead.process.pid}) has been running holder-0.yml" in " ".join(output.split())
    assert "took over the lock" in " ".join(output.split())


def test_a_stale_lock_needs_no_waiting(runs: Runs) -> None:
    dead = runs.holding()
    os.kill(runs.keeper(), signal.SIGKILL)
    dead.end_by(signal.SIGKILL)
    time.sleep(LEASE_SECONDS + 2)
    assert runs.holding(maas_lock_timeout=0).finish()[0] == 0


def test_a_run_that_lost_the_lock_says_so(runs: Runs) -> None:
    slow = runs.holding()
    # As when the machine sleeps.
    os.kill(runs.keeper(), signal.SIGKILL)
    other = runs.holding(maas_lock_timeout="60s")
    code, output = slow.finish()
    assert code != 0
    words = " ".join(output.split())
    assert f"lost the lock {runs.namespace}/llmops-maas" in words
    assert f"(process {other.process.pid}) has been running holder-1.yml" in words
    assert [holder["pid"] for holder in runs.holders()] == [other.process.pid]
    assert other.finish()[0] == 0


def test_a_lock_that_is_gone_with_its_namespace_is_no_failure(runs: Runs) -> None:
    run = runs.holding()
    runs.server.request("DELETE", f"{runs.path}/llmops-maas")
    assert run.finish()[0] == 0


def test_one_run_does_not_wait_for_itself(runs: Runs) -> None:
    run = runs.hold()
    playbook = runs.directory / "holder-0.yml"
    run.finish()
    (play,) = yaml.safe_load(playbook.read_text())
    play["tasks"].insert(1, play["tasks"][0])
    playbook.write_text(yaml.safe_dump([play]))
    code, output = runs.start(playbook, maas_lock_timeout=0).finish()
    assert code == 0, output
    assert runs.lease() is None


def test_many_runs_at_once_take_turns(runs: Runs) -> None:
    log = runs.directory / "log"
    waiting: list[Started] = []
    for number in range(3):
        playbook = runs.directory / f"turn-{number}.yml"
        role = {"name": "llmops.maas.maas"}
        write = "echo {} {} >> {}"
        tasks: list[dict[str, Any]] = [
            {"ansible.builtin.import_role": {**role, "tasks_from": "variables"}},
            {"ansible.builtin.import_role": {**role, "tasks_from": "lock"}},
            {"ansible.builtin.shell": write.format("begin", number, log)},
            {"ansible.builtin.pause": {"seconds": 1}},
            {"ansible.builtin.shell": write.format("end", number, log)},
            {"ansible.builtin.import_role": {**role, "tasks_from": "unlock"}},
        ]
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        defaults = {"group/llmops.maas.maas": "{{ (maas_platform | default({})).connection | default({}) }}"}
        interpreter = {"ansible_python_interpreter": sys.executable}
        playbook.write_text(yaml.safe_dump([{**play, "module_defaults": defaults, "vars": interpreter}]))
        waiting.append(runs.start(playbook, maas_lock_timeout="60s"))
    assert [run.wait()[0] for run in waiting] == [0, 0, 0]
    lines = log.read_text().splitlines()
    assert len(lines) == 6
    assert all(
        first == second.replace("end", "begin") for first, second in zip(lines[::2], lines[1::2], strict=True)
    ), lines


def holder(number: int, mode: str) -> Holder:
    never = datetime.fromtimestamp(0, UTC)
    return Holder(f"{number:08}", mode, "u", "h", number, 1, "site.yml", 60, never, never)


@pytest.mark.parametrize(("mode", "held"), [(EXCLUSIVE, 1), (SHARED, 12)])
def test_takers_and_leavers_at_the_same_time_do_not_undo_each_other(runs: Runs, mode: str, held: int) -> None:
    kube = Kube.connect({"kubeconfig": str(runs.server.kubeconfig)})
    takers = [holder(number, mode) for number in range(12)]
    with ThreadPoolExecutor(12) as threads:
        lock = LeaseLock(kube, runs.namespace, "llmops-maas")
        attempts = list(threads.map(lock.take, takers))
        assert sum(attempt.held for attempt in attempts) == len(runs.holders()) == held
        assert all(attempt.held or attempt.blocking for attempt in attempts)
        ids = {entry["id"] for entry in runs.holders()}
        assert list(threads.map(lock.renew, sorted(ids))) == [True] * held
        assert {entry["id"] for entry in runs.holders()} == ids
        left = threads.map(lambda taker: lock.release(taker.same_run)[0], takers)
        assert sum(left) == held
    assert runs.lease() is None


def test_shared_holders_keep_out_the_others_only(runs: Runs) -> None:
    shared = {"__maas_lock_mode": "shared"}
    first, second = runs.holding(**shared), runs.holding(**shared)
    assert {holder["pid"] for holder in runs.holders()} == {first.process.pid, second.process.pid}
    assert runs.hold(maas_lock_timeout=0).wait()[0] != 0
    assert first.finish()[0] == 0
    assert runs.hold(maas_lock_timeout=0).wait()[0] != 0
    second.end_by(signal.SIGKILL)
    until("the lock is free", lambda: runs.lease() is None, 5)
    alone = runs.holding()
    assert runs.hold(maas_lock_timeout=0, **shared).wait()[0] != 0
    assert alone.finish()[0] == 0


def test_check_mode_takes_no_lock_and_names_the_holder(runs: Runs) -> None:
    first = runs.holding()
    holders = runs.holders()
    (runs.directory / "end-1").touch()
    code, output = runs.start(runs.directory / "holder-0.yml", "--check").wait()
    assert code == 0, output
    assert "may change while that run goes on" in " ".join(output.split())
    assert [holder["id"] for holder in runs.holders()] == [holder["id"] for holder in holders]
    assert first.finish()[0] == 0
    since = runs.server.audit_position()
    assert runs.start(runs.directory / "holder-0.yml", "--check").wait()[0] == 0
    assert runs.server.writes(since) == []


def test_a_lease_that_is_not_ours_is_left_alone(runs: Runs) -> None:
    body = {"metadata": {"name": "llmops-maas"}, "spec": {"holderIdentity": "somebody"}}
    runs.server.request("POST", runs.path, body)
    code, output = runs.hold(maas_lock_timeout="60s").wait(30)
    assert code != 0
    assert f"kubectl --namespace {runs.namespace} delete lease llmops-maas" in " ".join(output.split())
    lease = runs.lease()
    assert lease
    assert lease["spec"] == {"holderIdentity": "somebody"}


def test_a_wrong_timeout_is_refused(runs: Runs) -> None:
    code, output = runs.hold(maas_lock_timeout="10 minutes").wait()
    assert code != 0
    assert "maas_lock_timeout: '10 minutes' is no duration" in output.replace("''", "'")


def restricted(runs: Runs, verbs: list[str]) -> Path:
    """A kubeconfig of a ServiceAccount that may do only this with Leases, and nothing else."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{runs.namespace}"
    accounts = f"/api/v1/namespaces/{runs.namespace}/serviceaccounts"
    runs.server.request("POST", accounts, {"metadata": {"name": "keys"}})
    rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs}]
    runs.server.request("POST", f"{rbac}/roles", {"metadata": {"name": "keys"}, "rules": rules})
    binding = {
        "metadata": {"name": "keys"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "keys"},
        "subjects": [{"kind": "ServiceAccount", "name": "keys", "namespace": runs.namespace}],
    }
    runs.server.request("POST", f"{rbac}/rolebindings", binding)
    token = runs.server.request("POST", f"{accounts}/keys/token", {"spec": {}})["status"]["token"]
    config = yaml.safe_load(runs.server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = runs.directory / "restricted"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_documented_rights_are_enough(runs: Runs) -> None:
    path = restricted(runs, ["get", "create", "update", "delete"])
    first = runs.holding(maas_kubeconfig=str(path), __maas_lock_mode="shared")
    second = runs.holding(maas_kubeconfig=str(path), __maas_lock_mode="shared")
    assert (first.finish()[0], second.finish()[0]) == (0, 0)
    assert runs.lease() is None


@pytest.mark.parametrize("required", [True, False])
def test_missing_rights_are_named(runs: Runs, required: bool) -> None:
    path = restricted(runs, ["get"])
    run = runs.hold(maas_kubeconfig=str(path), __maas_lock_required=required)
    code, output = run.finish()
    words = " ".join(output.split())
    assert (code == 0) is not required, output
    assert (
        f"Grant get, create, update and delete of leases.coordination.k8s.io in the namespace {runs.namespace}" in words
    )
    assert ("continues without a lock" in words) is not required


def test_a_missing_namespace_is_made_for_who_wants_it(api_server: ApiServer, runs: Runs) -> None:
    runs.namespace = f"{runs.namespace}-new"
    path = f"/api/v1/namespaces/{runs.namespace}"
    assert runs.hold().finish()[0] == 0
    with pytest.raises(urllib.error.HTTPError, match="404"):
        api_server.request("GET", path)
    assert runs.holding(__maas_lock_makes_namespace=True).finish()[0] == 0
    metadata = api_server.request("GET", path)["metadata"]
    assert metadata["labels"]["app.kubernetes.io/part-of"] == "llmops-maas"
    assert [entry["manager"] for entry in metadata["managedFields"]] == ["llmops.maas"]
    assert [entry["operation"] for entry in metadata["managedFields"]] == ["Apply"]


def test_a_namespace_that_is_being_deleted_is_waited_for_by_who_would_make_it(runs: Runs) -> None:
    # Nothing here finishes the deletion.
    runs.server.request("DELETE", f"/api/v1/namespaces/{runs.namespace}")
    assert runs.hold(maas_lock_timeout=0).finish()[0] == 0
    code, output = runs.hold(maas_lock_timeout="2s", __maas_lock_makes_namespace=True).finish()
    assert code != 0
    assert f"the namespace {runs.namespace} is being deleted" in output


@pytest.fixture
def keys_namespace(api_server: ApiServer) -> None:
    make(api_server, "/api/v1/namespaces", {"metadata": {"name": "kuadrant-system"}})


@pytest.fixture
def mirror(api_server: ApiServer, tmp_path: Path, checkout: Path) -> dict[str, Any]:
    """What site.yml needs to get past its checks of a bare API server; the first manifests then fail."""
    metadata = {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    body = {"metadata": metadata, "provisioner": "kubernetes.io/no-provisioner"}
    make(api_server, "/apis/storage.k8s.io/v1/storageclasses", body)
    folder = tmp_path / "mirror"
    folder.mkdir()
    versions = yaml.safe_load((checkout / "roles/maas/defaults/main/versions.yml").read_text())["maas_versions"]
    components = (checkout / "roles/maas/vars/main/components").glob("*.yml")
    entries = [entry for path in components for entry in yaml.safe_load(path.read_text()).values()]
    for entry in (item for component in entries for item in component.get("upstream", {}).values()):
        name = re.sub(r"\{\{ maas_(?:platform\.)?versions\.(\w+) \}\}", lambda match: versions[match[1]], entry["file"])
        (folder / name).touch()
    return {"maas_mirror": str(folder)}


@pytest.mark.usefixtures("keys_namespace")
@pytest.mark.parametrize("name", ["site", "teardown", "api_keys", "rotate_api_keys"])
def test_every_playbook_that_changes_something_stays_out(runs: Runs, name: str, mirror: dict[str, Any]) -> None:
    first = runs.holding()
    since = runs.server.audit_position()
    code, output = runs.playbook(name, **mirror)
    assert code != 0
    assert f"(process {first.process.pid}) has been running holder-0.yml" in " ".join(output.split())
    lease = f"update {runs.path}/llmops-maas"
    writes = [write for write in runs.server.writes(since) if not write.endswith(REVIEWS) and lease not in write]
    assert writes == []
    assert first.finish()[0] == 0


@pytest.mark.usefixtures("keys_namespace")
def test_previews_do_not_stay_out(runs: Runs) -> None:
    first = runs.holding()
    code, output = runs.playbook("rotate_api_keys", "--tags", "preview")
    assert code == 0, output
    assert runs.playbook("api_keys", "--check")[0] == 0
    assert first.finish()[0] == 0


@pytest.mark.usefixtures("keys_namespace")
def test_playbooks_release_the_lock(runs: Runs) -> None:
    for name in ("api_keys", "rotate_api_keys", "teardown"):
        code, output = runs.playbook(name, maas_key_probe={"method": "none"})
        assert code == 0, output
        assert "Keep other runs out" in output
        assert runs.lease() is None


@pytest.mark.usefixtures("keys_namespace")
def test_rotations_run_beside_each_other(runs: Runs) -> None:
    first = runs.holding(__maas_lock_mode="shared")
    code, output = runs.playbook("rotate_api_keys", maas_key_probe={"method": "none"})
    assert code == 0, output
    assert runs.playbook("api_keys")[0] != 0
    assert first.finish()[0] == 0


def test_site_makes_the_namespace_and_frees_the_lock_when_it_fails(runs: Runs, mirror: dict[str, Any]) -> None:
    runs.namespace = f"{runs.namespace}-site"
    code, output = runs.playbook("site", **mirror)
    assert code != 0
    assert "there is no object in what was given" in " ".join(output.split()) or "istio" in output
    found = runs.server.request("GET", f"/api/v1/namespaces/{runs.namespace}")
    assert found["metadata"]["labels"]["app.kubernetes.io/part-of"] == "llmops-maas"
    until("the lock is free", lambda: runs.lease() is None, 5)
