# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and Service address ranges of embedded clusters."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import re
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from ansible_collections.llmops.maas.plugins.module_utils._supervise.network import LOOPBACK, is_free_soon
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError

# Every Service address is a loopback address, so that nothing sent to one can leave the machine.
SERVICE_NETWORK = ipaddress.IPv4Network("127.100.0.0/16")
SLOTS = [str(slot) for slot in SERVICE_NETWORK.subnets(new_prefix=20)]
_RANGE_FLAG = re.compile(rb"--service-cluster-ip-range=([0-9./]+)")


def choose_ports(names: Iterable[str], remembered: Mapping[str, int], keep: Collection[str] = ()) -> dict[str, int]:
    """A port for each name: the remembered one while it is free or the name is in ``keep``, else a free one."""
    wanted = list(names)
    chosen = {name: remembered[name] for name in wanted if name in remembered and name in keep}
    for name in wanted:
        port = remembered.get(name)
        if name not in chosen and port and port not in chosen.values() and is_free_soon(port):
            chosen[name] = port
    missing = [name for name in wanted if name not in chosen]
    chosen.update(zip(missing, _free_ports(len(missing), set(chosen.values())), strict=True))
    return {name: chosen[name] for name in wanted}


def _free_ports(count: int, taken: set[int]) -> list[int]:
    """Distinct free ports; all probes stay open until the last one is known, so none comes twice."""
    found: list[int] = []
    with contextlib.ExitStack() as probes:
        while len(found) < count:
            probe = probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
            if port not in taken:
                found.append(port)
    return found


def slots_in_use(proc: Path = Path("/proc")) -> set[str]:
    """The Service ranges of all API servers that run on this machine, whoever owns them (from their command lines)."""
    used = set()
    for entry in proc.glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            match = _RANGE_FLAG.search(entry.read_bytes())
            if match:
                used.add(match.group(1).decode())
    return used


@contextlib.contextmanager
def claim_slot(remembered: str, reserved: Collection[str], key: str) -> Iterator[str]:
    """Hold a Service range (CIDR) that no other cluster uses until its API server shows on the process list.

    ``remembered`` is the range that the cluster's Services already have addresses in, or "". ``reserved`` are ranges
    of stopped clusters. ``key`` spreads the first choice, so that clusters that cannot see each other rarely meet.
    Raises SuperviseError when the remembered range or all ranges are taken.
    """
    used = slots_in_use()
    if remembered:
        candidates = [remembered]
    else:
        start = int(hashlib.sha256(key.encode()).hexdigest(), 16) % len(SLOTS)
        order = SLOTS[start:] + SLOTS[:start]
        candidates = [slot for slot in order if slot not in reserved] or order
    for slot in candidates:
        if slot in used:
            continue
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:
            try:
                # An abstract socket: visible to every user of the machine and gone with this process.
                claim.bind(f"\0llmops-maas-slot-{slot}")
            except OSError:
                continue
            yield slot
            return
    raise SuperviseError(_no_slot(remembered))


def _no_slot(remembered: str) -> str:
    if remembered:
        return (
            f"The Service address range {remembered} of this cluster is used by another one that is running. "
            "Stop that one, or remove this one (state=absent) and start it anew."
        )
    return f"All {len(SLOTS)} Service address ranges of {SERVICE_NETWORK} are in use: stop an embedded cluster first."


def first_address(slot: str) -> str:
    """The address of Service ``default/kubernetes``: the first one of the range."""
    return str(ipaddress.IPv4Network(slot)[1])
