# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables of a container, by the rules of the Kubernetes API (core/v1 Container, EnvVar)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .fields import field_value, resource_value
from .objects import MissingError, SourceKind, Sources, required

# $$(NAME) is an escaped $(NAME); names that are not set stay as they are.
_REFERENCE = re.compile(r"\$(\$)?\(([^()\s]+)\)")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces ``$(NAME)`` by the variable's value."""

    def value(match: re.Match[str]) -> str:
        if match.group(1):
            return f"$({match.group(2)})"
        return variables.get(match.group(2), match.group(0))

    return _REFERENCE.sub(value, text)


async def environment(pod: Mapping[str, Any], container: Mapping[str, Any], sources: Sources) -> dict[str, str]:
    """The variables that the container's envFrom and env make; env wins. Raises MissingError, FieldError."""
    variables: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        variables.update(await _from_source(source, sources))
    for item in container.get("env") or ():
        value = await _value(pod, container, item, sources, variables)
        if value is not None:
            variables[item["name"]] = value
    return variables


async def _from_source(source: Mapping[str, Any], sources: Sources) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for field, kind in _SOURCE_FIELDS.items():
        reference = source.get(f"{field}Ref")
        if reference:
            data = await required(sources, kind, reference["name"], optional=bool(reference.get("optional")))
            return {prefix + key: value.decode(errors="replace") for key, value in (data or {}).items()}
    return {}


_SOURCE_FIELDS: dict[str, SourceKind] = {"secret": "secret", "configMap": "configmap"}


async def _value(
    pod: Mapping[str, Any],
    container: Mapping[str, Any],
    item: Mapping[str, Any],
    sources: Sources,
    known: Mapping[str, str],
) -> str | None:
    origin = item.get("valueFrom")
    if not origin:
        return expand(str(item.get("value") or ""), known)
    if "fieldRef" in origin:
        return field_value(pod, origin["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in origin:
        return resource_value(container, origin["resourceFieldRef"])
    for field, kind in _SOURCE_FIELDS.items():
        reference = origin.get(f"{field}KeyRef")
        if reference:
            return await _key(kind, reference, sources)
    return None


async def _key(kind: SourceKind, reference: Mapping[str, Any], sources: Sources) -> str | None:
    optional = bool(reference.get("optional"))
    data = await required(sources, kind, reference["name"], optional=optional)
    if data is not None and reference["key"] in data:
        return data[reference["key"]].decode(errors="replace")
    if optional:
        return None
    raise MissingError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")


def references(pod: Mapping[str, Any]) -> set[tuple[SourceKind, str]]:
    """Secrets and ConfigMaps that a Pod's volumes and environment name, so that a change of one wakes the Pod."""
    found: set[tuple[SourceKind, str]] = set()
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            if source.get("secret"):
                found.add(("secret", source["secret"].get("secretName") or source["secret"].get("name", "")))
            if source.get("configMap"):
                found.add(("configmap", source["configMap"]["name"]))
    for container in [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]:
        found |= _container_references(container)
    return found


def _container_references(container: Mapping[str, Any]) -> set[tuple[SourceKind, str]]:
    found: set[tuple[SourceKind, str]] = set()
    origins = [item.get("valueFrom") or {} for item in container.get("env") or ()]
    for field, kind in _SOURCE_FIELDS.items():
        found |= {(kind, origin[f"{field}KeyRef"]["name"]) for origin in origins if origin.get(f"{field}KeyRef")}
        named = [item[f"{field}Ref"] for item in container.get("envFrom") or () if item.get(f"{field}Ref")]
        found |= {(kind, reference["name"]) for reference in named}
    return found
