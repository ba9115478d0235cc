# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports, address ranges, certificates and configuration of the embedded cluster, without starting one."""

from __future__ import annotations

import configparser
import datetime
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from ansible_collections.llmops.embedded.plugins.module_utils._embedded import network, pki
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.components import (
    BINARIES,
    PORTS,
    Plan,
    certificates,
    components,
    write_files,
)
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.directory import ClusterDir, Recorded
from ansible_collections.llmops.maas.plugins.module_utils._supervise.network import is_free
from ansible_collections.llmops.maas.plugins.module_utils._supervise.process_life import process_at
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import (
    LONGEST_SOCKET_PATH,
    SuperviseError,
)
from ansible_collections.llmops.maas.plugins.module_utils._supervise.supervisor import (
    end_processes,
    last_lines,
    render_config,
)


@pytest.fixture
def taken() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    tools = {}
    for name in BINARIES:
        (tmp_path / name).write_text(name)
        tools[name] = str(tmp_path / name)
    directory = ClusterDir(tmp_path / "50% of it")
    directory.prepare()
    ports = {name: 40000 + number for number, name in enumerate(PORTS)}
    made = Plan(
        directory,
        tools,
        ports,
        "127.100.32.0/20",
        "images: []\n",
        ("/bin/sh", "-m", "stand_ins.kubelet"),
        "/some where",
    )
    pki.ensure_pki(directory.pki, certificates(made.slot))
    write_files(made)
    return made


def test_remembered_ports_are_kept_unless_somebody_took_them(taken: int) -> None:
    [free] = network.choose_ports(["a"], {}).values()
    chosen = network.choose_ports(["a", "b", "c"], {"a": free, "b": taken})
    assert chosen["a"] == free
    assert chosen["b"] != taken
    assert len(set(chosen.values())) == 3


def test_ports_of_a_running_cluster_are_kept_though_they_are_taken(taken: int) -> None:
    assert network.choose_ports(["a"], {"a": taken}, keep=["a"]) == {"a": taken}


def test_ranges_are_all_loopback_and_do_not_overlap() -> None:
    assert len(set(network.SLOTS)) == 16
    assert network.SLOTS[0] == "127.100.0.0/20"
    assert network.SLOTS[-1] == "127.100.240.0/20"
    assert network.first_address("127.100.240.0/20") == "127.100.240.1"


def test_two_clusters_that_start_at_once_get_different_ranges() -> None:
    with network.claim_slot("", [], "a") as first, network.claim_slot("", [], "a") as second:
        assert first != second
    with network.claim_slot(first, [second], "a") as again:
        assert again == first


def test_a_range_of_a_stopped_cluster_is_left_to_it() -> None:
    # Clusters that run on this machine, such as those of other tests, have theirs.
    free = [slot for slot in network.SLOTS if slot not in network.slots_in_use()]
    with network.claim_slot("", free[:-1], "a") as slot:
        assert slot == free[-1]


def test_a_remembered_range_that_is_in_use_is_an_error_with_a_fix() -> None:
    with (
        network.claim_slot("127.100.16.0/20", [], "a"),
        pytest.raises(SuperviseError, match=r"127\.100\.16\.0/20.*state=absent"),
        network.claim_slot("127.100.16.0/20", [], "b"),
    ):
        pass


def test_ranges_in_use_are_read_from_command_lines(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cmdline").write_bytes(b"kube-apiserver\0--service-cluster-ip-range=127.100.48.0/20\0--x\0")
    (tmp_path / "8").mkdir()
    assert network.slots_in_use(tmp_path) == {"127.100.48.0/20"}


def load(plan: Plan, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((plan.directory.pki / f"{name}.crt").read_bytes())


def test_certificates_are_signed_and_made_once(plan: Plan) -> None:
    server = load(plan, "kube-apiserver")
    server.verify_directly_issued_by(load(plan, "ca"))
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "127.100.32.1"}
    assert pki.ensure_pki(plan.directory.pki, certificates(plan.slot)) == []
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in plan.directory.pki.iterdir())


def test_certificates_that_end_soon_are_made_again(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(plan, "ca")
    monkeypatch.setattr(pki, "RENEW_BEFORE", pki.LIFETIME + datetime.timedelta(days=1))
    assert set(pki.ensure_pki(plan.directory.pki, certificates(plan.slot))) == {
        item.name for item in certificates(plan.slot)
    }
    assert load(plan, "ca") == before


def test_a_certificate_for_another_range_or_without_its_key_is_made_again(plan: Plan) -> None:
    assert pki.ensure_pki(plan.directory.pki, certificates("127.100.0.0/20")) == ["kube-apiserver"]
    (plan.directory.pki / "admin.key").write_bytes((plan.directory.pki / "kwok.key").read_bytes())
    assert pki.ensure_pki(plan.directory.pki, certificates("127.100.0.0/20")) == ["admin"]


def test_a_new_authority_makes_everything_new(plan: Plan) -> None:
    (plan.directory.pki / "ca.key").unlink()
    made = pki.ensure_pki(plan.directory.pki, certificates(plan.slot))
    assert set(made) == {"ca", *(item.name for item in certificates(plan.slot))}


def rendered(plan: Plan) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=configparser.BasicInterpolation())
    parser.read_string(render_config(plan.directory, components(plan)))
    return parser


def test_supervisor_config_survives_percent_signs_and_spaces(plan: Plan) -> None:
    config = rendered(plan)
    etcd = shlex.split(config["program:etcd"]["command"])
    assert etcd[0] == plan.tools["etcd"]
    assert f"--data-dir={plan.directory.path}/etcd" in etcd
    assert 'PYTHONPATH="/some where"' in config["program:kubelet-stand-in"]["environment"]
    assert config["unix_http_server"]["chmod"] == "0700"


def test_every_listener_is_on_loopback(plan: Plan) -> None:
    for component in components(plan):
        for flag in component.command:
            if "address=" in flag or "urls=" in flag:
                assert "127.0.0.1" in flag, flag


def test_programs_change_when_what_they_read_changes(plan: Plan) -> None:
    before = rendered(plan)
    (plan.directory.pki / "sa.pub").write_text("another key")
    (plan.directory.config / "images.yaml").write_text("another map, which is read again by itself")
    after = rendered(plan)
    changed = [name for name in after.sections() if dict(after[name]) != dict(before[name])]
    assert changed == ["program:kube-apiserver"]


@pytest.mark.parametrize("bad", ["a ;b", "a #b", "a\nb"])
def test_paths_that_supervisor_cannot_express_are_refused(plan: Plan, bad: str) -> None:
    made = [*components(Plan(plan.directory, {**plan.tools}, plan.ports, plan.slot))]
    broken = ClusterDir(plan.directory.path.parent / bad)
    with pytest.raises(SuperviseError, match="Choose another directory"):
        render_config(broken, made)


def test_sockets_of_long_directories_go_to_a_short_one(tmp_path: Path) -> None:
    assert ClusterDir(Path("/s/one")).socket("egress") == Path("/s/one/run/egress.sock")
    long = ClusterDir(tmp_path / ("x" * 100))
    assert long.socket("egress").parent == long.short_run_dir
    assert len(str(long.socket("supervisor"))) <= LONGEST_SOCKET_PATH
    assert long.short_run_dir != ClusterDir(tmp_path / ("y" * 100)).short_run_dir


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "..", "-a", "a-", "x" * 41])
def test_names_that_cannot_be_directories_are_refused(name: str) -> None:
    with pytest.raises(SuperviseError, match="cannot be the name here"):
        ClusterDir.named(name)


def test_what_is_recorded_is_read_again(plan: Plan) -> None:
    wanted = Recorded({"etcd": 1}, "127.100.0.0/20")
    plan.directory.record(wanted)
    assert plan.directory.recorded() == wanted
    (plan.directory.path / "cluster.json").write_text("{")
    with pytest.raises(SuperviseError, match=r"cluster\.json cannot be read"):
        plan.directory.recorded()


def test_one_run_at_a_time(plan: Plan) -> None:
    with (
        plan.directory.locked(1),
        pytest.raises(SuperviseError, match="Another run"),
        ClusterDir(plan.directory.path).locked(0.2),
    ):
        pass


def test_last_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(f"line {number} {'x' * 1000}" for number in range(200)))
    assert [line.split()[1] for line in last_lines(log, 2, longest=20)] == ["198", "199"]
    assert last_lines(tmp_path / "none") == []


# Its first thread ends, and Linux calls it a zombie from then on; its other thread still has the port.
HEADLESS = """
import ctypes, socket, threading, time
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=time.sleep, args=(60,)).start()
print(server.getsockname()[1], flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def headless() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", HEADLESS], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_process_lives_until_its_last_thread_and_its_ports_are_gone(headless: subprocess.Popen[str]) -> None:
    assert headless.stdout
    port = int(headless.stdout.readline())
    stat = Path(f"/proc/{headless.pid}/stat")
    end = time.monotonic() + 10
    while " Z " not in stat.read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
    process = process_at(stat.parent)
    assert not is_free(port)
    assert process
    assert process.alive()
    assert end_processes([process]) == []
    assert is_free(port)
    assert not process.alive()
