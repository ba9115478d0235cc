# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests that name one stored object by its uid, or one state of it by its resourceVersion.

The API server takes both as conditions of an apply: with those of an object that is gone it answers every time that
there is a conflict. They come from ``kubectl get -o yaml``, and are found out before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import YamlError, line_of

if TYPE_CHECKING:
    from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import Manifest, ObjectKey

_FIELDS = ("uid", "resourceVersion")


@dataclass(frozen=True)
class Place:
    """Where an object stands: in which document (``line`` is its first, from 1), and where in it."""

    where: str
    line: int
    text: bytes
    path: tuple[str | int, ...] = ()

    def item(self, index: int) -> Place:
        """The place of an item of the list that stands here."""
        return Place(f"{self.where}, item {index + 1}", self.line, self.text, (*self.path, "items", index))

    def line_of(self, *path: str) -> int | None:
        """The line of a field of the object; None when the text has only one, or the field comes from elsewhere."""
        try:
            line = line_of(self.text, (*self.path, *path))
        except YamlError:
            return None
        return None if line is None else self.line + line - 1


@dataclass(frozen=True)
class Pin:
    """A field of ``metadata`` that holds the apply to one object or one state of it."""

    field: str
    value: str
    line: int | None

    def __str__(self) -> str:
        return f"metadata.{self.field}" + (f" (line {self.line})" if self.line else "")


def pins_of(metadata: Mapping[str, Any], place: Place) -> tuple[Pin, ...]:
    """The pins of an object that stands at that place."""
    return tuple(
        Pin(name, str(metadata[name]), place.line_of("metadata", name)) for name in _FIELDS if metadata.get(name)
    )


def broken_pins(manifests: Iterable[Manifest], live: Mapping[ObjectKey, Mapping[str, Any]]) -> list[str]:
    """One problem for each manifest that is pinned to something else than the object that is there."""
    return [
        f"{manifest.where}: {manifest.key}: {advice(broken, known=live.get(manifest.key))}"
        for manifest in manifests
        if (broken := _broken(manifest.pins, live.get(manifest.key)))
    ]


def advice(pins: Iterable[Pin], *, known: Mapping[str, Any] | None) -> str:
    """What is wrong with those pins and what to do. ``known`` is the metadata of the object of that name, if any."""
    fields = list(pins)
    names = " and ".join(str(pin) for pin in fields)
    belong, line = ("belong", "these lines") if len(fields) > 1 else ("belongs", "this line")
    if known is not None and all(pin.field == "resourceVersion" for pin in fields):
        return f"{names} {belong} to an earlier state of the object; remove {line}"
    return f"{names} {belong} to an object that is gone; remove {line}"


def _broken(pins: Iterable[Pin], live: Mapping[str, Any] | None) -> list[Pin]:
    gone = live is None or live.get("deletionTimestamp")
    return [pin for pin in pins if gone or (live or {}).get(pin.field) != pin.value]
