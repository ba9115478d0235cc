# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find where YAML files and templates use a boolean variable, or a boolean field, without the filter ``bool``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import yaml
from jinja2 import nodes

CONDITIONS = {"when", "that", "until", "failed_when", "changed_when"}
# What looks at a variable without asking what its value means.
PRESENCE = {"defined", "undefined"}


class Uses:
    """``variables`` and ``fields`` are the names of what has to go through the filter."""

    def __init__(self, variables: set[str], fields: set[str]) -> None:
        self._variables = variables
        self._fields = fields
        self._jinja = jinja2.Environment(trim_blocks=True, autoescape=False)

    def in_file(self, path: Path) -> list[str]:
        """The names that the file uses without the filter, in order."""
        text = path.read_text(encoding="utf-8")
        templates = [text] if path.suffix == ".j2" else list(_templates(yaml.safe_load(text)))
        return [name for template in templates for name in self.in_template(template)]

    def in_template(self, template: str) -> list[str]:
        return list(self._bare(self._jinja.parse(template)))

    def _bare(self, node: nodes.Node, *, filtered: bool = False) -> Iterator[str]:
        if isinstance(node, nodes.Test) and node.name in PRESENCE:
            return
        if not filtered:
            yield from self._named(node)
        kept = filtered if isinstance(node, nodes.Filter) and node.name in {"default", "d"} else False
        inside = kept or (isinstance(node, nodes.Filter) and node.name == "bool")
        subject = node.node if isinstance(node, nodes.Filter) else None
        for child in node.iter_child_nodes():
            yield from self._bare(child, filtered=inside and child is subject)

    def _named(self, node: nodes.Node) -> Iterator[str]:
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name in self._variables:
            yield node.name
        elif isinstance(node, nodes.Getattr) and node.attr in self._fields:
            yield f".{node.attr}"
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and node.arg.value in self._fields:
            yield f".{node.arg.value}"
        elif isinstance(node, nodes.Filter) and node.name in {"selectattr", "rejectattr"} and len(node.args) == 1:
            first = node.args[0]
            if isinstance(first, nodes.Const) and first.value in self._fields:
                yield f".{first.value}"


def _templates(item: Any, key: str = "") -> Iterator[str]:
    """Every template of a YAML document, conditions as if they stood in double braces."""
    if isinstance(item, dict):
        for name, value in item.items():
            yield from _templates(value, str(name))
    elif isinstance(item, list):
        for value in item:
            yield from _templates(value, key)
    elif isinstance(item, str) and key in CONDITIONS and "{{" not in item:
        yield f"{{{{ ({item}) }}}}"
    elif isinstance(item, str) and ("{{" in item or "{%" in item):
        yield item
