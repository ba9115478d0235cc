# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that the embedded cluster runs, from package registries alone, with empty caches."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.binaries import children_seconds
from benchmarks import CHECKOUT
from benchmarks.bench import LOG, OURS, Bench, Sample, row
from benchmarks.goals import BEFORE, COLD_CPU, COLD_WALL
from benchmarks.processes import Command, execute

# User and system, of a first `make deploy` on 2 cores with a go.mod for each program and a helm of its own.
BEFORE_CPU_SECONDS = 3560.0


def cold_start(bench: Bench) -> list[dict[str, Any]]:
    """One run in an empty home directory; what it leaves there is what a user would find."""
    home = bench.folder("home")
    record = bench.folder("record") / "tools.json"
    LOG.info("cold-start: building everything, which takes from ten minutes to an hour")
    begin = children_seconds()
    run = execute(command(bench, home, record)).check()
    cpu = children_seconds() - begin
    tools: list[dict[str, Any]] = json.loads(record.read_text())
    totals = {"cpu_seconds": cpu, "seconds": run.seconds}
    disk = round(size_of(home) / 1024**2)
    return [
        row("cold-start", len(tools), samples(tools, totals, "cpu_seconds"), what=COLD_CPU, disk_mb=disk),
        row("cold-start", len(tools), samples(tools, totals, "seconds"), what=COLD_WALL),
    ]


def command(bench: Bench, home: Path, record: Path) -> Command:
    """``make tools`` for the controllers of a deployment, without release downloads and with no cache but its own."""
    extra = json.dumps({"embedded_cluster_download": "never"})
    inventory = CHECKOUT / "inventories" / "embedded"
    plain = bench.command(CHECKOUT, "ansible-playbook", "-i", inventory, "embedded/playbooks/tools.yml", "-e", extra)
    # The user's settings of pip and Go, such as a proxy, still hold; their caches and installed programs do not.
    settings = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    environment = {
        **{name: value for name, value in plain.environment.items() if not name.startswith("XDG_")},
        "HOME": str(home),
        "XDG_CONFIG_HOME": settings,
        "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "benchmarks" / "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "maas_builds",
        "MAAS_BUILDS": str(record),
    }
    return dataclasses.replace(plain, environment=environment)


def samples(tools: Sequence[Mapping[str, Any]], totals: Mapping[str, float], what: str) -> dict[str, list[Sample]]:
    """The figure ``what`` in all and of each build; tools of one build have the same figures."""
    found = {OURS: [Sample(seconds=totals[what])]}
    if what == "cpu_seconds":
        found[BEFORE] = [Sample(seconds=BEFORE_CPU_SECONDS)]
    for _figures, group in itertools.groupby(tools, lambda tool: (tool["seconds"], tool["cpu_seconds"])):
        members = list(group)
        found[f"{OURS}, {' + '.join(tool['name'] for tool in members)}"] = [Sample(seconds=members[0][what])]
    return found


def size_of(folder: Path) -> int:
    """What a directory takes on the disk, in bytes; a file with two names counts once."""
    found = {(status.st_dev, status.st_ino): status.st_blocks * 512 for status in map(os.lstat, folder.rglob("*"))}
    return sum(found.values())
