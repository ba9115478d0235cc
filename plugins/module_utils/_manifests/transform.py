# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that the options of the manifests module make to objects before they are sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError

# All options that change what is sent.
_OPTIONS = (
    "create_only",
    "exclude",
    "field_manager",
    "namespace",
    "override_namespace",
    "patches",
    "replace_namespace",
)


class Transformation:
    """Leaves objects out, moves them to other namespaces and patches them, as the options say.

    Shapes: exclude ``[{kind, name}]``; replace_namespace ``{from: to}``; patches
    ``[{target: {kind, name}, merge: {}, merge_json: {}}]``.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._override: str = params.get("override_namespace") or ""
        self._exclude: Sequence[Mapping[str, Any]] = params.get("exclude") or []
        self._replace: Mapping[str, str] = params.get("replace_namespace") or {}
        self._patches: Sequence[Mapping[str, Any]] = params.get("patches") or []
        self._used: set[tuple[str, int]] = set()
        options = {name: params.get(name) for name in _OPTIONS}
        self.options_digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).digest()
        """Digest of the options: part of the digest of everything that is made with them."""

    def __call__(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Change the object in place. Returns None when it is left out."""
        if self._matching("exclude", self._exclude, body):
            return None
        if self._replace:
            replace_namespaces(body, self._replace)
        if self._override and body["kind"] != "Namespace" and "namespace" in body["metadata"]:
            body["metadata"]["namespace"] = self._override
        for index in self._matching("patches", [patch["target"] for patch in self._patches], body):
            body = merge(body, self._patches[index].get("merge") or {})
            merge_json(body, self._patches[index].get("merge_json") or {})
        return body

    def check_used(self) -> None:
        """Raise InputError when an exclusion or a patch met no object: its target is misspelt or gone."""
        wanted = [("exclude", index, item) for index, item in enumerate(self._exclude)]
        wanted += [("patches", index, item["target"]) for index, item in enumerate(self._patches)]
        problems = [
            f"{option}[{index}]: no object is {target.get('kind')} {target.get('name') or '(any name)'}; correct it"
            for option, index, target in wanted
            if (option, index) not in self._used
        ]
        if problems:
            raise InputError(problems)

    def _matching(self, option: str, targets: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> list[int]:
        found = [
            index for index, target in enumerate(targets) if matches(target, body["kind"], body["metadata"]["name"])
        ]
        self._used.update((option, index) for index in found)
        return found


def merge_json(body: dict[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Merge into the JSON texts that a ConfigMap holds, key by key; what is not named keeps its value.

    Raises InputError when a key is not there or its text is not JSON.
    """
    where = f"patches: {body['kind']} {body['metadata']['name']}"
    for key, change in changes.items():
        text = (body.get("data") or {}).get(key)
        if text is None:
            raise InputError([f"{where} has no data.{key} for merge_json; it has {', '.join(body.get('data') or {})}"])
        try:
            content = json.loads(text)
        except ValueError as error:
            raise InputError([f"{where}: data.{key} is not JSON ({error}); use merge for it"]) from error
        body["data"][key] = json.dumps(merge(content, change), indent=2)


def matches(target: Mapping[str, Any], kind: str, name: str) -> bool:
    """Whether a target (``kind``, and ``name`` if not any) means that object."""
    return target.get("kind") == kind and target.get("name") in (None, "", name)


def merge(base: Any, patch: Any) -> Any:
    """Merge ``patch`` into ``base``: mappings merge, null removes, lists whose items all have a ``name`` merge by it.

    Any other list or value replaces what was there.
    """
    if isinstance(base, dict) and isinstance(patch, dict):
        result = dict(base)
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merge(result.get(key), value)
        return result
    if _named(base) and _named(patch):
        return _merge_named(base, patch)
    if isinstance(patch, dict):
        return merge({}, patch)
    return patch


def _named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "name" in item for item in value)


def _merge_named(base: list[dict[str, Any]], patch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    patches = {item["name"]: item for item in patch}
    known = {item["name"] for item in base}
    merged = [merge(item, patches.get(item["name"], {})) for item in base]
    return merged + [item for item in patch if item["name"] not in known]


def replace_namespaces(body: dict[str, Any], names: Mapping[str, str]) -> None:
    """Replace namespaces in every field that means one: of the object, of subjects, of webhooks' and APIs' services."""
    for holder, key in _namespace_fields(body):
        if holder.get(key) in names:
            holder[key] = names[holder[key]]


def _namespace_fields(body: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    found: list[tuple[Any, str]] = [(body["metadata"], "namespace")]
    if body["kind"] == "Namespace":
        found.append((body["metadata"], "name"))
    spec = body.get("spec") if isinstance(body.get("spec"), dict) else {}
    found += [(subject, "namespace") for subject in body.get("subjects") or []]
    found += [(_at(webhook, "clientConfig", "service"), "namespace") for webhook in body.get("webhooks") or []]
    if body["kind"] == "CustomResourceDefinition":
        found.append((_at(spec, "conversion", "webhook", "clientConfig", "service"), "namespace"))
    if body["kind"] == "APIService":
        found.append((_at(spec, "service"), "namespace"))
    return [(holder, key) for holder, key in found if isinstance(holder, dict)]


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
