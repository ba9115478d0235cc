# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a process of a Pod find Services by their names in the cluster. Only the standard library is needed.

The kubelet stand-in writes the names into a hosts file; the image map gives its path in $SERVICE_NAMES.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

VARIABLE = "SERVICE_NAMES"
# What no other DNS knows, and so is not asked for.
_OF_THE_CLUSTER = re.compile(r".+\.svc(\.cluster\.local)?\.?")


def address_of(name: str, hosts: Path) -> str | None:
    """The ClusterIP of a Service, or None for any other name."""
    for line in hosts.read_text(encoding="utf-8").splitlines():
        address, *known = line.split()
        if name.rstrip(".") in known:
            return address
    return None


def install() -> None:
    """From now on this process resolves the names of Services too; socket.gaierror for one that there is not.

    The file is read at each look-up, so that a Service made later is found as well.
    """
    hosts = Path(os.environ[VARIABLE])
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if not isinstance(name, str):
            return resolve(host, *arguments, **options)
        address = address_of(name, hosts)
        if address is None and _OF_THE_CLUSTER.fullmatch(name):
            raise socket.gaierror(socket.EAI_NONAME, f"there is no Service {name}")
        return resolve(address or host, *arguments, **options)

    socket.getaddrinfo = getaddrinfo
