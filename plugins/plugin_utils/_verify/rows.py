# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request of the module gateway_check, as the tables make it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

Row = dict[str, Any]
"""A request, with the fields of ``requests`` of the module gateway_check."""
Model = Mapping[str, Any]
"""A complete entry of the catalogue."""


class VerifyUser(TypedDict):
    """Of somebody who has a key what a verification may know."""

    name: str
    groups: list[str]


class VerifyError(ValueError):
    """A verification that cannot be planned; the message names the variable and the fix."""


def model_row(section: str, name: str, kind: str, model: Model, host: str) -> Row:
    """A request of a kind for a model, by its first path and name."""
    return {
        "section": section,
        "name": name,
        "kind": kind,
        "model": model["name"],
        "served_name": model["served_names"][0],
        "path": model["paths"][0],
        "host": host,
    }
