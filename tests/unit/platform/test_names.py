# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of API keys and of Kuadrant's namespace are written once, and what repeats them says the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.maas.plugins.doc_fragments._api_keys import ModuleDocFragment
from ansible_collections.llmops.maas.plugins.module_utils._common import fixed_names as names
from ansible_collections.llmops.maas.plugins.modules import api_key, api_key_rotation, gateway_check

PLUGINS = Path(__file__).parents[3] / "plugins"
# Texts that mean one thing alone; others, such as "authorino", have other uses too.
WRITTEN_ONCE = (
    names.KUADRANT_NAMESPACE,
    names.AUTHORINO_SERVICE,
    *names.WATCHED,
    *names.PART_OF,
    names.USER,
    names.GROUPS,
    names.KEY_ID,
    names.DISABLED,
    names.EXPIRES,
    names.LINEAGE,
    names.SUCCEEDS,
    names.PROVED,
    names.RETIRE_AFTER,
    names.SUPERSEDED_BY,
    names.GIVEN,
)
DOCUMENTED = {"DOCUMENTATION", "DELIVERY", "EXAMPLES", "RETURN"}


def code_texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """The texts of a module's code: neither docstrings nor documentation of plugins, which are YAML."""
    for node in ast.iter_child_nodes(tree):
        documented = (
            isinstance(node, ast.Assign)
            and {target.id for target in node.targets if isinstance(target, ast.Name)} & DOCUMENTED
        )
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if documented or docstring:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node
        yield from code_texts(node)


def test_names_are_written_in_one_file_alone() -> None:
    found = [
        f"{path.relative_to(PLUGINS)}:{text.lineno}: {text.value}"
        for path in sorted(PLUGINS.rglob("*.py"))
        if path.relative_to(PLUGINS) != Path("module_utils/_common/fixed_names.py")
        for text in code_texts(ast.parse(path.read_text()))
        if any(name in text.value for name in WRITTEN_ONCE)
    ]
    assert found == []


def documented(text: str) -> dict[str, Any]:
    options: dict[str, Any] = yaml.safe_load(text)["options"]
    return options


def defaults(options: Mapping[str, Any], inner: str, path: str = "") -> dict[str, Any]:
    """The defaults of options by their paths; ``inner`` is where an option has options of its own."""
    found: dict[str, Any] = {}
    for name, option in options.items():
        if option.get("default") is not None:
            found[path + name] = option["default"]
        found |= defaults(option.get(inner) or {}, inner, f"{path}{name}.")
    return found


@pytest.mark.parametrize("module", [api_key, api_key_rotation, gateway_check])
def test_documented_defaults_are_those_of_the_options(module: Any) -> None:
    fragments = [] if module is gateway_check else [ModuleDocFragment.DOCUMENTATION, ModuleDocFragment.DELIVERY]
    texts = [documented(text) for text in (module.DOCUMENTATION, *fragments)]
    written = {name: value for text in texts for name, value in defaults(text, "suboptions").items()}
    real = defaults(module.ARGUMENTS, "options")
    assert {name: real.get(name) for name in written} == written
    assert names.KUADRANT_NAMESPACE in written.values()
    assert names.KEY_LABELS in written.values()


def test_templates_use_the_same_names() -> None:
    found = yaml.safe_load((PLUGINS.parent / "roles" / "maas" / "vars" / "main" / "names.yml").read_text())
    assert found["maas_namespaces"]["kuadrant"] == names.KUADRANT_NAMESPACE
    assert found["maas_key_labels"] == names.KEY_LABELS
    assert found["maas_model_label"] == names.MODEL_LABEL
    assert found["maas_annotations"]["expires_at"] == names.EXPIRES
    (label,) = found["maas_labels"]
    assert {label: found["maas_part_of"]} == names.PART_OF
