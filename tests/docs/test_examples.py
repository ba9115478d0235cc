# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in ansible-doc are tasks that Ansible takes, with options that exist."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = {"maas": ROOT, "embedded": ROOT / "embedded"}
PLUGINS = {
    kind: sorted(
        f"llmops.{collection}.{path.stem}"
        for collection, root in COLLECTIONS.items()
        for path in (root / "plugins" / folder).glob("*.py")
        if path.stem != "__init__"
    )
    for kind, folder in (("module", "modules"), ("filter", "filter"), ("lookup", "lookup"))
}
ALL = [(kind, name) for kind, names in PLUGINS.items() for name in names]


@cache
def documentation(kind: str) -> Mapping[str, Any]:
    command = ["ansible-doc", "--json", "-t", kind, *PLUGINS[kind]]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: Mapping[str, Any] = json.loads(run.stdout)
    return found


def examples(kind: str, name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load(documentation(kind)[name]["examples"]))


def faults(given: Mapping[str, Any], options: Mapping[str, Any], path: str) -> Iterator[str]:
    """What an example's arguments have against the documented options, by path; a template may be anything."""
    names = {name for known, option in options.items() for name in (known, *option.get("aliases", []))}
    yield from (f"{path}{name} is no option" for name in given if name not in names)
    missing = (name for name, option in options.items() if option.get("required") and name not in given)
    yield from (f"{path}{name} is missing" for name in missing)
    for name, value in given.items():
        option = options.get(name, {})
        choices = option.get("choices")
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping) and option.get("suboptions"):
                yield from faults(item, option["suboptions"], f"{path}{name}.")
            elif choices and "{{" not in str(item) and item not in choices:
                yield f"{path}{name} cannot be {item}"


def test_faults_are_found() -> None:
    inner = {"kind": {"required": True}, "state": {"choices": ["present", "absent"]}}
    options = {"objects": {"suboptions": inner}, "wait": {"aliases": ["waiting"]}}
    assert list(faults({"objects": [{"kind": "Pod", "state": "{{ x }}"}], "waiting": True}, options, "")) == []
    wrong = {"objects": [{"state": "gone", "name": "x"}], "weight": 1}
    assert list(faults(wrong, options, "")) == [
        "weight is no option",
        "objects.name is no option",
        "objects.kind is missing",
        "objects.state cannot be gone",
    ]


@pytest.mark.parametrize("name", PLUGINS["module"])
def test_examples_use_the_module_with_options_that_it_has(name: str) -> None:
    shown = [task for task in examples("module", name) if name in task]
    assert shown, "no example uses the module"
    options = documentation("module")[name]["doc"]["options"]
    assert [fault for task in shown for fault in faults(task[name] or {}, options, "")] == []


def test_ansible_takes_every_example(tmp_path: Path) -> None:
    play = {"name": "Examples", "hosts": "localhost", "gather_facts": False}
    tasks = [task for kind, name in ALL for task in examples(kind, name)]
    playbook = tmp_path / "examples.yml"
    playbook.write_text(yaml.safe_dump([{**play, "tasks": tasks}]), encoding="utf-8")
    command = ["ansible-playbook", "-i", "localhost,", "--syntax-check", str(playbook)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
