# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a verification: from the platform's variables and the objects of the cluster to everything that it sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import KEY_LABELS, KUADRANT_NAMESPACE
from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import Unchecked
from ansible_collections.llmops.maas.plugins.plugin_utils._verify import own_keys
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import Row
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.sections import QUICK, Probes, Section, chosen
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.settings import read_settings
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.survey import Objects, Survey, kinds_to_read, survey

_NOTHING_IS_MADE = "they are tried with keys that would have to be made"


class LeftOut(Unchecked):
    """What was asked for and is not checked; ``check_mode`` says whether it would be outside of it."""

    check_mode: bool


class VerifyPlan(TypedDict):
    """Everything that a verification needs. Nothing of it is secret.

    :param sections: names of the sections, in the order of the report.
    :param url: address of the Gateway; ``host`` is the host name that requests are for.
    :param connection: options of the module gateway_check for all requests.
    :param results: what the objects of the cluster say, as results of gateway_check.
    :param requests: requests that need nothing of the verification's own.
    :param probes: whether there is something that needs that; it follows in the order in which it happens.
    :param leftovers: Secrets to remove before and after.
    :param secrets: Secrets to make.
    :param backend: the backend to make, see ``backend_of``; empty for none.
    :param probe_requests: what to ask then.
    :param removed_keys: Secrets to remove after that.
    :param removed_requests: what to ask then.
    :param unchecked: what was asked for and is not checked.
    """

    sections: list[str]
    url: str
    host: str
    connection: dict[str, Any]
    results: list[Row]
    requests: list[Row]
    probes: bool
    leftovers: list[own_keys.SecretSpec]
    secrets: list[own_keys.SecretSpec]
    backend: dict[str, Any]
    probe_requests: list[Row]
    removed_keys: list[own_keys.SecretSpec]
    removed_requests: list[Row]
    unchecked: list[LeftOut]


def kinds(platform: Mapping[str, Any]) -> list[dict[str, str]]:
    """What ``plan`` needs to be read, as ``resources`` of the module cluster_info.

    :param platform: variables of the role maas by their names without ``maas_``.
    :raises VerifyError: a variable that no verification can be planned with.
    """
    settings = read_settings(platform)
    chosen(settings.only)
    return kinds_to_read(settings)


def plan(
    platform: Mapping[str, Any], found: Sequence[Objects], probe: str, *, quick: bool, check_mode: bool
) -> VerifyPlan:
    """Plan a verification.

    :param found: the objects of each entry of ``kinds``, in its order.
    :param probe: id, new for each run, of the users that the verification's own requests are counted for.
    :param quick: one request for each model and user, and one limit, in the place of ``maas_verify_only``.
    :param check_mode: nothing will be made.
    :raises VerifyError: a table that cannot be used, or a Gateway that cannot be reached.
    """
    settings = read_settings(platform)
    view = survey(settings, found, probe)
    sections = QUICK if quick else chosen(settings.only)
    probes, unchecked = _probes(sections, view, check_mode)
    return {
        "sections": list(sections),
        "url": view.url,
        "host": settings.host,
        "connection": _connection(view),
        "results": _rows((section.results for section in sections.values()), view),
        "requests": _rows((section.requests for section in sections.values()), view),
        "probes": bool(probes),
        "leftovers": own_keys.leftovers(len(settings.tiers)),
        "secrets": [secret for part in probes for secret in part.secrets],
        "backend": next((dict(part.backend) for part in probes if part.backend), {}),
        "probe_requests": [row for part in probes for row in part.requests],
        "removed_keys": [secret for part in probes for secret in part.removed_keys],
        "removed_requests": [row for part in probes for row in part.removed_requests],
        "unchecked": unchecked,
    }


def _rows(makers: Iterable[Callable[[Survey], list[Row]] | None], view: Survey) -> list[Row]:
    return [row for make in makers if make for row in make(view)]


def _probes(sections: Mapping[str, Section], view: Survey, check_mode: bool) -> tuple[list[Probes], list[LeftOut]]:
    """Probes of the sections, and what is left out of them. None are made in check mode.

    The last section is the first: a key of the credentials is removed next, and so they end the round.
    """
    probes: list[Probes] = []
    unchecked: list[LeftOut] = []
    for section in reversed(list(sections.values())):
        made = section.probes(view) if section.probes else None
        if isinstance(made, str):
            unchecked.append({"what": section.probed, "why": made, "items": [], "check_mode": False})
        elif made and check_mode:
            unchecked.append({"what": section.probed, "why": _NOTHING_IS_MADE, "items": [], "check_mode": True})
        elif made:
            probes.append(made)
    return probes, unchecked


def _connection(view: Survey) -> dict[str, Any]:
    """Options of gateway_check; what the platform has not is left to the module's defaults."""
    settings = view.settings
    ca_secret = {"namespace": settings.namespace, "name": settings.tls_secret} if settings.tls_secret else None
    optional = {
        "clients_namespace": settings.keycloak_namespace,
        "gateway_ca_secret": ca_secret,
        "gateway_ca_cert": settings.gateway_ca_cert,
    }
    return {
        "url": view.url,
        "key_prefix": settings.key_prefix,
        "keys_namespace": KUADRANT_NAMESPACE,
        "key_labels": KEY_LABELS,
        "token_url": view.token_url,
        "gateway_validate_certs": settings.gateway_validate_certs,
        **{name: value for name, value in optional.items() if value},
    }
