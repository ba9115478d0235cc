# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs out of upstream's images, where a registry can be reached; a build replaces what it does not have."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.layers import ImageFiles
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.patience import answers_in_time
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.registry import (
    INDEXES,
    MANIFESTS,
    Descriptor,
    Reference,
    Registry,
    RegistryDownError,
    RegistryError,
    probe,
)


@dataclass(frozen=True)
class Image:
    """An image, and the path of a program in it; ``{version}``, ``{plain}`` and ``{arch}`` are filled in.

    ``digest`` is that of its index, or of its manifest if it has no index. Without one the tag is trusted to name the
    release, and digests prove that what arrives is what the registry has under it.
    """

    reference: str
    path: str
    digest: str = ""
    version_of: str = ""

    def named(self, names: Mapping[str, str]) -> Reference:
        return Reference.parse(self.reference.format(**names), self.digest)


@dataclass
class Images:
    """Pulls for one run.

    All ``references`` are those of the run: their registries are asked once, at the same time, and those that do not
    answer within ``patience`` seconds are in ``unreachable`` and not asked again.
    """

    enabled: bool = False
    references: Iterable[Reference] = ()
    patience: float = 3.0
    unreachable: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set, init=False)

    def fetch(
        self, reference: Reference, path: str, architecture: str, target: Path, refuse: Callable[[Path], str]
    ) -> bool:
        """Put the verified file at ``target``; false, with a note, when that could not be done.

        :param refuse: says why a program is not used after all, "" if it is
        """
        if not self.enabled or not self._reachable(reference):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        name = f"{reference.host}/{reference.repository}:{reference.tag or reference.digest}"
        try:
            with tempfile.TemporaryDirectory(prefix=".pull-", dir=target.parent) as folder:
                file = take(reference, path, architecture, Path(folder))
                file.chmod(0o755)
                why = refuse(file)
                if not why:
                    file.replace(target)
        except RegistryDownError as error:
            self.unreachable.add(reference.host)
            self.notes.append(f"images of {reference.host} are off: {error}")
            return False
        except (RegistryError, OSError) as error:
            self.notes.append(f"{name}: {error}")
            return False
        if why:
            self.notes.append(f"{name}: {why}")
        return not why

    def _reachable(self, reference: Reference) -> bool:
        self._ask([reference, *self.references])
        return reference.host not in self.unreachable

    def _ask(self, references: Iterable[Reference]) -> None:
        servers = {item.host: item.server for item in references}
        new = {host: servers[host] for host in servers.keys() - self._asked - self.unreachable}
        questions = {host: partial(probe, server, self.patience) for host, server in new.items()}
        answers = answers_in_time(questions, self.patience)
        self._asked |= new.keys()
        for host in sorted(new):
            why = answers.get(host, f"no answer within {self.patience:.0f} s")
            if why:
                self.unreachable.add(host)
                self.notes.append(f"images of {host} are off, it cannot be used: {why}")


def take(reference: Reference, path: str, architecture: str, folder: Path) -> Path:
    """The program at ``path`` of the image for Linux on ``architecture`` (Go's name), in ``folder``."""
    with Registry(reference) as registry:
        manifest = _manifest(registry, architecture)
        layers = [Descriptor.of(item) for item in manifest.get("layers") or []]
        config = registry.json(Descriptor.of(manifest.get("config")))
        found = _platform(config)
        if found != f"linux/{architecture}":
            raise RegistryError(f"it is for {found}, not for linux/{architecture}")
        return ImageFiles(layers, registry.blob, folder).take(path)


def _manifest(registry: Registry, architecture: str) -> dict[str, Any]:
    descriptor, content = registry.top()
    if descriptor.media_type in INDEXES:
        descriptor = _choose(content, architecture)
        content = registry.manifest(descriptor)
    kind = content.get("mediaType") or descriptor.media_type
    if kind not in MANIFESTS:
        raise RegistryError(f"it is of a kind that is not known here: {kind or 'none'}")
    return content


def _choose(index: Mapping[str, Any], architecture: str) -> Descriptor:
    offered: dict[str, Any] = {}
    for item in index.get("manifests") or []:
        offered.setdefault(_platform(item.get("platform") or {}), item)
    if f"linux/{architecture}" not in offered:
        # Attestations are listed as unknown/unknown.
        names = sorted(name for name in offered if not name.startswith("unknown"))
        raise RegistryError(f"it has nothing for linux/{architecture}, only {', '.join(names) or 'nothing at all'}")
    return Descriptor.of(offered[f"linux/{architecture}"])


def _platform(item: Mapping[str, Any]) -> str:
    return f"{item.get('os', 'unknown')}/{item.get('architecture', 'unknown')}"
