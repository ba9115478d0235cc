# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of a verification: a table for each section, what was left out, and the faults in short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import in_words
from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import Cell, Part, Style, table, text
from ansible_collections.llmops.maas.plugins.plugin_utils._report.monitoring import monitoring
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.plan import LeftOut

Result = Mapping[str, Any]

_HEADING = ["", "GOT", "EXPECTED", "CHECK", "REASON"]
# How many faults a failure names; the table has them all.
_MOST_NAMED = 3


@dataclass(frozen=True)
class About:
    """What was verified, and how.

    :param sections: those that were asked for, in order. Results of others come after them.
    :param url: address of the Gateway; ``host`` is the host name that requests were for.
    :param report_dir: where reports were written, empty for nowhere.
    :param unchecked: what was asked for and not checked.
    """

    sections: Sequence[str]
    url: str
    host: str
    report_dir: str = ""
    unchecked: Sequence[LeftOut] = ()


def lines(
    results: Sequence[Result],
    about: About,
    workloads: Sequence[Mapping[str, Any]] | None = None,
    targets: Mapping[str, Any] | None = None,
) -> list[Part]:
    """The report.

    :param results: items with ``section``, ``name``, ``passed``, ``got``, ``expected`` and ``reason``.
    :param workloads: Deployments and StatefulSets of the monitoring; None to leave them out.
    :param targets: what Prometheus said of its targets, as the module ``cluster_info`` returns it.
    """
    parts: list[Part] = [text(f"Gateway {about.url}, host {about.host}")]
    for section in dict.fromkeys([*about.sections, *(str(result["section"]) for result in results)]):
        parts += _section(section, [result for result in results if result["section"] == section])
    if workloads is not None:
        parts += monitoring(workloads, targets)
    parts.append(_total(results, about.report_dir))
    return parts + [_left_out(thing) for thing in about.unchecked]


def failure(results: Sequence[Result]) -> str:
    """Their number and the first faults, one a line; empty when there are none."""
    faults = [result for result in results if not result["passed"]]
    if not faults:
        return ""
    more = len(faults) - _MOST_NAMED
    named = [*map(_fault, faults[:_MOST_NAMED]), *([f"and {more} more, see the table above"] if more > 0 else [])]
    return f"{len(faults)} of {_checks(len(results))} failed:\n" + "\n".join(named)


def _left_out(thing: LeftOut) -> Part:
    mode = " (check mode)" if thing["check_mode"] else ""
    return text(f"Not checked{mode}: {in_words(thing)}", "warning")


def _section(name: str, results: Sequence[Result]) -> list[Part]:
    failed = sum(not result["passed"] for result in results)
    counts = f"{_checks(len(results))}, {failed} failed" if results else "no checks"
    return [text(f"{name.upper()}: {counts}", "heading"), table(list(map(_row, results)), _HEADING, indent=2)]


def _row(result: Result) -> list[Cell]:
    status = text("ok", "ok") if result["passed"] else text("FAIL", "failed")
    return [status, *(str(result[field] or "") for field in ("got", "expected", "name", "reason"))]


def _total(results: Sequence[Result], report_dir: str) -> Part:
    failed = sum(not result["passed"] for result in results)
    style: Style = "failed" if failed else "ok" if results else "warning"
    where = f", reports in {report_dir}" if report_dir else ""
    return text(f"{_checks(len(results))}, {failed} failed{where}", style)


def _fault(result: Result) -> str:
    reason = f" ({result['reason']})" if result["reason"] else ""
    return f"{result['name']}: expected {result['expected']}, got {result['got']}{reason}"


def _checks(count: int) -> str:
    return f"{count} check{'' if count == 1 else 's'}"
