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
    Flags,
    Go,
    GoMod,
    Prefetch,
    find_go,
    have_go,
)
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.images import Image, Images
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.registry import Reference, RegistryError
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.releases import Release, Releases
from ansible_collections.llmops.maas.plugins.module_utils._common.processes import run
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError

# For the linker: without tables that only debuggers read.
_SMALLER = "-s -w"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Tool:
    """One program. ``seconds`` is what a cold build takes on two cores; ``version_args`` make it print its version.

    ``optimised`` makes the compiler take its time: for programs whose speed is felt.
    """

    name: str
    mod: GoMod
    package: str
    ldflags: str = ""
    version_args: tuple[str, ...] = ()
    seconds: int = 60
    optional: bool = False
    release: Release | None = None
    edits: tuple[Edit, ...] = ()
    image: Image | None = None
    optimised: bool = False

    @property
    def reference(self) -> Reference | None:
        """The image that has this version of the program, if there is one."""
        if self.image is None:
            return None
        version = self.mod.requires[self.image.version_of] if self.image.version_of else self.version
        return self.image.named(_names(version))

    @property
    def module(self) -> str:
        """The Go module that it comes from."""
        return self.mod.owner(self.package)

    @property
    def version(self) -> str:
        return self.mod.requires[self.module]

    @property
    def all_ldflags(self) -> str:
        return f"{_SMALLER} {self.ldflags}".strip()

    @property
    def gcflags(self) -> tuple[str, ...]:
        """Without optimisation and inlining, compiling takes half the time."""
        return () if self.optimised else ("-N", "-l")


@dataclass
class FoundTool:
    """Where a tool is, or how it will be had; ``source``: given, path, cache, download, image or build.

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
    images: Images = field(default_factory=Images)

    def cached(self, tool: Tool, kind: str = "") -> Path:
        """Path of a tool in the cache; its directory's name says all that the file depends on."""
        edits = [part for edit in tool.edits for part in (edit.file, edit.before, edit.after)]
        key = kind or tool.mod.digest(tool.package, tool.all_ldflags, platform.machine(), *tool.gcflags, *edits)
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
        for kind in ("", "release", image_kind(tool)):
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

    def obtain(self, tools: Sequence[Tool], later: Sequence[Tool] = ()) -> tuple[list[FoundTool], dict[str, str]]:
        """Download, pull or build tools of one module: those that are there then, and of the others why not.

        :param later: tools whose modules are downloaded during a build, if these will have to be built
        """
        missing = [tool for tool in tools if self.find(tool).source == "build"]
        begin, begin_cpu = time.monotonic(), children_seconds()
        sources = {tool.name: self._fetch(tool) for tool in missing}
        failed: dict[str, str] = {}
        if to_build := [tool for tool in missing if sources[tool.name] == "build"]:
            with self.prefetching([tool for tool in later if not self._ready_made(tool)]):
                failed = self._build(to_build)
        spent, spent_cpu = round(time.monotonic() - begin, 1), round(children_seconds() - begin_cpu, 2)
        made = [tool for tool in tools if tool.name not in failed]
        return [self._had(tool, sources.get(tool.name, "build"), spent, spent_cpu) for tool in made], failed

    def _had(self, tool: Tool, source: str, spent: float, spent_cpu: float) -> FoundTool:
        kind = {"download": "release", "image": image_kind(tool)}.get(source, "")
        return FoundTool(tool, source, str(self.cached(tool, kind)), spent, spent_cpu)

    def _ready_made(self, tool: Tool) -> bool:
        """Whether it may still be had without a build."""
        reference = tool.reference
        pulled = reference is not None and self.images.enabled and reference.host not in self.images.unreachable
        return pulled or (tool.release is not None and self.releases.enabled)

    def _fetch(self, tool: Tool) -> str:
        """Get it ready-made, and say how: download or image; "build" if that is what is left."""
        if self._download(tool):
            return "download"
        return "image" if self._pull(tool) else "build"

    def _pull(self, tool: Tool) -> bool:
        reference, architecture = tool.reference, ARCHITECTURES.get(platform.machine(), "")
        if tool.image is None or reference is None or not architecture:
            return False

        def refuse(file: Path) -> str:
            if tool.version_args and not says_version(str(file), tool):
                return f"{tool.name} in it does not say that it is {tool.version}, or cannot run here"
            return ""

        target = self.cached(tool, image_kind(tool))
        return self.images.fetch(reference, tool.image.path, architecture, target, refuse)

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
            stamps = [tool.ldflags for tool in tools if tool.ldflags]
            flags = Flags(" ".join(dict.fromkeys([_SMALLER, *stamps])), tools[0].gcflags)
            why = go.build(tools[0].mod, packages, output, flags, self.log(tools[0]), edits)
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
        return have_go(least, self.cache, self.go_package)


def image_kind(tool: Tool) -> str:
    """Part of the name under which a program out of an image is kept: another digest is another program."""
    digest = tool.image.digest.partition(":")[2][:12] if tool.image else ""
    return f"image-{digest}" if digest else "image"


def _names(version: str) -> dict[str, str]:
    parts = version.removeprefix("v").split(".")
    return {"version": version, "plain": version.removeprefix("v"), "major": parts[0], "minor": parts[1]}


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
    known = _names(mod.requires[mod.owner(str(item["package"]))])
    release, image = item.get("release"), item.get("image")
    tool = Tool(
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
        image=Image(**{key: str(image.get(key) or "") for key in ("reference", "path", "digest", "version_of")})
        if image
        else None,
        optimised=bool(item.get("optimised")),
    )
    _check_image(tool)
    return tool


def _check_image(tool: Tool) -> None:
    """Raises SuperviseError for an image that cannot be the program that is wanted."""
    if tool.image and tool.edits:
        raise SuperviseError(f"{tool.name} has edits, which no image of upstream's has: remove its image.")
    try:
        str(tool.reference)
    except (RegistryError, KeyError) as error:
        raise SuperviseError(f"The image of {tool.name} cannot be used: {error}.") from error
