# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of a verification as JUnit XML, which CI systems show."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

# What XML 1.0 cannot hold (its production Char).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[Mapping[str, Any]], name: str) -> str:
    """A document with a test suite for each section, in the order of the results."""
    root = ET.Element("testsuites", {"name": name, **_counts(results)})
    for section in dict.fromkeys(str(result["section"]) for result in results):
        own = [result for result in results if result["section"] == section]
        suite = ET.SubElement(root, "testsuite", {"name": section, **_counts(own)})
        for result in own:
            _case(suite, result, f"{name}.{section}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, result: Mapping[str, Any], classname: str) -> None:
    attributes = {"classname": classname, "name": result["name"], "time": _seconds([result])}
    case = ET.SubElement(suite, "testcase", {key: _clean(value) for key, value in attributes.items()})
    if not result["passed"]:
        message = _clean(f"expected {result['expected']}, got {result['got']}")
        failure = ET.SubElement(case, "failure", {"type": "mismatch", "message": message})
        failure.text = _clean(result["reason"])
    elif result["reason"]:
        ET.SubElement(case, "system-out").text = _clean(result["reason"])


def _counts(results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    failures = sum(not result["passed"] for result in results)
    return {"tests": str(len(results)), "failures": str(failures), "errors": "0", "time": _seconds(results)}


def _seconds(results: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(float(result['latency_ms']) for result in results) / 1000:.3f}"


def _clean(text: Any) -> str:
    return _FORBIDDEN.sub("?", str(text))
