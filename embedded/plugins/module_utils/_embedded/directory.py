# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an embedded cluster keeps its files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import (
    StateDir,
    SuperviseError,
    state_home,
    write_private,
)


@dataclass
class Recorded:
    """What has to stay the same from one start of a cluster to the next."""

    ports: dict[str, int] = field(default_factory=dict)
    slot: str = ""


@dataclass(frozen=True)
class ClusterDir(StateDir):
    """The private directory (mode 0700) of one cluster."""

    @classmethod
    def named(cls, name: str) -> ClusterDir:
        """The directory of the cluster called ``name``; raises SuperviseError for a name that cannot be used."""
        return cls.of(name, state_home() / "clusters")

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.path / "pki"

    @property
    def audit_log(self) -> Path:
        return self.path / "audit.log"

    @property
    def subdirectories(self) -> tuple[Path, ...]:
        return *super().subdirectories, self.pki

    def recorded(self) -> Recorded:
        """What the last start wrote down; empty when there was none."""
        try:
            content = json.loads((self.path / "cluster.json").read_text())
            return Recorded(ports=dict(content["ports"]), slot=str(content["slot"]))
        except FileNotFoundError:
            return Recorded()
        except (ValueError, KeyError, TypeError) as error:
            raise SuperviseError(
                f"{self.path / 'cluster.json'} cannot be read ({error}). Remove the cluster with state=absent."
            ) from error

    def record(self, recorded: Recorded) -> None:
        write_private(self.path / "cluster.json", json.dumps(asdict(recorded), indent=2) + "\n")
