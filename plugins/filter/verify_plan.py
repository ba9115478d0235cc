# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: verify_plan
short_description: Everything that a verification asks and makes
version_added: 0.1.0
description:
  - Turns the platform's variables and the objects of its cluster into the requests of M(llmops.maas.gateway_check) that
    prove who may do what, and into the Secrets of M(llmops.maas.secrets) that some of them need.
  - Statuses come from the inventory's tables alone, never from a policy.
  - Reads nothing and changes nothing. Of users it uses names and groups; the plan holds no secret.
options:
  _input:
    description: Variables of the role C(llmops.maas.maas), by their names without C(maas_).
    type: dict
    required: true
  found:
    description: C(resources) as M(llmops.maas.cluster_info) returns them for P(llmops.maas.verify_kinds#filter).
    type: list
    elements: list
    required: true
  probe:
    description:
      - Id of the users whom requests with keys of the verification's own are counted for. With a new one for each run,
        no run starts with what another one has counted.
    type: str
    required: true
  quick:
    description: One request for each model and user, and one limit, instead of the sections of C(maas_verify_only).
    type: bool
    default: false
  check_mode:
    description: Whether this is a run in check mode, in which nothing is made.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show who is expected to get what
  ansible.builtin.debug:
    msg: "{{ (platform | llmops.maas.verify_plan(found.resources, probe='verify-1')).requests }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    sections:
      description: Sections, in the order of the report.
      type: list
      elements: str
    url:
      description: Address of the Gateway, such as V(http://127.0.0.1:8000).
      type: str
    host:
      description: Host name that requests are for.
      type: str
    connection:
      description: Options of M(llmops.maas.gateway_check) for all requests, without those of the cluster.
      type: dict
    results:
      description: What the objects of the cluster say of the policies, as results of M(llmops.maas.gateway_check).
      type: list
      elements: dict
    requests:
      description: Requests that need nothing of the verification's own.
      type: list
      elements: dict
    probes:
      description: Whether there are requests that need something of the verification's own. What follows is for them.
      type: bool
    leftovers:
      description: C(name) and C(namespace) of the Secrets to remove before and after.
      type: list
      elements: dict
    secrets:
      description: Secrets to make, for M(llmops.maas.secrets).
      type: list
      elements: dict
    backend:
      description: The backend to make for one of the requests; empty for none.
      type: dict
      contains:
        name:
          description: Name of its objects.
          type: str
        namespace:
          description: Namespace of its objects.
          type: str
        path:
          description: Path of the model that it answers in the place of.
          type: str
        route:
          description: HTTPRoute of that model; empty when it is missing.
          type: dict
        policy:
          description: AuthPolicy of that model; empty when it is missing.
          type: dict
        works:
          description: Whether both are there.
          type: bool
    probe_requests:
      description: Requests to send while all of that is there.
      type: list
      elements: dict
    removed_keys:
      description: Secrets to remove then.
      type: list
      elements: dict
    removed_requests:
      description: Requests to send when these are removed.
      type: list
      elements: dict
    unchecked:
      description: What was asked for and is not checked.
      type: list
      elements: dict
      contains:
        what:
          description: The things, in words.
          type: str
        why:
          description: The reason, in words.
          type: str
        items:
          description: Names of the things; may be empty.
          type: list
          elements: str
        check_mode:
          description: Whether check mode is the reason.
          type: bool
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._verify.plan import VerifyPlan, plan
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import VerifyError


def verify_plan(
    platform: Mapping[str, Any],
    found: Sequence[Sequence[Mapping[str, Any]]],
    probe: str,
    quick: bool = False,
    check_mode: bool = False,
) -> VerifyPlan:
    """See DOCUMENTATION."""
    try:
        return plan(platform, found, probe, quick=quick, check_mode=check_mode)
    except VerifyError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"verify_plan": verify_plan}
