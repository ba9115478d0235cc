# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which parts of the collection are sent along with a module: those that it imports, and what they import."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ansible_collections.llmops.maas.plugins.module_utils._keys.issue import KeyIssuer
from ansible_collections.llmops.maas.plugins.module_utils._keys.keeper import KeyKeeper
from ansible_collections.llmops.maas.plugins.module_utils._keys.plan import plan
from ansible_collections.llmops.maas.plugins.module_utils._keys.probe import Prober
from ansible_collections.llmops.maas.plugins.module_utils._keys.retire import KeyRetirer
from ansible_collections.llmops.maas.plugins.module_utils._keys.rotation import Rotation
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import KeyStore
from ansible_collections.llmops.maas.plugins.modules import api_key, api_key_info, api_key_rotation

UTILS = "ansible_collections.llmops.maas.plugins.module_utils."


def imported(module: ModuleType) -> Iterator[str]:
    """The modules of the collection that a module imports itself."""
    assert module.__file__ is not None
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if not isinstance(node, ast.ImportFrom) or not f"{node.module}.".startswith(UTILS):
            continue
        source = importlib.import_module(str(node.module))
        for name in node.names:
            thing = getattr(source, name.name)
            yield thing.__name__ if isinstance(thing, ModuleType) else source.__name__


def shipped(module: ModuleType) -> set[str]:
    """All of them, with what they import in turn."""
    found: set[str] = set()
    left = set(imported(module))
    while left:
        name = left.pop()
        found.add(name)
        left |= set(imported(importlib.import_module(name))) - found
    return found


def test_one_key_needs_neither_the_prober_nor_the_planner_nor_a_rotation() -> None:
    rotating = {thing.__module__ for thing in (plan, Prober, Rotation, KeyIssuer, KeyRetirer)}
    keeping = {KeyStore.__module__, KeyKeeper.__module__}
    assert keeping <= shipped(api_key)
    assert not rotating & shipped(api_key)
    assert not (rotating | {KeyKeeper.__module__}) & shipped(api_key_info)
    assert rotating <= shipped(api_key_rotation)
