# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Gateway's list of models tells each user."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import LIST, OK, ExpectedStatuses
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, Row, VerifyUser


def lists(models: Sequence[Model], users: Sequence[VerifyUser], expected: ExpectedStatuses, host: str) -> list[Row]:
    """For each user all names of the models whose own list the user may read, by ``expected``.

    :param users: one whose group has no status for ``list`` is left out.
    """
    rows = []
    for user in users:
        group = expected.group_of(user["name"], user["groups"])
        status = expected.of_list(group)
        if status is None:
            continue
        may = [model for model in models if expected.status(group, str(model["name"]), "models") == OK]
        rows.append(
            {
                "section": "access",
                "name": f"list of models as {user['name']}",
                "kind": LIST,
                "path": "",
                "host": host,
                "user": user["name"],
                "names": [name for model in may for name in model["served_names"]],
                "expected": [status],
            }
        )
    return rows
