# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image map: which container images run as local processes, and how.

File format (YAML)::

    images:
      - image: '(.*/)?istio/pilot:.*'      # regular expression, matched against the whole image name
        command: [/path/to/binary]         # replaces the container's command; without it the container's own is run
        args: ['--addr=127.0.0.1:{port:8080}']   # appended to the container's own arguments
        drop_args: ['--leader-elect']      # regular expressions of whole arguments of the container to leave out
        env: {NAME: value}                 # added to the container's environment, overriding it
        instead: Valkey                    # what runs, where it is not the image's own program; for people only

The expressions are also used by KWOK (Go RE2) to leave these Pods alone, so they must keep to what both understand.
Placeholders in command, args and env: see placeholders.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


class ImageMapError(Exception):
    """The image map cannot be used; the message names the entry and the fix."""


@dataclass(frozen=True)
class ImageEntry:
    """How containers of matching images are run."""

    pattern: re.Pattern[str]
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    drop_args: tuple[re.Pattern[str], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, own: Sequence[str]) -> list[str]:
        """The container's own arguments without the dropped ones."""
        return [arg for arg in own if not any(pattern.fullmatch(arg) for pattern in self.drop_args)]


@dataclass(frozen=True)
class ImageMap:
    entries: tuple[ImageEntry, ...] = ()

    def match(self, image: str) -> ImageEntry | None:
        """The first entry whose expression matches the whole image name."""
        return next((entry for entry in self.entries if entry.pattern.fullmatch(image)), None)

    def covers(self, pod: Mapping[str, Any]) -> bool:
        """True when one of the Pod's containers or init containers is in the map: then the whole Pod is ours."""
        spec = pod["spec"]
        containers = [*spec.get("initContainers", ()), *spec["containers"]]
        return any(self.match(container.get("image", "")) for container in containers)


_FIELDS = {"image", "command", "args", "drop_args", "env", "instead"}


def parse_image_map(content: Any) -> ImageMap:
    """Checks the parsed YAML. Raises ImageMapError."""
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise ImageMapError("the image map must be a mapping with a list 'images'")
    return ImageMap(tuple(_entry(number, item) for number, item in enumerate(content["images"])))


def _entry(number: int, item: Any) -> ImageEntry:
    where = f"images[{number}]"
    if not isinstance(item, dict) or "image" not in item:
        raise ImageMapError(f"{where}: must be a mapping with 'image'")
    unknown = sorted(set(item) - _FIELDS)
    if unknown:
        raise ImageMapError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    return ImageEntry(
        pattern=_pattern(f"{where}.image", item["image"]),
        command=tuple(str(word) for word in item.get("command") or ()),
        args=tuple(str(word) for word in item.get("args") or ()),
        drop_args=tuple(_pattern(f"{where}.drop_args", text) for text in item.get("drop_args") or ()),
        env={str(name): str(value) for name, value in (item.get("env") or {}).items()},
    )


def _pattern(where: str, text: Any) -> re.Pattern[str]:
    try:
        return re.compile(str(text))
    except re.error as error:
        raise ImageMapError(f"{where}: {text!r} is not a regular expression: {error}") from error


class ImageMapFile:
    """An image map that follows its file. A file that becomes unusable leaves the last good map in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: int | None = None
        self.current = ImageMap()
        self.refresh()

    def refresh(self) -> bool:
        """Reads the file again if it changed; true when the map was replaced. Raises ImageMapError or OSError."""
        stamp = self._path.stat().st_mtime_ns
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            content = yaml.safe_load(self._path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ImageMapError(f"{self._path}: not YAML: {error}") from error
        self.current = parse_image_map(content)
        return True
