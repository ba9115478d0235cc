# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run in check mode could not check, kept until a report shows it.

Tasks run in processes of their own, and no fact would do: skipped tasks set none, and facts may be cached beyond the
run. What the tasks of one run share is Ansible's temporary folder of that run, which it removes at its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ansible import constants

from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import Unchecked, in_words, unchecked
from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import Part, text

_FILE = "llmops-maas-unchecked"


def note(things: Iterable[Unchecked], folder: str = "") -> None:
    """Note what was not checked."""
    lines = "".join(json.dumps(thing) + "\n" for thing in things)
    with _file(folder).open("a", encoding="utf-8") as file:
        file.write(lines)


def noted(folder: str = "") -> list[Unchecked]:
    """Everything that was noted in this run, in order; what was not checked for the same reason is one."""
    try:
        lines = _file(folder).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    found: dict[tuple[str, str], dict[str, None]] = {}
    for thing in map(json.loads, lines):
        found.setdefault((thing["what"], thing["why"]), {}).update(dict.fromkeys(thing["items"]))
    return [unchecked(what, why, items) for (what, why), items in found.items()]


def of_check_mode(things: Iterable[Unchecked]) -> list[Part]:
    """The last lines of a report."""
    return [text(f"Not checked (check mode): {in_words(thing)}", "warning") for thing in things]


def _file(folder: str) -> Path:
    # As a value of the configuration it would be another folder each time.
    return Path(folder or str(vars(constants)["DEFAULT_LOCAL_TMP"])) / _FILE
