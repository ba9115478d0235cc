# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert-manager's own controllers on a real control plane: its CRDs, rights and Deployments are those of the release."""

from __future__ import annotations

import base64
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.x509 import verification

from tests.support.api_server import find_binary
from tests.support.stand_in_cluster import (
    FILES,
    StandInCluster,
    condition,
    listeners,
    process_of,
    render,
    until,
)

NAMESPACE = "cert-manager"
PARTS = ("cert-manager", "cert-manager-cainjector", "cert-manager-webhook")
HOOKS = "ValidatingWebhookConfiguration"


def images() -> list[dict[str, Any]]:
    """The image map of the platform, with cert-manager's program and no other."""
    text = render(
        "images.yaml.j2",
        __embedded_cluster_tools={"cert-manager": find_binary("cert-manager")},
        __embedded_cluster_python=sys.executable,
        __embedded_cluster_stand_ins_dir=str(FILES),
        embedded_cluster_keycloak="",
        embedded_cluster_downloads=False,
    )
    return list(yaml.safe_load(text)["images"])


def manifest() -> Path:
    """From the mirror that MAAS_MIRROR names, else from the one that the embedded cluster keeps in its cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    mirror = Path(os.environ.get("MAAS_MIRROR") or cache / "llmops-maas" / "mirror")
    found = sorted(mirror.glob("cert-manager-v*.yaml"))
    assert found, f"no manifest of cert-manager in {mirror}: set MAAS_MIRROR to a directory that has one"
    return found[-1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[StandInCluster]:
    # Sockets need a short path, which pytest's own directories are not.
    directory = Path(tempfile.mkdtemp(prefix="maas-"))
    made = StandInCluster(directory, images())
    try:
        made.start()
        made.kubectl("apply", "--server-side", "-f", str(manifest()))
        for name in PARTS:
            made.kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{name}", "--timeout=50s")
        until(lambda: bundle(made, "cert-manager-webhook") or None, "caBundle of cert-manager's own webhook", 60)
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


def bundle(cluster: StandInCluster, name: str) -> bytes:
    """The CA that the API server trusts a webhook by; empty while there is none."""
    found = cluster.get(HOOKS, name) or {}
    return base64.b64decode(found["webhooks"][0]["clientConfig"].get("caBundle") or "")


def issuer(name: str, **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": meta, "spec": spec}


def certificate(name: str, signer: str, **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default"}
    content = {"secretName": f"{name}-tls", "issuerRef": {"name": signer}, "privateKey": {"algorithm": "ECDSA"}} | spec
    return {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": meta, "spec": content}


def secret(cluster: StandInCluster, name: str) -> dict[str, bytes] | None:
    found = cluster.get("secret", name)
    return {key: base64.b64decode(value) for key, value in found["data"].items()} if found else None


def status(cluster: StandInCluster, kind: str, name: str) -> dict[str, Any]:
    return dict((cluster.get(kind, name) or {}).get("status") or {})


def pod(cluster: StandInCluster, part: str) -> dict[str, Any] | None:
    """The one ready Pod of a part that is not being deleted."""
    label = {"cert-manager": "controller"}.get(part, part.removeprefix("cert-manager-"))
    found = [
        item
        for item in cluster.pods(f"app.kubernetes.io/component={label}", NAMESPACE)
        if not item["metadata"].get("deletionTimestamp")
    ]
    return found[0] if len(found) == 1 and condition(found[0], "Ready") == "True" else None


@pytest.fixture(scope="module")
def authority(cluster: StandInCluster) -> StandInCluster:
    """With the issuers ``self`` and ``ca``, whose own certificate is in the Secret root-tls."""
    cluster.apply(issuer("self", selfSigned={}), certificate("root", "self", isCA=True, commonName="root"))
    cluster.apply(issuer("ca", ca={"secretName": "root-tls"}))
    cluster.kubectl("wait", "--for=condition=Ready", "certificate/root", "issuer/ca", "--timeout=30s")
    return cluster


def issued(cluster: StandInCluster, *certificates: dict[str, Any]) -> None:
    cluster.apply(*certificates)
    names = [f"certificate/{item['metadata']['name']}" for item in certificates]
    cluster.kubectl("wait", "--for=condition=Ready", *names, "--timeout=30s")


def test_the_pods_are_processes_that_listen_on_loopback_alone(cluster: StandInCluster) -> None:
    for part in PARTS:
        process = process_of(until(lambda name=part: pod(cluster, name), part))
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        assert command[0].endswith(b"/cert-manager")
        assert b"--v=2" in command, "its own argument"
        assert listeners(process) == {"0100007F"}, part


def test_the_chain_of_a_ca_issuer_verifies(authority: StandInCluster) -> None:
    issued(authority, certificate("leaf", "ca", dnsNames=["a.example"], usages=["server auth", "digital signature"]))
    root, leaf = secret(authority, "root-tls"), secret(authority, "leaf-tls")
    assert root
    assert leaf
    assert leaf["ca.crt"] == root["tls.crt"]
    store = verification.Store(x509.load_pem_x509_certificates(leaf["ca.crt"]))
    made = x509.load_pem_x509_certificate(leaf["tls.crt"])
    chain = verification.PolicyBuilder().store(store).build_server_verifier(x509.DNSName("a.example")).verify(made, [])
    assert chain[-1] == x509.load_pem_x509_certificate(root["tls.crt"])


def test_a_secret_that_is_deleted_is_made_again_and_new_names_are_issued(authority: StandInCluster) -> None:
    issued(authority, certificate("again", "ca", dnsNames=["a.example"]))
    first = secret(authority, "again-tls")
    assert first
    authority.kubectl("delete", "secret", "again-tls")
    second = until(lambda: secret(authority, "again-tls"), "issued again")
    assert second["tls.crt"] != first["tls.crt"]
    until(lambda: condition({"status": status(authority, "certificate", "again")}, "Ready") == "True", "ready again")

    authority.apply(certificate("again", "ca", dnsNames=["b.example"]))

    def names() -> list[str]:
        made = x509.load_pem_x509_certificate((secret(authority, "again-tls") or {})["tls.crt"])
        found = made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return found.value.get_values_for_type(x509.DNSName)

    until(lambda: names() == ["b.example"], "issued for the new name")
    until(lambda: status(authority, "certificate", "again").get("revision") == 3, "third revision")


def test_a_certificate_is_renewed_in_time(authority: StandInCluster) -> None:
    # The shortest lifetime that cert-manager takes is an hour; this one is due eight seconds after it was issued.
    issued(authority, certificate("short", "ca", dnsNames=["a.example"], duration="1h", renewBefore="59m52s"))
    first = secret(authority, "short-tls")
    assert first
    due = datetime.datetime.fromisoformat(status(authority, "certificate", "short")["renewalTime"])
    second = until(
        lambda: (found := secret(authority, "short-tls")) and found["tls.crt"] != first["tls.crt"] and found, "renewed"
    )
    former, renewed = (x509.load_pem_x509_certificate(found["tls.crt"]) for found in (first, second))
    assert renewed.serial_number != former.serial_number
    assert renewed.not_valid_after_utc > former.not_valid_after_utc
    assert renewed.not_valid_before_utc >= due
    assert second["tls.key"] != first["tls.key"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "at least one of commonName (from the commonName field or from a literalSubject), dnsNames, uriSANs,"),
        ({"dnsNames": ["a.example"], "duration": "30m"}, "certificate duration must be greater than 1h0m0s"),
        ({"dnsNames": ["a.example"], "privateKey": {"algorithm": "RSA", "size": 512}}, "must be between 2048 and 8192"),
    ],
)
def test_the_webhook_refuses_with_upstreams_words(cluster: StandInCluster, wrong: dict[str, Any], words: str) -> None:
    done = cluster.kubectl("apply", "-f", "-", text=json.dumps(certificate("bad", "ca", **wrong)), check=False)
    assert done.returncode != 0
    assert 'admission webhook "webhook.cert-manager.io" denied the request' in done.stderr
    assert words in done.stderr
    assert cluster.get("certificate", "bad") is None


def test_a_request_is_signed_only_once_it_is_approved(authority: StandInCluster) -> None:
    """The webhook keeps users from approving their own requests; the controller approves those of Certificates."""
    issued(authority, certificate("asked", "ca", dnsNames=["a.example"]))
    (request,) = [
        item
        for item in (authority.get("certificaterequests") or {"items": []})["items"]
        if item["metadata"]["annotations"]["cert-manager.io/certificate-name"] == "asked"
    ]
    assert condition(request, "Approved") == "True"
    assert request["spec"]["username"] == "system:serviceaccount:cert-manager:cert-manager"
    request["spec"]["username"] = "somebody"
    done = authority.kubectl("replace", "-f", "-", text=json.dumps(request), check=False)
    assert "spec.username" in done.stderr


def test_ca_bundles_are_filled_and_follow_the_secret(authority: StandInCluster) -> None:
    issued(authority, certificate("hook", "self", dnsNames=["hook.default.svc"]))
    config = {"service": {"name": "hook", "namespace": "default"}}
    hook = {"name": "h.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": config}
    authority.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": HOOKS,
            "metadata": {"name": "hook", "annotations": {"cert-manager.io/inject-ca-from": "default/hook"}},
            "webhooks": [hook],
        }
    )
    filled = until(lambda: bundle(authority, "hook") or None, "caBundle")
    assert filled == (secret(authority, "hook-tls") or {})["ca.crt"]
    authority.kubectl("delete", "secret", "hook-tls")
    until(lambda: bundle(authority, "hook") != filled, "caBundle of the new certificate")
    assert bundle(authority, "hook") == (secret(authority, "hook-tls") or {})["ca.crt"]


def test_the_bundle_of_the_webhook_is_the_ca_that_signs_for_it(cluster: StandInCluster) -> None:
    found = cluster.get("secret", "cert-manager-webhook-ca", "-n", NAMESPACE) or {}
    assert base64.b64decode(found["data"]["ca.crt"]) == bundle(cluster, "cert-manager-webhook")
    assert found["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "cert-manager-webhook"}


def test_an_acme_issuer_says_that_its_server_does_not_answer(cluster: StandInCluster) -> None:
    acme = {"server": "https://127.0.0.1:1/directory", "privateKeySecretRef": {"name": "account"}}
    cluster.apply(issuer("acme", acme=acme))

    def reason() -> str | None:
        conditions = status(cluster, "issuer", "acme").get("conditions") or []
        return next((str(item["message"]) for item in conditions if item["reason"] == "ErrRegisterACMEAccount"), None)

    assert "connection refused" in until(reason, "the issuer is not ready")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_controller_that_ends_is_started_again_and_issues(authority: StandInCluster, number: int) -> None:
    former = process_of(until(lambda: pod(authority, "cert-manager"), "controller"))
    os.kill(former, number)

    def again() -> bool:
        found = pod(authority, "cert-manager")
        return bool(found) and process_of(found or {}) != former

    until(again, "another process")
    issued(authority, certificate(f"after-{number}", "ca", dnsNames=["a.example"]))


def candidate(cluster: StandInCluster) -> subprocess.Popen[bytes]:
    """A controller beside the one of the Pod, which watches a namespace without Certificates and wants its Lease."""
    options = {
        "v": 2,
        "kubeconfig": cluster.kubeconfig,
        "namespace": "kube-public",
        "leader-election-namespace": "kube-public",
        "leader-election-lease-duration": "4s",
        "leader-election-renew-deadline": "3s",
        "leader-election-retry-period": "1s",
        "metrics-listen-address": "127.0.0.1:0",
        "internal-healthz-listen-address": "127.0.0.1:0",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    with (cluster.directory / "candidates.log").open("ab") as log:
        return subprocess.Popen([find_binary("cert-manager"), "controller", *arguments], stdout=log, stderr=log)


def test_of_two_candidates_one_leads_and_the_other_takes_over(cluster: StandInCluster) -> None:
    def holder() -> str:
        lease = cluster.get("lease", "cert-manager-controller", "-n", "kube-public") or {"spec": {}}
        return str(lease["spec"].get("holderIdentity") or "")

    first = candidate(cluster)
    second = None
    try:
        leader = until(lambda: holder() or None, "somebody leads")
        second = candidate(cluster)
        log = cluster.directory / "candidates.log"
        until(lambda: log.read_text().count("attempting to acquire leader lease") == 2, "the other wants to lead")
        assert holder() == leader
        first.terminate()
        assert first.wait(20) == 0
        until(lambda: holder() not in ("", leader), "the other leads")
        until(lambda: "starting controller" in log.read_text().rpartition("acquired lease")[2], "and does the work")
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait()
