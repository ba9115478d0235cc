# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upstream manifests, assembled from the files of the projects' own Go modules."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.charts import render
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.go_modules import Go, GoMod, building
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError, file_lock

# To be counted up when the same recipes come to give other files.
_WAY = 2
_SEPARATOR = re.compile(r"^---[ \t]*\n", re.MULTILINE)


@dataclass
class Mirror:
    """Assembles a directory of manifests. ``source`` has a folder with go.mod and go.sum per module."""

    cache: Path
    source: Path
    recipes: Sequence[Mapping[str, Any]]
    _folders: dict[tuple[str, str], Path] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where it is, or will be: the name says all that the content depends on."""
        content = hashlib.sha256(json.dumps([_WAY, *self.recipes], sort_keys=True).encode())
        for folder in sorted(self._modules()):
            content.update(GoMod.read(self.source / folder).digest().encode())
        return self.cache / f"mirror-{content.hexdigest()[:12]}"

    def _modules(self) -> set[str]:
        parts = [
            part
            for recipe in self.recipes
            for part in (recipe, *_list(recipe, "subcharts"), *_list(recipe, "documents"))
        ]
        return {str(part["module"]) for part in parts}

    def file_names(self) -> list[str]:
        return [_fill(str(recipe["name"]), self._version(recipe)) for recipe in self.recipes]

    @property
    def link(self) -> Path:
        """Always the same path, for the manifests of the last run."""
        return self.cache / "mirror"

    def is_complete(self) -> bool:
        return (
            all((self.link / name).is_file() for name in self.file_names())
            and self.link.resolve() == self.path.resolve()
        )

    def assemble(self, go: Go) -> None:
        """Write all files, in one step; raises SuperviseError that names the file that could not be made."""
        with file_lock(self.cache / ".mirror.lock", 1800, "Another run is assembling the upstream manifests"):
            if not all((self.path / name).is_file() for name in self.file_names()):
                with building(self.cache):
                    self._write(go)
            new = self.cache / f".mirror-link-{os.getpid()}"
            new.unlink(missing_ok=True)
            new.symlink_to(self.path.name)
            new.replace(self.link)

    def _write(self, go: Go) -> None:
        temporary = Path(tempfile.mkdtemp(prefix=".mirror-", dir=self.cache))
        try:
            for recipe, name in zip(self.recipes, self.file_names(), strict=True):
                try:
                    (temporary / name).write_text(self._content(go, recipe))
                except SuperviseError as error:
                    raise SuperviseError(f"{name} could not be assembled: {error}") from error
            shutil.rmtree(self.path, ignore_errors=True)
            temporary.replace(self.path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _version(self, recipe: Mapping[str, Any]) -> str:
        mod = GoMod.read(self.source / str(recipe["module"]))
        return mod.requires[str(recipe.get("version_of") or recipe.get("go_module") or mod.main)]

    def _files_of(self, go: Go, part: Mapping[str, Any]) -> Path:
        """Folder of the module that a recipe, subchart or document names."""
        mod = GoMod.read(self.source / str(part["module"]))
        module = str(part.get("go_module") or mod.main)
        key = (str(part["module"]), module)
        if key not in self._folders:
            self._folders[key] = go.download(mod, module)
        return self._folders[key]

    def _content(self, go: Go, recipe: Mapping[str, Any]) -> str:
        version = self._version(recipe)
        folder = self._files_of(go, recipe)
        if recipe.get("chart"):
            text = self._render(go, recipe, folder, version)
        else:
            text = join(
                [
                    path.read_text()
                    for pattern in recipe["files"]
                    for path in _matches(folder, _fill(str(pattern), version))
                ]
            )
        if recipe.get("with_namespace"):
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": recipe["namespace"]}}
            text = join([json.dumps(namespace), text])
        for document in _list(recipe, "documents"):
            other = (self._files_of(go, document) / str(document["file"])).read_text()
            text = replace_document(text, other, str(document["kind"]), str(document["name"]))
        return text

    def _render(self, go: Go, recipe: Mapping[str, Any], folder: Path, version: str) -> str:
        """A copy of the chart, completed as its release would be, as manifests."""
        with tempfile.TemporaryDirectory(prefix="llmops-maas-chart-") as place:
            chart = Path(place) / "chart"
            _copy_chart(folder / str(recipe["chart"]), chart, version)
            for part in _list(recipe, "subcharts"):
                target = chart / "charts" / Path(str(part["chart"])).name
                _copy_chart(self._files_of(go, part) / str(part["chart"]), target, version)
            if recipe.get("crds"):
                crds = [path.read_text() for path in _matches(folder, str(recipe["crds"]))]
                (chart / "templates" / "crds.yaml").write_text(join(crds))
            values = {name: _fill(str(value), version) for name, value in (recipe.get("values") or {}).items()}
            return join(render(chart, str(recipe["release"]), str(recipe["namespace"]), values))


def _list(recipe: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return list(recipe.get(key) or [])


def _fill(text: str, version: str) -> str:
    return text.replace("{version}", version).replace("{plain}", version.removeprefix("v"))


def _matches(folder: Path, pattern: str) -> list[Path]:
    found = sorted(path for path in folder.glob(pattern) if path.name != "kustomization.yaml")
    if not found:
        raise SuperviseError(f"{folder} has no {pattern}.")
    return found


def _copy_chart(source: Path, target: Path, version: str) -> None:
    """Copy a chart out of the read-only module cache; a chart whose version is set at release time gets it."""
    if not source.is_dir():
        raise SuperviseError(f"{source} is no directory.")
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    template = target / "Chart.template.yaml"
    if template.exists():
        (target / "Chart.yaml").write_text(template.read_text().replace("v0.0.0", version))


def join(texts: Sequence[str]) -> str:
    """YAML texts as one stream of documents."""
    return "".join(
        f"---\n{text.strip()}\n" for text in (_SEPARATOR.sub("---\n", text).removeprefix("---\n") for text in texts)
    )


def documents(text: str) -> list[str]:
    """The documents of a YAML stream, as they are written."""
    return [part for part in _SEPARATOR.split(text) if part.strip()]


def replace_document(text: str, other: str, kind: str, name: str) -> str:
    """``text`` with the object of this kind and name taken from ``other``; raises SuperviseError if one lacks it."""
    is_wanted = _matcher(kind, name)
    new = [part for part in documents(other) if is_wanted(part)]
    parts = documents(text)
    if len(new) != 1 or not any(is_wanted(part) for part in parts):
        raise SuperviseError(f"{kind} {name} is not there exactly once.")
    return join([new[0] if is_wanted(part) else part for part in parts])


def _matcher(kind: str, name: str) -> Any:
    of_kind = re.compile(rf"^kind: {re.escape(kind)}[ \t]*$", re.MULTILINE)
    # Two spaces: the name of the object itself, which is a direct child of metadata.
    of_name = re.compile(rf"^  name: {re.escape(name)}[ \t]*$", re.MULTILINE)
    return lambda part: bool(of_kind.search(part) and of_name.search(part))
