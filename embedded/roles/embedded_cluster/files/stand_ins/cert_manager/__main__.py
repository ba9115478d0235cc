# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the cert-manager stand-in.

It is run in the place of cert-manager's own programs and takes their arguments; those that mean nothing here are
ignored.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from aiohttp import web

from ..api import Api, Kubeconfig
from ..watching import stop_on_signals
from .cainjector import CaInjector
from .controller import Controller
from .webhook import Identity, serve


def _address(text: str) -> tuple[str, int]:
    host, _unused, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stand_ins.cert_manager", allow_abbrev=False)
    parser.add_argument("part", choices=["controller", "cainjector", "webhook"])
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("KUBECONFIG"))
    parser.add_argument("--healthz-listen-address", type=_address, help="host:port for /livez and /healthz")
    parser.add_argument("--cluster-resource-namespace", default="kube-system", help="where ClusterIssuers find Secrets")
    parser.add_argument("--listen-address", type=_address, help="host:port of the webhook")
    parser.add_argument("--dynamic-serving-ca-secret-namespace", default="cert-manager")
    parser.add_argument("--dynamic-serving-ca-secret-name", default="cert-manager-webhook-ca")
    parser.add_argument("--dynamic-serving-dns-names", action="append", default=[])
    options, _unused = parser.parse_known_args(argv)
    if options.kubeconfig is None:
        parser.error("--kubeconfig or the environment variable KUBECONFIG is needed")
    if options.part == "webhook" and options.listen_address is None:
        parser.error("--listen-address is needed")
    return options


async def _serve_health(address: tuple[str, int], ready: asyncio.Event) -> web.AppRunner:
    async def live(_unused: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def healthy(_unused: web.Request) -> web.Response:
        return web.Response(text="ok") if ready.is_set() else web.Response(text="starting", status=503)

    app = web.Application()
    app.router.add_get("/livez", live)
    app.router.add_get("/healthz", healthy)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, *address).start()
    return runner


async def run(options: argparse.Namespace) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    stop_on_signals(stop)
    health = await _serve_health(options.healthz_listen_address, ready) if options.healthz_listen_address else None
    async with Api(Kubeconfig(Path(options.kubeconfig))) as api:
        if options.part == "webhook":
            secret = (options.dynamic_serving_ca_secret_namespace, options.dynamic_serving_ca_secret_name)
            identity = Identity(*secret, tuple(options.dynamic_serving_dns_names))
            await serve(api, options.listen_address, identity, stop, ready)
        else:
            ready.set()
            injects = options.part == "cainjector"
            part = CaInjector(api) if injects else Controller(api, options.cluster_resource_namespace)
            await part.run(stop)
    if health:
        await health.cleanup()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    asyncio.run(run(arguments()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
