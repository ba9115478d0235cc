# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Kuadrant's operator has configured its filter at a Gateway: which services it asks, and what it does without.

The operator writes the configuration as JSON into an EnvoyFilter, in the Gateway's namespace and for it alone
(kuadrant-operator 1.5 internal/controller/istio_extension_reconciler.go, internal/wasm/types.go).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._kuadrant.routes import (
    GATEWAY_GROUP,
    GATEWAY_KIND,
    is_gateway,
)

Service = dict[str, Any]
"""A service as the operator wrote it (``type``, ``failureMode``, ``timeout``, ...), with its ``name``."""

FILTER = "envoy.filters.http.wasm"
API_VERSION = "networking.istio.io/v1alpha3"
KIND = "EnvoyFilter"


def services(envoy_filters: Iterable[Mapping[str, Any]], gateway: Mapping[str, str]) -> list[Service]:
    """The services that Kuadrant's filter asks at this Gateway.

    :param envoy_filters: EnvoyFilters of any namespaces.
    :param gateway: ``namespace`` and ``name``.
    """
    return [
        {"name": name, **service}
        for item in envoy_filters
        if item["metadata"].get("namespace") == gateway["namespace"]
        and any(is_gateway(target, gateway["name"]) for target in item["spec"].get("targetRefs") or ())
        for configuration in _configurations(item)
        for name, service in configuration.items()
    ]


def _configurations(item: Mapping[str, Any]) -> Iterator[Mapping[str, Service]]:
    for patch in item["spec"].get("configPatches") or ():
        value = (patch.get("patch") or {}).get("value") or {}
        if value.get("name") == FILTER:
            yield _services(_text(value))


def _text(value: Any) -> Any:
    for field in ("typed_config", "value", "config", "configuration", "value"):
        value = (value or {}).get(field)
    return value


def _services(text: Any) -> Mapping[str, Service]:
    """None where the text is not yet what the operator writes."""
    try:
        content = json.loads(text or "{}")
    except ValueError:
        return {}
    return content.get("services") or {} if isinstance(content, dict) else {}


def wrong(found: Iterable[Service], modes: Mapping[str, str]) -> list[Service]:
    """Those that fail otherwise than they should.

    :param modes: ``deny`` or ``allow`` by type of service; other types decide about no request.
    """
    return [item for item in found if modes.get(item["type"], item.get("failureMode")) != item.get("failureMode")]


def configured(gateway: Mapping[str, str], modes: Mapping[str, str]) -> dict[str, Any]:
    """What the module resource_wait has to wait for until Kuadrant's filter is there and `wrong` finds none.

    The expression reads what `services` reads; a test compares both.
    """
    target = (
        f"kind == '{GATEWAY_KIND}' && name == '{gateway['name']}' && (group || '{GATEWAY_GROUP}') == '{GATEWAY_GROUP}'"
    )
    text = "patch.value.typed_config.value.config.configuration.value[]"
    patches = f"spec.configPatches[?patch.value.name == '{FILTER}']"
    decides = " || ".join(f"type == '{kind}'" for kind in modes)
    is_wrong = " || ".join(f"type == '{kind}' && failureMode != '{mode}'" for kind, mode in modes.items())
    expression = (
        f"{{targets: spec.targetRefs[?{target}],"
        f" services: {patches}.{text}.values(parse_json(@).services || `{{}}`)[]}}"
        f" | {{attached: length(targets) > `0`, decides: length(services[?{decides}]) > `0`,"
        f" wrong: services[?{is_wrong}].type}}"
    )
    return {
        "api_version": API_VERSION,
        "kind": KIND,
        "namespace": gateway["namespace"],
        "name": f"kuadrant-{gateway['name']}",
        "for": {"jmespath": expression, "value": {"attached": True, "decides": True, "wrong": []}},
    }
