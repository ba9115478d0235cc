# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in text: found however they are spelt there, and covered up.

An error message seldom holds a value as it is. Python shows it as ``b'...'`` or with escapes, servers quote it as JSON,
URLs and HTML have escapes of their own, and the data of Secrets and basic authentication are base64.
"""

from __future__ import annotations

import base64
import html
import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "********"
LEAST = 4
"""Shorter values are part of ordinary words: they are covered only where they stand as a value of their own."""
_FRAGMENT = 8
# How much of its beginning a spelling is found by, the most that its length allows: keys may share a prefix.
_STARTS = (24, 8, LEAST)
# Longer values are looked for in fewer forms: with fewer escapes of escapes, and from the second length on as they are.
_DEEP, _LONG = 512, 64 * 1024
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_LONG_LINE = 8
# What HTTP libraries leave as it is in the user information, the path and the query of a URL (RFC 3986).
_RESERVED = "!$&'()*+,;=:@/?"
# What stands before a value: a quote, what ends a name, or the scheme of an Authorization header.
_VALUE_BEGINS = r"(?:(?<=['\"=:@/])|(?<=[Bb]earer )|(?<=[Bb]asic )|(?<=APIKEY ))"


class Secrets:
    """Values that may not be shown. All methods may be called from several threads."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self._lock = threading.Lock()
        self._values: set[str | bytes] = set()
        self._pending: list[str | bytes] = []
        # Spellings by their beginning, so that a text is read once, however many there are.
        self._by_start: dict[str, set[str]] = {}
        self._short: set[str] = set()
        # No spelling is shorter than this; most texts are, and most keys are long and plain.
        self._least = sys.maxsize
        for value in values:
            self.add(value)

    def add(self, value: Any) -> None:
        """Cover this value up from now on. Values that cannot be secret (None, booleans, blanks) are ignored."""
        if value is None or isinstance(value, bool):
            return
        value = value if isinstance(value, bytes) else str(value)
        if not value.strip() or value.strip() == MASK:
            return
        with self._lock:
            if value not in self._values:
                self._values.add(value)
                self._pending.append(value)
                self._least = min(self._least, len(value) if _is_plain(value) and len(value) > _FRAGMENT else 1)

    def mask(self, text: str) -> str:
        """The text with every secret covered up."""
        if len(text) < self._least:
            return text
        self._index()
        if not (self._by_start or self._short):
            return text
        covered = _covered(text, list(self._found(text)))
        for value in self._short:
            covered = re.sub(f"{_VALUE_BEGINS}{re.escape(value)}(?![A-Za-z0-9])", MASK, covered)
        return covered

    def mask_fragments(self, text: str) -> str:
        """The same for text that somebody else made of a value: parts of one, of eight characters and more, as well."""
        self._index()
        grams = {text[at : at + _FRAGMENT] for at in range(len(text) - _FRAGMENT + 1)}
        shared = {
            spelling[at : at + _FRAGMENT]
            for group in self._by_start.values()
            for spelling in group
            for at in range(len(spelling) - _FRAGMENT + 1)
            if spelling[at : at + _FRAGMENT] in grams
        }
        places = [(at, at + _FRAGMENT) for at in range(len(text)) if text[at : at + _FRAGMENT] in shared]
        return self.mask(_covered(text, [*places, *self._found(text)]))

    def _index(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, []
            for value in pending:
                for spelling in spellings(value):
                    start = next((length for length in _STARTS if length <= len(spelling)), 0)
                    if start:
                        self._by_start.setdefault(spelling[:start], set()).add(spelling)
                    else:
                        self._short.add(spelling)

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        for at in range(len(text) - LEAST + 1):
            for length in _STARTS:
                for spelling in self._by_start.get(text[at : at + length], ()):
                    if text.startswith(spelling, at):
                        yield at, at + len(spelling)


def _covered(text: str, places: list[tuple[int, int]]) -> str:
    """The text with those places covered; what overlaps is one place."""
    parts: list[str] = []
    end = 0
    for start, stop in sorted(places):
        if stop <= end:
            continue
        if start > end or not parts:
            parts += [text[end:start], MASK]
        end = stop
    return "".join([*parts, text[end:]])


def spellings(value: str | bytes) -> set[str]:
    """Every form in which the value may stand in a message."""
    data = value if isinstance(value, bytes) else as_bytes(value)
    found = set(_base64(data))
    if _is_plain(value):
        return found | {data.decode()}
    for text in _texts(value, data):
        escaped = set(_escaped(text))
        found |= escaped
        again = _escaped if len(text) <= _DEEP else _quoted_again
        found |= {twice for once in escaped for twice in again(once)}
    return {text for text in found if text.strip()}


def _is_plain(value: str | bytes) -> bool:
    """Whether nobody escapes any of its characters."""
    return isinstance(value, str) and bool(_PLAIN.fullmatch(value))


def as_bytes(text: str) -> bytes:
    """The text in UTF-8, with the bytes that surrogates stand for (PEP 383), whatever else it holds."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _texts(value: str | bytes, data: bytes) -> set[str]:
    """The value as text: also without the white space around it, on one line, and the long ones of its lines."""
    handlers = ("replace", "surrogateescape", "backslashreplace", "ignore")
    whole = {data.decode("utf-8", handler) for handler in handlers} | {data.decode("latin-1")}
    whole |= {value} if isinstance(value, str) else set()
    parts = {part for text in whole for part in (text.strip(), " ".join(text.split()))}
    lines = {line.strip() for text in whole for line in text.splitlines() if len(line.strip()) >= _LONG_LINE}
    return whole | parts | lines


def _escaped(text: str) -> Iterator[str]:
    """The text as it is, as Python, JSON and Go quote it, and as it stands in URLs and HTML."""
    yield text
    if len(text) > _LONG:
        return
    data = as_bytes(text)
    for quoted in (text.encode("unicode_escape").decode(), repr(text)[1:-1], repr(data)[2:-1]):
        yield quoted
        yield quoted.replace("'", "\\'")
    for ascii_only in (True, False):
        quoted = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield quoted
        # Go's encoding/json writes these so; the last two are its line ends within text.
        for character in "<>&\u2028\u2029":
            quoted = quoted.replace(character, f"\\u{ord(character):04x}")
        yield quoted
    for escaped in (quote(data, safe=""), quote(data), quote(data, safe=_RESERVED), quote_plus(data)):
        yield escaped
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), escaped)
    yield html.escape(text)
    yield html.escape(text, quote=False)


def _quoted_again(escaped: str) -> Iterator[str]:
    """What is quoted already, quoted by Python or JSON once more."""
    if len(escaped) > _LONG:
        return
    doubled = escaped.replace("\\", "\\\\")
    yield doubled
    yield doubled.replace("'", "\\'")
    yield doubled.replace('"', '\\"')


def _base64(data: bytes) -> Iterator[str]:
    """The value in base64 and in hexadecimal digits, without padding, also as a part of something longer, such as the
    base64 of an object that holds it in base64.
    """
    for part in (data, data.strip(), base64.b64encode(data)):
        yield part.hex()
        yield part.hex().upper()
        yield from _alphabets(base64.b64encode(part).decode().rstrip("="))
        for offset in (0, 1, 2):
            # Characters that hold bits of nothing else: neither of what comes before nor of what comes after.
            first, end = -(-8 * offset // 6), 8 * (offset + len(part)) // 6
            inner = base64.b64encode(b"\0" * offset + part).decode()[first:end]
            if len(inner) >= _FRAGMENT:
                yield from _alphabets(inner)


def _alphabets(text: str) -> Iterator[str]:
    """Base64 as it is, for file names and URLs, and escaped for them."""
    yield text
    if "+" in text or "/" in text:
        yield text.replace("+", "-").replace("/", "_")
        yield text.replace("+", "%2B")
        yield text.replace("+", "%2B").replace("/", "%2F")
