# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML as the API server reads it.

Manifests are sent to the server as they are; where this collection must read one itself, it has to see what the
server would: the rules below are those of the YAML library of Kubernetes (sigs.k8s.io/yaml), where they differ from
PyYAML's: those of ``_yaml_scalars`` for numbers and words, a lone ``=`` (in prometheus-operator's CRDs) is a string,
keys are strings, a key may not appear twice.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml_scalars import FIRST, key_text
from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml_scalars import resolve as resolve_scalar

YAML_MISSING = False
try:
    import yaml

except ImportError:
    YAML_MISSING = True

_TAG = "tag:yaml.org,2002:"
_TEXT = _TAG + "str"
_MERGE = _TAG + "merge"
# How long a text may be, and how many of them, whose kind is remembered.
_SHORT = 24
# How far to look for what a text begins with.
_PEEK = 1024
_MOST_KNOWN = 5000
# Characters that JSON may hold as they are and YAML may not, or takes for line ends.
_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


class YamlError(Exception):
    """The text is not YAML, or not YAML that can become JSON. ``line`` counts from 1 in the text, if known."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        self.problem = problem
        self.line = line
        super().__init__(problem)


def load_yaml(text: bytes | str) -> Any:
    """Read one document into dicts with string keys, lists, strings, numbers, booleans and None. Raises YamlError.

    The error holds no part of the text, which may be a Secret's.
    """
    start = text[:_PEEK].lstrip()
    if start[:1] in (b"{", "{"):
        # As kubectl does: JSON writes characters outside of the first plane as pairs that YAML does not know.
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_json_float)
    with _yaml_errors():
        return yaml.load(text, Loader=_loader())  # noqa: S506 - the loader derives from the safe one


def line_of(text: bytes, path: Sequence[str | int]) -> int | None:
    """The line, from 1, of the key or item at that path of a document that ``load_yaml`` can read; None if it has none.

    None also for a text of one line.
    """
    with _yaml_errors():
        node = yaml.compose(text, Loader=_loader())
    line = None
    for step in path:
        found = _below(node, step)
        if found is None:
            return None
        line, node = found
    return line if text.count(b"\n") > 1 else None


def _below(node: Any, step: str | int) -> tuple[int, Any] | None:
    if isinstance(step, int):
        item = node.value[step]
        return item.start_mark.line + 1, item
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next(((key.start_mark.line + 1, value) for key, value in pairs if key.value == step), None)


@contextlib.contextmanager
def _yaml_errors() -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(problem, mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise YamlError(f"{type(error).__name__}: not readable as UTF-8 YAML") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        # Read as YAML it gets an error with the line.
        raise ValueError
    return result


def _no_constant(_name: str) -> Any:
    raise ValueError


def _json_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise YamlError("a number is too large; quote it to keep it as text")
    return value


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
    for tag in ("bool", "int", "float", "null"):
        loader.add_constructor(_TAG + tag, _scalar)
    for tag in ("value", "timestamp", "merge"):
        loader.add_constructor(_TAG + tag, _text)
    for tag in ("seq", "omap", "pairs"):
        loader.add_constructor(_TAG + tag, _sequence)
    for tag in ("map", "set"):
        loader.add_constructor(_TAG + tag, _map)
    loader.add_constructor(_TAG + "binary", _binary)
    loader.add_constructor(None, _unknown)
    return loader


def _constructing(base: Any) -> Callable[..., Any]:
    """``construct_object`` that takes plain text, nine of ten nodes, as it is, without PyYAML's bookkeeping."""

    def construct_object(loader: Any, node: Any, deep: bool = False) -> Any:
        if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):
            return node.value
        return base.construct_object(loader, node, deep)

    return construct_object


def _resolving(base: Any) -> Callable[..., Any]:
    """``resolve`` that asks the rules once for each short text: the same words stand in a CRD thousands of times."""
    known: dict[str, str] = {}

    def resolve(loader: Any, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is not yaml.ScalarNode or not implicit[0]:
            return base.resolve(loader, kind, value, implicit)
        if value and value[0] not in FIRST:
            return _TEXT
        tag = known.get(value)
        if tag is None:
            tag = _TAG + resolve_scalar(value)[0]
            if len(value) <= _SHORT and len(known) < _MOST_KNOWN:
                known[value] = tag
        return tag

    return resolve


def _text(loader: Any, node: Any) -> str:
    return str(loader.construct_scalar(node))


def _scalar(loader: Any, node: Any) -> Any:
    """A number, a boolean or nothing, by its text or by an explicit tag, which has to fit the text."""
    wanted = node.tag.removeprefix(_TAG)
    kind, value = resolve_scalar(_text(loader, node))
    if (wanted, kind) == ("float", "int"):
        value = float(value)
    elif kind != wanted:
        raise _problem(f"what is tagged !!{wanted} is none; quote it to keep it as text", node)
    if isinstance(value, float) and not math.isfinite(value):
        raise _problem("JSON has no infinity and no NaN; quote it to keep it as text", node)
    return value


def _binary(loader: Any, node: Any) -> str:
    """The text that the base64 stands for: sigs.k8s.io/yaml decodes it, and JSON can hold nothing but text."""
    try:
        return base64.b64decode(_text(loader, node).encode(), validate=False).decode()
    except ValueError:
        raise _problem(
            "what is tagged !!binary is no text in base64; remove the tag to keep the base64", node
        ) from None


def _unknown(_loader: Any, node: Any) -> Any:
    raise _problem(f"the tag {node.tag} means nothing to Kubernetes; remove it", node)


def _sequence(loader: Any, node: Any) -> list[Any]:
    # Not PyYAML's, which hands the list out before it is filled: an alias inside its own anchor has to be refused.
    return [loader.construct_object(item, deep=True) for item in node.value]


def _map(loader: Any, node: Any) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise _problem(f"what is tagged {node.tag} is no mapping", node)
    result: dict[str, Any] = {}
    own: set[str] = set()
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE:
            # In the order of the text, as go-yaml v2 does it: what comes later wins.
            for base in _merged(loader, value_node):
                result.update(base)
            continue
        key = key_text(loader.construct_object(key_node, deep=True))
        if key is None:
            raise _problem("a key is no text and cannot become one; quote it", key_node)
        if key in own:
            raise _problem("a key appears twice", key_node)
        own.add(key)
        result[key] = loader.construct_object(value_node, deep=True)
    return result


def _merged(loader: Any, node: Any) -> list[dict[str, Any]]:
    """The mappings that ``<<`` brings, the strongest last."""
    nodes = node.value[::-1] if isinstance(node, yaml.SequenceNode) else [node]
    if not all(isinstance(item, yaml.MappingNode) for item in nodes):
        raise _problem("<< takes a mapping or a list of mappings", node)
    return [loader.construct_object(item, deep=True) for item in nodes]


def _problem(problem: str, node: Any) -> Exception:
    error: Exception = yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    return error
