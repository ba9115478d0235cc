# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML as the API server reads it.

Manifests are sent to the server as they are; where this collection must read one itself, it has to see what the
server would: the rules below are those of the YAML library of Kubernetes (sigs.k8s.io/yaml), where they differ from
PyYAML's: no timestamps, no base-60 numbers, Go's integer and float syntax, `y` and `n` are booleans, a lone `=` (in
prometheus-operator's CRDs) is a string, keys are strings, a key may not appear twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

YAML_MISSING = False
try:
    import yaml

except ImportError:
    YAML_MISSING = True

_TAG = "tag:yaml.org,2002:"
_TEXT = _TAG + "str"
# How long a text may be, and how many of them, whose kind is remembered.
_SHORT = 24
_MOST_KNOWN = 5000
# What may begin a plain scalar of that tag: PyYAML looks up the rules by it.
_RULES = (
    ("bool", r"(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)", "yYtToOnNfF"),
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*|0[0-7_]+|0[oO][0-7_]+|0[xX][0-9a-fA-F_]+|0[bB][01_]+)", "-+0123456789"),
    (
        "float",
        r"(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        "-+0123456789.",
    ),
)


# Characters that JSON may hold as they are and YAML may not, or takes for line ends.
_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


class YamlError(Exception):
    """The text is not YAML, or not YAML that can become JSON. `line` counts from 1 in the text, if known."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        self.problem = problem
        self.line = line
        super().__init__(problem)


def load_yaml(text: bytes | str) -> Any:
    """Read one document into dicts with string keys, lists, strings, numbers, booleans and None. Raises YamlError.

    The error holds no part of the text, which may be a Secret's.
    """
    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - the loader derives from the safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(problem, mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise YamlError(f"{type(error).__name__}: not readable as UTF-8 YAML") from None


def dump_json(value: Any) -> bytes:
    """JSON that is also YAML: surrogate pairs, which JSON may escape characters as, are none of YAML's."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(", ", ": "))
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def _loader() -> Any:
    if not _cache:
        _cache.append(_make_loader())
    return _cache[0]


_cache: list[Any] = []


def _make_loader() -> Any:
    # PyYAML is sometimes built without its C parser, which is eight times as fast.
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # Made here, not by a class statement, so that this file can be imported where PyYAML is missing.
    loader: Any = type("Loader", (base,), {"construct_object": _constructing(base), "resolve": _resolving(base)})
    loader.yaml_implicit_resolvers = {}
    for tag, pattern, first in _RULES:
        loader.add_implicit_resolver(_TAG + tag, re.compile(rf"^{pattern}$"), list(first))
    loader.add_constructor(_TAG + "bool", _bool)
    loader.add_constructor(_TAG + "int", _int)
    loader.add_constructor(_TAG + "float", _float)
    for tag in ("value", "timestamp", "binary"):
        loader.add_constructor(_TAG + tag, _text)
    loader.add_constructor(_TAG + "map", _map)
    return loader


def _constructing(base: Any) -> Callable[..., Any]:
    """`construct_object` that takes plain text, nine of ten nodes, as it is, without PyYAML's bookkeeping."""

    def construct_object(loader: Any, node: Any, deep: bool = False) -> Any:
        if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):
            return node.value
        return base.construct_object(loader, node, deep)

    return construct_object


def _resolving(base: Any) -> Callable[..., Any]:
    """`resolve` that asks the rules once for each short text: the same words stand in a CRD thousands of times."""
    known: dict[str, str] = {}

    def resolve(loader: Any, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is not yaml.ScalarNode or not implicit[0]:
            return base.resolve(loader, kind, value, implicit)
        if value and value[0] not in loader.yaml_implicit_resolvers:
            return _TEXT
        tag = known.get(value)
        if tag is None:
            tag = base.resolve(loader, kind, value, implicit)
            if len(value) <= _SHORT and len(known) < _MOST_KNOWN:
                known[value] = tag
        return tag

    return resolve


def _text(loader: Any, node: Any) -> str:
    return str(loader.construct_scalar(node))


def _bool(loader: Any, node: Any) -> bool:
    return str(loader.construct_scalar(node)).lower() in ("y", "yes", "true", "on")


def _int(loader: Any, node: Any) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    if re.fullmatch(r"[-+]?0[0-7]+", text):
        return int(text, 8)
    return int(text, 0)


def _float(loader: Any, node: Any) -> float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    if text.endswith((".inf", ".nan")):
        raise yaml.constructor.ConstructorError(None, None, "JSON has no infinity and no NaN", node.start_mark)
    return float(text)


def _map(loader: Any, node: Any) -> Any:
    result: dict[str, Any] = {}
    # Handed out before it is filled, so that an alias inside its own anchor can be refused, not followed for ever.
    yield result
    merged = any(key.tag == _TAG + "merge" for key, _value in node.value)
    if merged:
        loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = _key(loader.construct_object(key_node, deep=True), key_node)
        # Keys that were merged in come first and may be overridden.
        if key in result and not merged:
            raise yaml.constructor.ConstructorError(None, None, "a key appears twice", key_node.start_mark)
        result[key] = loader.construct_object(value_node, deep=True)


def _key(key: Any, node: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, (int, float)):
        return f"{key:g}" if isinstance(key, float) else str(key)
    raise yaml.constructor.ConstructorError(None, None, "a key is no plain text", node.start_mark)
