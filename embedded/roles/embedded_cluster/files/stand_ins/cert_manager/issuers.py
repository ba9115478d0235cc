# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Issuers and ClusterIssuers: which kinds work here, and what they sign with."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from ..api import Api
from .certificates import make_condition
from .pki import Pair, is_ca, is_self_signed

_CA_ERROR = "Error getting keypair for CA issuer"
KINDS = ("acme", "ca", "selfSigned", "vault", "venafi")


@dataclass(frozen=True)
class Signer:
    """What an Issuer signs with: nothing (each certificate signs itself) or a CA."""

    pair: Pair | None
    chain: bytes = b""  # PEM of the CA that goes after each certificate: only for an intermediate one
    ca: bytes = b""  # PEM for ca.crt

    def bundle(self, certificate: x509.Certificate, pem: bytes) -> tuple[bytes, bytes]:
        """(tls.crt, ca.crt) for a certificate just issued."""
        if self.pair is None:
            return pem, pem if is_self_signed(certificate) else b""
        return pem + self.chain, self.ca


@dataclass(frozen=True)
class Verdict:
    """Ready condition of an Issuer, and its signer when it is ready."""

    signer: Signer | None
    reason: str
    message: str = ""


async def examine(issuer: Mapping[str, Any], namespace: str, api: Api) -> Verdict:
    """namespace: where the Secret of a CA lies; the Issuer's own, or the one set aside for ClusterIssuers."""
    spec = issuer["spec"]
    if "selfSigned" in spec:
        return Verdict(Signer(None), "IsReady")
    if "ca" in spec:
        return await _certificate_authority(spec["ca"]["secretName"], namespace, api)
    kind = next((name for name in KINDS if name in spec), "unknown")
    fix = "on the embedded cluster use selfSigned or ca"
    return Verdict(None, "NotSupported", f"issuers of kind {kind} need the real cert-manager and its network: {fix}")


async def _certificate_authority(name: str, namespace: str, api: Api) -> Verdict:
    secret = await api.find(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    if secret is None:
        return Verdict(None, "ErrGetKeyPair", f'{_CA_ERROR}: secret "{namespace}/{name}" not found')
    data = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
    try:
        pair = Pair.load(data.get("tls.crt", b""), data.get("tls.key", b""))
    except ValueError as error:
        return Verdict(None, "ErrInvalidKeyPair", f"{_CA_ERROR}: {error}")
    if not is_ca(pair.certificate):
        return Verdict(None, "ErrInvalidKeyPair", f"{_CA_ERROR}: the certificate is not that of a CA")
    if is_self_signed(pair.certificate):
        signer = Signer(pair, b"", pair.certificate_pem)
    else:
        signer = Signer(pair, data["tls.crt"], data.get("ca.crt") or pair.certificate_pem)
    return Verdict(signer, "KeyPairVerified", "Signing CA verified")


def status_of(issuer: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    ready = verdict.signer is not None
    return {"conditions": [make_condition(issuer, "Ready", ready, verdict.reason, verdict.message)]}
