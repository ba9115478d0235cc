# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the kubelet stand-in."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from ..api import Api, Kubeconfig, KubeconfigError
from ..events import Recorder
from ..watching import stop_on_signals
from .images import ImageMapError, ImageMapFile
from .kubelet import Kubelet, Pods, ServiceRelays
from .node import Addresses, Node
from .processes import ProcessRecords
from .relay import EgressProxy
from .services import Routes


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stand_ins.kubelet", description=sys.modules["__main__"].__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="with the rights of a cluster administrator")
    parser.add_argument("--images", type=Path, required=True, help="image map (YAML); read again when it changes")
    parser.add_argument("--state-dir", type=Path, required=True, help="directory for volumes, logs and process records")
    parser.add_argument("--egress-socket", type=Path, required=True, help="of the proxy to Pods and Services")
    parser.add_argument("--service-cidr", type=ipaddress.ip_network, required=True, help="ClusterIPs, on loopback")
    parser.add_argument("--kubelet-address", type=_address, required=True, help="host:port of KWOK's kubelet API")
    parser.add_argument("--pod-cidr", default="198.18.0.0/16", help="range of Pod addresses")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser.parse_args()


def _address(text: str) -> tuple[str, int]:
    host, _unused, port = text.rpartition(":")
    if not ipaddress.ip_address(host).is_loopback:
        raise argparse.ArgumentTypeError(f"{text} is not on loopback")
    return host, int(port)


async def run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    state: Path = options.state_dir.absolute()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with Api(Kubeconfig(options.kubeconfig)) as api:
        node = Node(
            api=api,
            images=ImageMapFile(options.images),
            state=state,
            addresses=Addresses(options.pod_cidr),
            recorder=Recorder(api, "kubelet-stand-in"),
            records=ProcessRecords(state / "pids"),
            pod_network=options.egress_socket.absolute(),
        )
        pods = Pods(node)
        server = urlsplit(api.kubeconfig.server)
        routes = Routes(options.service_cidr, pods, (server.hostname or "127.0.0.1", server.port or 443))
        egress = EgressProxy(options.egress_socket, routes, options.kubelet_address)
        await egress.start()
        try:
            await Kubelet(node, pods, ServiceRelays(node, routes)).run(stop)
        finally:
            await egress.close()


def main() -> int:
    options = arguments()
    # Files with secrets are made here: nobody else may read them, whatever the caller's umask is.
    os.umask(0o077)
    level = getattr(logging, options.log_level.upper())
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("kopf", "asyncio"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    try:
        asyncio.run(run(options))
    except (KubeconfigError, ImageMapError, OSError) as error:
        print(f"kubelet stand-in: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
