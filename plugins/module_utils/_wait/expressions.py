# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath expressions on Kubernetes objects, with one function more: ``parse_json``, as Kyverno's JMESPath has it."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

JMESPATH_IMPORT_ERROR: str | None = None
try:
    import jmespath
    import jmespath.exceptions
    import jmespath.functions
except ImportError:
    JMESPATH_IMPORT_ERROR = traceback.format_exc()
else:

    class _Functions(jmespath.functions.Functions):
        """The functions of the specification, and ours. Some controllers write JSON into a string, as WASM filters."""

        @jmespath.functions.signature({"types": ["string"]})
        def _func_parse_json(self, text: str) -> Any:
            try:
                return json.loads(text)
            except ValueError as error:
                raise jmespath.exceptions.JMESPathError(f"parse_json() was given no JSON: {error}") from error


class ExpressionError(ValueError):
    """The expression cannot be used; the message says what is wrong with it."""


class NoValueError(ValueError):
    """The expression does not fit the object as it is now."""


def compile_expression(text: str) -> Callable[[Any], Any]:
    """A function that evaluates the expression on an object, and raises ``NoValueError``. Raises
    ``ExpressionError``.
    """
    if JMESPATH_IMPORT_ERROR:
        raise ExpressionError("the Python package 'jmespath' is missing where the module runs: pip install jmespath")
    try:
        compiled = jmespath.compile(text)
    except jmespath.exceptions.JMESPathError as error:
        raise ExpressionError(f"JMESPath cannot read {text!r}: {error}") from error
    # JMESPath itself would say so only when it comes to the call.
    unknown = sorted(set(_calls(compiled.parsed)) - set(_Functions.FUNCTION_TABLE))
    if unknown:
        known = ", ".join(sorted(_Functions.FUNCTION_TABLE))
        raise ExpressionError(f"JMESPath has no function {', '.join(unknown)} ({text!r}): there are {known}")

    options = jmespath.Options(custom_functions=_Functions())

    def evaluate(item: Any) -> Any:
        try:
            return compiled.search(item, options=options)
        except jmespath.exceptions.JMESPathError as error:
            raise NoValueError(str(error)) from error

    return evaluate


def _calls(node: Mapping[str, Any]) -> Iterator[str]:
    """The names of all functions that a parsed expression calls."""
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node.get("children", ()):
        yield from _calls(child)
