# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of Certificates and Issuers that cert-manager's own webhook makes too: the ones a user runs into."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from .certificates import DEFAULT_DURATION, duration
from .issuers import KINDS
from .pki import CURVES, EXTENDED_USAGES, KEY_USAGES

_NAMES = ("commonName", "dnsNames", "ipAddresses", "uris", "emailAddresses", "otherNames", "literalSubject")
# RFC 5280 appendix A.1, ub-common-name.
_MAX_COMMON_NAME = 64
_USAGES = {*KEY_USAGES, *EXTENDED_USAGES, "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "microsoft sgc",
           "netscape sgc"}  # fmt: skip


def problems(obj: Mapping[str, Any]) -> list[str]:
    """What is wrong with an object, each as ``field: explanation``; [] for kinds that are not checked."""
    spec = obj.get("spec") or {}
    if obj.get("kind") == "Certificate":
        return [*_certificate(spec), *_private_key(spec.get("privateKey") or {}), *_times(spec)]
    if obj.get("kind") in {"Issuer", "ClusterIssuer"}:
        return _issuer(spec)
    return []


def _certificate(spec: Mapping[str, Any]) -> list[str]:
    found = []
    if not spec.get("secretName"):
        found.append("spec.secretName: Required value: must be specified")
    reference = spec.get("issuerRef") or {}
    if not reference.get("name"):
        found.append("spec.issuerRef.name: Required value: must be specified")
    kind = reference.get("kind") or "Issuer"
    if reference.get("group") in {None, "", "cert-manager.io"} and kind not in {"Issuer", "ClusterIssuer"}:
        found.append(f"spec.issuerRef.kind: Invalid value: {kind!r}: must be one of Issuer or ClusterIssuer")
    if not any(spec.get(name) for name in _NAMES):
        found.append(f"spec: Invalid value: at least one of {', '.join(_NAMES)} must be set")
    if len(spec.get("commonName") or "") > _MAX_COMMON_NAME:
        found.append(f"spec.commonName: Too long: may not be more than {_MAX_COMMON_NAME} characters")
    for number, address in enumerate(spec.get("ipAddresses") or ()):
        if not _is_address(address):
            found.append(f"spec.ipAddresses[{number}]: Invalid value: {address!r}: invalid IP address")
    for number, usage in enumerate(spec.get("usages") or ()):
        if usage not in _USAGES:
            found.append(f"spec.usages[{number}]: Invalid value: {usage!r}: unknown keyusage")
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _private_key(key: Mapping[str, Any]) -> list[str]:
    algorithm, size = key.get("algorithm") or "RSA", int(key.get("size") or 0)
    if algorithm == "RSA" and size and not 2048 <= size <= 8192:
        return ["spec.privateKey.size: Invalid value: must be between 2048 and 8192 for rsa keyAlgorithm"]
    if algorithm == "ECDSA" and size and size not in CURVES:
        return [f"spec.privateKey.size: Unsupported value: {size}: supported values: 256, 384, 521"]
    if algorithm not in {"RSA", "ECDSA", "Ed25519"}:
        return [f"spec.privateKey.algorithm: Invalid value: {algorithm!r}: must be one of RSA, ECDSA or Ed25519"]
    return []


def _times(spec: Mapping[str, Any]) -> list[str]:
    try:
        lifetime = duration(spec.get("duration"), DEFAULT_DURATION)
        before = duration(spec.get("renewBefore"), timedelta(minutes=5))
    except ValueError as error:
        return [f"spec.duration: Invalid value: {error}"]
    if lifetime < timedelta(hours=1):
        return ["spec.duration: Invalid value: certificate duration must be greater than 1h0m0s"]
    if before < timedelta(minutes=5):
        return ["spec.renewBefore: Invalid value: certificate renewBefore must be greater than 5m0s"]
    if before >= lifetime:
        return ["spec.renewBefore: Invalid value: certificate duration must be greater than renewBefore"]
    return []


def _issuer(spec: Mapping[str, Any]) -> list[str]:
    kinds = [kind for kind in KINDS if kind in spec]
    if not kinds:
        return ["spec: Required value: at least one issuer must be configured"]
    if len(kinds) > 1:
        return [f"spec.{kinds[1]}: Forbidden: may not specify more than one issuer type"]
    if kinds == ["ca"] and not (spec["ca"] or {}).get("secretName"):
        return ["spec.ca.secretName: Required value"]
    return []
