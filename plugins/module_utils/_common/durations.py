# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations, of which there are two kinds that look alike and are not the same.

==================  ===============================================  ===========================================
function            what reads such durations                        units
==================  ===============================================  ===========================================
``duration``        options and variables of this collection; as in  ``s m h d w``, whole seconds, at most ten years
                    Prometheus, but for ``ms`` and ``y``
``gateway_seconds`` Gateway API and Kuadrant's policies (GEP-2257)   ``ms s m h``, one to four parts of one to five
                                                                     digits each; never days
==================  ===============================================  ===========================================

Both refuse a number without a unit. https://prometheus.io/docs/prometheus/latest/configuration/configuration/ and
https://gateway-api.sigs.k8s.io/geps/gep-2257/
"""

from __future__ import annotations

import re

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"([0-9]+)([smhdw])")
_LONGEST_SECONDS = 10 * 365 * 86400
_GATEWAY_PART = re.compile(r"([0-9]{1,5})(h|ms|m|s)")
_GATEWAY = re.compile(rf"({_GATEWAY_PART.pattern}){{1,4}}")


class DurationError(ValueError):
    """A duration that cannot be read; the message names the option and shows how to write it."""


def duration(text: str | float, option: str) -> int:
    """Seconds of a duration as people write it for this collection: ``30d``, ``1h30m``, ``45s`` or ``0``.

    :raises DurationError: anything else. A number alone has no unit, and ``M`` may be meant for months.
    """
    words = str(text).strip()
    if words.isdecimal() and int(words):
        raise DurationError(f"{option}: {text!r} has no unit; write {words}d for days, or {words}h, {words}m, {words}s")
    if re.search("[0-9]M", words):
        raise DurationError(f"{option}: {text!r} may be minutes or months; write 30m for minutes, or 30d for a month")
    words = words.lower()
    parts = _PART.findall(words)
    if words.isdecimal():
        seconds = 0
    elif parts and "".join(number + unit for number, unit in parts) == words:
        seconds = sum(int(number) * _MILLISECONDS[unit] // 1000 for number, unit in parts)
    else:
        raise DurationError(f"{option}: {text!r} is no duration; write it as 30d, 24h, 1h30m or 45s")
    if seconds > _LONGEST_SECONDS:
        raise DurationError(f"{option}: {text!r} is more than ten years; choose a shorter duration")
    return seconds


def gateway_seconds(text: str, field: str) -> float:
    """Seconds of a duration of the Gateway API, such as ``1m``, ``1h30m`` or ``500ms``.

    :raises DurationError: anything else, also a number without a unit, days, and capitals.
    """
    if not _GATEWAY.fullmatch(text):
        raise DurationError(
            f"{field}: {text!r} is no duration of the Gateway API; write it as 30s, 5m or 1h30m (no days, no fractions)"
        )
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _GATEWAY_PART.findall(text)) / 1000
