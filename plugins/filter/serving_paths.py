# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: serving_paths
short_description: Find the paths of routes that have backends
version_added: 0.1.0
description:
  - Gives the paths, prefixes and exact ones, for which live HTTPRoutes serve all these host names on that Gateway, with
    at least one backend.
  - A path that is not among them has never been protected by a policy, so it must begin without backends.
options:
  _input:
    description: HTTPRoutes as the API server gives them.
    type: list
    elements: dict
    required: true
  hostnames:
    description: Host names that a route must serve.
    type: list
    elements: str
    required: true
  gateway:
    description: C(namespace) and C(name) of the Gateway that it must be attached to.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show which paths serve
  ansible.builtin.debug:
    msg: "{{ routes | llmops.maas.serving_paths(['localhost'], {'namespace': 'llm', 'name': 'kuadrant-gateway'}) }}"
"""

RETURN = r"""
_value:
  description: Paths by the route's name.
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def serving_paths(
    routes: Iterable[Mapping[str, Any]], hostnames: Iterable[str], gateway: Mapping[str, str]
) -> dict[str, list[str]]:
    """See DOCUMENTATION."""
    wanted = set(hostnames)
    return {
        route["metadata"]["name"]: _paths(route)
        for route in routes
        if wanted <= set(route["spec"].get("hostnames") or ()) and _attached(route, gateway)
    }


def _attached(route: Mapping[str, Any], gateway: Mapping[str, str]) -> bool:
    home = route["metadata"]["namespace"]
    return any(
        (parent.get("namespace") or home, parent["name"]) == (gateway["namespace"], gateway["name"])
        for parent in route["spec"].get("parentRefs") or ()
    )


def _paths(route: Mapping[str, Any]) -> list[str]:
    return [
        match["path"]["value"]
        for rule in route["spec"].get("rules") or ()
        if rule.get("backendRefs")
        for match in rule.get("matches") or ()
        if (match.get("path") or {}).get("type") in {"PathPrefix", "Exact"}
    ]


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"serving_paths": serving_paths}
