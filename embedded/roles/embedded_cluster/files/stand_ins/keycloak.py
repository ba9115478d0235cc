# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Keycloak as the process of its Pod: ``python -m stand_ins.keycloak HOME DIRECTORY REALMS ARGUMENT...``.

HOME is the unpacked distribution. Keycloak writes into it at its start, so each Pod gets a copy in DIRECTORY, with the
realms of the folder REALMS to import. The process becomes Keycloak.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

# The second compiler of the JVM takes longer than it gains in a short life.
_QUICK_START = "-XX:TieredStopAtLevel=1"


def prepared(home: Path, directory: Path, realms: Path) -> Path:
    """The program of a fresh copy of the distribution."""
    copy = directory / "keycloak"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home, copy, symlinks=True)
    target = copy / "data" / "import"
    target.mkdir(parents=True)
    for path in realms.glob("*-realm.json"):
        shutil.copyfile(path, target / path.name)
    return copy / "bin" / "kc.sh"


def main() -> None:
    home, directory, realms, *own = sys.argv[1:]
    program = str(prepared(Path(home), Path(directory), Path(realms)))
    environment = {**os.environ, "JAVA_OPTS_APPEND": _QUICK_START}
    os.execve(program, [program, *own], environment)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
