# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in what a user wrote, collected so that one run shows all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_LONGEST = 60


class Problems:
    """Messages in the order in which they were found, each once."""

    def __init__(self) -> None:
        self._messages: dict[str, None] = {}

    def add(self, where: str, words: str) -> None:
        """Note a mistake.

        :param where: variable and field, such as ``maas_models[2].args[1]``.
        :param words: what is wrong and how to fix it.
        """
        self._messages[f"{where}: {words}"] = None

    def say(self, message: str) -> None:
        """Note a mistake whose message already names its place."""
        self._messages[message] = None

    @contextlib.contextmanager
    def noting(self, *errors: type[Exception]) -> Iterator[None]:
        """Note what the block raises, if it is one of these errors: each says where it was and how to fix it."""
        try:
            yield
        except errors as error:
            self.say(str(error))

    @property
    def messages(self) -> list[str]:
        return list(self._messages)

    def __len__(self) -> int:
        return len(self._messages)


def shown(value: Any) -> str:
    """A value in a message: in quotes where it is text, and of containers only what they are."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a dictionary"
    if isinstance(value, list):
        return "a list"
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
