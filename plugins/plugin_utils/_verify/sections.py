# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of a verification: for each, what it asks, what it makes to do so, and why that may be impossible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway import entry_checks as entry
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.listeners import REDIRECT_ROUTE
from ansible_collections.llmops.maas.plugins.plugin_utils._verify import ended_keys, own_keys
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.access import access, main_access, paths
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.credentials import credentials
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.hidden import hidden
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.limits import bursts, smallest
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.model_list import lists
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.routes import routes
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Row, VerifyError
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.state import component_rows, failure_modes, policies
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.survey import Survey
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.tokens import tokens

_NO_NEW_USERS = "only tokens are taken, and a token's user cannot be a new one for each run"


@dataclass(frozen=True)
class Probes:
    """What a section makes for itself, and what it asks with that.

    :param secrets: Secrets to make, in order.
    :param requests: what to ask while all of them are there.
    :param removed_keys: Secrets to remove then, before ``removed_requests`` are sent.
    :param backend: the backend that one of the requests is for; see ``backend_of``.
    """

    requests: Sequence[Row]
    secrets: Sequence[own_keys.SecretSpec] = ()
    removed_keys: Sequence[own_keys.SecretSpec] = ()
    removed_requests: Sequence[Row] = ()
    backend: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A section.

    :param results: results that follow from the objects of the cluster alone.
    :param requests: requests that need nothing of the verification's own.
    :param probes: those that do; in the place of probes a text says why there are none.
    :param probed: what these try, in words.
    """

    results: Callable[[Survey], list[Row]] | None = None
    requests: Callable[[Survey], list[Row]] | None = None
    probes: Callable[[Survey], Probes | str] | None = None
    probed: str = ""


def _policies(survey: Survey) -> list[Row]:
    settings = survey.settings
    components = component_rows(survey.objects["Kuadrant"], survey.objects["Deployment"])
    return components + policies(settings.models, settings.tiers, survey.objects, settings.gateway, components)


def _failure_modes(survey: Survey) -> list[Row]:
    settings = survey.settings
    return failure_modes(survey.objects["EnvoyFilter"], settings.gateway, settings.failure_modes)


def _seal(survey: Survey) -> list[Row]:
    return entry.seal(survey.settings.hostnames, survey.urls)


def _hosts(survey: Survey) -> list[Row]:
    settings = survey.settings
    return entry.hosts(settings.models, settings.hostnames, survey.urls, settings.users)


def _transport(survey: Survey) -> list[Row]:
    settings = survey.settings
    hsts = settings.hsts if settings.tls_secret else ""
    return entry.transport(settings.models, settings.host, survey.urls, plain_http=settings.plain_http, hsts=hsts)


def _access(survey: Survey) -> list[Row]:
    settings = survey.settings
    if not settings.users:
        return []
    common = (settings.models, settings.users, settings.expected, settings.host)
    found = access(*common) + paths(settings.models, settings.user, settings.host)
    return found + lists(*common) if settings.model_list else found


def _main_access(survey: Survey) -> list[Row]:
    settings = survey.settings
    return main_access(settings.models, settings.users, settings.expected, settings.host)


def _credentials(survey: Survey) -> list[Row]:
    settings = survey.settings
    return credentials(settings.models, settings.user, settings.credentials, settings.host)


def _ended_keys(survey: Survey) -> Probes | str:
    settings = survey.settings
    if not settings.takes_keys:
        return _NO_NEW_USERS
    return Probes(
        requests=ended_keys.before(settings.models, settings.credentials, settings.host),
        secrets=ended_keys.secrets(survey.probe, settings.probe_groups),
        removed_keys=[own_keys.secret_id(own_keys.REMOVED)],
        removed_requests=ended_keys.after(settings.models, settings.credentials, settings.host),
    )


def _tokens(survey: Survey) -> list[Row]:
    settings = survey.settings
    if not settings.takes_tokens:
        return []
    return tokens(settings.models, settings.clients, settings.expected, settings.credentials, settings.host)


def _hidden(survey: Survey) -> list[Row]:
    settings = survey.settings
    return hidden(settings.models, settings.hidden_hosts, settings.hidden_paths, settings.user, settings.host)


def _routes(survey: Survey) -> list[Row]:
    settings = survey.settings
    open_routes = [*settings.open_routes, f"{settings.namespace}/{REDIRECT_ROUTE}"]
    found = survey.objects["HTTPRoute"]
    return routes(found, survey.gateway, settings.unauthenticated, open_routes, survey.urls)


def _backend(survey: Survey) -> Probes | str:
    settings = survey.settings
    if not settings.models:
        return "there is no model whose policy would be asked"
    how, secrets = {"credentials": "key", "secret": own_keys.secret_name(own_keys.BACKEND)}, []
    if settings.takes_keys:
        secrets = [own_keys.key_secret(own_keys.BACKEND, f"{survey.probe}-backend", settings.probe_groups)]
    else:
        able = [client for client in settings.clients if not client.lacks] if settings.takes_tokens else []
        if not able:
            return "no client of the issuer is known whose token would be sent"
        how = {"credentials": "token", "secret": able[0].secret}
    requests = entry.backend(settings.models[0], settings.host, how, settings.credential_headers)
    return Probes(requests, secrets, backend=backend_of(survey))


def backend_of(survey: Survey) -> dict[str, Any]:
    """The backend that answers with what it has got, behind the first model's policy and by its path.

    :returns: ``name`` and ``namespace`` of its objects, ``path`` of the model, ``route`` and ``policy`` (those of the
        model, empty where they are missing) and ``works``, whether it can be made.
    """
    model = survey.settings.models[0]
    route, policy = (survey.named(kind, str(model["name"])) for kind in ("HTTPRoute", "AuthPolicy"))
    return {
        "name": own_keys.secret_name(own_keys.BACKEND),
        "namespace": survey.settings.namespace,
        "path": model["paths"][0],
        "route": route,
        "policy": policy,
        "works": bool(route and policy),
    }


def _limits(survey: Survey) -> Probes | str:
    settings = survey.settings
    if not settings.takes_keys:
        return _NO_NEW_USERS
    tiers = [
        {
            **tier,
            "user": f"{survey.probe}-{tier['name']}",
            "secret": own_keys.secret_name(own_keys.tier_purpose(number)),
        }
        for number, tier in enumerate(settings.tiers)
    ]
    return Probes(
        requests=bursts(settings.models, tiers, settings.limits, settings.expected, settings.host),
        secrets=[
            own_keys.key_secret(own_keys.tier_purpose(number), tier["user"], tier.get("groups") or [])
            for number, tier in enumerate(tiers)
        ],
    )


def _one_limit(survey: Survey) -> Probes | str:
    settings = survey.settings
    few = replace(settings, models=smallest(settings.models), tiers=settings.tiers[:1])
    return _limits(replace(survey, settings=few))


SECTIONS: dict[str, Section] = {
    "policies": Section(results=_policies),
    "failure_modes": Section(results=_failure_modes),
    "seal": Section(requests=_seal),
    "hosts": Section(requests=_hosts),
    "transport": Section(requests=_transport),
    "access": Section(requests=_access),
    "credentials": Section(requests=_credentials, probes=_ended_keys, probed="expired and removed keys"),
    "tokens": Section(requests=_tokens),
    "hidden": Section(requests=_hidden),
    "routes": Section(requests=_routes),
    "backend": Section(probes=_backend, probed="headers that a backend gets"),
    "limits": Section(probes=_limits, probed="limits"),
}
"""By name, in the order in which they are reported."""

QUICK: dict[str, Section] = {
    "access": Section(requests=_main_access),
    "limits": Section(probes=_one_limit, probed="limits"),
}
"""A quick look: one request for each model and user, and one limit."""


def chosen(only: Sequence[str]) -> dict[str, Section]:
    """The sections of these names; all of them for none.

    :raises VerifyError: a name that is none of theirs.
    """
    unknown = [name for name in only if name not in SECTIONS]
    if unknown:
        raise VerifyError(f"maas_verify_only: {', '.join(unknown)} is none of {', '.join(SECTIONS)}")
    return {name: SECTIONS[name] for name in only or SECTIONS}
