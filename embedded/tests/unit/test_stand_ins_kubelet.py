# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the kubelet stand-in that need no cluster."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.kubelet import (
    container,
    environment,
    fields,
    images,
    logs,
    objects,
    placeholders,
    podstatus,
    ports,
    processes,
    quantities,
    relay,
    services,
    volumes,
)

NETWORK = ipaddress.ip_network("127.100.16.0/20")
POD: dict[str, Any] = {
    "metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", "labels": {"app": "web"}, "generation": 1},
    "spec": {
        "nodeName": "node-0",
        "serviceAccountName": "robot",
        "containers": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8000}]}],
    },
    "status": {"podIP": "198.18.0.9", "hostIP": "127.0.0.1"},
}


class Store:
    """Secrets and ConfigMaps in memory."""

    def __init__(self, **known: dict[str, bytes]) -> None:
        self.known = known

    async def data(self, kind: objects.SourceKind, name: str) -> objects.SourceData | None:
        return self.known.get(f"{kind}_{name}")

    async def token(self, audience: str | None, seconds: int) -> str:
        return f"token for {audience or 'the API server'} of {seconds} s"


def entry(**fields_: Any) -> images.ImageEntry:
    return images.parse_image_map({"images": [{"image": "web:.*", **fields_}]}).entries[0]


class TestImageMap:
    def test_matches_the_whole_image_name_and_the_first_entry_wins(self) -> None:
        found = images.parse_image_map({"images": [{"image": "(.*/)?istio/pilot:.*"}, {"image": ".*"}]})
        assert found.match("docker.io/istio/pilot:1.26") is found.entries[0]
        assert found.match("docker.io/istio/pilotx:1") is found.entries[1]
        assert images.parse_image_map({"images": [{"image": "web:1"}]}).match("web:12") is None

    def test_covers_a_pod_by_any_container_or_init_container(self) -> None:
        found = images.parse_image_map({"images": [{"image": "web:.*"}]})
        assert found.covers(POD)
        assert found.covers({"spec": {"containers": [{"image": "x"}], "initContainers": [{"image": "web:2"}]}})
        assert not found.covers({"spec": {"containers": [{"image": "x"}]}})

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ([], "list 'images'"),
            ({"images": ["web"]}, r"images\[0\]"),
            ({"images": [{"image": "("}]}, "not a regular expression"),
            ({"images": [{"image": "a", "arg": []}]}, "unknown field 'arg'"),
        ],
    )
    def test_says_what_is_wrong(self, content: Any, told: str) -> None:
        with pytest.raises(images.ImageMapError, match=told):
            images.parse_image_map(content)

    def test_drops_only_whole_arguments(self) -> None:
        kept = entry(drop_args=["--leader-elect(=.*)?"]).arguments(
            ["--leader-elect", "--leader-elect=true", "--leader-elect-id=x"]
        )
        assert kept == ["--leader-elect-id=x"]

    @pytest.mark.parametrize(
        ("own", "made"),
        [([], ["--every=5s"]), (["--every=0"], ["--every=0"]), (["-x"], ["-x", "--every=5s"])],
    )
    def test_adds_a_default_where_there_is_no_such_option(self, own: list[str], made: list[str]) -> None:
        assert entry(default_args=["--every=5s"]).arguments(own) == made

    def test_file_is_read_again_when_it_changes(self, tmp_path: Path) -> None:
        path = tmp_path / "images.yaml"
        path.write_text("images: [{image: 'a:.*'}]", encoding="utf-8")
        file = images.ImageMapFile(path)
        assert not file.refresh()
        path.write_text("images: [{image: 'b:.*'}]", encoding="utf-8")
        os.utime(path, ns=(1, 1))
        assert file.refresh()
        assert file.current.match("b:1")


class TestPlaceholders:
    def test_fills_ports_and_values_and_leaves_other_braces(self) -> None:
        text = placeholders.fill("{root}/a:{port:8080}:{port:http}:{x}", {"root": "/r"}, len)
        assert text == "/r/a:4:4:{x}"

    def test_names_a_placeholder_without_value(self) -> None:
        with pytest.raises(placeholders.PlaceholderError, match="kubeconfig"):
            placeholders.fill("{kubeconfig}", {}, int)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("/tls/a.crt", "/R/tls/a.crt"),
            ("--cert=/tls", "--cert=/R/tls"),
            ("/tls:/etc/tls", "/R/tls:/etc/tls"),
            ("/tlsx/a", "/tlsx/a"),
            ("/srv/tls/a", "/srv/tls/a"),
            ("/tls/inner/x,/tls/y", "/R/tls/inner/x,/R/tls/y"),
            (r"printf 'dir /tls\n'", r"printf 'dir /R/tls\n'"),
        ],
    )
    def test_moves_mount_paths_only_as_whole_paths(self, text: str, expected: str) -> None:
        assert placeholders.relocate(text, ["/tls", "/tls/inner/"], "/R") == expected


class TestEnvironment:
    def test_expands_references_in_order_and_escapes(self) -> None:
        assert environment.expand("$(A)-$(B)-$$(A)", {"A": "1"}) == "1-$(B)-$(A)"

    def make(self, container_: dict[str, Any], store: Store) -> dict[str, str]:
        return asyncio.run(environment.environment(POD, container_, store))

    def test_reads_every_kind_of_source(self) -> None:
        spec = {
            "envFrom": [{"prefix": "C_", "configMapRef": {"name": "conf"}}],
            "env": [
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": True}}},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "BOTH", "value": "$(NAME)/$(C_x)"},
            ],
            "resources": {"limits": {"cpu": "1500m"}},
        }
        made = self.make(spec, Store(configmap_conf={"x": b"1"}, secret_s={"k": b"v"}))
        assert made == {"C_x": "1", "NAME": "web-1", "LABEL": "web", "KEY": "v", "CPU": "2", "BOTH": "web-1/1"}

    def test_a_missing_secret_or_key_is_named(self) -> None:
        spec = {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
        with pytest.raises(objects.MissingError, match='secret "s" not found'):
            self.make(spec, Store())
        with pytest.raises(objects.MissingError, match="couldn't find key k in secret s"):
            self.make(spec, Store(secret_s={}))

    def test_unknown_field_is_refused(self) -> None:
        with pytest.raises(fields.FieldError, match=r"spec\.nothing"):
            fields.field_value(POD, "spec.nothing")

    def test_finds_all_secrets_and_config_maps_of_a_pod(self) -> None:
        pod = {
            "spec": {
                "volumes": [
                    {"secret": {"secretName": "a"}},
                    {"projected": {"sources": [{"configMap": {"name": "b"}}, {"secret": {"name": "c"}}]}},
                ],
                "containers": [
                    {
                        "env": [{"valueFrom": {"configMapKeyRef": {"name": "d", "key": "k"}}}],
                        "envFrom": [{"secretRef": {"name": "e"}}],
                    }
                ],
            }
        }
        wanted = {("secret", "a"), ("configmap", "b"), ("secret", "c"), ("configmap", "d"), ("secret", "e")}
        assert environment.references(pod) == wanted


@pytest.mark.parametrize(
    ("value", "divisor", "expected"),
    [("100m", "", 1), ("2", "1m", 2000), ("1Gi", "1Mi", 1024), ("1500m", "1", 2), ("64", "0", 64)],
)
def test_quantities_round_up(value: str, divisor: str, expected: int) -> None:
    assert quantities.divided(value, divisor) == expected


class TestVolumes:
    def test_projected_volume_with_token_and_items(self) -> None:
        parts = [
            {"serviceAccountToken": {"path": "token", "audience": "x", "expirationSeconds": 60}},
            {"configMap": {"name": "ca", "items": [{"key": "ca.crt", "path": "sub/root.crt"}]}},
            {"secret": {"name": "none", "optional": True}},
            {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]
        made = asyncio.run(
            volumes.content({"projected": {"sources": parts}}, POD, Store(configmap_ca={"ca.crt": b"PEM"}))
        )
        assert made == {"token": b"token for x of 60 s", "sub/root.crt": b"PEM", "ns": b"shop"}

    def test_missing_secret_is_waited_for_unless_optional(self) -> None:
        with pytest.raises(objects.MissingError, match='secret "late" not found'):
            asyncio.run(volumes.content({"secret": {"secretName": "late"}}, POD, Store()))
        optional = {"secret": {"secretName": "late", "optional": True}}
        assert asyncio.run(volumes.content(optional, POD, Store())) == {}
        assert asyncio.run(volumes.content({"emptyDir": {}}, POD, Store())) is None

    def test_content_is_replaced_at_once_and_private(self, tmp_path: Path) -> None:
        directory = tmp_path / "v"
        assert volumes.write(directory, {"a": b"1", "sub/b": b"2"})
        assert not volumes.write(directory, {"a": b"1", "sub/b": b"2"})
        former = (directory / "..data").resolve()
        assert (directory / "a").stat().st_mode & 0o777 == 0o600
        assert volumes.write(directory, {"a": b"3"})
        assert (directory / "a").read_bytes() == b"3"
        assert not former.exists()
        assert sorted(path.name for path in directory.iterdir() if not path.name.startswith("..")) == ["a"]

    def test_paths_cannot_leave_the_volume(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="stay inside"):
            volumes.write(tmp_path / "v", {"../evil": b""})

    def test_nested_mounts(self, tmp_path: Path) -> None:
        for name in ("outer", "inner"):
            (tmp_path / name).mkdir()
        (tmp_path / "inner" / "x").write_text("1", encoding="utf-8")
        root = tmp_path / "root"
        for _unused in range(2):
            volumes.mount(root, [("/tmp/certs", tmp_path / "inner"), ("/tmp", tmp_path / "outer")])
        assert (root / "tmp" / "certs" / "x").read_text(encoding="utf-8") == "1"

    def test_a_sub_path_is_made_unless_it_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "web.yaml").write_text("{}", encoding="utf-8")
        assert volumes.inside(tmp_path, "web.yaml").is_file()
        assert volumes.inside(tmp_path, "data/db").is_dir()

    def test_only_the_api_servers_token_makes_a_kubeconfig(self) -> None:
        other = {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "istio-ca"}}]}}
        own = {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
        assert volumes.token_path(other) is None
        assert volumes.token_path(own) == "token"


class TestPorts:
    def test_a_container_port_keeps_its_local_port_by_number_and_name(self) -> None:
        pod_ports = ports.PodPorts(POD, ports.LocalPorts())
        local = pod_ports.allocate("http")
        assert pod_ports.allocate(8000) == local == pod_ports.local("8000")
        assert pod_ports.local(9000) is None

    def test_an_undeclared_name_is_refused(self) -> None:
        with pytest.raises(ports.PortError, match="'grpc'"):
            ports.PodPorts(POD, ports.LocalPorts()).allocate("grpc")


class Backend:
    def __init__(self, ready: bool, address: str = "198.18.0.7") -> None:
        self.ready = ready
        self.address = address
        self.stopping = False
        self.ports = ports.PodPorts(POD, ports.LocalPorts())
        self.port = self.ports.allocate("http")

    def selected_by(self, namespace: str, selector: Any) -> bool:
        return namespace == "shop" and selector == {"app": "web"}


def service(**spec: Any) -> dict[str, Any]:
    content = {"clusterIP": "127.100.16.5", "selector": {"app": "web"}, "ports": [{"port": 443, "targetPort": "http"}]}
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": content | spec}


class TestRouting:
    def routes(self, *backends: Backend) -> services.Routes:
        made = services.Routes(NETWORK, backends, ("127.0.0.1", 6443))
        made.replace(service(), deleted=False)
        return made

    def test_takes_turns_over_the_ready_pods(self) -> None:
        one, two, unready = Backend(True), Backend(True), Backend(False)
        routes = self.routes(one, two, unready)
        picked = [routes.pick("127.100.16.5", 443) for _unused in range(4)]
        assert picked == [("127.0.0.1", port) for port in (one.port, two.port, one.port, two.port)]

    def test_no_ready_pod_no_connection(self) -> None:
        assert self.routes(Backend(False)).pick("127.100.16.5", 443) is None

    def test_unready_pods_serve_a_service_that_publishes_them(self) -> None:
        backend = Backend(False)
        routes = self.routes(backend)
        routes.replace(service(publishNotReadyAddresses=True), deleted=False)
        assert routes.pick("127.100.16.5", 443) == ("127.0.0.1", backend.port)

    @pytest.mark.parametrize("address", ["None", "", "10.0.0.5", "127.100.32.5"])
    def test_addresses_outside_the_range_are_not_ours(self, address: str) -> None:
        assert services.targets(service(clusterIP=address), NETWORK) == []

    def test_a_range_that_is_not_loopback_is_never_served(self) -> None:
        assert services.targets(service(clusterIP="10.0.0.5"), ipaddress.ip_network("10.0.0.0/8")) == []

    def test_changes_are_told(self) -> None:
        routes = self.routes(Backend(True))
        added, removed = routes.replace(service(ports=[{"port": 80, "targetPort": 8000}]), deleted=False)
        assert ([item.port for item in added], [item.port for item in removed]) == ([80], [443])
        _unused, removed = routes.replace(service(), deleted=True)
        assert [item.port for item in removed] == [80]
        assert not routes.knows("127.100.16.5", 80)


class TestEgress:
    @pytest.mark.parametrize(
        ("head", "status"),
        [
            (b"CONNECT 127.100.16.5:443 HTTP/1.1", "200 OK"),
            (b"CONNECT 127.0.0.1:10250 HTTP/1.1", "200 OK"),
            (b"CONNECT 127.0.0.1:22 HTTP/1.1", "403 Forbidden"),
            (b"CONNECT 192.0.2.1:443 HTTP/1.1", "403 Forbidden"),
            (b"CONNECT 127.100.16.5:80 HTTP/1.1", "403 Forbidden"),
            (b"CONNECT 198.18.0.7:8000 HTTP/1.1", "200 OK"),
            (b"CONNECT 198.18.0.7:9000 HTTP/1.1", "403 Forbidden"),
            (b"CONNECT 198.18.0.8:8000 HTTP/1.1", "403 Forbidden"),
            (b"GET / HTTP/1.1", "400 Bad Request"),
            (b"", "400 Bad Request"),
        ],
    )
    def test_connects_to_pods_services_and_the_kubelet_only(self, head: bytes, status: str, tmp_path: Path) -> None:
        routes = TestRouting().routes(Backend(True))
        proxy = relay.EgressProxy(tmp_path / "s", routes, ("127.0.0.1", 10250))
        decided, destination = proxy.decide(head + b"\r\n\r\n")
        assert decided == status
        assert (destination is not None) == (status == "200 OK")

    def test_connects_to_the_pod_with_the_address_ready_or_not(self, tmp_path: Path) -> None:
        one, other = Backend(False), Backend(True, "198.18.0.8")
        proxy = relay.EgressProxy(tmp_path / "s", TestRouting().routes(one, other), ("127.0.0.1", 1))
        for backend in (one, other):
            head = f"CONNECT {backend.address}:8000 HTTP/1.1\r\n\r\n".encode()
            assert proxy.decide(head) == ("200 OK", ("127.0.0.1", backend.port))

    def test_says_that_nobody_is_ready(self, tmp_path: Path) -> None:
        proxy = relay.EgressProxy(tmp_path / "s", TestRouting().routes(), ("127.0.0.1", 1))
        assert proxy.decide(b"CONNECT 127.100.16.5:443 HTTP/1.1\r\n\r\n") == ("503 Service Unavailable", None)


class TestRelay:
    """One Service port on loopback, and a server behind it."""

    def target(self, port: int) -> services.Target:
        return services.Target("127.0.0.1", port, 80, "shop", "web", (), False)

    def routes(self, port: int) -> Any:
        class Fixed:
            def pick(self, _address: str, _port: int) -> tuple[str, int]:
                return "127.0.0.1", port

        return Fixed()

    @staticmethod
    async def failed(target: services.Target, message: str) -> None:
        raise AssertionError(f"{target}: {message}")

    def test_a_side_that_breaks_off_does_not_leave_the_other_waiting(self) -> None:
        async def run() -> bytes:
            async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.read(1)
                relay._reset(writer)

            server = await asyncio.start_server(break_off, "127.0.0.1", 0)
            behind = server.sockets[0].getsockname()[1]
            relays = relay.Relays(self.routes(behind), self.failed)
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            assert await relays.add(self.target(port)) == port
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            try:
                with contextlib.suppress(ConnectionError):
                    return await asyncio.wait_for(reader.read(), 5)
                return b""
            finally:
                writer.close()
                await relays.close()
                server.close()

        assert asyncio.run(run()) == b""

    def test_a_privileged_port_moves_where_the_right_to_it_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []
        start_server = asyncio.start_server

        async def refuse(serve: Any, address: str, port: int) -> asyncio.Server:
            asked.append(port)
            if port < 1024:
                raise PermissionError
            return await start_server(serve, address, 0)

        monkeypatch.setattr(relay.asyncio, "start_server", refuse)

        async def run() -> int | None:
            relays = relay.Relays(self.routes(1), self.failed)
            try:
                return await relays.add(self.target(80))
            finally:
                await relays.close()

        assert asyncio.run(run()) == 8080
        assert asked == [80, 8080]


def test_local_ports_stand_in_the_pod_as_text() -> None:
    found = ports.PodPorts(POD, ports.LocalPorts())
    local = found.allocate("http")
    assert found.as_text() == f'{{"8000": {local}}}'
    found.release()


def state(**values: Any) -> podstatus.ContainerState:
    return podstatus.ContainerState(name="web", image="web:1", **values)


def ended(code: int) -> podstatus.ContainerState:
    return state(state={"terminated": {"exitCode": code}})


class TestStatus:
    def test_ready_needs_every_container(self) -> None:
        made = podstatus.pod_status(
            POD, podstatus.Containers([], [self.running(True), self.running(False)], True), "a", "t1"
        )
        by_type = {item["type"]: item for item in made["conditions"]}
        assert made["phase"] == "Running"
        assert by_type["Ready"]["status"] == by_type["ContainersReady"]["status"] == "False"
        assert by_type["Ready"]["message"] == "containers with unready status: [web]"
        made = podstatus.pod_status(POD, podstatus.Containers([], [self.running(True)], True), "a", "t1")
        assert {item["type"]: item["status"] for item in made["conditions"]}["Ready"] == "True"

    def running(self, ready: bool) -> podstatus.ContainerState:
        made = state()
        made.run("t0", "7")
        made.ready = ready
        return made

    def test_transition_time_stays_while_the_status_does(self) -> None:
        known = [{"type": "Ready", "status": "True", "lastTransitionTime": "t0"}]
        pod = POD | {"status": {"conditions": known}}
        containers = podstatus.Containers([], [self.running(True)], True)
        made = {item["type"]: item for item in podstatus.pod_status(pod, containers, "a", "t1")["conditions"]}
        assert made["Ready"]["lastTransitionTime"] == "t0"
        assert made["ContainersReady"]["lastTransitionTime"] == "t1"

    def test_readiness_gates_count(self) -> None:
        pod = POD | {"spec": POD["spec"] | {"readinessGates": [{"conditionType": "x/y"}]}}
        made = podstatus.pod_status(pod, podstatus.Containers([], [self.running(True)], True), "a", "t1")
        assert {item["type"]: item["status"] for item in made["conditions"]}["Ready"] == "False"

    @pytest.mark.parametrize(
        ("policy", "codes", "expected"),
        [
            ("Never", [0, 0], "Succeeded"),
            ("Never", [0, 1], "Failed"),
            ("OnFailure", [0], "Succeeded"),
            ("OnFailure", [1], "Running"),
            ("Always", [0], "Running"),
        ],
    )
    def test_phase(self, policy: str, codes: list[int], expected: str) -> None:
        assert podstatus.phase(policy, True, [ended(code) for code in codes]) == expected
        assert podstatus.phase(policy, False, [ended(code) for code in codes]) == "Pending"

    def test_the_former_end_is_kept_as_last_state(self) -> None:
        container_ = state()
        container_.run("t0", "7")
        container_.terminate(podstatus.terminated(137, 9, "t0", "t1", "text"))
        container_.wait_for("CrashLoopBackOff")
        container_.run("t2", "8")
        status = container_.as_status()
        assert status["lastState"]["terminated"]["exitCode"] == 137
        assert status["state"] == {"running": {"startedAt": "t2"}}
        assert not status["ready"]


class TestReadiness:
    """A container may be reported ready only after its probe succeeded, and no longer once it fails."""

    def reported(self, tmp_path: Path, spec: dict[str, Any], results: list[str | None]) -> list[bool]:
        """What the status says each time it is to be written, while the probe gives one result after the other."""
        seen: list[bool] = []
        container_state = state()
        answers = iter(results)

        class Probe:
            async def check(self, _unused: Any) -> str | None:
                try:
                    return next(answers)
                except StopIteration:
                    raise asyncio.CancelledError from None

        async def event(*_: Any) -> None:
            """Nobody looks at events here."""

        hooks = container.Hooks(
            command=lambda: pytest.fail("not started here"),
            prober=lambda _: pytest.fail("given below"),
            changed=lambda: seen.append(container_state.ready),
            event=event,
            woken=asyncio.sleep,
        )
        made = container.Container(
            spec,
            container_state,
            logs.ContainerLog(tmp_path, "web"),
            processes.ProcessRecords(tmp_path / "pids"),
            hooks,
        )
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(made._probe(None, Probe()))  # type: ignore[arg-type]  # no process is needed to be probed
        return seen

    def test_by_the_probe(self, tmp_path: Path) -> None:
        probe = {"readinessProbe": {"periodSeconds": 0.01, "failureThreshold": 2}}
        results = ["no", "no", None, "no", None, "no", "no"]
        assert self.reported(tmp_path, probe, results) == [False, True, False]

    def test_success_threshold(self, tmp_path: Path) -> None:
        probe = {"readinessProbe": {"periodSeconds": 0.01, "successThreshold": 2}}
        assert self.reported(tmp_path, probe, [None, "no", None]) == [False]
        assert self.reported(tmp_path, probe, [None, None]) == [False, True]

    def test_without_probe_a_running_container_is_ready(self, tmp_path: Path) -> None:
        assert self.reported(tmp_path, {}, []) == [True]

    def test_startup_comes_first(self, tmp_path: Path) -> None:
        spec = {"startupProbe": {"periodSeconds": 0.01, "failureThreshold": 100}}
        assert self.reported(tmp_path, spec, ["no", None]) == [True]


def test_backoff_grows_to_its_limit() -> None:
    assert [container.backoff(failures) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_log_lines_are_in_cri_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = logs.cri_line("stderr", b"text", complete=False, now=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert line == b"2026-01-02T03:04:05.000006000Z stderr P text\n"
    monkeypatch.setattr(logs, "MAX_BYTES", 200)
    log = logs.ContainerLog(tmp_path, "web")
    for number in range(10):
        log.write("stdout", b"line %d" % number)
    assert log.path.stat().st_size <= 200
    assert re.search(r"Z stdout F line 9$", log.path.read_text(encoding="utf-8").strip())
    log.start()
    assert "line 9" in log.previous.read_text(encoding="utf-8")
