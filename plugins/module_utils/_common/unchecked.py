# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module could not check in check mode, for its result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict


class Unchecked(TypedDict):
    """``what`` was not checked because of ``why``, both in words that go on after "Not checked"; ``items`` may be
    named.
    """

    what: str
    why: str
    items: list[str]


def unchecked(what: str, why: str, items: Iterable[str] = ()) -> Unchecked:
    return {"what": what, "why": why, "items": list(items)}


def in_words(thing: Unchecked, most: int = 10) -> str:
    """For example ``readiness, because nothing is waited for: Deployment istiod, GatewayClass istio and 3 more``."""
    named = ", ".join(thing["items"][:most])
    more = f" and {len(thing['items']) - most} more" if len(thing["items"]) > most else ""
    return f"{thing['what']}, because {thing['why']}" + (f": {named}{more}" if named else "")
