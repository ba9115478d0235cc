# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of the collection's own data files, read with their types; templates give numbers and booleans as text too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.booleans import BooleanError, as_boolean


class DataFieldError(ValueError):
    """A field that is missing, unknown or of another type; the message names it with its path."""


@dataclass(frozen=True)
class DataFields:
    """A mapping with its place, such as ``istio.forwards[0]``, for messages."""

    content: Mapping[str, Any]
    where: str

    @classmethod
    def of(cls, value: Any, where: str) -> DataFields:
        if not isinstance(value, Mapping):
            raise DataFieldError(f"{where}: {value!r} is not a dictionary")
        return cls(value, where)

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty, unless there is a default."""
        value = self.content.get(name, default)
        if value is None or (default is None and value == ""):
            raise DataFieldError(f"{self.where}.{name}: is missing")
        if not isinstance(value, str):
            raise DataFieldError(f"{self.where}.{name}: {value!r} is not a text; put it in quotes")
        return value

    def number(self, name: str) -> int:
        value = self.content.get(name)
        if isinstance(value, bool) or not str(value).isdecimal():
            raise DataFieldError(f"{self.where}.{name}: {value!r} is not a whole number")
        return int(str(value))

    def boolean(self, name: str, *, default: bool) -> bool:
        try:
            return as_boolean(self.content.get(name, default), f"{self.where}.{name}")
        except BooleanError as error:
            raise DataFieldError(str(error)) from error

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, empty where there is none."""
        values = self._list(name)
        for index, value in enumerate(values):
            if not isinstance(value, str) or not value:
                raise DataFieldError(f"{self.where}.{name}[{index}]: {value!r} is not a text")
        return tuple(str(value) for value in values)

    def inner(self, name: str) -> DataFields:
        """A dictionary, empty where there is none."""
        return DataFields.of(self.content.get(name) or {}, f"{self.where}.{name}")

    def items(self, name: str) -> list[DataFields]:
        """A list of dictionaries, empty where there is none."""
        return [DataFields.of(value, f"{self.where}.{name}[{index}]") for index, value in enumerate(self._list(name))]

    def mappings(self) -> Iterator[tuple[str, DataFields]]:
        """Each field as a dictionary of its own."""
        for name, value in self.content.items():
            yield name, DataFields.of(value, f"{self.where}.{name}")

    def all_texts(self) -> dict[str, str]:
        return {name: self.text(name) for name in self.content}

    def refuse_others(self, *known: str) -> None:
        """Raise DataFieldError for a field that is none of these."""
        unknown = sorted(set(self.content) - set(known))
        if unknown:
            raise DataFieldError(
                f"{self.where}: unknown field {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )

    def _list(self, name: str) -> Sequence[Any]:
        value = self.content.get(name) or []
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise DataFieldError(f"{self.where}.{name}: {value!r} is not a list")
        return value
