# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and sizes as other programs read them; a number alone is refused where it has no unit."""

from __future__ import annotations

import re

# Go's time.ParseDuration, without signs: what Kuadrant's operator reads from its environment.
_GO_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")
# Prometheus' model.ParseDuration: each unit once, from the largest to the smallest.
_PROMETHEUS_DURATION = re.compile(
    r"(?=[0-9])(?:[0-9]+y)?(?:[0-9]+w)?(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?(?:[0-9]+ms)?"
)
# Kubernetes' resource.Quantity (apimachinery/pkg/api/resource/quantity.go).
_QUANTITY = re.compile(r"[0-9]+(?:\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i|[eE][0-9]+)?")


class QuantityError(ValueError):
    """A duration or size that cannot be read; the message names the variable and shows how to write it."""


def go_duration(text: str, where: str) -> str:
    """A duration in ms, s, m and h, such as ``500ms`` or ``1m30s``."""
    if text.isdecimal():
        raise QuantityError(f"{where}: {text!r} has no unit; write {text}s for seconds, or {text}ms")
    if not _GO_DURATION.fullmatch(text) or not re.search("[1-9]", text):
        raise QuantityError(f"{where}: {text!r} is no duration above 0; write it as 500ms, 2s or 1m30s")
    return text


def prometheus_duration(text: str, where: str) -> str:
    """A duration in y, w, d, h, m, s and ms, such as ``15d``."""
    if text.isdecimal():
        raise QuantityError(f"{where}: {text!r} has no unit; write {text}d for days, or {text}h")
    if not _PROMETHEUS_DURATION.fullmatch(text) or not re.search("[1-9]", text):
        raise QuantityError(f"{where}: {text!r} is no duration of Prometheus; write it as 15d, 12h or 1w")
    return text


def size(text: str, where: str) -> str:
    """An amount of memory or storage, such as ``8Gi``; a number alone would be that many bytes."""
    match = _QUANTITY.fullmatch(text)
    if match and not match[1] and re.search("[1-9]", text):
        raise QuantityError(f"{where}: {text!r} has no unit and would be bytes; write {text}Gi or {text}Mi")
    if not match or match[1] == "m" or not re.search("[1-9]", text):
        raise QuantityError(f"{where}: {text!r} is no size; write it as 8Gi or 512Mi")
    return text


def cpus(text: str, where: str) -> str:
    """An amount of CPUs, such as ``2`` or ``500m``."""
    match = _QUANTITY.fullmatch(text)
    if not match or match[1] not in {None, "m"} or not re.search("[1-9]", text):
        raise QuantityError(f"{where}: {text!r} is no number of CPUs; write it as 2, 0.5 or 500m")
    return text


def image_version(image: str, where: str) -> str:
    """The version of an image, from its tag.

    :param image: such as ``registry:5000/prometheus:v3.5.5@sha256:0123...``.
    :raises QuantityError: no tag, or one that is no version.
    """
    _registry, _slash, name = image.partition("@")[0].rpartition("/")
    tag = name.partition(":")[2]
    if not re.match(r"v?[0-9]+\.[0-9]+\.[0-9]+", tag):
        raise QuantityError(
            f"{where}: {image!r} has {f'the tag {tag}' if tag else 'no tag'}; add the version, such as"
            f" {image.partition('@')[0].removesuffix(f':{tag}')}:v3.5.5 (a digest may follow)"
        )
    return tag
