# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the gateway's relay: the process of a gateway's Pod. It runs Envoy, and ends when Envoy ends."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path

from ..api import Api, Kubeconfig, KubeconfigError
from ..watching import stop_on_signals, wait_for_server, watch_forever
from .bootstrap import bootstrap, node
from .places import Places
from .relay import Istiod, Relay
from .rewriting import Rewriting
from .telemetry import Telemetry, serve

LOG = logging.getLogger(__name__)

_WORKLOAD_LABEL = "service.istio.io/canonical-name"

_STOP_SECONDS = 5.0
# Below the directory that Envoy starts in: a path of its own would be too long for a socket.
_SOCKET = "relay.sock"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stand_ins.gateway", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="may read Pods and Services")
    parser.add_argument("--envoy", required=True, help="Envoy's binary")
    parser.add_argument("--directory", type=Path, required=True, help="Envoy's own")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--pod", required=True)
    parser.add_argument("--pod-ip", required=True, help="its address in the cluster")
    parser.add_argument("--istiod", required=True, help="SERVICE.NAMESPACE.svc:PORT, with TLS")
    parser.add_argument("--token", type=Path, required=True, help="by which istiod knows the Pod")
    parser.add_argument("--ca", type=Path, required=True, help="of istiod's certificate")
    parser.add_argument("--admin-port", type=int, required=True, help="of Envoy's administration, on loopback")
    parser.add_argument("--status-port", type=int, required=True, help="of readiness, on loopback")
    parser.add_argument("--metrics-port", type=int, required=True, help="of the metrics, on loopback")
    parser.add_argument(
        "--port", action="append", default=[], help="PORT=LOCAL: a port of the Gateway, where it is here"
    )
    # The container's own arguments are pilot-agent's.
    return parser.parse_known_args()[0]


async def run(options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    stop_on_signals(stop)
    ports = {int(one): int(other) for one, _equals, other in (item.partition("=") for item in options.port)}
    directory: Path = options.directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    os.chdir(directory)
    Path(_SOCKET).unlink(missing_ok=True)
    async with Api(Kubeconfig(options.kubeconfig)) as api:
        await wait_for_server(api, stop)
        places = Places()
        await places.load(api)
        pod = await api.request("GET", f"/api/v1/namespaces/{options.namespace}/pods/{options.pod}")
        istiod = Istiod(options.istiod, options.token, options.ca, places)
        server = await Relay(istiod, Rewriting(ports, places), places).serve(_SOCKET)
        who = node(pod, options.pod_ip, os.environ)
        content = bootstrap(who, _SOCKET, options.admin_port, options.status_port)
        Path("envoy.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
        envoy = await _start(options.envoy, directory)
        telemetry = Telemetry(options.namespace, pod["metadata"]["labels"].get(_WORKLOAD_LABEL, options.pod))
        metrics = await serve(telemetry, options.metrics_port, options.admin_port)
        tasks = [
            asyncio.create_task(telemetry.follow(_output(envoy))),
            asyncio.create_task(watch_forever(api, places.watches(), stop)),
            asyncio.create_task(places.load_again(api, stop)),
        ]
        try:
            return await _until_either(envoy, stop)
        finally:
            stop.set()
            await server.stop(None)
            await metrics.cleanup()
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)


async def _start(binary: str, directory: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        binary,
        "--config-path",
        str(directory / "envoy.json"),
        "--concurrency",
        "2",
        "--disable-hot-restart",
        # As Istio starts it (pkg/envoy/proxy.go): a connection from before a new configuration ends with its next
        # answer.
        "--drain-time-s",
        "45",
        "--drain-strategy",
        "immediate",
        "--log-level",
        "warning",
        # What is logged is counted for the metrics.
        "--file-flush-interval-msec",
        "500",
        # Notes about features that are still in the making: they are used on purpose.
        "--component-log-level",
        "misc:error",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )


def _output(envoy: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert envoy.stdout is not None  # noqa: S101  # it is a pipe
    return envoy.stdout


async def _until_either(envoy: asyncio.subprocess.Process, stop: asyncio.Event) -> int:
    """Exit code: Envoy's own, or 0 after a request to stop."""
    ended = asyncio.create_task(envoy.wait())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if ended.done():
        LOG.error("Envoy ended with exit code %s", ended.result())
        return ended.result() or 1
    envoy.terminate()
    try:
        await asyncio.wait_for(ended, _STOP_SECONDS)
    except TimeoutError:
        envoy.kill()
        await envoy.wait()
    return 0


def main() -> int:
    options = arguments()
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("kopf", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        return asyncio.run(run(options))
    except (KubeconfigError, OSError) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
