# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection sets out to reach, and whether the figures do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
EVERYTHING, SMALL = "everything that site.yml installs", "small objects"
KEYS = "API keys"
MODULE = "ours, inside the module"
COLD_CPU, COLD_WALL = "programs, processor time", "programs, wall time"
BEFORE = "before (2026-11-26)"
RATIOS = (
    ("apply-no-change", EVERYTHING, "kubectl", 0.15),
    ("apply-no-change", EVERYTHING, "kubernetes.core", 0.05),
    ("apply-first", EVERYTHING, "kubectl", 0.6),
    ("apply-first", EVERYTHING, "kubernetes.core", 0.25),
    ("rotate-keys", KEYS, "kubernetes.core", 0.05),
    ("site-no-change", "objects in all bundles", "kubectl", 1.0),
    ("site-no-change", "objects in all bundles", "kubernetes.core", 0.25),
    ("cold-start", COLD_CPU, BEFORE, 0.5),
)
LATENCY_SECONDS = 0.1
MOST_REQUESTS = 20
MOST_MB = 150.0
MANY_KEYS, MOST_MB_KEYS = 10_000, 300.0
MOST_MB_ON_DISK = 2048
# From 10 to 1,000 objects.
LINEAR = 100.0


@dataclass(frozen=True)
class Verdict:
    """One goal: what is measured, at most how much is wanted, and how much it is."""

    what: str
    wanted: float
    found: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.found <= self.wanted


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """The goals of which there are figures."""
    return [*ratios(rows), *waits(rows), *growth(rows), *memory(rows), *disk(rows)]


def select(rows: Sequence[Row], case: str, what: str) -> dict[int, Row]:
    return {row["size"]: row for row in rows if row["case"] == case and row["what"] == what}


def ratios(rows: Sequence[Row]) -> Iterator[Verdict]:
    for case, what, peer, wanted in RATIOS:
        for found in select(rows, case, what).values():
            if peer not in found["seconds"]:
                continue
            ratio = found["seconds"]["ours"] / found["seconds"][peer]
            yield Verdict(f"{case}, {what}: time of {peer}", wanted, ratio, "x")


def waits(rows: Sequence[Row]) -> Iterator[Verdict]:
    for size, found in select(rows, "wait-latency", "InferenceServices").items():
        latency = found["seconds"][MODULE]
        yield Verdict(f"wait-latency, {size} services, inside the module", LATENCY_SECONDS, latency, "s")
        if size == 500:
            requests = found["requests"][MODULE]
            yield Verdict("wait-latency, 500 services, API requests of a slice", MOST_REQUESTS - 1, requests)


def growth(rows: Sequence[Row]) -> Iterator[Verdict]:
    for case in ("apply-first", "apply-no-change"):
        found = select(rows, case, SMALL)
        if {10, 1000} <= found.keys():
            factor = found[1000]["seconds"]["ours"] / found[10]["seconds"]["ours"]
            yield Verdict(f"{case}, 1,000 against 10 small objects", LINEAR, factor, "x")


def memory(rows: Sequence[Row]) -> Iterator[Verdict]:
    for case in ("apply-first", "apply-no-change"):
        for found in select(rows, case, EVERYTHING).values():
            if "ours" in found["peak_mb"]:
                yield Verdict(f"{case}, {EVERYTHING}: peak memory", MOST_MB, found["peak_mb"]["ours"], "MiB")
    for size, found in select(rows, "rotate-keys", KEYS).items():
        if size >= MANY_KEYS:
            yield Verdict(f"rotate-keys, {size:,} {KEYS}: peak memory", MOST_MB_KEYS, found["peak_mb"]["ours"], "MiB")


def disk(rows: Sequence[Row]) -> Iterator[Verdict]:
    for found in select(rows, "cold-start", COLD_CPU).values():
        yield Verdict("cold-start, programs: left on the disk", MOST_MB_ON_DISK, found["disk_mb"], "MiB")
