# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kept Secret should hold, given what is there already."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import is_text
from ansible_collections.llmops.maas.plugins.module_utils._common.texts import NoTextError, texts_of

# URL-safe without '-' and '_', so that a value never looks like an option and needs no quoting anywhere.
ALPHABET = string.ascii_letters + string.digits
# 16 characters of 62 are 95 bits; anything shorter can be guessed.
SHORTEST = 16
# What holds texts by name.
_TEXTS = ("labels", "annotations", "data", "compose", "variables")
_REFERENCE = re.compile(r"\$\{([-._a-zA-Z0-9]+)\}")


class SecretError(ValueError):
    """A Secret that cannot be made; the message names it, its key and the fix, never a value."""


@dataclass(frozen=True)
class SecretOutcome:
    """The wanted values of one Secret, by key, and which of them had to be generated."""

    values: dict[str, str]
    generated: tuple[str, ...]


def where_of(spec: Mapping[str, Any]) -> str:
    """How messages name a Secret."""
    return f"Secret {spec['namespace']}/{spec['name']}"


def checked_specs(specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The Secrets that are asked for, with text wherever Kubernetes wants text.

    :raises SecretError: a value that is no text, or a Secret that is asked for twice: the second would undo the first.
    """
    found = [_with_texts(spec) for spec in specs]
    names = [where_of(spec) for spec in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SecretError(f"{', '.join(twice)} is asked for twice; write one entry with all of its keys")
    return found


def _with_texts(spec: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {**spec, **{part: texts_of(spec[part], f"{where_of(spec)}: {part}") for part in _TEXTS}}
    except NoTextError as error:
        raise SecretError(str(error)) from error


def decode(data: Mapping[str, str] | None, where: str) -> dict[str, str]:
    """The ``data`` of a Secret from the API (base64) as text.

    :raises SecretError: a value that is not UTF-8 text.
    """
    try:
        return {key: base64.b64decode(value).decode() for key, value in (data or {}).items()}
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SecretError(f"{where} holds binary data, which this module does not keep; choose another name") from error


def random_text(length: int) -> str:
    """Characters that cannot be guessed, from the system's generator."""
    return "".join(secrets.choice(ALPHABET) for _unused in range(length))


def secret_values(
    spec: Mapping[str, Any],
    current: Mapping[str, str],
    variables: Mapping[str, str],
    make: Callable[[int], str] = random_text,
) -> SecretOutcome:
    """Values that the Secret should hold.

    :param spec: as ``checked_specs`` gives it: ``data`` (given values), ``generate`` (key to length) and ``compose``
        (key to text with ``${key}``).
    :param current: what the Secret holds now; a generated value that is there is kept.
    :param variables: further names for ``compose``; not kept in the Secret.
    :raises SecretError: lengths that are too short, one key given twice, unknown references.
    """
    where = where_of(spec)
    _check(spec, where)
    missing = tuple(key for key in spec["generate"] if not current.get(key))
    values = dict(spec["data"])
    values |= {key: make(int(length)) if key in missing else current[key] for key, length in spec["generate"].items()}
    known = {**variables, **values}
    values |= {key: _compose(text, known, f"{where}: compose.{key}") for key, text in spec["compose"].items()}
    for key, value in values.items():
        if not is_text(value):
            raise SecretError(f"{where}: {key} holds bytes that are no UTF-8 text, which this module does not keep")
    return SecretOutcome(values, missing)


def _check(spec: Mapping[str, Any], where: str) -> None:
    sources = [*spec["data"], *spec["generate"], *spec["compose"]]
    twice = sorted({key for key in sources if sources.count(key) > 1})
    if twice:
        raise SecretError(
            f"{where}: {', '.join(twice)} is asked for twice; use one of data, generate and compose for a key"
        )
    for key, length in spec["generate"].items():
        if not str(length).isdigit() or int(length) < SHORTEST:
            raise SecretError(f"{where}: generate.{key} must be a number of characters, at least {SHORTEST}")


def _compose(text: str, known: Mapping[str, str], field: str) -> str:
    unknown = sorted(set(_REFERENCE.findall(text)) - set(known))
    if unknown:
        raise SecretError(f"{field} refers to {', '.join(unknown)}, which is not there; known are {_names(known)}")
    return _REFERENCE.sub(lambda match: known[match[1]], text)


def _names(known: Iterable[str]) -> str:
    return ", ".join(sorted(known)) or "none"
