# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests without a key, or with a wrong one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.methods import METHODS, NO_CREDENTIAL
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import task_of
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import credential_status
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, Row, model_row

# Those that need nothing, and those made from a user's key. They are refused in every mode, whatever it takes.
_CASES = [NO_CREDENTIAL, *(wrong for method in METHODS for wrong in method.wrong if wrong.of in {"", "user"})]


def credentials(models: Sequence[Model], user: str, expected: Mapping[str, int], host: str) -> list[Row]:
    """A request for each model and wrong credential.

    :param user: whose key those are made from that need one; empty to leave them out.
    :param expected: ``maas_verify_credentials``.
    """
    rows = []
    for model in models:
        kind = task_of(model).main
        for case in (case for case in _CASES if user or not case.of):
            name = f"{model['name']} {kind} with {case.words}"
            row = {
                **model_row("credentials", name, kind, model, host),
                "credentials": case.sent,
                "expected": [credential_status(expected, case.name)],
            }
            rows.append({**row, "denied": True, "user": user if case.of else ""})
    return rows
