# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing to the API server: how a server-side apply is asked for, and how a request is sent again.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import Deadline
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import worth_retrying

APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
# Pauses between attempts, in seconds.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 3.0

Answer = TypeVar("Answer")


class Requester(Protocol):
    """What sends a request: ``Kube.request``, or something that sends it again as well."""

    def __call__(self, method: str, path: str, *, query: Mapping[str, Any], body: bytes, content_type: str) -> Any:
        """Send it and return the parsed JSON answer; raise KubeError."""


def server_side_apply(
    request: Requester,
    path: str,
    body: bytes | Mapping[str, Any],
    *,
    manager: str,
    force: bool = True,
    validation: str = "Strict",
    dry_run: bool = False,
) -> Any:
    """Apply one object and return it as the API server has it then.

    :param body: the object: JSON (or YAML) text, or a mapping that is sent as JSON.
    :param manager: the field manager that owns the fields afterwards.
    :param force: take over fields that other managers own with other values. Without it that is an ApiError (409).
    :param validation: what becomes of fields that the kind does not have: ``Strict``, ``Warn`` or ``Ignore``.
    """
    query = {
        "fieldManager": manager,
        "force": "true" if force else "false",
        "fieldValidation": validation,
        **({"dryRun": "All"} if dry_run else {}),
    }
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request("PATCH", path, query=query, body=text, content_type=APPLY_PATCH)


def persist(
    send: Callable[[], Answer],
    deadline: Deadline,
    again: Callable[[KubeError], bool] = worth_retrying,
    *,
    first: float = _FIRST_PAUSE,
    longest: float = _LONGEST_PAUSE,
) -> Answer:
    """Send until it succeeds, an error is not worth another attempt, or time is up; the error is raised then.

    :param again: whether the same request may succeed soon after that error.
    :param first: seconds before the second attempt; they double up to ``longest``. Where the API server says how long
        to wait (the header Retry-After), that counts.
    """
    failed: KubeError | None = None
    for turn in deadline.attempts(first, longest):
        try:
            return send()
        except KubeError as error:
            if not again(error):
                raise
            failed = error
            if isinstance(error, ApiError) and error.retry_after:
                turn.pause = error.retry_after
    raise failed or AssertionError("a loop has at least one attempt")
