# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The peers of the apply cases: each applies the same files with server-side apply, as a user of it would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import ALONE, KUBECTL, KUBERNETES_CORE, OURS, Bench
from benchmarks.processes import Command

APPLY = "kubectl apply --server-side --force-conflicts"


@dataclass(frozen=True)
class Files:
    """What to apply. ``definitions`` (namespaces and CRDs) come first; there may be none."""

    objects: Path
    definitions: Path | None = None

    @property
    def all(self) -> list[Path]:
        """Every file in order."""
        folders = [self.definitions, self.objects] if self.definitions else [self.objects]
        return [path for folder in folders for path in sorted(folder.glob("*.yaml"))]


def ours(bench: Bench, files: Files, kubeconfig: Path) -> Command:
    """One task with all files."""
    options = {
        "bundle": f"bench-{files.objects.name}",
        "files": [str(path) for path in files.all],
        "force_conflicts": True,
    }
    return bench.playbook("ours", [{"llmops.maas.manifests": options}], kubeconfig)


def kubectl_first(bench: Bench, files: Files, kubeconfig: Path) -> Command:
    """Two applies where there are CRDs: kubectl refuses objects of kinds that the server does not serve yet."""
    lines = []
    if files.definitions:
        lines.append(f"{APPLY} -f {files.definitions} >/dev/null")
        lines.append("kubectl wait --for=condition=Established --timeout=60s crd --all >/dev/null")
    lines.append(f"{APPLY} -f {files.objects} >/dev/null")
    return script(bench, lines, kubeconfig)


def kubectl_again(bench: Bench, files: Files, kubeconfig: Path) -> Command:
    """One apply of everything."""
    folders = [files.definitions, files.objects] if files.definitions else [files.objects]
    return script(bench, [f"{APPLY} {' '.join(f'-f {folder}' for folder in folders)} >/dev/null"], kubeconfig)


def script(bench: Bench, lines: Sequence[str], kubeconfig: Path) -> Command:
    """A shell script of kubectl calls that ends with the first failure."""
    directory = bench.folder("kubectl")
    path = directory / "apply.sh"
    path.write_text("\n".join(["set -eu", f"export KUBECONFIG='{kubeconfig}'", *lines, ""]))
    return bench.command(directory, "/bin/sh", path)


def kubernetes_core(bench: Bench, files: Files, kubeconfig: Path) -> Command:
    """One task that loops over the files."""
    task = {
        "kubernetes.core.k8s": {
            "src": "{{ item }}",
            "apply": True,
            "server_side_apply": {"field_manager": "bench", "force_conflicts": True},
        },
        "loop": [str(path) for path in files.all],
        "loop_control": {"label": "{{ item | basename }}"},
    }
    return bench.playbook("kubernetes.core", [task], kubeconfig)


Peer = Callable[[Bench, Files, Path], Command]
FIRST: dict[str, Peer] = {OURS: ours, KUBECTL: kubectl_first, KUBERNETES_CORE: kubernetes_core}
AGAIN: dict[str, Peer] = {OURS: ours, KUBECTL: kubectl_again, KUBERNETES_CORE: kubernetes_core}
PEERS = (OURS, KUBECTL, KUBERNETES_CORE, ALONE)
