# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of API keys: making them, judging given ones, and naming them without showing them.

A generated key reads ``maas_<key id>_<secret>``: the prefix lets secret scanners recognise a leaked one, the key id
says which Secret it is (it is no secret: it is a label there), and the rest is 256 bits from the system's generator.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
from collections import Counter

from ansible_collections.llmops.maas.plugins.module_utils._common.masking import as_bytes
from ansible_collections.llmops.maas.plugins.module_utils._secrets.kept import ALPHABET, random_text

PREFIX = "maas"
# The least number of characters that hold 256 bits.
SECRET_LENGTH = math.ceil(256 / math.log2(len(ALPHABET)))
KEY_ID_LENGTH = 10
PATTERN = re.compile(rf"{PREFIX}_[0-9a-f]{{{KEY_ID_LENGTH}}}_[0-9A-Za-z]{{{SECRET_LENGTH}}}")
SHORTEST_GIVEN = 32
# By the frequencies of the characters in the value itself: a random hexadecimal key of 32 characters has about 118
# bits, "aaaa…" has none, and a sentence or a repeated word stays below.
LEAST_BITS = 96.0
LONGEST_GIVEN = 1024
# What a header can carry, without the space that ends the prefix and without quotes that tools would strip.
_ALLOWED = re.compile(r"[\x21\x23-\x26\x28-\x7e]+")


class KeyValueError(ValueError):
    """A given key that may not be used. The message never holds the value."""


def generate(key_id: str) -> str:
    """A new key."""
    return f"{PREFIX}_{key_id}_{random_text(SECRET_LENGTH)}"


def key_id(*parts: str) -> str:
    """An id that is the same whenever it is made for the same, so that two runs make one key and not two."""
    text = "\0".join(parts)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_ID_LENGTH]


def random_id() -> str:
    """An id for a key that follows no other."""
    return secrets.token_hex(KEY_ID_LENGTH // 2)


def fingerprint(value: str) -> str:
    """Twelve digits that distinguish one key from another. Too few to confirm a guess among all keys there could be."""
    return hmac.new(b"llmops.maas api key", as_bytes(value), hashlib.sha256).hexdigest()[:12]


def entropy_bits(value: str) -> float:
    """Shannon's entropy of the value's own characters times their number: an upper bound for what it can hide."""
    total = len(value)
    shares = (count / total for count in Counter(value).values())
    return -total * sum(share * math.log2(share) for share in shares)


def weakness(value: str) -> str:
    """Why a given key could be guessed, as words that follow "the key"; empty when it is strong enough."""
    if len(value) < SHORTEST_GIVEN:
        return f"has fewer than {SHORTEST_GIVEN} characters"
    if entropy_bits(value) < LEAST_BITS:
        return "can be guessed, because its characters repeat too much"
    return ""


def is_weak(value: str) -> bool:
    """Whether a given key could be guessed: the one rule for the module's ``value`` and the inventory's ``key``."""
    return bool(weakness(value))


def check_given(value: str, where: str, *, allow_weak: bool) -> None:
    """Refuse a given key that cannot be sent or could be guessed.

    :raises KeyValueError: with what is wrong and the fix.
    """
    if not _ALLOWED.fullmatch(value) or len(value) > LONGEST_GIVEN:
        raise KeyValueError(
            f"{where}: a key has 1 to {LONGEST_GIVEN} printable ASCII characters without spaces and quotes;"
            " leave it out to have one generated"
        )
    if allow_weak:
        return
    problem = weakness(value)
    if problem:
        raise KeyValueError(
            f"{where}: the key {problem}; leave it out to have one generated, or set allow_weak for a demonstration"
        )
