# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes docs/benchmarks.md from the results file alone: ``python -m benchmarks.render RESULTS PAGE``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench import KUBECTL, KUBERNETES_CORE, OURS, WHOLE
from benchmarks.goals import Verdict, verdicts

Row = Mapping[str, Any]
INTRODUCTION = """\
# Benchmarks

`make bench` measures this collection against kubectl and the collection kubernetes.core, on one machine, in one run,
in turn. It writes `build/bench.json`, and this page is made from that file alone. `make bench CASES=wait-latency`
measures single cases.
"""
CASES = {
    "apply-first": "First apply. Of everything: on a new API server in each run. Of small objects (ConfigMaps, Roles "
    "and Services in turn): after deleting them.",
    "apply-no-change": "Apply of what is there already.",
    "site-no-change": "A second run of `site.yml` on the embedded cluster with the real controllers. The peers do the "
    "same applies and waits, on the files that the roles render; they leave out what else `site.yml` does: checks of "
    "variables, cluster and rights, generated credentials, the summary, waits that look into JSON in a string (for "
    "what the Gateway got from Kuadrant), and (not in *cluster given*) the upkeep of the embedded cluster.",
    "wait-latency": "Time from the beginning of the write that makes the last InferenceService ready until the wait "
    "returns. *ours* and *kubernetes.core* (which looks every 5 s) are whole runs of ansible-playbook, to their end. "
    "The write comes at moments spread evenly over 15 s.",
    "rotate-keys": "Rotation of API keys in one task, with delivery to Secrets and without a grace period, on an API "
    "server without controllers, so that no key is tried. *kubernetes.core* makes the same five writes for each key in "
    "five loops; it is measured on 50 keys and extrapolated, without what every playbook costs. 10,000 keys "
    "are rotated once, for the memory that they need.",
    "cold-start": "Getting all programs and upstream manifests of a deployment on the embedded cluster from package "
    "registries alone, in an empty home directory, once. Processor time is user and system, of all processes. *before* "
    "is a first `make deploy` on 2 cores when each program had its own go.mod and helm was built; it includes the "
    "deployment itself. Programs that share a go.mod are built in one go.",
    "model-cost": "The apply tasks of the roles `models` and `auth`, with their templates, on an API server without "
    "controllers.",
}
METHOD = """\
## How it is measured

- *ours* and *kubernetes.core* are `ansible-playbook` with one task. Applies are judged by that task, from its start to
  its end as Ansible sees them; *whole command* is the time of all of `ansible-playbook`. Where a table has no such
  line, the whole is judged. *ansible-playbook alone* is one whose task does nothing. kubernetes.core gets
  `apply: true` with `server_side_apply`, in a loop over the files. kubectl is
  `kubectl apply --server-side --force-conflicts` on the folder of files; for a first apply one call for namespaces and
  CRDs, a wait until these are established, and one call for the rest.
- All peers get the same files. Webhook configurations are left out of them, for nothing answers webhooks on an API
  server without controllers.
- Every peer has its own field manager, and caches as after an earlier run. Each round begins with another peer. Figures
  are medians; the smallest and the largest stand beside them.
- Requests are counted in the API server's audit log during the timed runs. Bytes (on the wire, TLS included) and peak
  memory (resident, of the largest process: kubectl, the module, or the fork of ansible-playbook that runs the module)
  come from one more run of each peer that is not timed.
"""


def page(content: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    rows: Sequence[Row] = content["results"]
    parts = [INTRODUCTION, goals_table(verdicts(rows))]
    for case, words in CASES.items():
        found = sorted((row for row in rows if row["case"] == case), key=lambda row: (row["what"], row["size"]))
        if found:
            parts.append(f"## {case}\n\n{words}\n\n" + "\n".join(result_table(row) for row in found))
    return "\n".join([*parts, METHOD, circumstances(content)])


def goals_table(found: Sequence[Verdict]) -> str:
    """The goals, each with what was found."""
    lines = ["## Goals", "", "| ours | at most | measured | reached |", "|---|--:|--:|---|"]
    lines += [
        f"| {goal.what} | {quantity(goal.wanted, goal.unit)} | {quantity(goal.found, goal.unit)} "
        f"| {'yes' if goal.met else 'no'} |"
        for goal in found
    ]
    return "\n".join([*lines, ""])


def quantity(value: float, unit: str) -> str:
    number = f"{value:,.0f}" if value >= 100 or not unit else f"{value:.3g}"
    return f"{number} {unit}".strip()


def result_table(row: Row) -> str:
    """One result: a line for each peer."""
    runs = f"{row['runs']} runs"
    left_out = row.get("left_out") or []
    lines = [f"### {row['size']:,} {row['what']} ({runs}, {row['date']})" if row["what"] else "", ""]
    if row["what"].startswith("everything"):
        lines[0] = f"### {row['what'].capitalize()}: {row['size']:,} objects ({runs}, {row['date']})"
    columns = ["", "seconds", "least to most", "ours is", "requests", "sent", "peak memory"]
    lines += [f"| {' | '.join(columns)} |", "|---|--:|--:|--:|--:|--:|--:|"]
    lines += [f"| {' | '.join(cells(row, peer))} |" for peer in row["seconds"]]
    lines += with_start(row)
    if "disk_mb" in row:
        lines += ["", f"Left in the home directory: {row['disk_mb']:,} MiB."]
    if left_out:
        lines += ["", f"Left out, for the controllers make these objects first: {', '.join(left_out)}."]
    return "\n".join([*lines, ""])


def with_start(row: Row) -> list[str]:
    """How the whole commands compare, where the tasks alone are what is judged."""
    seconds = row["seconds"]
    ours = seconds.get(OURS + WHOLE)
    if ours is None:
        return []
    core = seconds[KUBERNETES_CORE + WHOLE]
    kubectl = seconds[KUBECTL]
    ratios = f"{ours / kubectl:.3g} x of kubectl and {ours / core:.3g} x of kubernetes.core"
    return ["", f"As whole commands, ansible-playbook included, ours is {ratios}."]


def cells(row: Row, peer: str) -> list[str]:
    """The peer's name and figures; empty where something was not looked at."""
    seconds, spread = row["seconds"][peer], row["spread"][peer]
    ours = row["seconds"].get("ours")
    compared = ours is not None and not peer.startswith(("ours", "ansible")) and not peer.endswith(WHOLE) and seconds
    requests, sent, peak = (row[part].get(peer) for part in ("requests", "bytes_sent", "peak_mb"))
    return [
        peer,
        f"{seconds:.3f}" if seconds < 1 else f"{seconds:.2f}",
        f"{spread['min']:.2f} to {spread['max']:.2f}",
        f"{ours / seconds:.3g} x" if compared else "",
        "" if requests is None else f"{requests:,}",
        "" if sent is None else f"{sent / 1024:,.0f} KiB",
        "" if peak is None else f"{peak:,.0f} MiB",
    ]


def circumstances(content: Mapping[str, Any]) -> str:
    """Machine and versions."""
    machine = content["machine"]
    dates = sorted(row["date"] for row in content["results"])
    period = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    place = f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB of memory"
    lines = [
        "## Machine and versions",
        "",
        f"{place}; measured {period}.",
        "",
        "| | version |",
        "|---|---|",
        *(f"| {name} | {version} |" for name, version in content["versions"].items()),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    results, target = map(Path, sys.argv[1:3])
    target.write_text(page(json.loads(results.read_text())))


if __name__ == "__main__":
    main()
