# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytes of a manifest file as UTF-8, whatever editor on whatever system has written them.

As kubectl reads files (FileVisitor in k8s.io/cli-runtime): a byte order mark distinguishes UTF-16 from UTF-8.
"""

from __future__ import annotations

import codecs
import re

_MARK = codecs.BOM_UTF8
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Blank lines, comments and directives, with the marks that may stand at the begin of a line there.
_LEADING = re.compile(rb"(?:(?:\xef\xbb\xbf)*(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n))*(?:\xef\xbb\xbf)*")


class TextError(Exception):
    """The bytes are no text in a known encoding. The message says what to do, and shows none of them."""


def utf8(data: bytes) -> bytes:
    """The text in UTF-8, without the byte order mark. Raises TextError."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], name).encode()
    if b"\0" in data[:4]:
        raise TextError("is UTF-16 or UTF-32 without a byte order mark; save it as UTF-8")
    _decoded(data, "utf-8")
    return data.removeprefix(_MARK)


def without_leading_marks(document: bytes) -> bytes:
    """A document without the byte order marks before its content: files that were joined have them anywhere."""
    if _MARK not in document:
        return document
    leading = _LEADING.match(document)
    end = leading.end() if leading else 0
    return document[:end].replace(_MARK, b"") + document[end:]


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(encoding, "replace").count("\n") + 1
        raise TextError(f"is not valid {encoding.upper()} at line {line}; save it as UTF-8") from None
