# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks send to a cluster and to the Gateway, recorded without either, in a form that can be compared."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.callbacks.maas_answers import MASK, documents
from tests.support.plays import environment

Json = dict[str, Any]
Entries = dict[tuple[str, str, str], Any]
"""Everything by playbook, task, and what of the task: its arguments, or an object, Secret, request or wait of it."""

CHECKOUT = Path(__file__).resolve().parents[2]
SNAPSHOTS = CHECKOUT / "tests" / "unit" / "platform" / "snapshots"
INVENTORIES = ("embedded", "minikube", "gpu")
PLAYBOOKS = ("site", "verify")
MODES = ("api_key", "jwt", "both")
# What no inventory switches on, so that it is compared as well.
MORE: dict[str, Json] = {"gpu": {"maas_network_policies": True, "maas_mtls": True}}
CONNECTION = ("kubeconfig", "context", "in_cluster")
LACKS = re.compile(r"lacks ([\w.-]+\.yaml(?:, [\w.-]+\.yaml)*)\.")
MIRRORED = re.compile(r"\bMIRROR/([\w.-]+)")
MOMENT = re.compile(r"\b\d{14}\b")


@dataclass(frozen=True)
class Case:
    """An inventory with an auth mode."""

    inventory: str
    mode: str

    def __str__(self) -> str:
        return f"{self.inventory}-{self.mode}"


CASES = [Case(inventory, mode) for inventory in INVENTORIES for mode in MODES]


class Stage:
    """Runs playbooks against no cluster, in a home folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "home"
        self._mirror = folder / "mirror"
        for made in (self._home, self._mirror):
            made.mkdir()
        self._found: dict[Case, Entries] = {}
        self._fill_mirror({name for layer in LAYERS for name in MIRRORED.findall(layer.text())})

    def entries(self, case: Case) -> Entries:
        """What site.yml and then verify.yml send; they are run once for each case."""
        if case not in self._found:
            self._found[case] = self._record(case)
        return self._found[case]

    def _record(self, case: Case) -> Entries:
        record = self._folder / f"{case}.jsonl"
        answer = self._run(case, record)
        missing = LACKS.search(" ".join(answer.stdout.split()))
        if missing:
            # Upstream's manifests, which are empty here. Those of the snapshots are there; a change has named others.
            self._fill_mirror(missing[1].split(", "))
            record.unlink()
            answer = self._run(case, record)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        tasks = [json.loads(self._portable(line)) for line in record.read_text(encoding="utf-8").splitlines()]
        found: Entries = {}
        for playbook in PLAYBOOKS:
            # A cluster that the inventory starts is no part of the platform.
            its = [task for task in tasks if task["playbook"] == playbook and "embedded" not in task["role"]]
            found |= entries_of(playbook, its)
        return found

    def _fill_mirror(self, names: Iterable[str]) -> None:
        for name in names:
            (self._mirror / name).touch()

    def _run(self, case: Case, record: Path) -> subprocess.CompletedProcess[str]:
        variables = {"maas_mirror": str(self._mirror), "maas_auth_mode": case.mode, **MORE.get(case.inventory, {})}
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("-i", str(CHECKOUT / "inventories" / case.inventory)),
            *("-e", json.dumps(variables)),
            *(str(CHECKOUT / "playbooks" / f"{playbook}.yml") for playbook in PLAYBOOKS),
        ]
        more = {
            "HOME": str(self._home),
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
            "ANSIBLE_CALLBACKS_ENABLED": "maas_answers",
            "MAAS_RECORD": str(record),
        }
        foreign = ("K8S_AUTH_", "XDG_", "HF_TOKEN")
        env = {key: value for key, value in environment(self._folder, **more).items() if not key.startswith(foreign)}
        given: Json = {"env": env, "cwd": self._folder, "timeout": 300}
        return subprocess.run(command, capture_output=True, text=True, check=False, **given)

    def _portable(self, line: str) -> str:
        """Without what is another one in each run, and on each machine."""
        for path, name in ((self._mirror, "MIRROR"), (self._home, "HOME"), (CHECKOUT, "CHECKOUT")):
            line = line.replace(str(path), name)
        return MOMENT.sub("MOMENT", line)


def entries_of(playbook: str, tasks: Sequence[Json]) -> Entries:
    """Each task by what it does to what, so that neither its name nor its place matters; their order is one entry."""
    connection = next(connection_of(task["arguments"]) for task in tasks)
    found: Entries = {(playbook, "all tasks", "connection"): connection}
    labels: Counter[str] = Counter()
    order = []
    for task in tasks:
        arguments = dict(task["arguments"])
        if connection_of(arguments) == connection:
            arguments = {key: value for key, value in arguments.items() if key not in CONNECTION}
        parts = dict(numbered(parts_of(arguments)))
        label = label_of(task, list(parts))
        labels[label] += 1
        label = label if labels[label] == 1 else f"{label} ({labels[label]})"
        order.append(label)
        rest = {key: value for key, value in arguments.items() if key not in PARTS}
        found[playbook, label, "arguments"] = rest
        found.update({(playbook, label, name): part for name, part in parts.items()})
    return {(playbook, "all tasks", "order"): order, **found}


def connection_of(arguments: Json) -> Json:
    return {key: arguments[key] for key in CONNECTION if key in arguments}


# Tasks of which there are many parts, all small.
ROWS = ("cluster_info", "gateway_check", "resource_wait")
PARTS = ("definitions", "secrets", "requests", "resources")


def parts_of(arguments: Json) -> Iterator[tuple[str, Any]]:
    """The objects and rows of a task, each by a name of its own."""
    for item in documents(arguments.get("definitions")):
        yield identity(item["kind"], item["metadata"]), legible(without_values(item))
    for secret in arguments.get("secrets") or []:
        yield identity("Secret", secret), legible(secret)
    for row in arguments.get("requests") or []:
        yield (
            f"{row.get('section', 'access')}: {row['name']}",
            {key: value for key, value in row.items() if key not in {"section", "name"}},
        )
    for wanted in arguments.get("resources") or []:
        yield identity(wanted["kind"], wanted), wanted


def identity(kind: str, named: Json) -> str:
    name = named.get("name") or named.get("label_selector") or "*"
    return f"{kind} {named['namespace']}/{name}" if named.get("namespace") else f"{kind} {name}"


def numbered(parts: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen: Counter[str] = Counter()
    for name, part in parts:
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), part


def label_of(task: Json, parts: Sequence[str]) -> str:
    """What the task does: the plugin, and what it does that to, or for whom."""
    arguments = task["arguments"]
    named = [arguments[field] for field in ("state", "bundle", "user") if field in arguments]
    if "kind" in arguments:
        named.append(identity(arguments["kind"], arguments))
    elif "requests" in arguments:
        # Their order is not always the same.
        named.append(task["role"].rpartition(".")[2])
    elif "bundle" not in arguments and parts:
        named.append(parts[0])
    return " ".join([task["action"].rpartition(".")[2], *named])


def without_values(item: Json) -> Json:
    if item["kind"] != "Secret":
        return item
    masked = {field: dict.fromkeys(item[field], MASK) for field in ("data", "stringData") if item.get(field)}
    return {**item, **masked}


def legible(value: Any, name: str = "") -> Any:
    """The value with texts of JSON, and files of YAML, as what they say, for their layout says nothing."""
    if isinstance(value, Mapping):
        return {key: legible(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [legible(item) for item in value]
    return _read(value, name) if isinstance(value, str) else value


def _read(text: str, name: str) -> Any:
    if name.endswith(".yaml"):
        return {"as YAML": yaml.load(text, Loader=yaml.CSafeLoader)}
    if text.lstrip()[:1] not in {"{", "["}:
        return text
    try:
        return {"as JSON": legible(json.loads(text))}
    except ValueError:
        return text


class _Row(Json):
    """A part that is written on one line."""


class _Dumper(yaml.CSafeDumper):
    """Texts of several lines in blocks, nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


def _row(dumper: yaml.CSafeDumper, value: _Row) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Row, _row)


def text_of(value: Any) -> str:
    """The value as it is compared and shown; keys are sorted."""
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, width=100_000)


@dataclass(frozen=True)
class Layer:
    """A snapshot of what these cases have in common. It is YAML, but nobody's to lint."""

    name: str
    cases: tuple[Case, ...]

    @property
    def path(self) -> Path:
        return SNAPSHOTS / f"{self.name}.snapshot"

    def text(self) -> str:
        return self.path.read_text(encoding="utf-8") if self.path.exists() else ""

    def entries(self) -> Entries:
        tree = yaml.load(self.text(), Loader=yaml.CSafeLoader)
        return {
            (playbook, task, name): part
            for playbook, tasks in (tree or {}).items()
            for task, parts in tasks.items()
            for name, part in parts.items()
        }

    def write(self, entries: Entries) -> None:
        tree: dict[str, dict[str, Json]] = {}
        for (playbook, task, name), part in entries.items():
            short = name != "arguments" and task.startswith(ROWS)
            tree.setdefault(playbook, {}).setdefault(task, {})[name] = _Row(part) if short else part
        self.path.parent.mkdir(exist_ok=True)
        self.path.unlink(missing_ok=True)
        if tree:
            self.path.write_text(f"---\n{text_of(tree)}", encoding="utf-8")


def _layer(name: str, inventories: Iterable[str], modes: Iterable[str]) -> Layer:
    return Layer(name, tuple(case for case in CASES if case.inventory in inventories and case.mode in modes))


# Who may come with a key, and who with a token.
WAYS = {"keys": ("api_key", "both"), "tokens": ("jwt", "both")}
LAYERS = [
    _layer("all", INVENTORIES, MODES),
    *(_layer(name, INVENTORIES, modes) for name, modes in WAYS.items()),
    *(_layer(inventory, [inventory], MODES) for inventory in INVENTORIES),
    *(_layer(f"{inventory}-{name}", [inventory], modes) for inventory in INVENTORIES for name, modes in WAYS.items()),
    *(_layer(mode, INVENTORIES, [mode]) for mode in MODES),
    *(Layer(str(case), (case,)) for case in CASES),
]


def snapshot(case: Case) -> Entries:
    """What the case sent when the snapshots were made."""
    found: Entries = {}
    for layer in LAYERS:
        if case in layer.cases:
            found |= layer.entries()
    return found


def write_snapshots(recorded: Mapping[Case, Entries]) -> None:
    """Write each entry once for all cases that have the same, where there is a layer for these."""
    left = {case: dict(entries) for case, entries in recorded.items()}
    for layer in LAYERS:
        first, *others = (recorded[case] for case in layer.cases)
        same = {
            key: part for key, part in first.items() if all(key in other and other[key] == part for other in others)
        }
        wanted = {key: part for key, part in same.items() if any(key in left[case] for case in layer.cases)}
        layer.write(wanted)
        for case in layer.cases:
            left[case] = {key: part for key, part in left[case].items() if key not in wanted}
