# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CEL as Authorino and Kuadrant's filter read it (cel-go and cel-rust): literals, and ways into optional fields."""

from __future__ import annotations

import json
from collections.abc import Iterable


def quoted(text: str) -> str:
    """The literal of a text.

    JSON's escapes are CEL's as well, but for two: what is not ASCII stays as it is, for CEL knows no pairs of
    surrogates, and nothing escapes a slash (https://github.com/google/cel-spec, doc/langdef.md, "String and Bytes
    Values").

    :raises ValueError: the text holds half of a character, which nobody can send.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r} is no text: it holds half of a character") from error
    return json.dumps(text, ensure_ascii=False)


def quoted_list(texts: Iterable[str]) -> str:
    """The literal of a list of texts."""
    return f"[{', '.join(map(quoted, texts))}]"


def optional(start: str, *fields: str) -> str:
    """The optional value at the end of a way of fields, each of which may be missing (cel-go's optional types)."""
    return start + "".join(f"[?{quoted(field)}]" for field in fields)
