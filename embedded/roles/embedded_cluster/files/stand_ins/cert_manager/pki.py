# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates, made with ``cryptography``."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

CURVES: dict[int, type[ec.EllipticCurve]] = {256: ec.SECP256R1, 384: ec.SECP384R1, 521: ec.SECP521R1}
# Usage names of the API (cert-manager.io/v1 KeyUsage) -> RFC 5280 key usage bits, and extended key usages.
KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "data encipherment": "data_encipherment",
    "key agreement": "key_agreement",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
}
EXTENDED_USAGES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
DEFAULT_USAGES = ("digital signature", "key encipherment")
_SUBJECT_FIELDS = {
    "organizations": NameOID.ORGANIZATION_NAME,
    "countries": NameOID.COUNTRY_NAME,
    "organizationalUnits": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "localities": NameOID.LOCALITY_NAME,
    "provinces": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCodes": NameOID.POSTAL_CODE,
}


@dataclass(frozen=True)
class Request:
    """What a certificate is to say."""

    common_name: str = ""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    subject: dict[str, Any] = field(default_factory=dict)
    is_ca: bool = False
    usages: tuple[str, ...] = DEFAULT_USAGES
    duration: timedelta = timedelta(days=90)


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, as the Secrets of type kubernetes.io/tls hold them."""

    certificate: x509.Certificate
    key: Key

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Pair:
        """From PEM; the first certificate of a chain.

        Raises ValueError when they cannot be read or do not belong together.
        """
        parsed = x509.load_pem_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key, password=None)
        if not isinstance(private, Key) or private.public_key() != parsed.public_key():
            raise ValueError("the private key does not belong to the certificate")
        return cls(parsed, private)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, encoding: str = "PKCS1") -> bytes:
        """encoding: PKCS1 (the traditional form of the key's kind) or PKCS8."""
        traditional = encoding != "PKCS8" and not isinstance(self.key, ed25519.Ed25519PrivateKey)
        form = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def new_key(algorithm: str = "RSA", size: int = 0) -> Key:
    """RSA (2048 bits unless it says otherwise), ECDSA (256) or Ed25519."""
    if algorithm == "ECDSA":
        return ec.generate_private_key(CURVES[size or 256]())
    if algorithm == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=size or 2048)


def issue(request: Request, key: Key, issuer: Pair | None) -> x509.Certificate:
    """A certificate signed by issuer, or by its own key when there is none."""
    now = datetime.now(UTC).replace(microsecond=0)
    subject = _name(request)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + request.duration)
        .add_extension(x509.BasicConstraints(ca=request.is_ca, path_length=None), critical=True)
        .add_extension(_key_usage(request), critical=True)
    )
    names = alternative_names(request)
    if names:
        # RFC 5280 4.2.1.6: critical when the subject is empty.
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(subject))
    extended = [EXTENDED_USAGES[usage] for usage in request.usages if usage in EXTENDED_USAGES]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if request.is_ca:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    signer = issuer.key if issuer else key
    if issuer:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def alternative_names(request: Request) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(name) for name in request.dns_names),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in request.addresses),
        *(x509.UniformResourceIdentifier(uri) for uri in request.uris),
        *(x509.RFC822Name(email) for email in request.emails),
    ]


def differences(certificate: x509.Certificate, request: Request) -> list[str]:
    """Fields of the API in which an issued certificate differs from what is wanted now."""
    found = []
    common_names = [str(item.value) for item in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if (common_names or [""])[0] != request.common_name:
        found.append("spec.commonName")
    try:
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    if set(names) != set(alternative_names(request)):
        found.append("spec.dnsNames")
    if is_ca(certificate) != request.is_ca:
        found.append("spec.isCA")
    if certificate.not_valid_after_utc - certificate.not_valid_before_utc != request.duration:
        found.append("spec.duration")
    return found


def is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def is_self_signed(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _name(request: Request) -> x509.Name:
    attributes = [
        x509.NameAttribute(oid, value)
        for field_name, oid in _SUBJECT_FIELDS.items()
        for value in request.subject.get(field_name) or ()
    ]
    if request.subject.get("serialNumber"):
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, request.subject["serialNumber"]))
    if request.common_name:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, request.common_name))
    return x509.Name(attributes)


def _key_usage(request: Request) -> x509.KeyUsage:
    bits = {KEY_USAGES[usage] for usage in request.usages if usage in KEY_USAGES}
    if request.is_ca:
        bits.add("key_cert_sign")
    names = {*KEY_USAGES.values(), "encipher_only", "decipher_only"}
    return x509.KeyUsage(**{name: name in bits for name in names})
