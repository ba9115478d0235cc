# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authorino's own CEL engine answers what the policies ask it: the table of identities, and every expression of a plan.

Built with Go from the sources that the embedded cluster builds Authorino from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import cache_home

CHECKOUT = Path(__file__).resolve().parents[3]

from tests.support.auth_identities import questions
from tests.support.auth_platform import MODES, expressions, planned
from tests.support.go_toolchain import go_toolchain

SOURCES = CHECKOUT / "tests/tools/authorino_cel"
MODULE = CHECKOUT / "embedded/roles/embedded_cluster/files/tools/controllers"
PARTS = (SOURCES / "main.go", MODULE / "go.mod", MODULE / "go.sum")


@pytest.fixture(scope="module")
def engine() -> Path:
    """Built once, and kept beside the embedded cluster's programs; nothing else of the build is."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in PARTS)).hexdigest()[:12]
    program = cache_home() / "tests" / f"authorino-cel-{digest}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=program.parent) as folder:
            built(Path(folder)).replace(program)
    return program


def built(folder: Path) -> Path:
    go = go_toolchain((1,), folder / "caches")
    for path in PARTS:
        shutil.copy(path, folder)
    # go.mod names Authorino, not its engine, whose version follows from it.
    environment = {**go.environment(), "GOFLAGS": "-mod=mod -modcacherw"}
    command = [go.binary, "build", "-o", "engine", "."]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "engine"


def answers(engine: Path, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run([engine], input=json.dumps(asked), capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_authorino_answers_the_table_as_expected(engine: Path) -> None:
    table = questions()
    found = answers(engine, [{"expression": item.expression, "facts": item.facts} for item in table])
    assert not [item["refused"] for item in found if "refused" in item]
    # Where there is no value, Authorino refuses the request.
    got = {item.name: answer["value"] or None for item, answer in zip(table, found, strict=True)}
    assert got == {item.name: item.value or None for item in table}


@pytest.mark.parametrize("mode", MODES)
def test_authorino_takes_every_expression_of_a_plan(engine: Path, mode: str) -> None:
    made = expressions(planned(mode))
    assert len(made) > 10
    found = answers(engine, [{"expression": text, "facts": {}} for text in made])
    assert not {text: item["refused"] for text, item in zip(made, found, strict=True) if "refused" in item}


def test_an_expression_that_only_others_take_is_refused(engine: Path) -> None:
    """Or the tests above could not fail."""
    (found,) = answers(engine, [{"expression": "auth.identity.groups.distinct2()", "facts": {}}])
    assert "undeclared reference to 'distinct2'" in found["refused"]
