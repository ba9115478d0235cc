# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and paths that must lead nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import task_of
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, Row, model_row


def hidden(models: Sequence[Model], hosts: Sequence[str], paths: Sequence[str], user: str, host: str) -> list[Row]:
    """Requests that find nothing, with the key of ``user`` where one is given."""
    rows = []
    bearer = {"user": user} if user else {"credentials": "none"}
    for model in models[:1]:
        for other in hosts:
            row = model_row("hidden", f"host {other}", task_of(model).main, model, other)
            # The seal refuses what has no route before Envoy finds that out.
            rows.append({**row, **bearer, "server_name": host, "expected": [403, 404]})
    for path in paths:
        row = {"section": "hidden", "name": f"path {path}", "kind": "plain", "path": path, "host": host}
        rows.append({**row, **bearer, "expected": [404]})
    return rows
