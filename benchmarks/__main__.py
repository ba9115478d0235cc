# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Command line: ``python -m benchmarks --cases apply-no-change,wait-latency``."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import CHECKOUT
from benchmarks.apply.cases import apply_first, apply_no_change
from benchmarks.apply.small import small_first, small_no_change
from benchmarks.bench import Bench
from benchmarks.cold.case import cold_start
from benchmarks.keys.cases import rotate_keys, rotate_many
from benchmarks.models.cases import model_cost
from benchmarks.render import page
from benchmarks.results import Results
from benchmarks.site.case import site_no_change
from benchmarks.waits.cases import wait_latency

# A case is measured by one or more functions; each may also be named alone, as case:part.
CASES: dict[str, dict[str, Callable[[Bench], list[dict[str, Any]]]]] = {
    "apply-no-change": {"everything": apply_no_change, "small": small_no_change},
    "apply-first": {"everything": apply_first, "small": small_first},
    "wait-latency": {"all": wait_latency},
    "model-cost": {"all": model_cost},
    "rotate-keys": {"loop": rotate_keys, "many": rotate_many},
    "site-no-change": {"all": site_no_change},
    "cold-start": {"all": cold_start},
}


def chosen(names: str) -> list[Callable[[Bench], list[dict[str, Any]]]]:
    """The functions for a comma-separated list of cases, all for an empty one. Raises ValueError for others."""
    found = []
    for name in names.split(",") if names else list(CASES):
        case, _colon, part = name.strip().partition(":")
        if case not in CASES or (part and part not in CASES[case]):
            raise ValueError(f"there is no case {name.strip()!r}; choose of {', '.join(CASES)}")
        found += [function for key, function in CASES[case].items() if part in ("", key)]
    return found


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--cases", default="", help="comma-separated; all when empty")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each peer")
    parser.add_argument(
        "--large-runs", type=int, default=5, help="the same for first apply of everything and for site.yml"
    )
    parser.add_argument("--sizes", default="", help="comma-separated; only these sizes of cases that have several")
    parser.add_argument("--results", type=Path, default=CHECKOUT / "build" / "bench.json")
    parser.add_argument("--page", type=Path, default=CHECKOUT / "docs" / "benchmarks.md")
    return parser.parse_args()


def main() -> None:
    arguments = options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    # So that servers are also stopped when the benchmark is asked to end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    functions = chosen(arguments.cases)
    sizes = frozenset(int(size) for size in arguments.sizes.split(",") if size)
    work = Path(tempfile.mkdtemp(prefix="maas-bench-"))
    try:
        bench = Bench(work, arguments.runs, arguments.large_runs, sizes)
        for function in functions:
            Results(arguments.results).store(function(bench))
            arguments.page.write_text(page(json.loads(arguments.results.read_text())))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
