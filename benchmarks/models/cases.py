# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one more model costs: the apply tasks of the roles models and auth for 1, 10 and 100 models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from benchmarks import CHECKOUT
from benchmarks.apply.cases import alone, shared_content, unchanged
from benchmarks.bench import ALONE, Bench, Sample, contest, measure, row
from benchmarks.processes import Command, execute
from benchmarks.servers import api_server, settle
from tests.support.api_server import ApiServer
from tests.support.manifests_run import Run as ModuleRun

SIZES = (1, 10, 100)
ROLES = ("models", "auth")
BUNDLES = ("routes", "auth", "models")
FRESH, NO_CHANGE = "ours, fresh", "ours, no change"
# Those that apply, and that look at what an apply depends on.
MODULES = {"llmops.maas.manifests", "llmops.maas.cluster_info"}


def apply_tasks() -> list[dict[str, Any]]:
    """The roles' own tasks that make models, routes and policies."""
    tasks: list[dict[str, Any]] = []
    for role in ROLES:
        tasks += yaml.safe_load((CHECKOUT / "roles" / role / "tasks" / "main.yml").read_text())
    return [task for task in tasks if MODULES & task.keys()]


def variable_files() -> list[str]:
    """The roles' own variables, in the order in which they override each other."""
    roles = CHECKOUT / "roles"
    found = [*sorted((roles / "maas" / "defaults" / "main").glob("*.yml")), roles / "maas" / "vars" / "main.yml"]
    for role in ROLES:
        found += [roles / role / "defaults" / "main.yml", roles / role / "vars" / "main.yml"]
    return [str(path) for path in found if path.exists()]


def catalogue(size: int) -> list[dict[str, Any]]:
    """As many models, all like the first one of the inventory."""
    path = CHECKOUT / "inventories" / "embedded" / "group_vars" / "all" / "models.yml"
    entry = yaml.safe_load(path.read_text())["maas_models"][0]
    shared = {key: value for key, value in entry.items() if key not in {"name", "served_names", "paths"}}
    return [{**shared, "name": f"model-{number:03}"} for number in range(size)]


class Models:
    """The playbook for a number of models, against one server."""

    def __init__(self, bench: Bench, server: ApiServer, size: int) -> None:
        self._bench = bench
        self._server = server
        self._catalogue = catalogue(size)

    def command(self, kubeconfig: Path) -> Command:
        variables = {"maas_models": self._catalogue}
        command = self._bench.playbook("models", apply_tasks(), kubeconfig, vars_files=variable_files())
        (command.directory / "models.json").write_text(json.dumps(variables))
        templates = command.directory / "templates"
        templates.mkdir()
        for role in ROLES:
            for path in (CHECKOUT / "roles" / role / "templates").iterdir():
                (templates / path.name).symlink_to(path)
        argv = (*command.argv, "--extra-vars", f"@{command.directory}/models.json")
        return Command(argv, command.directory, command.environment)

    def delete(self) -> None:
        """As if none had been deployed."""
        module = ModuleRun(self._server)
        for bundle in BUNDLES:
            module(bundle=bundle, state="absent")
        settle([process.pid for process in self._server.processes])


def model_cost(bench: Bench) -> list[dict[str, Any]]:
    """Rows for each number of models, on an API server with the CRDs and without controllers."""
    content = shared_content(bench)
    rows = []
    with api_server(bench.work) as server:
        files = [str(path) for path in sorted(content.definitions.glob("*.yaml"))]
        ModuleRun(server)(bundle="definitions", files=files, force_conflicts=True)
        settle([process.pid for process in server.processes])
        for size in bench.chosen(SIZES):
            models = Models(bench, server, size)

            def once(peer: str, counting: bool, models: Models = models) -> Sample:
                if peer == ALONE:
                    return alone(bench, counting=counting)
                if peer == FRESH:
                    models.delete()
                else:
                    # The run before may have been the other peer's, through another address.
                    execute(models.command(server.kubeconfig)).check()
                    unchanged(execute(models.command(server.kubeconfig)).check().output)
                return measure(server, models.command, counting=counting)

            samples = contest(f"model-cost of {size} models", [FRESH, NO_CHANGE, ALONE], bench.runs, once)
            rows.append(row("model-cost", size, samples, what="models"))
            models.delete()
    return rows
