# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines and tables that people read, as columns of the width of their content.

A report is a list of parts. Parts are plain data, so that filters can return them and tasks can hand them on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict, final, get_args

Style = Literal["plain", "heading", "ok", "failed", "warning"]
STYLES: tuple[Style, ...] = get_args(Style)
Painter = Callable[[str, Style], str]

_GAP = "  "
_TEXT_FIELDS, _TABLE_FIELDS = {"text", "style"}, {"rows", "heading", "indent"}


@final
class Text(TypedDict):
    """A line, or a cell of a table."""

    text: str
    style: Style


Cell = str | Text


@final
class Table(TypedDict):
    """Rows of cells; columns without any content are left out. ``indent`` is a number of blanks."""

    heading: list[str]
    rows: list[list[Cell]]
    indent: int


Part = Text | Table


class LayoutError(ValueError):
    """A part that cannot be laid out; the message names it and says what it may be."""


def text(words: str, style: Style = "plain") -> Text:
    return {"text": words, "style": style}


def table(rows: Sequence[Sequence[Cell]], heading: Sequence[str] = (), indent: int = 0) -> Table:
    return {"rows": [list(row) for row in rows], "heading": list(heading), "indent": indent}


def read_part(given: Any, where: str) -> Part:
    """A part as it is written in a task: a text, or a mapping with the fields of ``Text`` or ``Table``.

    :param where: how error messages call it.
    :raises LayoutError: it is neither.
    """
    if not isinstance(given, Mapping) or "rows" not in given:
        return _cell(given, where)
    _known(given, _TABLE_FIELDS, where)
    rows = given["rows"]
    if isinstance(rows, str | Mapping) or not isinstance(rows, Sequence):
        raise LayoutError(f"{where}.rows: give a list of rows, each of them a list of cells")
    read = [_row(row, f"{where}.rows[{number}]") for number, row in enumerate(rows)]
    return table(read, [str(title) for title in given.get("heading") or ()], _indent(given.get("indent", 0), where))


def _row(given: Any, where: str) -> list[Cell]:
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise LayoutError(f"{where}: give a list of cells")
    return [_cell(cell, f"{where}[{number}]") for number, cell in enumerate(given)]


def _cell(given: Any, where: str) -> Text:
    if isinstance(given, str | int | float):
        return text(str(given))
    if not isinstance(given, Mapping) or "text" not in given:
        raise LayoutError(f"{where}: give a text, or a dictionary with text or rows")
    _known(given, _TEXT_FIELDS, where)
    style = given.get("style", "plain")
    if style not in STYLES:
        raise LayoutError(f"{where}.style: {style!r} is not one of {', '.join(STYLES)}")
    return text(str(given["text"]), style)


def _indent(given: Any, where: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise LayoutError(f"{where}.indent: give a number of blanks")
    return given


def _known(given: Mapping[str, Any], fields: set[str], where: str) -> None:
    unknown = sorted(set(map(str, given)) - fields)
    if unknown:
        raise LayoutError(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(sorted(fields))}")


def plain(words: str, _style: Style) -> str:
    """A painter without colours."""
    return words


def laid_out(parts: Sequence[Part], paint: Painter = plain) -> list[str]:
    """The lines of a report; none ends with blanks. What is not printable becomes a blank."""
    lines: list[str] = []
    for part in parts:
        if "rows" in part:
            lines += _table_lines(part, paint)
        else:
            lines += [_painted(_clean(line).rstrip(), part["style"], paint) for line in part["text"].split("\n")]
    return lines


def _table_lines(part: Table, paint: Painter) -> list[str]:
    rows = [[_of_cell(cell) for cell in row] for row in part["rows"]]
    count = max(map(len, rows), default=0)
    rows = [[*row, *[text("")] * (count - len(row))] for row in rows]
    used = [column for column in range(count) if any(row[column]["text"] for row in rows)]
    heading = [text(title, "heading") for title in part["heading"]]
    heading += [text("")] * (count - len(heading))
    shown = [[row[column] for column in used] for row in ([heading] if part["heading"] and rows else []) + rows]
    widths = [max(len(row[place]["text"]) for row in shown) for place in range(len(used))]
    return [_line(row, widths, " " * part["indent"], paint) for row in shown]


def _of_cell(cell: Cell) -> Text:
    given = text(cell) if isinstance(cell, str) else cell
    return text(" ".join(_clean(given["text"]).split()), given["style"])


def _line(row: Sequence[Text], widths: Sequence[int], indent: str, paint: Painter) -> str:
    filled = [number for number, cell in enumerate(row) if cell["text"]]
    if not filled:
        return ""
    last = filled[-1]
    # The last one is not filled up.
    fill = [*widths[:last], 0]
    cells = [
        _painted(cell["text"], cell["style"], paint) + " " * (width - len(cell["text"]))
        for cell, width in zip(row, fill, strict=False)
    ]
    return indent + _GAP.join(cells)


def _painted(words: str, style: Style, paint: Painter) -> str:
    return paint(words, style) if words else ""


def _clean(words: str) -> str:
    """Without what would move the cursor or change colours: parts of a report come from servers."""
    return "".join(character if character.isprintable() else " " for character in words)
