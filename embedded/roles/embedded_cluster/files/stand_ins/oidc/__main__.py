# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the issuer stand-in: the process of Keycloak's Pod, with the container's own arguments."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from aiohttp import web

from ..watching import stop_on_signals
from .issuer import Issuer
from .realm import RealmError, read

_LOOPBACK = "127.0.0.1"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stand_ins.oidc", description=__doc__)
    parser.add_argument("--realms", type=Path, required=True, help="folder with the realm's file, *-realm.json")
    parser.add_argument("--port", type=int, required=True, help="on loopback")
    parser.add_argument("--management-port", type=int, required=True, help="of the probes, on loopback")
    parser.add_argument("--hostname", required=True, help="as Keycloak's: scheme, host and port of the issuer")
    return parser.parse_known_args()[0]


async def _healthy(_request: web.Request) -> web.Response:
    return web.json_response({"status": "UP", "checks": []})


async def serve(options: argparse.Namespace, issuer: Issuer) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    health = web.Application()
    for probe in ("started", "ready", "live"):
        health.router.add_get(f"/health/{probe}", _healthy)
    runners = []
    try:
        for application, port in ((issuer.application(), options.port), (health, options.management_port)):
            runner = web.AppRunner(application, access_log=None)
            runners.append(runner)
            await runner.setup()
            await web.TCPSite(runner, _LOOPBACK, port).start()
        await stop.wait()
    finally:
        for runner in runners:
            await runner.cleanup()


def main() -> int:
    options = arguments()
    try:
        (path,) = sorted(options.realms.glob("*-realm.json"))
        realm = read(json.loads(path.read_text(encoding="utf-8")), os.environ)
        asyncio.run(serve(options, Issuer(realm, options.hostname)))
    except (RealmError, OSError, ValueError) as error:
        print(f"issuer stand-in: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
