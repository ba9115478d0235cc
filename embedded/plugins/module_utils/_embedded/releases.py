# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release binaries of upstream projects, where the network lets them through; a build replaces what it does not."""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.patience import answers_in_time

_DIGEST = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Release:
    """URLs of a release file and of its SHA-256 list, and its member if it is an archive.

    ``{version}``, ``{plain}`` (without v) and ``{arch}`` (Go's name of the architecture) are filled in.
    """

    url: str
    checksum: str
    member: str = ""


@dataclass
class Releases:
    """Downloads for one run. The first host that does not answer within ``patience`` seconds ends all attempts."""

    enabled: bool = False
    patience: float = 2.0
    notes: list[str] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)

    def fetch(self, release: Release, version: str, architecture: str, target: Path) -> bool:
        """Put the verified file at ``target``; false, with a note, when that could not be done."""
        if not self.enabled:
            return False
        names = {"version": version, "plain": version.removeprefix("v"), "arch": architecture}
        url = release.url.format(**names)
        listing = self._probe(release.checksum.format(**names))
        wanted = find_digest(listing, url.rpartition("/")[2]) if listing is not None else ""
        if not wanted:
            if listing is not None:
                self.notes.append(f"{url}: its checksum is not published where expected, so it is not used")
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as folder:
            file = Path(folder) / "file"
            try:
                digest = _save(url, file)
            except (OSError, ValueError) as error:
                self.notes.append(f"{url}: {error}")
                return False
            if digest != wanted:
                self.notes.append(f"{url}: its SHA-256 is {digest} instead of {wanted}, so it is not used")
                return False
            return self._install(file, release.member.format(**names), target)

    def _install(self, file: Path, member: str, target: Path) -> bool:
        if member:
            try:
                file = _extract(file, member)
            except (tarfile.TarError, KeyError, OSError) as error:
                self.notes.append(f"{member} cannot be taken out of its archive: {error}")
                return False
        file.chmod(0o755)
        file.replace(target)
        return True

    def _probe(self, url: str) -> str | None:
        """The text at ``url``; None ends all further attempts of this run when the host cannot be reached in time."""

        def ask() -> tuple[str | None, str]:
            try:
                with _open(url, self.patience) as response:
                    return response.read(1024 * 1024).decode(errors="replace"), ""
            except (OSError, ValueError) as error:
                return None, str(error)

        no_answer = None, f"no answer within {self.patience:.0f} s"
        text, why = answers_in_time({url: ask}, self.patience).get(url, no_answer)
        if text is not None:
            return text
        self.enabled = False
        self.unreachable.add(urlsplit(url).hostname or "")
        self.notes.append(f"release downloads are off, {urlsplit(url).hostname} cannot be used: {why}")
        return None


def find_digest(listing: str, name: str) -> str:
    """SHA-256 of the file ``name`` in a list as sha256sum prints it, or the list's only word; "" if there is none."""
    for line in listing.splitlines():
        words = line.split()
        if words and _DIGEST.match(words[0]) and (len(words) == 1 or words[-1].lstrip("*").rpartition("/")[2] == name):
            return words[0]
    return ""


def _open(url: str, timeout: float) -> Any:
    if not url.startswith("https://"):
        raise ValueError(f"{url} is not an https URL")
    return open_url(url, timeout=timeout)


def _save(url: str, file: Path) -> str:
    digest = hashlib.sha256()
    with _open(url, 30) as response, file.open("wb") as output:
        while block := response.read(1024 * 1024):
            digest.update(block)
            output.write(block)
    return digest.hexdigest()


def _extract(archive: Path, member: str) -> Path:
    out = archive.with_name("member")
    with tarfile.open(archive) as tar:
        content = tar.extractfile(member)
        if content is None:
            raise KeyError(member)
        with out.open("wb") as output:
            shutil.copyfileobj(content, output)
    return out
