# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an error of the API server means for an apply: whether to try again, and what the user should do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.masking import MASK, Secrets
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, ConnectError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.pins import Pin
from ansible_collections.llmops.maas.plugins.module_utils._kube.pins import advice as pin_advice
from ansible_collections.llmops.maas.plugins.module_utils._kube.undeclared import undeclared_fields

_WEBHOOK = re.compile(r"failed calling webhook|conversion webhook for .* failed")
_UNKNOWN_FIELD = re.compile(r'unknown field "([^"]+)"')
_NO_TEXT = re.compile(r"(?:: |\n\s*)\.([^\n]*?): expected string, got")
_DUPLICATE = re.compile(r'duplicate field "([^"]+)"|key "([^"]+)" already set in map')
# What the validation of updates says in k8s.io/kubernetes/pkg/apis/*/validation ("field is immutable", "cannot change
# roleRef", "may not change once set", "updates to parameters are forbidden."), and webhooks and CRDs in like words.
_IMMUTABLE = re.compile(
    r"\bimmutable\b|\bself == oldSelf\b|\bupdates to .* are forbidden|\bmay only change\b"
    r"|\b(?:may not|must not|can ?not|can't) (?:be )?(?:change|modif|update|mutate|alter)",
    re.IGNORECASE,
)
# Kinds whose deletion takes more with it than the object.
_TAKES_WITH_IT = {
    "PersistentVolumeClaim": "its data",
    "CustomResourceDefinition": "every object of its kind",
    "Namespace": "everything in it",
}
# A longer value in an error, such as the whole template of a Job, hides what is wrong with it.
_LONG_VALUE = re.compile(r"Invalid value: .{400,}: ([^:]+)", re.DOTALL)


def is_conflict(error: ApiError) -> bool:
    """Whether another field manager owns a field that we want to set."""
    return error.status == 409 and any(cause.get("reason") == "FieldManagerConflict" for cause in _causes(error))


def worth_retrying(error: KubeError, *, new_kind: bool = False, pinned: bool = False) -> bool:
    """Whether the same request may succeed soon.

    That is: a webhook that does not answer yet, a lost race, an overloaded or restarting server. ``new_kind`` says that
    the definition of the kind was applied just before, so that the server may not serve it yet; ``pinned`` that the
    manifest names the object's uid or resourceVersion, so that a conflict stays one.
    """
    if isinstance(error, ConnectError):
        return True
    if not isinstance(error, ApiError):
        return False
    if error.status in (429, 502, 503, 504):
        return True
    if error.status == 409:
        return not pinned and not is_conflict(error)
    if error.status == 404:
        return new_kind and not error.details.get("name")
    return error.status >= 500 and bool(_WEBHOOK.search(error.message) or "etcdserver:" in error.message)


def webhook_trouble(error: KubeError) -> bool:
    """Whether a webhook could not be asked, or cannot take part in a dry run."""
    if not isinstance(error, ApiError):
        return False
    return bool(_WEBHOOK.search(error.message)) or "does not support dry run" in error.message


def explain(
    error: KubeError, values: tuple[str | bytes, ...] = (), *, live: bool = True, pins: Sequence[Pin] = ()
) -> str:
    """The error with what to do about it.

    ``values`` are those of a Secret: they are masked. ``live`` says whether the object was there before, ``pins`` are
    those of the manifest.
    """
    text = mask(_shortened(error), values)
    if not isinstance(error, ApiError):
        return text
    advice = pin_advice(pins, known={}) if pins and _pin_trouble(error) else _advice(error, live=live)
    return f"{text.rstrip('.')}. {advice[0].upper()}{advice[1:]}" if advice else text


def _pin_trouble(error: ApiError) -> bool:
    if error.status == 409:
        return not is_conflict(error)
    return any(cause.get("field") == "metadata.uid" for cause in _causes(error))


def _shortened(error: KubeError) -> str:
    text = str(error)
    for cause in _causes(error) if isinstance(error, ApiError) else []:
        message = str(cause.get("message"))
        if match := _LONG_VALUE.fullmatch(message):
            text = text.replace(message, f"Invalid value: {match[1]}")
    return text


def mask(text: str, values: tuple[str | bytes, ...]) -> str:
    """The text without those values, and without the values that the server quotes."""
    if not values:
        return text
    return re.sub(r"Value:.*?\}", f"Value:{MASK}}}", Secrets(values).mask(text))


def _advice(error: ApiError, *, live: bool) -> str:
    if is_conflict(error):
        return _conflict_advice(error)
    if error.status == 404 and error.details.get("kind") == "namespaces":
        return f"create the namespace {error.details.get('name')} first, in this bundle or before it"
    if live and error.status in (400, 403, 422) and _IMMUTABLE.search(error.message):
        return _immutable_advice(error)
    if error.status == 403 and "being terminated" in error.message:
        return (
            "wait until the namespace is gone, or look at what holds it (kubectl get namespace -o yaml), then run again"
        )
    if _WEBHOOK.search(error.message):
        return "the webhook's service did not answer within the timeout: look at its Deployment, Service and caBundle"
    return _field_advice(error.message)


def _immutable_advice(error: ApiError) -> str:
    fields = [
        str(cause["field"])
        for cause in _causes(error)
        if cause.get("field") and _IMMUTABLE.search(str(cause.get("message")))
    ]
    what = ", ".join(dict.fromkeys(fields)) or "this field"
    loss = _TAKES_WITH_IT.get(str(error.details.get("kind")))
    return (
        f"{what} cannot be changed in place: keep the old value, or delete it first (state: absent with this"
        " definition) and run again" + (f"; with it goes {loss}" if loss else "")
    )


def _field_advice(message: str) -> str:
    # Sorted, for the server names them in any order.
    unknown = sorted(_UNKNOWN_FIELD.findall(message))
    if unknown:
        return f"correct or remove {', '.join(unknown)}, or set validate: warn"
    undeclared = sorted(undeclared_fields(message))
    if undeclared:
        return f"correct or remove {', '.join(undeclared)}: this kind has no such field (validate: warn leaves it out)"
    numbers = sorted(_NO_TEXT.findall(message))
    if numbers:
        return f"quote {', '.join(numbers)}: YAML takes what stands there for a number or a boolean"
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
