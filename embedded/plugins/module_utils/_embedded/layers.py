# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of an image, as a container sees them (OCI image specification, layer.md), without unpacking it.

Layers are read from the top, each as a stream and only when it decides something, so that no layer is stored.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import posixpath
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.registry import (
    BrokenOffError,
    Checked,
    Descriptor,
    RegistryError,
)

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BLOCK = 1024 * 1024
_MOST_LINKS = 40
_TRIES = 3

Opener = Callable[[Descriptor], contextlib.AbstractContextManager[Checked]]


@dataclass(frozen=True)
class LayerEntry:
    """What a layer has at a path; ``kind``: file, directory, symlink, hardlink or other."""

    kind: str
    link: str = ""


@dataclass
class LayerListing:
    """What one layer adds and removes, without the contents of its files."""

    entries: dict[str, LayerEntry] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)

    def add(self, member: tarfile.TarInfo) -> str:
        """Note a member of the layer's archive; returns its path, "" for one that only removes."""
        path = clean(member.name)
        folder, name = posixpath.split(path)
        if name == ".wh..wh..opq":
            self.opaque.add(folder)
        elif name.startswith(".wh."):
            self.removed.add(posixpath.join(folder, name.removeprefix(".wh.")))
        else:
            self.entries[path] = LayerEntry(_kind(member), member.linkname)
            return path
        return ""

    def hides(self, path: str) -> bool:
        """Whether layers below this one do not matter for ``path``."""
        above = list(parents(path))
        return bool(self.removed.intersection([path, *above]) or self.opaque.intersection([*above, ""]))

    def parent(self, path: str) -> tuple[str, LayerEntry] | None:
        """The nearest folder above ``path`` that is none here, but a link or a file."""
        for above in parents(path):
            entry = self.entries.get(above)
            if entry is not None:
                return (above, entry) if entry.kind != "directory" else None
        return None


def clean(path: str) -> str:
    """``usr/bin/x`` of ``./usr/bin/x``, ``/usr/bin/x`` or ``/usr/lib/../bin/x``."""
    return posixpath.normpath(f"/{path}").lstrip("/")


def parents(path: str) -> Iterator[str]:
    """``a/b`` and ``a`` of ``a/b/c``."""
    while path := posixpath.dirname(path):
        yield path


def _kind(member: tarfile.TarInfo) -> str:
    if member.isreg():
        return "file"
    if member.isdir():
        return "directory"
    if member.issym():
        return "symlink"
    return "hardlink" if member.islnk() else "other"


class ImageFiles:
    """Files of the layers (lowest first, as a manifest lists them), taken out into ``folder``."""

    def __init__(self, layers: Sequence[Descriptor], open_layer: Opener, folder: Path) -> None:
        self._layers = list(reversed(layers))
        self._open = open_layer
        self._folder = folder
        self._listings: dict[int, LayerListing] = {}
        self._taken: dict[tuple[int, str], Path] = {}

    def take(self, path: str) -> Path:
        """A file with the content at ``path``, its layer verified. Raises RegistryError when there is none."""
        where = self._locate(clean(path), 0, 0)
        if where not in self._taken:
            self._read(*where)
        return self._taken[where]

    def _locate(self, path: str, first: int, links: int) -> tuple[int, str]:
        """Layer and path of the file, links followed."""
        if links > _MOST_LINKS:
            raise RegistryError(f"/{path}: too many links in a row")
        for index in range(first, len(self._layers)):
            if index not in self._listings:
                self._read(index, path)
            listing = self._listings[index]
            entry = listing.entries.get(path)
            if entry is not None:
                return self._follow(index, path, entry, links)
            above = listing.parent(path)
            if above is not None and above[1].kind == "symlink":
                rest = path.removeprefix(above[0] + "/")
                return self._locate(_target(*above, rest), 0, links + 1)
            if above is not None or listing.hides(path):
                break
        raise RegistryError(f"the image has no file /{path}")

    def _follow(self, index: int, path: str, entry: LayerEntry, links: int) -> tuple[int, str]:
        if entry.kind == "file":
            return index, path
        if entry.kind == "symlink":
            return self._locate(_target(path, entry), 0, links + 1)
        if entry.kind == "hardlink":
            # Another name of a file of this layer, or of one below it.
            return self._locate(clean(entry.link), index, links + 1)
        raise RegistryError(f"/{path} is no file in the image")

    def _read(self, index: int, wanted: str) -> None:
        """List a layer, and take ``wanted`` out of it on the way if it is a file there."""
        for left in reversed(range(_TRIES)):
            try:
                self._listings[index] = self._scan(index, wanted)
            except BrokenOffError:
                if not left:
                    raise
            else:
                return

    def _scan(self, index: int, wanted: str) -> LayerListing:
        layer = self._layers[index]
        listing = LayerListing()
        file = self._folder / f"{index}-{len(self._taken)}"
        with self._open(layer) as blob:
            try:
                with unpacked(blob) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK) as tar:
                    for member in tar:
                        if listing.add(member) == wanted and member.isreg():
                            _copy(tar, member, file)
            except _damage() as error:
                # A damaged layer shows here first, but that it is not the one of the manifest says more.
                blob.finish()
                raise RegistryError(f"layer {layer.digest} is no archive that can be read: {error}") from error
            blob.finish()
        entry = listing.entries.get(wanted)
        if entry is not None and entry.kind == "file":
            self._taken[index, wanted] = file
        return listing


def _target(path: str, entry: LayerEntry, rest: str = "") -> str:
    return clean(posixpath.join(posixpath.dirname(path), entry.link, rest))


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, file: Path) -> None:
    content = tar.extractfile(member)
    if content is not None:
        with file.open("wb") as output:
            shutil.copyfileobj(content, output, _BLOCK)


@contextlib.contextmanager
def unpacked(blob: io.RawIOBase) -> Iterator[Any]:
    """The layer's archive; its first bytes say how it is compressed, which media types do not always."""
    source = io.BufferedReader(blob, _BLOCK)
    start = source.peek(4)
    try:
        if start.startswith(_GZIP):
            with gzip.GzipFile(fileobj=source) as stream:
                yield stream
        elif start.startswith(_ZSTD):
            with zstd_library().ZstdFile(source) as stream:
                yield stream
        else:
            yield source
    finally:
        # Closing it would close the blob, whose rest has still to be read.
        source.detach()


def zstd_library() -> Any:
    """Python's own zstd, from 3.14 on, or the same for older ones."""
    for name in ("compression.zstd", "backports.zstd"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    raise RegistryError("a layer is compressed with zstd: pip install backports.zstd, or use Python 3.14 or newer")


def _damage() -> tuple[type[Exception], ...]:
    """What reading a damaged archive raises."""
    known = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error)
    try:
        return (*known, zstd_library().ZstdError)
    except RegistryError:
        return known
