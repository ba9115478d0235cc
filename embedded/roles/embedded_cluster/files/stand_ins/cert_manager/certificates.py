# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Certificate object asks for, and what its Secret and status are to hold.

Names, conditions and reasons are those of the API cert-manager.io/v1 as release 1.18 writes them:
https://cert-manager.io/docs/reference/api-docs/ and https://cert-manager.io/docs/usage/certificate/.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from ..clock import timestamp
from .pki import DEFAULT_USAGES, Pair, Request, differences

GROUP = "cert-manager.io"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
DEFAULT_DURATION = timedelta(days=90)


def duration(text: str | None, default: timedelta) -> timedelta:
    """A Go duration such as ``2160h`` or ``1h30m``. Raises ValueError."""
    if not text:
        return default
    parts = re.findall(r"([0-9.]+)(ms|us|µs|ns|h|m|s)", text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def request_of(certificate: Mapping[str, Any]) -> Request:
    """Raises ValueError for a duration that cannot be read."""
    spec = certificate["spec"]
    return Request(
        common_name=spec.get("commonName") or "",
        dns_names=tuple(spec.get("dnsNames") or ()),
        addresses=tuple(spec.get("ipAddresses") or ()),
        uris=tuple(spec.get("uris") or ()),
        emails=tuple(spec.get("emailAddresses") or ()),
        subject=dict(spec.get("subject") or {}),
        is_ca=bool(spec.get("isCA")),
        usages=tuple(spec.get("usages") or DEFAULT_USAGES),
        duration=duration(spec.get("duration"), DEFAULT_DURATION),
    )


def renewal_time(certificate: Mapping[str, Any], not_before: datetime, not_after: datetime) -> datetime:
    """When to renew: renewBefore (or the percentage) before the end, a third of the lifetime by default."""
    spec = certificate["spec"]
    lifetime = not_after - not_before
    before = lifetime / 3
    if spec.get("renewBefore"):
        before = duration(spec["renewBefore"], before)
    elif spec.get("renewBeforePercentage"):
        before = lifetime * int(spec["renewBeforePercentage"]) / 100
    if before >= lifetime:
        before = lifetime / 3
    return (not_after - before).replace(microsecond=0)


@dataclass(frozen=True)
class Finding:
    """Why a Certificate's Secret does not do: reason and message of its Ready condition."""

    reason: str
    message: str


def inspect(certificate: Mapping[str, Any], secret: Mapping[str, Any] | None, now: datetime) -> Finding | None:
    """None when the Secret holds what the Certificate asks for and is not due for renewal."""
    if secret is None:
        return Finding("DoesNotExist", "Issuing certificate as Secret does not exist")
    data = secret.get("data") or {}
    if not data.get("tls.crt") or not data.get("tls.key"):
        return Finding("MissingData", "Issuing certificate as Secret does not contain a certificate and a private key")
    try:
        pair = Pair.load(base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"]))
    except ValueError as error:
        return Finding("InvalidKeyPair", f"Issuing certificate as Secret contains an invalid key-pair: {error}")
    return _inspect_pair(certificate, secret["metadata"].get("annotations") or {}, pair.certificate, now)


def _inspect_pair(
    certificate: Mapping[str, Any], annotated: Mapping[str, str], issued: x509.Certificate, now: datetime
) -> Finding | None:
    if _issuer_annotations(certificate).items() - annotated.items():
        return Finding("IncorrectIssuer", "Issuing certificate as Secret was previously issued by another issuer")
    changed = differences(issued, request_of(certificate))
    if changed:
        return Finding("SecretMismatch", f"Existing issued Secret is not up to date for spec: [{' '.join(changed)}]")
    if now >= issued.not_valid_after_utc:
        return Finding("Expired", f"Certificate expired on {timestamp(issued.not_valid_after_utc)}")
    renew_at = renewal_time(certificate, issued.not_valid_before_utc, issued.not_valid_after_utc)
    if now >= renew_at:
        return Finding("Renewing", f"Renewing certificate as renewal was scheduled at {timestamp(renew_at)}")
    return None


def secret_for(certificate: Mapping[str, Any], pair: Pair, chain: bytes, ca: bytes) -> dict[str, Any]:
    """The Secret that holds an issued certificate. chain and ca: PEM bundles."""
    meta, spec = certificate["metadata"], certificate["spec"]
    template = spec.get("secretTemplate") or {}
    encoding = (spec.get("privateKey") or {}).get("encoding") or "PKCS1"
    data = {"tls.crt": chain, "tls.key": pair.key_pem(encoding), "ca.crt": ca}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": spec["secretName"],
            "namespace": meta["namespace"],
            "labels": dict(template.get("labels") or {}) | {f"controller.{GROUP}/fao": "true"},
            "annotations": dict(template.get("annotations") or {}) | secret_annotations(certificate),
        },
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def secret_annotations(certificate: Mapping[str, Any]) -> dict[str, str]:
    """Annotations that say what a Secret was issued for."""
    spec = certificate["spec"]
    return {
        f"{GROUP}/certificate-name": certificate["metadata"]["name"],
        f"{GROUP}/common-name": spec.get("commonName") or "",
        f"{GROUP}/alt-names": ",".join(spec.get("dnsNames") or ()),
        f"{GROUP}/ip-sans": ",".join(spec.get("ipAddresses") or ()),
        f"{GROUP}/uri-sans": ",".join(spec.get("uris") or ()),
    } | _issuer_annotations(certificate)


def _issuer_annotations(certificate: Mapping[str, Any]) -> dict[str, str]:
    reference = certificate["spec"]["issuerRef"]
    return {
        f"{GROUP}/issuer-name": reference["name"],
        f"{GROUP}/issuer-kind": reference.get("kind") or "Issuer",
        f"{GROUP}/issuer-group": reference.get("group") or "",
    }


def ready_status(certificate: Mapping[str, Any], tls_certificate: bytes, *, issued: bool) -> dict[str, Any]:
    """Status of a Certificate whose Secret is right; issued: this is a new revision."""
    parsed = x509.load_pem_x509_certificate(tls_certificate)
    begin, end = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    former = certificate.get("status") or {}
    condition = make_condition(certificate, "Ready", True, "Ready", "Certificate is up to date and has not expired")
    return {
        "conditions": [condition],
        "notBefore": timestamp(begin),
        "notAfter": timestamp(end),
        "renewalTime": timestamp(renewal_time(certificate, begin, end)),
        "revision": int(former.get("revision") or 0) + (1 if issued else 0) or 1,
    }


def unready_status(certificate: Mapping[str, Any], finding: Finding, obstacle: str) -> dict[str, Any]:
    """Status of a Certificate that cannot be issued at present; obstacle says what it waits for."""
    return {
        "conditions": [
            make_condition(certificate, "Ready", False, finding.reason, f"{finding.message}; {obstacle}"),
            make_condition(certificate, "Issuing", True, finding.reason, finding.message),
        ]
    }


def make_condition(obj: Mapping[str, Any], kind: str, holds: bool, reason: str, message: str) -> dict[str, Any]:
    """A condition with observedGeneration; its transition time moves only when its status does."""
    status = "True" if holds else "False"
    known = (obj.get("status") or {}).get("conditions") or ()
    former: dict[str, Any] = next((item for item in known if item["type"] == kind), {})
    kept = former.get("lastTransitionTime") if former.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": kept or timestamp(datetime.now(UTC)),
        "observedGeneration": obj["metadata"].get("generation", 1),
    }
