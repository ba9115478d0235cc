# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in Kubernetes, the Gateway, its certificate and the callers' origins."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.quantities import QuantityError, go_duration
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.values import Values

# RFC 1123, as Kubernetes and the Gateway API check names (HTTPRoute's type Hostname).
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_LABEL, _LONGEST_HOST = 63, 253
_LABELS = ("namespace", "observability_namespace", "keycloak_namespace", "gateway_name")
_NEEDED = {"selfsigned": (), "ca": ("ca_secret",), "acme": ("acme_server", "acme_email")}
_COUNTS = ("gateway_replicas", "limitador_replicas", "authorino_replicas", "key_batch_size")
_SECONDS = ("timeout", "model_timeout", "model_unschedulable_timeout")


def names(values: Values, problems: Problems) -> None:
    for name in _LABELS:
        if not _LABEL.fullmatch(values[name]) or len(values[name]) > _LONGEST_LABEL:
            problems.add(
                f"maas_{name}",
                f"{values[name]!r} is no name that Kubernetes takes; use lower-case letters, digits and '-', at most"
                f" {_LONGEST_LABEL}",
            )


def hostnames(values: Values, problems: Problems) -> None:
    found = values["hostnames"]
    if not found:
        problems.add("maas_hostnames", "name at least one host, such as localhost")
    for index, host in enumerate(found):
        if not _HOST.fullmatch(host) or len(host) > _LONGEST_HOST:
            problems.add(
                f"maas_hostnames[{index}]",
                f"{host!r} is no host name; write one per entry, without scheme, port and path: models.example.com",
            )
        elif host in found[:index]:
            problems.add(f"maas_hostnames[{index}]", f"{host!r} is there twice; keep one")


def origins(values: Values, problems: Problems) -> None:
    for index, origin in enumerate(values["cors_origins"]):
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.netloc or f"{parts.scheme}://{parts.netloc}" != origin:
            problems.add(
                f"maas_cors_origins[{index}]", f"{origin!r} is no origin; write it as https://chat.example.com"
            )


def issuer(values: Values, problems: Problems) -> None:
    chosen = values["issuer"]
    for field in _NEEDED[chosen["type"]]:
        if not chosen.get(field):
            problems.add(f"maas_issuer.{field}", f"is missing; the type {chosen['type']} needs it")


def timeouts(values: Values, problems: Problems) -> None:
    for name in ("auth_timeout", "limits_timeout"):
        with problems.noting(QuantityError):
            go_duration(values[name], f"maas_{name}")
    for name in _SECONDS:
        if values[name] < 1:
            problems.add(f"maas_{name}", f"{values[name]} must be at least 1 second")


def counts(values: Values, problems: Problems) -> None:
    for name in _COUNTS:
        if values[name] < 1:
            problems.add(f"maas_{name}", f"{values[name]} must be at least 1")


def addresses(values: Values, problems: Problems) -> None:
    for name in ("gateway_url", "verify_token_url", "oidc_issuer_url", "oidc_jwks_url"):
        parts = urlsplit(values[name])
        if values[name] and (parts.scheme not in {"http", "https"} or not parts.netloc):
            problems.add(f"maas_{name}", f"{values[name]!r} is no address; begin it with http:// or https://")


RULES = (names, hostnames, origins, issuer, timeouts, counts, addresses)
