# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and keys of an embedded cluster (names and uses as in Kubernetes' page "PKI certificates")."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import write_private

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

LIFETIME = datetime.timedelta(days=365)
CA_LIFETIME = datetime.timedelta(days=3650)
RENEW_BEFORE = datetime.timedelta(days=30)


@dataclass(frozen=True)
class CertificateSpec:
    """One certificate: file name without suffix, subject, and for servers the names that they answer to."""

    name: str
    common_name: str
    organization: str = ""
    server_names: tuple[str, ...] = ()
    client: bool = True


def ensure_pki(folder: Path, wanted: Iterable[CertificateSpec]) -> list[str]:
    """Write ``ca``, ``sa`` (service accounts) and all wanted pairs as ``<name>.crt``/``<name>.key`` into ``folder``.

    Pairs that are valid for another 30 days, signed by the CA and have the wanted names are kept.
    Returns the names of what was made. A new CA makes everything else new.
    """
    made = []
    authority = _load(folder, "ca")
    if authority is None or not _is_fresh(authority[0]):
        authority = _make_authority(folder)
        made.append("ca")
    if not (folder / "sa.key").exists():
        _write_service_account_key(folder)
        made.append("sa")
    for item in wanted:
        current = _load(folder, item.name)
        if current is None or not _satisfies(current[0], item, authority[0]):
            _issue(folder, item, authority)
            made.append(item.name)
    return made


def _load(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """The pair in the folder, or nothing if it is missing, broken or does not belong together."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), password=None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        return None
    return certificate, key


def _is_fresh(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > RENEW_BEFORE


def _satisfies(certificate: x509.Certificate, item: CertificateSpec, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 - which of several exceptions it is does not matter: the pair is made again
        return False
    return _is_fresh(certificate) and certificate.subject == _subject(item) and _names_of(certificate) == _names(item)


def _names_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _names(item: CertificateSpec) -> set[x509.GeneralName]:
    return {_general_name(name) for name in item.server_names}


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(item: CertificateSpec) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, item.common_name)]
    if item.organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, item.organization))
    return x509.Name(parts)


def _builder(subject: x509.Name, issuer: x509.Name, lifetime: datetime.timedelta) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _make_authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "llmops-maas embedded cluster")])
    certificate = (
        _builder(name, name, CA_LIFETIME)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, "ca", certificate, key)
    return certificate, key


def _issue(folder: Path, item: CertificateSpec, authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]) -> None:
    certificate_of_ca, key_of_ca = authority
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.SERVER_AUTH] if item.server_names else []
    if item.client:
        uses.append(ExtendedKeyUsageOID.CLIENT_AUTH)
    builder = (
        _builder(_subject(item), certificate_of_ca.subject, LIFETIME)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key_of_ca.public_key()), critical=False)
    )
    if item.server_names:
        names = [_general_name(name) for name in item.server_names]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    _write_pair(folder, item.name, builder.sign(key_of_ca, hashes.SHA256()), key)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The traditional form ("EC PRIVATE KEY") is what every Kubernetes component reads.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _write_pair(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    write_private(folder / f"{name}.key", _private_pem(key))
    write_private(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def _write_service_account_key(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_private(folder / "sa.pub", public)
    write_private(folder / "sa.key", _private_pem(key))
