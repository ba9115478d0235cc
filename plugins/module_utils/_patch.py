# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sending one object as a server-side apply, with retries of what is worth it."""

from __future__ import annotations

import base64
import json
import time
from functools import partial
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._api_errors import worth_retrying
from ansible_collections.llmops.maas.plugins.module_utils._documents import Manifest
from ansible_collections.llmops.maas.plugins.module_utils._kube import (
    APPLY_YAML,
    ApiError,
    Kube,
    KubeError,
    ResourceType,
)
from ansible_collections.llmops.maas.plugins.module_utils._outcome import Options
from ansible_collections.llmops.maas.plugins.module_utils._owned_fields import owns_field, path_parts
from ansible_collections.llmops.maas.plugins.module_utils._undeclared import drop_path, undeclared_fields
from ansible_collections.llmops.maas.plugins.module_utils._yaml import dump_json

_PAUSE_FIRST = 0.1
_PAUSE_MOST = 3.0
_VALIDATION = {"strict": "Strict", "warn": "Warn", "ignore": "Ignore"}


class Patcher:
    """Applies manifests. All methods may be called from several threads."""

    def __init__(self, kube: Kube, options: Options) -> None:
        self._kube = kube
        self._options = options
        self.warnings: set[str] = set()

    def apply(
        self, manifest: Manifest, resource: ResourceType, live: Any, deadline: float, *, new_kind: bool = False
    ) -> dict[str, Any]:
        """Apply one object and return it as it is then. Raises the last error when `deadline` (monotonic) has come."""
        payload = self._payload(manifest, live)
        again = partial(worth_retrying, new_kind=new_kind, pinned=bool(manifest.pins))
        pause = _PAUSE_FIRST
        while True:
            try:
                return self._send(manifest, resource, payload)
            except KubeError as error:
                if not again(error) or time.monotonic() + pause > deadline:
                    raise
                wait = error.retry_after if isinstance(error, ApiError) and error.retry_after else pause
            time.sleep(min(wait, max(deadline - time.monotonic(), 0)))
            pause = min(2 * pause, _PAUSE_MOST)

    def dry_run(self, manifest: Manifest, resource: ResourceType, live: Any) -> dict[str, Any]:
        """The object as it would be after an apply."""
        return self._send(manifest, resource, self._payload(manifest, live), dryRun="All")

    def _send(self, manifest: Manifest, resource: ResourceType, payload: bytes, **query: str) -> dict[str, Any]:
        try:
            return self._patch(manifest, resource, payload, **query)
        except ApiError as error:
            unknown = undeclared_fields(error.message)
            if not unknown or self._options.validate == "strict":
                raise
            return self._patch(manifest, resource, self._without(manifest, payload, unknown), **query)

    def _without(self, manifest: Manifest, payload: bytes, unknown: list[str]) -> bytes:
        body = json.loads(payload)
        dropped = [path for path in unknown if drop_path(body, path)]
        if self._options.validate == "warn":
            self.warnings.update(f"{manifest.key}: left out {path}: this kind has no such field" for path in dropped)
        return dump_json(body)

    def _patch(self, manifest: Manifest, resource: ResourceType, payload: bytes, **query: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._kube.request(
            "PATCH",
            resource.path(manifest.namespace, manifest.name),
            query={
                "fieldManager": self._options.manager,
                "force": "true" if self._options.force else "false",
                "fieldValidation": _VALIDATION[self._options.validate],
                **query,
            },
            body=payload,
            content_type=APPLY_YAML,
        )
        return answer

    def _payload(self, manifest: Manifest, live: Any) -> bytes:
        """The text to send: without the `create_only` fields that somebody else has taken over since."""
        left = self._options.left(manifest.kind, manifest.name) if live else []
        taken = [path for path in left if not owns_field(live["metadata"], self._options.manager, path)]
        if not taken:
            return manifest.payload
        body = manifest.body()
        for path in taken:
            _remove(body, path_parts(path))
        return dump_json(body)


def _remove(value: Any, parts: list[str]) -> None:
    if parts[0] == "*":
        for item in value if isinstance(value, list) else []:
            _remove(item, parts[1:])
    elif isinstance(value, dict):
        if len(parts) == 1:
            value.pop(parts[0], None)
        else:
            _remove(value.get(parts[0]), parts[1:])


def secret_values(manifest: Manifest) -> tuple[str, ...]:
    """What must not be shown of that object: a Secret's values, encoded and plain."""
    if not manifest.is_secret:
        return ()
    found: list[str] = []
    for value in (manifest.body().get("data") or {}).values():
        if value:
            found += [value, base64.b64decode(value).decode("utf-8", "replace")]
    return tuple(found)
