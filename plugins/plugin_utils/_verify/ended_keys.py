# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests with keys that have ended: one that has expired, and one that is removed between two requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import EXPIRES, KEY_ENTRY
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import task_of
from ansible_collections.llmops.maas.plugins.plugin_utils._verify import own_keys
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.expected import OK, credential_status
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Model, Row, model_row

_VALUE = "value"
_LONG_AGO = "2020-01-01T00:00:00Z"
_SETTLE_SECONDS = 10


def secrets(probe: str, groups: Sequence[str]) -> list[own_keys.SecretSpec]:
    """Both keys, and a Secret that keeps the value of the one that is removed. No policy selects that Secret.

    :param probe: id of this run's users, to which a word is added for each.
    """
    return [
        own_keys.key_secret(own_keys.REMOVED, f"{probe}-removed", groups),
        {
            **own_keys.secret_id(own_keys.REMOVED_VALUE),
            "labels": own_keys.LABELS,
            "compose": {_VALUE: "${" + KEY_ENTRY + "}"},
            "variables_from": own_keys.secret_id(own_keys.REMOVED),
        },
        own_keys.key_secret(own_keys.EXPIRED, f"{probe}-expired", groups, **{EXPIRES: _LONG_AGO}),
    ]


def before(models: Sequence[Model], expected: Mapping[str, int], host: str) -> list[Row]:
    """While both are there: the first model with the key that is then removed, each with the expired one.

    :param expected: ``maas_verify_credentials``.
    """
    status = credential_status(expected, "expired")
    return [
        *_with_key(models[:1], "a key that is then removed", own_keys.REMOVED_VALUE, _VALUE, OK, host),
        *_with_key(models, "an expired key", own_keys.EXPIRED, KEY_ENTRY, status, host),
    ]


def after(models: Sequence[Model], expected: Mapping[str, int], host: str) -> list[Row]:
    """When the key was removed: each model with its value."""
    status = credential_status(expected, "removed")
    return _with_key(models, "a removed key", own_keys.REMOVED_VALUE, _VALUE, status, host)


def _with_key(models: Sequence[Model], words: str, purpose: str, entry: str, expected: int, host: str) -> list[Row]:
    """A request for each model with a key from an entry of a Secret, until it gets that status."""
    return [
        {
            **model_row("credentials", f"{model['name']} {kind} with {words}", kind, model, host),
            "secret": own_keys.secret_name(purpose),
            "secret_entry": entry,
            "expected": [expected],
            "settle": _SETTLE_SECONDS,
        }
        for model in models
        for kind in (task_of(model).main,)
    ]
