# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python environments of their own for what the embedded cluster runs on request, so that the main one stays small."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.llmops.maas.plugins.module_utils._common.processes import run
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError, file_lock


@dataclass(frozen=True)
class PythonEnvironment:
    """An environment in the cache with exactly the packages of ``requirements``, a file with every one pinned."""

    cache: Path
    requirements: Path

    @property
    def name(self) -> str:
        return self.requirements.stem

    @property
    def path(self) -> Path:
        """Its directory, whose name says all that it depends on. Raises SuperviseError for an unknown name."""
        try:
            content = self.requirements.read_bytes()
        except OSError as error:
            known = sorted(path.stem for path in self.requirements.parent.glob("*.txt"))
            raise SuperviseError(f"There is no Python environment {self.name}, only {', '.join(known)}.") from error
        interpreter = f"{sys.version}\0{sys.base_prefix}\0".encode()
        return self.cache / "python" / f"{self.name}-{hashlib.sha256(interpreter + content).hexdigest()[:12]}"

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    def make(self) -> bool:
        """Have it; true if it was made now. Raises SuperviseError with pip's last lines."""
        if self.python.exists():
            return False
        with file_lock(self.cache / "python" / ".lock", 900, "Another run is making a Python environment"):
            if self.python.exists():
                return False
            temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=self.cache / "python"))
            try:
                self._fill(temporary)
                temporary.replace(self.path)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return True

    def _fill(self, folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--disable-pip-version-check"]
        # All packages are pinned, so nothing is resolved; each works with newer Pythons than some of them declare.
        options = ["--quiet", "--no-deps", "--ignore-requires-python", "-r", str(self.requirements)]
        for command in ([sys.executable, "-m", "venv", "--without-pip", str(folder)], [*pip, "install", *options]):
            done = run(command)
            if done.returncode != 0:
                why = (done.stderr or done.stdout).strip()[-600:]
                raise SuperviseError(
                    f"The Python environment {self.name} could not be made: {why}"
                    "\nCheck that the Python package index can be reached (pip config list), then run again."
                )
