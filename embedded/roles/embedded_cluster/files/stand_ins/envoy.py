# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Envoy with a configuration file of its own, on this machine: its listeners on loopback, with local ports.

``python -m stand_ins.envoy BINARY DIRECTORY PORT=LOCAL... --config-path FILE ...``: what follows the ports are Envoy's
own arguments. The process becomes Envoy.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_FLAG = "--config-path"


def local(configuration: dict[str, Any], ports: Mapping[int, int]) -> dict[str, Any]:
    """The configuration with every listener on 127.0.0.1. Raises KeyError for a port that has no local one."""
    resources = configuration.get("static_resources") or {}
    owners = [*(resources.get("listeners") or ()), *([configuration["admin"]] if "admin" in configuration else [])]
    for owner in owners:
        address = owner["address"]["socket_address"]
        address.update(address="127.0.0.1", port_value=ports[int(address["port_value"])])
    return configuration


def main() -> None:
    binary, directory, *rest = sys.argv[1:]
    ports = {}
    while rest and "=" in rest[0] and not rest[0].startswith("-"):
        port, _equals, here = rest.pop(0).partition("=")
        ports[int(port)] = int(here)
    place = rest.index(_FLAG) + 1
    configuration = local(yaml.safe_load(Path(rest[place]).read_text(encoding="utf-8")), ports)
    target = Path(directory) / "envoy.json"
    target.write_text(json.dumps(configuration), encoding="utf-8")
    rest[place] = str(target)
    os.execv(binary, [binary, *rest])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
