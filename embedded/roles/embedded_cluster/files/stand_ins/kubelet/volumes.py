# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of a Pod as directories of this machine.

Secrets, ConfigMaps, projected and downwardAPI volumes have the kubelet's own layout: the files are links into
``..data``, itself a link that is swapped at once, so that programs which watch their files see a change as on a node.
Files are 0600 and directories 0700 whatever defaultMode says: they lie in a user's home directory.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from .fields import field_value
from .objects import MissingError, SourceData, SourceKind, Sources, required

Files = dict[str, bytes]

# The kubelet asks for tokens of an hour unless the Pod says otherwise, and renews at 80 % of the lifetime.
DEFAULT_TOKEN_SECONDS = 3600
RENEW_AT = 0.8


async def content(volume: Mapping[str, Any], pod: Mapping[str, Any], sources: Sources) -> Files | None:
    """Files (relative path -> bytes) of a volume that has content of its own; None for one that is just a directory.

    Raises MissingError while a Secret or ConfigMap that is not optional is missing.
    """
    for field, reader in _READERS.items():
        if volume.get(field) is not None:
            return await reader(volume[field], pod, sources)
    return None


async def _secret(source: Mapping[str, Any], _pod: Mapping[str, Any], sources: Sources) -> Files:
    return await _keys("secret", source.get("secretName") or source.get("name", ""), source, sources)


async def _config_map(source: Mapping[str, Any], _pod: Mapping[str, Any], sources: Sources) -> Files:
    return await _keys("configmap", source["name"], source, sources)


async def _keys(kind: SourceKind, name: str, source: Mapping[str, Any], sources: Sources) -> Files:
    optional = bool(source.get("optional"))
    data = await required(sources, kind, name, optional=optional)
    if data is None:
        return {}
    return select_items(data, source.get("items"), f"{kind} {name}", optional=optional)


def select_items(data: SourceData, items: list[dict[str, Any]] | None, what: str, *, optional: bool) -> Files:
    """Every key under its own name, or only those of items under their paths."""
    if not items:
        return dict(data)
    files: Files = {}
    for item in items:
        if item["key"] in data:
            files[item["path"]] = data[item["key"]]
        elif not optional:
            raise MissingError(f"references non-existent key: {item['key']} in {what}")
    return files


async def _downward(source: Mapping[str, Any], pod: Mapping[str, Any], _sources: Sources) -> Files:
    return {
        item["path"]: field_value(pod, item["fieldRef"]["fieldPath"]).encode()
        for item in source.get("items") or ()
        if item.get("fieldRef")
    }


async def _token(source: Mapping[str, Any], _pod: Mapping[str, Any], sources: Sources) -> Files:
    seconds = int(source.get("expirationSeconds") or DEFAULT_TOKEN_SECONDS)
    return {source["path"]: (await sources.token(source.get("audience"), seconds)).encode()}


async def _projected(source: Mapping[str, Any], pod: Mapping[str, Any], sources: Sources) -> Files:
    files: Files = {}
    for part in source.get("sources") or ():
        for field, reader in _PROJECTED_READERS.items():
            if part.get(field) is not None:
                files |= await reader(part[field], pod, sources)
    return files


_Reader = Callable[[Mapping[str, Any], Mapping[str, Any], Sources], Awaitable[Files]]
_PROJECTED_READERS: dict[str, _Reader] = {
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "serviceAccountToken": _token,
}
_READERS: dict[str, _Reader] = {
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "projected": _projected,
}


def token_path(volume: Mapping[str, Any]) -> str | None:
    """Relative path of the API server's token in a volume, or None: tokens for another audience do not count."""
    for part in (volume.get("projected") or {}).get("sources") or ():
        token = part.get("serviceAccountToken")
        if token and not token.get("audience"):
            return str(token["path"])
    return None


def write(directory: Path, files: Files) -> bool:
    """Makes directory hold exactly these files, all at once; true when something changed. Raises ValueError for a path
    that leads out of the directory.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in files):
        raise ValueError("a volume's paths must stay inside it")
    data = directory / "..data"
    if data.exists() and _read(data.resolve()) == files:
        return False
    former = data.resolve() if data.exists() else None
    fresh = directory / f"..{time.time_ns()}"
    for name, body in files.items():
        _write_private(fresh / name, body)
    fresh.mkdir(mode=0o700, exist_ok=True)
    swap = directory / "..data_tmp"
    swap.symlink_to(fresh.name)
    swap.replace(data)
    _link_names(directory, {Path(name).parts[0] for name in files})
    if former:
        shutil.rmtree(former, ignore_errors=True)
    return True


def _read(directory: Path) -> Files:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def _write_private(path: Path, body: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)


def _link_names(directory: Path, names: set[str]) -> None:
    for name in names:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(Path("..data") / name)
    for entry in directory.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()


def inside(directory: Path, sub_path: str) -> Path:
    """What a subPath names in a volume: a directory that is made, unless it is there, as the kubelet does."""
    place = directory / sub_path
    if not place.exists():
        place.mkdir(mode=0o700, parents=True)
    return place


def mount(root: Path, mounts: list[tuple[str, Path]]) -> None:
    """Makes each mount path a link under root, e.g. <root>/etc/tls -> the volume's directory.

    mounts: (mount path, directory or file). Outer paths come first, so that a mount inside another one is made inside
    the outer volume, as on a real node.
    """
    for path, target in sorted(mounts, key=lambda item: len(item[0])):
        link = root / path.strip("/")
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if link.is_symlink():
            continue
        if link.is_dir():
            link.rmdir()
        link.symlink_to(target)
