# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The input of the manifests module: definitions, files and URLs, read when they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import (
    InputError,
    Manifest,
    ManifestSource,
    read_sources,
)
from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import dump_json
from ansible_collections.llmops.maas.plugins.module_utils._manifests.definitions import plain
from ansible_collections.llmops.maas.plugins.module_utils._manifests.transform import Transformation


class Inputs:
    """All sources of a bundle. Reading them is cheap; making manifests of them is put off as long as possible."""

    def __init__(self, sources: Sequence[ManifestSource], transformation: Transformation, *, last_wins: bool) -> None:
        self._sources = sources
        self._transformation = transformation
        self._last_wins = last_wins
        self.options_digest = transformation.options_digest
        digest = hashlib.sha256(self.options_digest + bytes([last_wins]))
        for source in sources:
            digest.update(len(source.data).to_bytes(8, "big") + source.data)
        self.digest = digest.hexdigest()
        """Digest of every byte of the input and of all options that change what is made of it."""

    def manifests(self) -> list[Manifest]:
        """Every object. Raises InputError with all problems."""
        manifests = read_sources(self._sources, self._transformation)
        self._transformation.check_used()
        if not manifests:
            raise InputError(["there is no object in what was given; check definitions, files, urls and exclude"])
        if self._last_wins:
            return list({manifest.key: manifest for manifest in manifests}.values())
        return manifests


def definition_sources(definitions: Any) -> list[ManifestSource]:
    """Sources of the ``definitions`` option: YAML text, an object, or a list of both. Raises InputError."""
    if definitions is None:
        return []
    single = isinstance(definitions, str | Mapping)
    sources, problems = [], []
    for index, item in enumerate([definitions] if single else definitions):
        name = "definitions" if single else f"definitions[{index}]"
        try:
            sources.append(ManifestSource(name, _definition(item, name)))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return sources


def _definition(item: Any, name: str) -> bytes:
    if not isinstance(item, str | Mapping):
        raise InputError([f"{name}: is no YAML text and no object; give a string, a mapping, or a list of them"])
    read = plain(item, name)
    return read.encode() if isinstance(read, str) else dump_json(read)


def file_sources(paths: Sequence[str]) -> list[ManifestSource]:
    """Sources of files on this host. Raises InputError with all that cannot be read."""
    sources, problems = [], []
    for path in paths:
        try:
            sources.append(ManifestSource(path, Path(path).read_bytes()))
        except OSError as error:
            problems.append(f"files: {path} cannot be read: {error.strerror}")
    if problems:
        raise InputError(problems)
    return sources
