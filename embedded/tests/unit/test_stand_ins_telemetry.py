# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's metrics under Istio's names, counted from what Envoy logs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.gateway import telemetry


def logged(**fields: Any) -> bytes:
    """A line that Envoy writes for a request; the fields are those of the log's format."""
    known = telemetry.access_log()["typed_config"]["log_format"]["json_format"]
    assert not set(fields) - set(known)
    return json.dumps({"kind": known["kind"], **fields}).encode() + b"\n"


def test_requests_are_counted_under_istios_names() -> None:
    cluster = "outbound|80||model.llm.svc.cluster.local"
    counts = telemetry.Telemetry("llm", "gate-istio")
    for code, milliseconds, leads_to in ((200, 12, cluster), (200, 700, cluster), (404, 1, None)):
        line = logged(response_code=code, response_flags=None, milliseconds=milliseconds, cluster=leads_to)
        assert counts.count(line)
    samples = {
        (sample.name, sample.labels["response_code"], sample.labels.get("le")): sample
        for family in text_string_to_metric_families(counts.text().decode())
        for sample in family.samples
    }
    served = samples["istio_requests_total", "200", None]
    assert (served.value, samples["istio_requests_total", "404", None].value) == (2, 1)
    assert served.labels["destination_service"] == "model.llm.svc.cluster.local"
    assert served.labels["source_workload"] == "gate-istio"
    assert samples["istio_requests_total", "404", None].labels["destination_service"] == "unknown"
    histogram = "istio_request_duration_milliseconds"
    assert [samples[f"{histogram}_bucket", "200", le].value for le in ("10.0", "25.0", "+Inf")] == [0, 1, 2]
    assert samples[f"{histogram}_sum", "200", None].value == 712


@pytest.mark.parametrize("line", [b"", b"something else\n", b"[1]\n", b'{"kind": "other"}\n'])
def test_other_lines_are_no_requests(line: bytes) -> None:
    assert not telemetry.Telemetry("llm", "gate-istio").count(line)
