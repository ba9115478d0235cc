# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests without a key, or with a wrong one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import task_of
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import credential_status
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, Row, model_row

_WRONG_PREFIX = "wrong_prefix"
_WORDS = {"none": "no key", "wrong_key": "a wrong key", _WRONG_PREFIX: "a wrong word before the key"}


def credentials(models: Sequence[Model], user: str, expected: Mapping[str, int], host: str) -> list[Row]:
    """A request for each model and wrong credential.

    :param user: whose key is sent after a wrong word; empty to leave that case out.
    :param expected: ``maas_verify_credentials``.
    """
    rows = []
    for model in models:
        kind = task_of(model).main
        for case in (case for case in _WORDS if user or case != _WRONG_PREFIX):
            name = f"{model['name']} {kind} with {_WORDS[case]}"
            row = {
                **model_row("credentials", name, kind, model, host),
                "credentials": case,
                "expected": [credential_status(expected, case)],
            }
            rows.append({**row, "denied": True, "user": user if case == _WRONG_PREFIX else ""})
    return rows
