# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the cert-manager stand-in that need no cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.cert_manager import (
    cainjector,
    certificates,
    pki,
    validation,
    webhook,
)

NOW = datetime.now(UTC)


def certificate(**spec: Any) -> dict[str, Any]:
    content = {
        "secretName": "tls",
        "issuerRef": {"name": "ca", "kind": "ClusterIssuer"},
        "dnsNames": ["a.example"],
        "privateKey": {"algorithm": "ECDSA"},
    }
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "leaf", "namespace": "shop", "generation": 3},
        "spec": content | spec,
    }


def issued(obj: dict[str, Any], issuer: pki.Pair | None = None) -> tuple[dict[str, Any], pki.Pair]:
    key = pki.new_key("ECDSA")
    pair = pki.Pair(pki.issue(certificates.request_of(obj), key, issuer), key)
    return certificates.secret_for(obj, pair, pair.certificate_pem, b""), pair


def authority() -> pki.Pair:
    return issued(certificate(isCA=True, commonName="root", usages=["cert sign"]))[1]


@pytest.mark.parametrize(
    ("text", "hours"), [("2160h", 2160), ("1h30m", 1.5), ("0.5h", 0.5), ("3600s", 1), (None, 24), ("", 24)]
)
def test_durations_are_gos(text: str | None, hours: float) -> None:
    assert certificates.duration(text, timedelta(days=1)) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["1d", "h", "1h 5m", "-1h"])
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        certificates.duration(text, timedelta())


@pytest.mark.parametrize(
    ("spec", "days"),
    [({}, 60), ({"renewBefore": "240h"}, 80), ({"renewBeforePercentage": 50}, 45), ({"renewBefore": "9999h"}, 60)],
)
def test_renewal_time(spec: dict[str, Any], days: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    assert certificates.renewal_time(certificate(**spec), begin, begin + timedelta(days=90)) == begin + timedelta(
        days=days
    )


def test_an_issued_certificate_verifies_against_its_ca() -> None:
    ca = authority()
    _unused, pair = issued(certificate(usages=["digital signature", "server auth"]), ca)
    pair.certificate.verify_directly_issued_by(ca.certificate)
    verifier = PolicyBuilder().store(Store([ca.certificate])).build_server_verifier(x509.DNSName("a.example"))
    assert verifier.verify(pair.certificate, [])[0] == pair.certificate
    assert pki.is_self_signed(ca.certificate)
    assert not pki.is_self_signed(pair.certificate)


class TestInspect:
    def reason(self, obj: dict[str, Any], secret: dict[str, Any] | None, now: datetime = NOW) -> str | None:
        found = certificates.inspect(obj, secret, now)
        return found.reason if found else None

    def test_a_good_secret_stays(self) -> None:
        secret, _unused = issued(certificate())
        assert self.reason(certificate(), secret) is None

    def test_missing_or_broken(self) -> None:
        secret, _unused = issued(certificate())
        assert self.reason(certificate(), None) == "DoesNotExist"
        assert self.reason(certificate(), secret | {"data": {}}) == "MissingData"
        other, _unused = issued(certificate())
        mixed = secret | {"data": secret["data"] | {"tls.key": other["data"]["tls.key"]}}
        assert self.reason(certificate(), mixed) == "InvalidKeyPair"

    @pytest.mark.parametrize(
        ("spec", "reason"),
        [
            ({"dnsNames": ["b.example"]}, "SecretMismatch"),
            ({"commonName": "x"}, "SecretMismatch"),
            ({"isCA": True}, "SecretMismatch"),
            ({"duration": "100h"}, "SecretMismatch"),
            ({"issuerRef": {"name": "other", "kind": "ClusterIssuer"}}, "IncorrectIssuer"),
        ],
    )
    def test_a_changed_certificate_is_issued_anew(self, spec: dict[str, Any], reason: str) -> None:
        secret, _unused = issued(certificate())
        assert self.reason(certificate(**spec), secret) == reason

    def test_it_is_renewed_in_time(self) -> None:
        secret, _unused = issued(certificate())
        assert self.reason(certificate(), secret, NOW + timedelta(days=59)) is None
        assert self.reason(certificate(), secret, NOW + timedelta(days=61)) == "Renewing"
        assert self.reason(certificate(), secret, NOW + timedelta(days=91)) == "Expired"


def test_status_of_an_issued_certificate() -> None:
    obj = certificate() | {"status": {"revision": 1}}
    _unused, pair = issued(obj)
    status = certificates.ready_status(obj, pair.certificate_pem, issued=True)
    condition = status["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Ready", "True", "Ready")
    assert condition["observedGeneration"] == 3
    assert status["revision"] == 2
    assert certificates.ready_status(obj | {"status": status}, pair.certificate_pem, issued=False) == status


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"issuerRef": {}}, "spec.issuerRef.name"),
        ({"issuerRef": {"name": "x", "kind": "Wrong"}}, "spec.issuerRef.kind"),
        ({"secretName": ""}, "spec.secretName"),
        ({"dnsNames": []}, "spec"),
        ({"commonName": "x" * 65}, "spec.commonName"),
        ({"duration": "30m"}, "spec.duration"),
        ({"duration": "2h", "renewBefore": "2h"}, "spec.renewBefore"),
        ({"privateKey": {"algorithm": "RSA", "size": 1024}}, "spec.privateKey.size"),
        ({"usages": ["flying"]}, "spec.usages[0]"),
        ({"ipAddresses": ["1.2.3"]}, "spec.ipAddresses[0]"),
    ],
)
def test_the_webhook_refuses(spec: dict[str, Any], field: str) -> None:
    request = {"request": {"uid": "u", "operation": "CREATE", "object": certificate(**spec)}}
    response = webhook.review(request, validate=True)["response"]
    assert not response["allowed"]
    assert response["status"]["message"].startswith(f"{field}: ")
    assert webhook.review(request, validate=False)["response"]["allowed"]


def test_the_webhook_allows_what_is_right() -> None:
    assert validation.problems(certificate()) == []
    assert validation.problems({"kind": "Issuer", "spec": {"selfSigned": {}}}) == []
    assert validation.problems({"kind": "Issuer", "spec": {"selfSigned": {}, "ca": {"secretName": "x"}}})
    assert validation.problems({"kind": "Issuer", "spec": {}})


class TestInjection:
    def test_every_webhook_of_a_configuration(self) -> None:
        hooks = [{"clientConfig": {"caBundle": "new"}}, {"clientConfig": {"caBundle": "old"}}, {"clientConfig": {}}]
        patch = cainjector.patch_for({"metadata": {"resourceVersion": "7"}, "webhooks": hooks}, "new")
        assert patch[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
        assert [item["path"] for item in patch[1:]] == [
            "/webhooks/1/clientConfig/caBundle",
            "/webhooks/2/clientConfig/caBundle",
        ]

    def test_conversion_and_api_services(self) -> None:
        meta = {"resourceVersion": "7"}
        conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {}}}
        assert len(cainjector.patch_for({"metadata": meta, "spec": {"conversion": conversion}}, "x")) == 2
        assert cainjector.patch_for({"metadata": meta, "spec": {"conversion": {"strategy": "None"}}}, "x") == []
        assert len(cainjector.patch_for({"metadata": meta, "spec": {"service": {"name": "s"}}}, "x")) == 2
        assert cainjector.patch_for({"metadata": meta, "spec": {}}, "x") == []

    def test_nothing_to_do(self) -> None:
        done = {"metadata": {"resourceVersion": "7"}, "webhooks": [{"clientConfig": {"caBundle": "x"}}]}
        assert cainjector.patch_for(done, "x") == []
