# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests with tokens of an OpenID Connect issuer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import task_of
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import ExpectedStatuses, credential_status
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, Row, model_row


def tokens(
    models: Sequence[Model],
    clients: Sequence[Mapping[str, Any]],
    expected: ExpectedStatuses,
    credentials: Mapping[str, int],
    host: str,
) -> list[Row]:
    """Requests with tokens: of each client for each model, and one that somebody has tampered with.

    :param clients: ``name``, ``groups``, ``secret``, and ``lacks`` (``role``, ``audience``) for one without rights.
    :param credentials: ``maas_verify_credentials``, of it ``tampered_token``, ``token_without_role`` and
        ``token_without_audience``.
    """
    rows = []
    for model in models:
        kind = task_of(model).main
        for client in clients:
            lacks = client.get("lacks")
            status = expected.status(expected.group_of(client, "client"), str(model["name"]), kind)
            status = credential_status(credentials, f"token_without_{lacks}") if lacks else status
            row = model_row("tokens", f"{model['name']} {kind} with a token of {client['name']}", kind, model, host)
            rows.append({**row, "credentials": "token", "secret": client["secret"], "expected": [status]})
        for client in clients[:1]:
            row = model_row("tokens", f"{model['name']} {kind} with a token of another signature", kind, model, host)
            forged = {"credentials": "tampered_token", "secret": client["secret"], "denied": True}
            rows.append({**row, **forged, "expected": [credential_status(credentials, "tampered_token")]})
    return rows
