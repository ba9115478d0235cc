# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the kubelet stand-in gets the Secrets and ConfigMaps of a Pod from, and what it says when one is missing."""

from __future__ import annotations

import base64
from typing import Any, Literal, Protocol

SourceKind = Literal["secret", "configmap"]
SourceData = dict[str, bytes]


class MissingError(Exception):
    """A Secret, a ConfigMap or one of its keys is not there yet; the Pod waits for it."""


class Sources(Protocol):
    """Reads Secrets, ConfigMaps and tokens of one namespace."""

    async def data(self, kind: SourceKind, name: str) -> SourceData | None:
        """Decoded data by key, or None if there is no such object."""

    async def token(self, audience: str | None, seconds: int) -> str:
        """A new token of the Pod's ServiceAccount."""


def decoded(kind: SourceKind, obj: dict[str, Any]) -> SourceData:
    """Data of a Secret, data and binaryData of a ConfigMap, as bytes by key."""
    if kind == "secret":
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    text = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


async def required(sources: Sources, kind: SourceKind, name: str, *, optional: bool) -> SourceData | None:
    """Like Sources.data, but raises MissingError for what is not optional."""
    data = await sources.data(kind, name)
    if data is None and not optional:
        raise MissingError(f'{kind} "{name}" not found')
    return data
