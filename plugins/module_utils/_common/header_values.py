# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an HTTP header can carry (RFC 9110, section 5.5). No message here holds a value."""

from __future__ import annotations

import re

# Of the control characters a header may hold the tab alone; a line end would begin another header.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_AROUND = " \t\r\n\v\f"
_TOKEN = re.compile(r"[\x21-\x7e]+")


def key_problem(value: str) -> str:
    """Why this key can be sent by nobody, such as ``ends in a line end``; empty when it can.

    Authorino compares the bytes of the Secret with those of the header, of which white space at the ends is no part.

    :param value: text; bytes of the Secret that are no UTF-8 as surrogates (PEP 383).
    """
    if value != value.rstrip("\r\n"):
        return "ends in a line end"
    if value != value.strip(_AROUND):
        return "begins or ends with white space"
    if _CONTROL.search(value):
        return "holds control characters"
    return "" if is_text(value) else "is no text"


def is_text(value: str) -> bool:
    """Whether it is text, and not bytes that were read as surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def token_problem(value: str) -> str:
    """Why this is no token (RFC 6750 and 7235 know printable ASCII without spaces); empty when it is one."""
    if not value:
        return "is empty"
    return "" if _TOKEN.fullmatch(value) else "holds white space, control characters or characters beyond ASCII"


def header_value(value: str) -> str:
    """The value such that the HTTP library, which writes Latin-1, sends its UTF-8 bytes."""
    return value.encode().decode("latin-1")
