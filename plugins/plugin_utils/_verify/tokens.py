# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests with tokens of an OpenID Connect issuer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.methods import METHODS
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.keycloak import Client
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import task_of
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import ExpectedStatuses, credential_status
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, Row, model_row

_OF_CLIENTS = [wrong for method in METHODS for wrong in method.wrong if wrong.of == "client"]
_LACKING = {wrong.lacks: wrong for wrong in _OF_CLIENTS if wrong.lacks}
_MADE_WRONG = [wrong for wrong in _OF_CLIENTS if not wrong.lacks]


def tokens(
    models: Sequence[Model],
    clients: Sequence[Client],
    expected: ExpectedStatuses,
    credentials: Mapping[str, int],
    host: str,
) -> list[Row]:
    """Requests with tokens: of each client for each model, and one that somebody has tampered with.

    :param clients: also those that lack something. What is made from a good token is made from the first one's.
    :param credentials: ``maas_verify_credentials``.
    """
    rows = []
    for model in models:
        kind = task_of(model).main
        for client in clients:
            group = expected.group_of(client.name, client.groups, "client")
            status = expected.status(group, str(model["name"]), kind)
            status = credential_status(credentials, _LACKING[client.lacks].name) if client.lacks else status
            row = model_row("tokens", f"{model['name']} {kind} with a token of {client.name}", kind, model, host)
            rows.append({**row, "credentials": "token", "secret": client.secret, "expected": [status]})
        for client, case in itertools.product(clients[:1], _MADE_WRONG):
            row = model_row("tokens", f"{model['name']} {kind} with {case.words}", kind, model, host)
            forged = {"credentials": case.sent, "secret": client.secret, "denied": True}
            rows.append({**row, **forged, "expected": [credential_status(credentials, case.name)]})
    return rows
