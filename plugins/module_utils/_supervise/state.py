# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where supervised processes keep their files, and how one run at a time gets to change them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

GROUP_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
# sockaddr_un holds 108 bytes with the final NUL; supervisord first binds "<path>.<pid>".
LONGEST_SOCKET_PATH = 107 - len(".4194304")


class SuperviseError(Exception):
    """Something that the user can fix; the text says what and how."""


def state_home() -> Path:
    """``$XDG_STATE_HOME/llmops-maas``, by default below ``~/.local/state`` (XDG base directory specification)."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def cache_home() -> Path:
    """``$XDG_CACHE_HOME/llmops-maas``, by default below ``~/.cache`` (XDG base directory specification)."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # The specification says that a relative path is invalid and must be ignored.
    base = Path(value) if value.startswith("/") else Path.home() / fallback
    return base / "llmops-maas"


@dataclass(frozen=True)
class StateDir:
    """The private directory (mode 0700) of one group of processes."""

    path: Path

    @classmethod
    def of(cls, name: str, parent: Path) -> Self:
        """The directory of the group called ``name``; raises SuperviseError for a name that cannot be used."""
        if not GROUP_NAME.fullmatch(name):
            raise SuperviseError(
                f"'{name}' cannot be the name here: use 1 to 40 lower-case letters, digits and hyphens, "
                "beginning and ending with a letter or digit."
            )
        return cls(parent / name)

    @property
    def config(self) -> Path:
        return self.path / "config"

    @property
    def logs(self) -> Path:
        return self.path / "log"

    @property
    def subdirectories(self) -> tuple[Path, ...]:
        """The private directories in it."""
        return self.config, self.logs, self.path / "run"

    @property
    def supervisor_config(self) -> Path:
        return self.config / "supervisord.conf"

    def socket(self, name: str) -> Path:
        """Path for a unix socket: in this directory, or in a short private one if that would be too long."""
        path = self.path / "run" / f"{name}.sock"
        return path if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH else self.short_run_dir / f"{name}.sock"

    @property
    def short_run_dir(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"llmops-maas-{os.getuid()}-{digest}"

    def prepare(self) -> None:
        """Make the directories, each for the user alone."""
        for path in (self.path, *self.subdirectories):
            private_dir(path)
        if self.socket("supervisor").parent == self.short_run_dir:
            private_dir(self.short_run_dir)

    @contextlib.contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """Hold the group for this process; raises SuperviseError after ``timeout`` seconds.

        The lock is on the directory itself, so that it goes away with it and leaves no file behind.
        """
        private_dir(self.path)
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _wait_for_lock(handle, timeout, f"Another run is changing the processes of {self.path}")
            yield
        finally:
            os.close(handle)


def _wait_for_lock(handle: int, timeout: float, what: str) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise SuperviseError(
                    f"{what}; gave up waiting for it after {timeout:.0f} s. Try again when it is done."
                ) from None
            time.sleep(0.1)
        else:
            return


@contextlib.contextmanager
def file_lock(path: Path, timeout: float, what: str) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; ``what`` begins the error after ``timeout`` seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for_lock(handle, timeout, what)
        yield
    finally:
        os.close(handle)


def private_dir(path: Path) -> None:
    """Make ``path`` a directory of this user's with mode 0700; raises SuperviseError if somebody else owns it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if found.st_uid != os.getuid():
        raise SuperviseError(
            f"{path} belongs to user id {found.st_uid}, not to {os.getuid()}: remove it or choose another name."
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)


def write_private(path: Path, content: str | bytes) -> bool:
    """Write ``path`` with mode 0600 in one step, unless it has this content; true if it was written."""
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    temporary.replace(path)
    return True
