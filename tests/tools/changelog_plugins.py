# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the lists of new plugins of the latest release in the changelog anew, from the plugins that are here.

``antsibull-changelog`` takes plugins into a release when the release is made, with all fragments that are there. This
makes the latest release anew in a copy that has only the fragments of that release.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
COPIED = ("galaxy.yml", "README.md", "CHANGELOG.rst", "plugins", "roles", "meta", "changelogs")
WRITTEN = ("CHANGELOG.rst", "changelogs/changelog.yaml", "changelogs/.plugin-cache.yaml")


def renew(root: Path) -> None:
    """Renew the files in WRITTEN of the collection in ``root``."""
    releases = yaml.safe_load((root / "changelogs/changelog.yaml").read_text(encoding="utf-8"))["releases"]
    name, release = max(releases.items(), key=lambda item: tuple(map(int, item[0].split("."))))
    galaxy = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "ansible_collections" / galaxy["namespace"] / galaxy["name"]
        copy.mkdir(parents=True)
        for part in filter(Path.exists, (root / part for part in COPIED)):
            if part.is_dir():
                shutil.copytree(part, copy / part.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(part, copy / part.name)
        for fragment in (copy / "changelogs/fragments").iterdir():
            if fragment.name not in release["fragments"]:
                fragment.unlink()
        command = ["antsibull-changelog", "release", "--reload-plugins", "--update-existing", "--refresh"]
        command += ["--version", name, "--date", str(release["release_date"])]
        subprocess.run(command, cwd=copy, check=True, stdout=subprocess.DEVNULL)
        for written in WRITTEN:
            shutil.copy2(copy / written, root / written)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=CHECKOUT, help="folder of the collection")
    renew(parser.parse_args().root)


if __name__ == "__main__":
    main()
