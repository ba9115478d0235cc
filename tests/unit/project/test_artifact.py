# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users install holds the collection and nothing that only the repository needs."""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)")
# Everything on the top level that users need, the files that ansible-galaxy adds included.
TOP = {
    "CHANGELOG.rst", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "SECURITY.md",
    "bindep.txt", "changelogs", "docs", "execution-environment.yml", "inventories", "meta", "playbooks", "plugins",
    "requirements.txt", "requirements.yml", "roles",
}  # fmt: skip


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> tarfile.TarFile:
    folder = tmp_path_factory.mktemp("artifact")
    command = [Path(sys.executable).parent / "ansible-galaxy", "collection", "build", "--output-path", folder]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    return tarfile.open(next(folder.glob("*.tar.gz")))


def test_it_holds_what_users_need_and_nothing_else(artifact: tarfile.TarFile) -> None:
    names = artifact.getnames()
    assert {name.partition("/")[0] for name in names} == TOP
    assert [name for name in names if any(part.startswith((".", "__pycache__")) for part in name.split("/"))] == []


def test_links_of_its_pages_stay_inside(artifact: tarfile.TarFile) -> None:
    names = set(artifact.getnames())
    pages = [name for name in names if name.endswith(".md")]
    dead = []
    for page in pages:
        file = artifact.extractfile(page)
        assert file
        links = LINK.findall(file.read().decode("utf-8"))
        inside = (posixpath.normpath(posixpath.join(posixpath.dirname(page), link)) for link in links)
        dead += [f"{page}: {target}" for target in inside if target not in names]
    assert dead == []
    assert pages
