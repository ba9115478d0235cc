# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in the place of each container image: the upstream program, something else, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class RealityError(Exception):
    """The image map or the Pods are not what was expected."""


@dataclass(frozen=True)
class Reality:
    """Short names of images, sorted: ``real`` programs, ``instead`` with what runs there, and ``simulated`` ones."""

    real: list[str] = field(default_factory=list)
    instead: dict[str, str] = field(default_factory=dict)
    simulated: list[str] = field(default_factory=list)


def reality_of(pods: Sequence[Mapping[str, Any]], images: Sequence[Mapping[str, Any]]) -> Reality:
    """Sort the images of all containers by what the image map does with them.

    :param images: entries of the image map (files/stand_ins/kubelet/images.py): ``image`` and, where it is not the
        image's own program that runs, ``instead``
    """
    found = Reality()
    for image in sorted(set(_images(pods))):
        entry = _entry(image, images)
        name = short_name(image)
        if entry is None:
            found.simulated.append(name)
        elif entry.get("instead"):
            found.instead[name] = str(entry["instead"])
        else:
            found.real.append(name)
    return Reality(_once(found.real), found.instead, _once(found.simulated))


def short_name(image: str) -> str:
    """``limitador`` of ``quay.io/kuadrant/limitador:v1@sha256:...``; a port is no tag."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _images(pods: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for pod in pods:
        try:
            containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
            yield from (str(container["image"]) for container in containers)
        except (KeyError, TypeError, AttributeError) as error:
            raise RealityError(f"a Pod has no containers with images: {error}") from error


def _entry(image: str, images: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    try:
        return next((entry for entry in images if re.fullmatch(str(entry["image"]), image)), None)
    except (KeyError, TypeError, re.error) as error:
        raise RealityError(f"the image map cannot be read: {error}") from error


def _once(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))
