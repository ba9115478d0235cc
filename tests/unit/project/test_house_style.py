# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One dialect of docstrings and one way to raise: what is found, and how it is corrected."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]

from house_style import edits, fixed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""See `x`, ``y`` and :func:`z`."""', '"""See ``x``, ``y`` and ``z``."""'),
        ('"""See C(x), O(y), V(a b)."""', '"""See ``x``, ``y``, ``a b``."""'),
        (
            'def f():\n    """Gives `ä` or `b`."""\n    return 1',
            'def f():\n    """Gives ``ä`` or ``b``."""\n    return 1',
        ),
        ('class C:\n    """`a`.\n\n    - `b`\n    """', 'class C:\n    """``a``.\n\n    - ``b``\n    """'),
    ],
)
def test_code_in_docstrings(before: str, after: str) -> None:
    assert fixed(before) == after
    assert list(edits(after)) == []


@pytest.mark.parametrize(
    "source",
    ['"""Plain (RFC 8555), DEBUG(x), ``f(x)``."""', 'DOCUMENTATION = r"""C(x) and O(y)."""', "x = 1\n'''`a`'''"],
)
def test_what_is_left_alone(source: str) -> None:
    assert fixed(source) == source


def test_lines_that_get_too_long_are_wrapped() -> None:
    line = f"`x` {'word ' * 30}"[:110]
    corrected = fixed(f'def f():\n    """{line}"""\n')
    assert max(map(len, corrected.split("\n"))) <= 120
    assert corrected == f'def f():\n    """`{line[:3]}`{line[3:-2]}\n    w\n    """\n'

    corrected = fixed(f'def f():\n    """First.\n\n    {line} and\n    more.\n\n    - a\n    - b\n    """\n')
    assert max(map(len, corrected.split("\n"))) <= 120
    found = ast.get_docstring(ast.parse(corrected).body[0])  # type: ignore[arg-type]
    assert found == f"First.\n\n`{line[:3]}`{line[3:]} and\nmore.\n\n- a\n- b"


def test_an_exception_is_raised_with_its_text() -> None:
    source = 'def f(x):\n    if x:\n        msg = f"no {x}"\n        raise KeyError(msg) from None\n    return "ä"\n'
    assert fixed(source) == 'def f(x):\n    if x:\n        raise KeyError(f"no {x}") from None\n    return "ä"\n'


@pytest.mark.parametrize("line", ["msg = given()", 'msg = "x"; print(msg)'])
def test_a_variable_that_says_more_stays(line: str) -> None:
    source = f"def f():\n    {line}\n    raise KeyError(msg)\n"
    assert fixed(source) == source
