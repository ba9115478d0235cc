# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use which model: a request for each model, user and kind, and for each path and name of a model."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import task_of
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import ExpectedStatuses
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, Row, VerifyUser, model_row


def access(models: Sequence[Model], users: Sequence[VerifyUser], expected: ExpectedStatuses, host: str) -> list[Row]:
    """A request for each model, user and kind.

    :param models: the catalogue with every field.
    :raises TableError: a user or a kind without an expected status.
    """
    rows = []
    for model in models:
        for user in users:
            group = expected.group_of(user["name"], user["groups"])
            for kind in task_of(model).kinds:
                status = expected.status(group, str(model["name"]), kind)
                name = f"{model['name']} {kind} as {user['name']}"
                row = model_row("access", name, kind, model, host)
                rows.append({**row, "user": user["name"], "expected": [status]})
    return rows


def main_access(
    models: Sequence[Model], users: Sequence[VerifyUser], expected: ExpectedStatuses, host: str
) -> list[Row]:
    """Of ``access`` one request for each model and user, of the main kind of its task."""
    main = {model["name"]: task_of(model).main for model in models}
    return [row for row in access(models, users, expected, host) if row["kind"] == main[row["model"]]]


def paths(models: Sequence[Model], user: str, host: str) -> list[Row]:
    """Every path and every served name of a model leads to it."""
    rows = []
    for model in models:
        kind = task_of(model).main
        others = [(path, model["served_names"][0]) for path in model["paths"][1:]]
        others += [(model["paths"][0], served) for served in model["served_names"][1:]]
        for path, served in others:
            row = model_row("access", f"{served} at {path} as {user}", kind, model, host)
            rows.append({**row, "path": path, "served_name": served, "user": user})
    return rows
