# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an error of the API server means for an apply: whether to try again, and what the user should do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube import ApiError, ConnectError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._undeclared import undeclared_fields

_WEBHOOK = re.compile(r"failed calling webhook|conversion webhook for .* failed")
_UNKNOWN_FIELD = re.compile(r'unknown field "([^"]+)"')
_DUPLICATE = re.compile(r'duplicate field "([^"]+)"|key "([^"]+)" already set in map')
_IMMUTABLE = re.compile(
    r"immutable|may not (be )?change|are forbidden|cannot be changed|updates to \w+ spec", re.IGNORECASE
)
_RECREATE = (
    "this field cannot be changed in place: delete the object (state: absent with this definition), then run again,"
    " or keep the old value"
)


def is_conflict(error: ApiError) -> bool:
    """Whether another field manager owns a field that we want to set."""
    return error.status == 409 and any(cause.get("reason") == "FieldManagerConflict" for cause in _causes(error))


def worth_retrying(error: KubeError, *, new_kind: bool = False) -> bool:
    """Whether the same request may succeed soon.

    That is: a webhook that does not answer yet, a lost race, an overloaded or restarting server. `new_kind` says that
    the definition of the kind was applied just before, so that the server may not serve it yet.
    """
    if isinstance(error, ConnectError):
        return True
    if not isinstance(error, ApiError):
        return False
    if error.status in (429, 502, 503, 504):
        return True
    if error.status == 409:
        return not is_conflict(error)
    if error.status == 404:
        return new_kind and not error.details.get("name")
    return error.status >= 500 and bool(_WEBHOOK.search(error.message) or "etcdserver:" in error.message)


def webhook_trouble(error: KubeError) -> bool:
    """Whether a webhook could not be asked, or cannot take part in a dry run."""
    if not isinstance(error, ApiError):
        return False
    return bool(_WEBHOOK.search(error.message)) or "does not support dry run" in error.message


def explain(error: KubeError, values: tuple[str, ...] = ()) -> str:
    """The error with what to do about it. `values` are those of a Secret: they are masked."""
    text = mask(str(error), values)
    advice = _advice(error) if isinstance(error, ApiError) else ""
    return f"{text}. {advice[0].upper()}{advice[1:]}" if advice else text


def mask(text: str, values: tuple[str, ...]) -> str:
    """The text without those values, and without the values that the server quotes."""
    if not values:
        return text
    for value in sorted(values, key=len, reverse=True):
        if value:
            text = text.replace(value, "********")
    return re.sub(r"Value:.*?\}", "Value:********}", text)


def _advice(error: ApiError) -> str:
    if is_conflict(error):
        return _conflict_advice(error)
    if error.status == 404 and error.details.get("kind") == "namespaces":
        return f"create the namespace {error.details.get('name')} first, in this bundle or before it"
    if error.status == 422 and _IMMUTABLE.search(error.message):
        return _RECREATE
    if error.status == 403 and "being terminated" in error.message:
        return (
            "wait until the namespace is gone, or look at what holds it (kubectl get namespace -o yaml), then run again"
        )
    if _WEBHOOK.search(error.message):
        return "the webhook's service did not answer within the timeout: look at its Deployment, Service and caBundle"
    return _field_advice(error.message)


def _field_advice(message: str) -> str:
    unknown = _UNKNOWN_FIELD.findall(message)
    if unknown:
        return f"correct or remove {', '.join(unknown)}, or set validate: warn"
    undeclared = undeclared_fields(message)
    if undeclared:
        return f"correct or remove {', '.join(undeclared)}: this kind has no such field (validate: warn leaves it out)"
    if _DUPLICATE.search(message):
        return "keep one of the two"
    return ""


def _conflict_advice(error: ApiError) -> str:
    fields = [f"{cause.get('field')} ({cause.get('message')})" for cause in _causes(error)]
    return (
        f"another manager set {'; '.join(fields)}. Set force_conflicts: true to take the fields over, or leave them out"
        " of the manifest"
    )


def _causes(error: ApiError) -> list[Mapping[str, Any]]:
    return list(error.details.get("causes") or [])
