# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of Kuadrant's policies that a model may have. What lists kinds of policies is derived from ``POLICIES``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.access import Access, request_limits, token_limits

Model = Mapping[str, Any]
Tiers = Sequence[Mapping[str, Any]]

GROUP = "kuadrant.io"
DENY = "deny"


@dataclass(frozen=True)
class PolicyKind:
    """A kind of policy.

    :param version: version of the group ``kuadrant.io``.
    :param plural: name by which kubectl and the API's paths know it.
    :param services: types of services of Kuadrant's filter that decide for it (kuadrant-operator 1.5,
        internal/wasm/types.go), by the prefix of the operator's variables for them (internal/wasm/utils.go).
    :param needed: whether a model (an entry of the catalogue) needs such a policy, with these ``maas_tiers``.
    :param limits_field: name of what ``limits`` gives in entries of the filter ``access``; empty for a kind that every
        model has.
    :param limits: ``limits`` of the model's policy; empty where it needs none.
    """

    kind: str
    version: str
    plural: str
    services: Mapping[str, str]
    needed: Callable[[Model, Tiers], bool]
    limits_field: str = ""
    limits: Callable[[Access, Model], dict[str, Any]] | None = None

    @property
    def api_version(self) -> str:
        return f"{GROUP}/{self.version}"

    @property
    def may_fail_open(self) -> bool:
        """Whether ``maas_limits_failure_mode`` may let requests through that its services could not decide about."""
        return bool(self.limits_field)


POLICIES = (
    PolicyKind("AuthPolicy", "v1", "authpolicies", {"auth": "AUTH_SERVICE"}, lambda _model, _tiers: True),
    PolicyKind(
        "RateLimitPolicy",
        "v1",
        "ratelimitpolicies",
        {"ratelimit": "RATELIMIT_SERVICE"},
        lambda model, tiers: any(tier.get("requests") for tier in tiers) or bool(model["rates"]),
        "request_limits_by_tier",
        request_limits,
    ),
    PolicyKind(
        "TokenRateLimitPolicy",
        "v1alpha1",
        "tokenratelimitpolicies",
        {"ratelimit-check": "RATELIMIT_CHECK_SERVICE", "ratelimit-report": "RATELIMIT_REPORT_SERVICE"},
        lambda _model, tiers: any(tier.get("tokens") for tier in tiers),
        "token_limits_by_tier",
        lambda access, _model: token_limits(access),
    ),
)


def of_kind(kind: str) -> PolicyKind:
    """The entry of a kind. Raises KeyError for one that is none of ``POLICIES``."""
    return {policy.kind: policy for policy in POLICIES}[kind]


def limits_by_field(access: Access, model: Model) -> dict[str, dict[str, Any]]:
    """What an entry of the filter ``access`` has of limits, by name of the field."""
    return {policy.limits_field: policy.limits(access, model) for policy in POLICIES if policy.limits}


def kinds_for(entries: Iterable[Mapping[str, Any]]) -> list[PolicyKind]:
    """The kinds that at least one of these entries of the filter ``access`` has a policy of."""
    made = list(entries)
    return [
        policy for policy in POLICIES if any(not policy.limits_field or entry[policy.limits_field] for entry in made)
    ]


def failure_modes(limits: str) -> dict[str, str]:
    """What the Gateway does where there is no decision, by type of service.

    :param limits: ``maas_limits_failure_mode``, ``deny`` or ``allow``. Who somebody is never goes without an answer.
    """
    return {service: limits if policy.may_fail_open else DENY for policy in POLICIES for service in policy.services}
