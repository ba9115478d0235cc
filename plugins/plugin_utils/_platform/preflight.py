# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cluster is new enough and large enough for the platform. Both answers are sentences, empty where it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)")


class VersionError(ValueError):
    """What should be a version of Kubernetes and is none."""


def too_old(minimum: Mapping[str, str], version: str) -> str:
    """Which products a Kubernetes is too old for, and what would do.

    :param minimum: the oldest Kubernetes of each product, such as ``1.29``.
    :param version: the cluster's, such as ``1.28.3``.
    :raises VersionError: for a version without a number.
    """
    oldest = {name: _numbers(text, f"minimum Kubernetes of {name}") for name, text in minimum.items()}
    running = _numbers(version, "version of the cluster")
    names = [name for name in oldest if oldest[name] > running]
    if not names:
        return ""
    needed = minimum[max(oldest, key=lambda name: oldest[name])]
    return f"The cluster runs Kubernetes {version}. Too old for {', '.join(names)}: upgrade it to {needed} or later."


def gpus_needed(models: Sequence[Mapping[str, Any]], resource: str) -> dict[str, int]:
    """GPUs that the catalogue asks for when every replica runs, by resource.

    :param models: the normalised catalogue.
    :param resource: resource of models that name none in ``gpu_resource``.
    """
    needed: dict[str, int] = {}
    for model in models:
        name = str(model.get("gpu_resource") or resource)
        needed[name] = needed.get(name, 0) + int(model["gpus"]) * int(model["max_replicas"])
    return {name: count for name, count in needed.items() if count}


def gpu_shortage(models: Sequence[Mapping[str, Any]], resource: str, offered: Mapping[str, int]) -> str:
    """How many GPUs are missing.

    :param offered: what the cluster's nodes have, by resource.
    """
    short = {name: count for name, count in gpus_needed(models, resource).items() if count > int(offered.get(name, 0))}
    if not short:
        return ""
    asked = ", ".join(f"{count} {name}" for name, count in short.items())
    there = ", ".join(str(offered.get(name, 0)) for name in short)
    return (
        f"The models in maas_models ask for {asked}, the cluster's nodes have {there}."
        " Take models out (enabled: false), give some gpus: 0, or add GPU nodes."
    )


def _numbers(text: str, what: str) -> tuple[int, ...]:
    """The numbers of a version, without zeros at the end: 1.30 and 1.30.0 are the same."""
    match = _VERSION.match(str(text))
    if match is None:
        raise VersionError(f"{what}: {text!r} is not a version such as 1.29")
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
