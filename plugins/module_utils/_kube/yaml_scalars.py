# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an unquoted YAML text means to Kubernetes: text, a number, a boolean or nothing.

The rules are those of go.yaml.in/yaml/v2 (``resolve.go``), which kubectl and the API server read YAML with, and of Go's
``strconv``, which decides what a number is: base-60 numbers, time stamps, and numbers too large for a float are text.
"""

from __future__ import annotations

import math
import re
import struct
from typing import Any

_WORDS: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), ("bool", True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), ("bool", False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null", None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), ("float", math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), ("float", math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), ("float", -math.inf)),
    "<<": ("merge", "<<"),
}
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0(?:[oO](?=[0-7]))?(?P<oct>[0-7]*)"
    # Go tries such a number a second time without its prefix, so that the sign may also stand behind it.
    r"|(?P<dec>[1-9][0-9]{0,19}))|0b(?P<late>[-+][01]+)"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# Go reads a text that begins with a point at once as a float, which may have underscores between its digits.
_FRACTION = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10, "late": 2}
_LEAST, _MOST, _MOST_UNSIGNED = -(2**63), 2**63 - 1, 2**64 - 1

# What any text that is not plain text begins with.
FIRST = frozenset("yYnNtTfFoO~<.+-0123456789")


def resolve(text: str) -> tuple[str, Any]:
    """The kind (``str``, ``int``, ``float``, ``bool``, ``null``, ``merge``) and the value of that unquoted text."""
    word = _WORDS.get(text)
    if word:
        return word
    if text[0] == ".":
        return _float(text.replace("_", ""), text) if _FRACTION.fullmatch(text) else ("str", text)
    if text[0] not in "+-0123456789":
        return "str", text
    plain = text.replace("_", "")
    whole = _integer(plain)
    if whole is not None:
        return "int", whole
    return _float(plain, text) if _FLOAT.fullmatch(plain) else ("str", text)


def key_text(key: Any) -> str | None:
    """A key that is no text, as JSON has it; None when Kubernetes does not take such a key.

    Booleans, integers of 64 bits, and floats, which sigs.k8s.io/yaml cuts down to 32 bits.
    """
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return str(key) if _LEAST <= key <= _MOST else None
    return _short_float(key) if isinstance(key, float) else None


def _integer(plain: str) -> int | None:
    match = _INTEGER.fullmatch(plain)
    if not match:
        return None
    base, digits = next((_BASES[name], match[name]) for name in _BASES if match[name] is not None)
    value = int(digits or "0", base)
    if match["sign"] == "-":
        value = -value
    most = _MOST if match["sign"] else _MOST_UNSIGNED
    return value if _LEAST <= value <= most else None


def _float(plain: str, text: str) -> tuple[str, Any]:
    value = float(plain)
    # Too large for a float, such as the abbreviated digest 61e9540: Go leaves it as it is.
    return ("str", text) if math.isinf(value) else ("float", value)


def _short_float(value: float) -> str | None:
    """The shortest decimal that stands for the same float of 32 bits, as Go's FormatFloat(value, 'g', -1, 32)."""
    if not math.isfinite(value):
        return None
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        return None
    short: float = struct.unpack("<f", packed)[0]
    # Nine digits are always enough.
    digits = next(digits for digits in range(9) if struct.pack("<f", float(f"{short:.{digits}e}")) == packed)
    text = f"{short:.{digits}e}"
    exponent = int(text.partition("e")[2])
    return f"{float(text):.{max(digits - exponent, 0)}f}" if -4 <= exponent < 6 else text
