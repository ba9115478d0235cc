# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the built collection on both ends of the range of ansible-core that it claims to support.

The oldest end is what ``requires_ansible`` in meta/runtime.yml begins with, on the oldest Python here that this release
supports; the newest is what pip offers for the newest Python here. On each end, in a virtual environment of its own
with the artifact installed as a user would: ansible-test sanity, the unit tests, and on an embedded cluster site.yml
(twice, the second time without a change), requests, and a rotation of the keys.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.parser import Parser
from functools import cached_property
from pathlib import Path

from link_collection import site_collections

CHECKOUT = Path(__file__).resolve().parents[2]
WORK = CHECKOUT / ".cache" / "range"
# Environment variable that names a folder with the upstream manifests.
MIRROR = "LLMOPS_MAAS_MIRROR"
LEAST_PYTHON = (3, 11)
# What the unit tests need besides requirements.txt, in the versions of requirements-dev.txt.
TEST_PACKAGES = ("hypothesis", "pytest")
PYTHON_CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")
RECAP = re.compile(r"^localhost\s+: .*\bchanged=(\d+) .*\bfailed=0\b", re.MULTILINE)
# Releases of ansible-core above the first one in which a Python is looked for.
MOST_MINORS = 20

Version = tuple[int, ...]


class RangeError(Exception):
    """A step that failed; the message says what to do, or has the end of its output."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def version(text: str) -> Version:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


@dataclass(frozen=True)
class Release:
    """A release of ansible-core with the Pythons that it says it supports on the controller."""

    version: str
    pythons: frozenset[Version]


@dataclass(frozen=True)
class End:
    """One end of the range: an ansible-core on a Python, in a virtual environment."""

    name: str
    core: str
    python: Version
    executable: str

    def __str__(self) -> str:
        return f"{self.name} (ansible-core {self.core}, Python {'.'.join(map(str, self.python))})"

    @property
    def home(self) -> Path:
        return WORK / f"core-{self.core}-python-{'.'.join(map(str, self.python))}"

    @property
    def bin(self) -> Path:
        return self.home / "venv" / "bin"

    @cached_property
    def collections(self) -> Path:
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        done = subprocess.run([self.bin / "python", "-c", code], capture_output=True, text=True, check=True)
        return Path(done.stdout.strip()) / "ansible_collections"

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "K8S_AUTH_", "PYTHON"))
        }
        return {**kept, "PATH": f"{self.bin}{os.pathsep}{kept['PATH']}", "ANSIBLE_NOCOLOR": "1", **extra}

    def run(self, step: str, *command: str | Path, cwd: Path = CHECKOUT, **extra: str) -> str:
        """Output of a command of this environment, kept in a log. Raises RangeError with its end if it fails."""
        log = self.home / f"{step}.log"
        with log.open("w") as file:
            done = subprocess.run(
                command, cwd=cwd, env=self.environment(**extra), stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        output = log.read_text(errors="replace")
        if done.returncode != 0:
            ending = "\n".join(output.splitlines()[-40:])
            raise RangeError(f"{self}: {step} failed, all of it is in {log}:\n{ending}")
        return output


def find_pythons() -> dict[Version, str]:
    """The Pythons of this machine that can make virtual environments, on PATH and of pyenv, from the oldest."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    names = [f"python3.{minor}" for minor in range(LEAST_PYTHON[1], LEAST_PYTHON[1] + 20)]
    candidates = [sys.executable, *filter(None, map(shutil.which, names))]
    candidates += [str(path) for name in names for path in sorted(pyenv.glob(f"versions/*/bin/{name}"))]
    found: dict[Version, str] = {}
    for candidate in candidates:
        code = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0 and version(done.stdout) >= LEAST_PYTHON:
            found.setdefault(version(done.stdout), candidate)
    return dict(sorted(found.items()))


def offered(requirement: str, python: str) -> Release | None:
    """The release that pip offers to this Python; None if there is none for it."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            python,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--dest",
            scratch,
        ]
        done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            if "No matching distribution" in done.stderr:
                return None
            raise RangeError(f"pip cannot get {requirement}: {done.stderr.strip()[-600:]}")
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            metadata = Parser().parsestr(wheel.read(name).decode("utf-8"))
    classifiers = "\n".join(metadata.get_all("Classifier", []))
    return Release(metadata["Version"], frozenset(map(version, PYTHON_CLASSIFIER.findall(classifiers))))


def required() -> Version:
    """The least ansible-core that the collection supports."""
    text = (CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8")
    found = re.search(r'^requires_ansible: ">=(\d+\.\d+\.\d+)"$', text, re.MULTILINE)
    if not found:
        raise RangeError('meta/runtime.yml: write requires_ansible: ">=MAJOR.MINOR.PATCH"')
    return version(found[1])


Offered = Callable[[str, str], Release | None]


def oldest(pythons: Mapping[Version, str], least: Version, ask: Offered = offered) -> End:
    """The least release that is supported, or the first after it that supports a Python that is here."""
    for python, executable in pythons.items():
        for minor in range(least[1], least[1] + MOST_MINORS):
            patch = least[2] if minor == least[1] else 0
            release = ask(f"ansible-core=={least[0]}.{minor}.{patch}", executable)
            if release and python in release.pythons:
                return End("oldest", release.version, python, executable)
    raise RangeError(f"no ansible-core supports a Python of this machine: {', '.join(pythons.values())}")


def newest(pythons: Mapping[Version, str], ask: Offered = offered) -> End:
    """The newest release that pip offers to the newest Python which that release supports."""
    for python, executable in reversed(pythons.items()):
        release = ask("ansible-core", executable)
        if release and python in release.pythons:
            return End("newest", release.version, python, executable)
    raise RangeError(f"no ansible-core supports a Python of this machine: {', '.join(pythons.values())}")


def ends() -> list[End]:
    pythons = find_pythons()
    found = [oldest(pythons, required()), newest(pythons)]
    return found[1:] if (found[0].core, found[0].python) == (found[1].core, found[1].python) else found


def packages() -> list[str]:
    """Requirements of the unit tests, with their versions."""
    lines = (CHECKOUT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if re.split(r"[=<>~]", line)[0] in TEST_PACKAGES]


def build() -> list[Path]:
    """The artifacts of the collection and of its test cluster."""
    folder = WORK / "artifact"
    shutil.rmtree(folder, ignore_errors=True)
    command = [Path(sys.executable).parent / "ansible-galaxy", "collection", "build", "--output-path", folder]
    for collection in (CHECKOUT, CHECKOUT / "embedded"):
        subprocess.run(command, cwd=collection, stdout=subprocess.DEVNULL, check=True)
    return sorted(folder.glob("*.tar.gz"))


def prepare(end: End, artifacts: Sequence[Path]) -> None:
    """Install ansible-core, the requirements and the artifacts; kubernetes.core is the one of this environment."""
    end.home.mkdir(parents=True, exist_ok=True)
    if not (end.bin / "python").exists():
        subprocess.run([end.executable, "-m", "venv", end.home / "venv"], check=True)
    pip = [end.bin / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    end.run(
        "install",
        *pip,
        "-r",
        "requirements.txt",
        "-r",
        "embedded/requirements.txt",
        *packages(),
        f"ansible-core=={end.core}",
    )
    link = end.collections / "kubernetes" / "core"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(site_collections() / "kubernetes" / "core")
    target = end.collections.parent
    # Not --no-deps: the requirement of kubernetes.core is to be met by what is there.
    galaxy = (end.bin / "ansible-galaxy", "collection", "install", "--offline", "--force")
    end.run("artifact", *galaxy, "--collections-path", target, *artifacts)


def sanity(end: End) -> None:
    end.run("sanity", CHECKOUT / "tests" / "tools" / "sanity.sh")


def units(end: End) -> None:
    pytest = (end.bin / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    output = end.run("units", *pytest, "tests/unit", "tests/docs", "embedded/tests/unit")
    say(f"{end}: {output.splitlines()[-1]}")


def site(end: End) -> None:
    """Deploy with the installed collection, twice; send requests, and rotate the keys."""
    mirror = {"maas_mirror": os.environ[MIRROR]} if os.environ.get(MIRROR) else {}
    variables = {"embedded_cluster_name": f"core-{end.name}", **mirror}
    playbook = (end.bin / "ansible-playbook", "-i", CHECKOUT / "inventories" / "embedded")
    with tempfile.TemporaryDirectory(prefix="maas-") as state:

        def play(step: str, name: str, **more: object) -> str:
            extra = ("--extra-vars", json.dumps({**variables, **more}))
            return end.run(step, *playbook, f"llmops.{name}", *extra, cwd=Path(state), XDG_STATE_HOME=state)

        try:
            play("site", "embedded.site")
            recap = RECAP.search(play("site-again", "embedded.site"))
            if recap is None or recap[1] != "0":
                raise RangeError(f"{end}: the second run of site.yml is not changed=0, see {end.home}/site-again.log")
            play("test-api", "maas.test_api")
            play("rotation", "maas.rotate_api_keys", maas_key_force=True, maas_key_grace="1h")
        finally:
            play("down", "embedded.down", embedded_cluster_purge=True)


def timed(step: Callable[[End], None], end: End) -> None:
    begin = time.monotonic()
    step(end)
    say(f"{end}: {step.__name__} passed in {time.monotonic() - begin:.0f} s")


def check(found: Sequence[End], steps: Sequence[Callable[[End], None]]) -> Iterator[RangeError]:
    """Run the steps; those that need one processor on all ends at a time. Gives what failed."""
    for step in steps:
        with ThreadPoolExecutor(1 if step is site else len(found)) as pool:
            runs = [pool.submit(timed, step, end) for end in found]
            for run in runs:
                try:
                    run.result()
                except RangeError as error:
                    yield error


def main() -> None:
    steps = {step.__name__: step for step in (sanity, units, site)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*", default=list(steps), metavar="STEP", help=f"of {', '.join(steps)}; all")
    arguments = parser.parse_args()
    if unknown := set(arguments.steps) - set(steps):
        parser.error(f"there is no step {', '.join(sorted(unknown))}: choose from {', '.join(steps)}")
    try:
        found = ends()
        say("\n".join(f"   {end}" for end in found))
        artifacts = build()
        for end in found:
            prepare(end, artifacts)
    except RangeError as error:
        sys.exit(str(error))
    failures = list(check(found, [steps[name] for name in arguments.steps]))
    for failure in failures:
        say(f"\n{failure}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
