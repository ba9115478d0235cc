# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs of the catalogue are wanted, and having them made one Go module after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.binaries import FoundTool, Tool, ToolFinder
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.go_modules import building
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.images import Images
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.releases import Releases
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError


def select(tools: list[Tool], params: dict[str, Any]) -> list[Tool]:
    """The tools of this call; raises SuperviseError for a name that is none of them."""
    known = {tool.name for tool in tools}
    for option in ("only", "paths", "prefetch"):
        unknown = sorted(set(params[option]) - known)
        if unknown:
            raise SuperviseError(
                f"{option} names {', '.join(unknown)}, which is none of the tools: {', '.join(sorted(known))}."
            )
    return [tool for tool in tools if not params["only"] or tool.name in params["only"]]


def by_module(wanted: list[FoundTool]) -> list[list[Tool]]:
    """Tools that share a module, to be built in one go."""
    groups: dict[Path, list[Tool]] = {}
    for found in wanted:
        groups.setdefault(found.tool.mod.folder, []).append(found.tool)
    return list(groups.values())


def obtain(shop: ToolFinder, groups: list[list[Tool]], later: list[Tool]) -> tuple[list[FoundTool], dict[str, str]]:
    """Have the groups made one after the other: what there is then, and of the others why not."""
    made: list[FoundTool] = []
    failed: dict[str, str] = {}
    with building(shop.cache):
        for group in groups:
            there, why = shop.obtain(group, later)
            made += there
            failed |= why
    return made, failed


def ready_made(tools: list[Tool], params: dict[str, Any]) -> tuple[Releases, Images]:
    """The two ways to get a program that is ready-made, without what did not answer earlier in this run."""
    auto, unreachable = params["download"] == "auto", set(params["unreachable"])
    # The first host of releases that does not answer ends all of them.
    hosts = {urlsplit(tool.release.checksum).hostname for tool in tools if tool.release}
    releases = Releases(enabled=auto and not hosts & unreachable)
    return releases, Images(auto, [tool.reference for tool in tools if tool.reference], unreachable=unreachable)
