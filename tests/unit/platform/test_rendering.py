# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml and verify.yml send what the snapshots say, for each inventory in each auth mode.

No cluster is needed: a callback answers the collection's tasks and writes down what they were given. If a change is
meant, write the snapshots anew, look at what git shows, and say in the commit why it is right::

    LLMOPS_MAAS_SNAPSHOTS=write python -m pytest -q tests/unit/platform/test_rendering.py

One case alone, as ``-k minikube-both``, takes some ten seconds and finds most of what all nine do.
Upstream's manifests are only compared by their names. Values of secrets are not recorded.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator

import pytest

from tests.support.renderings import CASES, LAYERS, SNAPSHOTS, Case, Entries, Stage, snapshot, text_of, write_snapshots

WRITING = os.environ.get("LLMOPS_MAAS_SNAPSHOTS") == "write"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module", autouse=True)
def snapshots(stage: Stage) -> None:
    """The snapshots, written anew if that is wanted."""
    if WRITING:
        write_snapshots({case: stage.entries(case) for case in CASES})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_is_sent_as_the_snapshot_says(case: Case, stage: Stage) -> None:
    differences = list(differences_of(snapshot(case), stage.entries(case)))
    if differences:
        pytest.fail("\n".join([f"{case} differs from {SNAPSHOTS}:", *differences]), pytrace=False)


def differences_of(wanted: Entries, found: Entries) -> Iterator[str]:
    """Each task's arguments, object or request that differs, with the lines of it that do."""
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            before, after = (text_of(entries[key]) if key in entries else "" for entries in (wanted, found))
            yield f"{' > '.join(key)}: {'new' if not before else 'gone' if not after else 'changed'}"
            lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm="")
            yield from (f"  {line}" for line in list(lines)[2:])


def test_there_is_no_other_snapshot() -> None:
    assert {path.name for path in SNAPSHOTS.iterdir()} <= {layer.path.name for layer in LAYERS}


def test_a_difference_is_shown_with_its_object() -> None:
    key = ("site", "manifests models", "ServiceAccount llm/models")
    wanted: Entries = {key: {"kind": "ServiceAccount", "metadata": {"name": "models"}}}
    found: Entries = {key: {"kind": "ServiceAccount", "metadata": {"name": "model"}}}
    lines = list(differences_of(wanted, found))
    assert lines[0] == "site > manifests models > ServiceAccount llm/models: changed"
    assert "  -  name: models" in lines
    assert "  +  name: model" in lines
    assert not list(differences_of(wanted, wanted))
