# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make this checkout and the collections that it needs resolvable by their full names in the running Python.

Ansible looks for ``ansible_collections`` in site-packages as well, so a link there works from any directory, for
playbooks, documentation, lint and tests alike, without a Galaxy server and without installing the checkout.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def site_collections() -> Path:
    """The folder in which this Python's Ansible finds collections."""
    return Path(sysconfig.get_path("purelib")) / "ansible_collections"


def link_checkout(root: Path) -> None:
    """Point ``llmops/maas`` and ``llmops/embedded`` at the checkout, replacing links that an older checkout left."""
    for name, folder in (("maas", CHECKOUT), ("embedded", CHECKOUT / "embedded")):
        link = root / "llmops" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink():
            link.unlink()
        link.symlink_to(folder)


def unpack_collection(root: Path, wheel: str, name: str) -> None:
    """Take one collection (``namespace.name``) out of the community package's wheel, unless it is there."""
    folder = name.replace(".", "/")
    if (root / folder / "MANIFEST.json").exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--dest", scratch, wheel], check=True)
        archive = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(archive) as content:
            members = [entry for entry in content.namelist() if entry.startswith(f"ansible_collections/{folder}/")]
            if not members:
                sys.exit(f"{wheel} does not hold the collection {name}: choose another version of the package")
            content.extractall(root.parent, members)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", required=True, help="requirement for the package that holds the collections")
    parser.add_argument("--collection", action="append", default=[], help="collection to take out of it")
    arguments = parser.parse_args()
    root = site_collections()
    link_checkout(root)
    for name in arguments.collection:
        unpack_collection(root, arguments.wheel, name)


if __name__ == "__main__":
    main()
