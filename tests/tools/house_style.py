# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What CONTRIBUTING.md asks of Python and ruff has no rule for: one dialect of docstrings, one way to raise.

- Code in docstrings stands between ``double backticks``; Ansible's markup belongs to documentation blocks.
- An exception is raised with its text, not with a variable that was set to that text one line above.

``--fix`` corrects what it finds; run ``ruff format`` after it.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDERS = ("plugins", "roles", "tests", "benchmarks", "embedded")
SKIPPED = {".venv", ".cache", "build"}
WIDTH = 120
SINGLE = re.compile(r"(?<!`)(?::[a-z]+:)?`([^`\n]+)`(?!`)")
MARKUP = re.compile(r"(?<![\w`])(?:C|O|V|RV|E)\(([^()\n]+)\)")


# What begins a block of lines in a docstring: an empty line, its end, a field, an item of a list.
OPENING = re.compile(r'\s*($|"""$|:\w|- |\d+\. )')


@dataclass(frozen=True)
class Edit:
    """A place in a file and what belongs there; lines count from 1, columns (of UTF-8 bytes) from 0."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str
    why: str


def corrected(docstring: str, indent: str) -> str:
    """The source of a docstring, quotes included, with double backticks; lines that get too long are wrapped."""
    text = MARKUP.sub(r"``\1``", SINGLE.sub(r"``\1``", docstring))
    if text == docstring:
        return text
    blocks = _blocks((indent + text).split("\n"))
    lines = [line for block in blocks for line in _wrapped(block)]
    if len(lines) > 1 and lines[-1].strip() != '"""':
        lines[-1:] = [lines[-1].removesuffix('"""'), indent + '"""']
    return "\n".join(lines).removeprefix(indent)


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Lines that may be wrapped together: paragraphs and items of lists. An empty line is one by itself."""
    block: list[str] = []
    for line in lines:
        if block and (OPENING.match(line) or not block[-1].strip()):
            yield block
            block = []
        block.append(line)
    yield block


def _wrapped(block: list[str]) -> list[str]:
    if all(len(line) <= WIDTH for line in block):
        return block
    first, later = (line[: len(line) - len(line.lstrip())] for line in (block[0], block[-1]))
    words = " ".join(line.strip() for line in block)
    return textwrap.wrap(
        words, WIDTH, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found = node.body[0] if node.body else None
            if (
                isinstance(found, ast.Expr)
                and isinstance(found.value, ast.Constant)
                and isinstance(found.value.value, str)
            ):
                yield found.value


def raises(tree: ast.Module) -> Iterator[tuple[ast.Assign, ast.Raise, ast.Name]]:
    """Assignments that are only there for the raise in the next line, with both and the name."""
    for node in ast.walk(tree):
        for body in (getattr(node, "body", None), getattr(node, "orelse", None), getattr(node, "finalbody", None)):
            for before, after in itertools.pairwise(body) if isinstance(body, list) else ():
                if (
                    isinstance(before, ast.Assign)
                    and isinstance(before.targets[0], ast.Name)
                    and isinstance(before.value, ast.Constant | ast.JoinedStr)
                    and isinstance(after, ast.Raise)
                ):
                    name = before.targets[0].id
                    used = [item for item in ast.walk(after) if isinstance(item, ast.Name) and item.id == name]
                    arguments = after.exc.args if isinstance(after.exc, ast.Call) else []
                    if len(used) == 1 and used[0] in arguments:
                        yield before, after, used[0]


def edits(source: str) -> Iterator[Edit]:
    tree = ast.parse(source)
    for found in docstrings(tree):
        segment = ast.get_source_segment(source, found) or ""
        text = corrected(segment, " " * found.col_offset)
        if text != segment:
            why = "code in docstrings stands between ``double backticks``"
            yield Edit(_start(found), _end(found), text, why)
    for before, after, name in raises(tree):
        value = ast.get_source_segment(source, before.value) or ""
        whole = ast.get_source_segment(source, after) or ""
        lines = whole.encode().split(b"\n")
        row = name.lineno - after.lineno
        offset = name.col_offset - (after.col_offset if row == 0 else 0)
        lines[row] = lines[row][:offset] + value.encode() + lines[row][offset + len(name.id) :]
        text = b"\n".join(lines).decode()
        yield Edit(_start(before), _end(after), text, "raise with the text, without a variable")


def _start(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def fixed(source: str) -> str:
    """The source with all edits made, from the last to the first so that places stay."""
    lines = [line.encode() for line in source.split("\n")]
    for edit in sorted(edits(source), key=lambda edit: edit.start, reverse=True):
        (first, column), (last, end) = edit.start, edit.end
        text = lines[first - 1][:column] + edit.text.encode() + lines[last - 1][end:]
        lines[first - 1 : last] = text.split(b"\n")
    return b"\n".join(lines).decode()


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            if not SKIPPED & set(path.relative_to(CHECKOUT).parts):
                yield path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fix", action="store_true", help="correct what is found")
    parser.add_argument("files", nargs="*", type=Path, help="instead of all files")
    arguments = parser.parse_args()
    found = []
    for path in arguments.files or files():
        source = path.read_text(encoding="utf-8")
        if arguments.fix:
            path.write_text(fixed(source), encoding="utf-8")
            continue
        name = path.resolve().relative_to(CHECKOUT)
        found += [f"{name}:{edit.start[0]}: {edit.why}" for edit in edits(source)]
    if found:
        sys.exit("\n".join([*found, "python tests/tools/house_style.py --fix corrects them"]))


if __name__ == "__main__":
    main()
