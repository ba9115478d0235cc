# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Issues the Secrets of Certificates and keeps the status of Certificates, Issuers and ClusterIssuers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..api import MERGE_PATCH, Api
from ..events import Recorder
from ..watching import Watch, watch_forever
from . import certificates, issuers
from .pki import Pair, issue, new_key
from .workqueue import WorkQueue

LOG = logging.getLogger(__name__)

_API = "/apis/cert-manager.io/v1"


@dataclass(frozen=True)
class Ref:
    """An object by kind (certificate, issuer, clusterissuer), namespace ("" for ClusterIssuers) and name."""

    kind: str
    namespace: str
    name: str

    @property
    def path(self) -> str:
        place = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{_API}{place}/{self.kind}s/{self.name}"


class Controller:
    def __init__(self, api: Api, cluster_namespace: str) -> None:
        self._api = api
        self._cluster_namespace = cluster_namespace
        self._recorder = Recorder(api, "cert-manager-stand-in")
        self._objects: dict[Ref, dict[str, Any]] = {}
        self._queue = WorkQueue(self._handle)

    async def run(self, stop: asyncio.Event) -> None:
        watches = [
            Watch("cert-manager.io", "v1", "certificates", lambda kind, obj: self._seen("certificate", kind, obj)),
            Watch("cert-manager.io", "v1", "issuers", lambda kind, obj: self._seen("issuer", kind, obj)),
            Watch("cert-manager.io", "v1", "clusterissuers", lambda kind, obj: self._seen("clusterissuer", kind, obj)),
            Watch("", "v1", "secrets", self._secret_seen),
        ]
        worker = asyncio.create_task(self._queue.run())
        await watch_forever(self._api, watches, stop)
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker

    # --- events

    def _seen(self, what: str, kind: str | None, obj: dict[str, Any]) -> None:
        meta = obj["metadata"]
        ref = Ref(what, meta.get("namespace", ""), meta["name"])
        if kind == "DELETED":
            self._objects.pop(ref, None)
        else:
            self._objects[ref] = obj
            self._queue.add(ref)
        if what != "certificate":
            self._add_dependents(ref)

    def _add_dependents(self, issuer: Ref) -> None:
        for ref, obj in self._objects.items():
            if ref.kind == "certificate" and _issuer_of(obj, ref.namespace) == issuer:
                self._queue.add(ref)

    def _secret_seen(self, _unused: str | None, secret: dict[str, Any]) -> None:
        meta = secret["metadata"]
        for ref, obj in self._objects.items():
            if ref.kind == "certificate":
                concerned = (ref.namespace, obj["spec"].get("secretName")) == (meta["namespace"], meta["name"])
            else:
                name = (obj["spec"].get("ca") or {}).get("secretName")
                concerned = (ref.namespace or self._cluster_namespace, name) == (meta["namespace"], meta["name"])
            if concerned:
                self._queue.add(ref)

    # --- work

    async def _handle(self, ref: Ref) -> float | None:
        obj = await self._api.find(ref.path)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        if ref.kind == "certificate":
            return await self._handle_certificate(ref, obj)
        verdict = await issuers.examine(obj, ref.namespace or self._cluster_namespace, self._api)
        if await self._write_status(ref, obj, issuers.status_of(obj, verdict)):
            self._add_dependents(ref)
        return None

    async def _handle_certificate(self, ref: Ref, certificate: dict[str, Any]) -> float | None:
        path = f"/api/v1/namespaces/{ref.namespace}/secrets/{certificate['spec']['secretName']}"
        secret = await self._api.find(path)
        finding = certificates.inspect(certificate, secret, datetime.now(UTC))
        if finding is None and secret is not None:
            tls = base64.b64decode(secret["data"]["tls.crt"])
            status = certificates.ready_status(certificate, tls, issued=False)
            await self._write_status(ref, certificate, status)
            return _seconds_until(status["renewalTime"])
        assert finding is not None  # noqa: S101  # inspect() finds a missing Secret
        signer = await self._signer(certificate, ref.namespace)
        if isinstance(signer, str):
            await self._write_status(ref, certificate, certificates.unready_status(certificate, finding, signer))
            return None
        await self._recorder.record(certificate, "Certificate", "Issuing", finding.message)
        pem = await self._issue(certificate, secret, signer)
        status = certificates.ready_status(certificate, pem, issued=True)
        await self._write_status(ref, certificate, status)
        message = "The certificate has been successfully issued"
        await self._recorder.record(certificate, "Certificate", "Issued", message)
        return _seconds_until(status["renewalTime"])

    async def _signer(self, certificate: Mapping[str, Any], namespace: str) -> issuers.Signer | str:
        """The signer of a Certificate's issuer, or what is missing for it."""
        ref = _issuer_of(certificate, namespace)
        if ref is None:
            return f"issuers of group {certificate['spec']['issuerRef'].get('group')} are not known here"
        issuer = await self._api.find(ref.path)
        if issuer is None:
            return f'{certificate["spec"]["issuerRef"].get("kind") or "Issuer"} "{ref.name}" not found'
        verdict = await issuers.examine(issuer, ref.namespace or self._cluster_namespace, self._api)
        return verdict.signer or f'issuer "{ref.name}" is not ready: {verdict.message}'

    async def _issue(
        self, certificate: dict[str, Any], secret: Mapping[str, Any] | None, signer: issuers.Signer
    ) -> bytes:
        wanted = certificate["spec"].get("privateKey") or {}
        # RSA keys take a while; the watches must go on meanwhile.
        key = await asyncio.to_thread(new_key, wanted.get("algorithm") or "RSA", int(wanted.get("size") or 0))
        issued = issue(certificates.request_of(certificate), key, signer.pair)
        pair = Pair(issued, key)
        chain, ca = signer.bundle(issued, pair.certificate_pem)
        body = certificates.secret_for(certificate, pair, chain, ca)
        base = f"/api/v1/namespaces/{certificate['metadata']['namespace']}/secrets"
        if secret is None:
            await self._api.request("POST", base, body)
        else:
            # The type of a Secret cannot be changed; one made by hand keeps its own.
            body.pop("type")
            await self._api.request("PATCH", f"{base}/{body['metadata']['name']}", body, content_type=MERGE_PATCH)
        LOG.info("issued %s/%s", certificate["metadata"]["namespace"], certificate["metadata"]["name"])
        return chain

    async def _write_status(self, ref: Ref, obj: Mapping[str, Any], status: dict[str, Any]) -> bool:
        """Writes a status that differs from the one there; true when it did."""
        former = obj.get("status") or {}
        if all(former.get(key) == value for key, value in status.items()):
            return False
        await self._api.request("PATCH", f"{ref.path}/status", {"status": status}, content_type=MERGE_PATCH)
        return True


def _issuer_of(certificate: Mapping[str, Any], namespace: str) -> Ref | None:
    reference = certificate["spec"]["issuerRef"]
    if reference.get("group") not in {None, "", certificates.GROUP}:
        return None
    kind = (reference.get("kind") or "Issuer").lower()
    return Ref(kind, namespace if kind == "issuer" else "", reference["name"])


def _seconds_until(time: str) -> float:
    return max(1.0, (datetime.fromisoformat(time) - datetime.now(UTC)).total_seconds())
