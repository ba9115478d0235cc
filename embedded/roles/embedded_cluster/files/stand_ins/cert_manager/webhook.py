# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Admission webhook of cert-manager's API: TLS with a certificate of a CA of its own, which lies in a Secret."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from ..api import CONFLICT, Api, ApiError, private_file
from ..watching import sleep_unless, wait_for_server
from .cainjector import ALLOW_DIRECT
from .pki import Pair, Request, issue, new_key
from .validation import problems

LOG = logging.getLogger(__name__)

_CA_LIFETIME = timedelta(days=365)


async def certificate_authority(api: Api, namespace: str, name: str) -> Pair:
    """The webhook's CA from its Secret, made when it is not there. cainjector copies its ca.crt into the webhook
    configurations, which the annotation allows.
    """
    path = f"/api/v1/namespaces/{namespace}/secrets"
    for _unused in range(5):
        secret = await api.find(f"{path}/{name}")
        if secret is not None:
            data = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
            return Pair.load(data["tls.crt"], data["tls.key"])
        key = new_key("ECDSA", 384)
        request = Request(common_name=f"{name}", is_ca=True, duration=_CA_LIFETIME)
        pair = Pair(issue(request, key, None), key)
        data = {"ca.crt": pair.certificate_pem, "tls.crt": pair.certificate_pem, "tls.key": pair.key_pem()}
        body = {
            "metadata": {"name": name, "namespace": namespace, "annotations": {ALLOW_DIRECT: "true"}},
            "data": {item: base64.b64encode(value).decode() for item, value in data.items()},
        }
        try:
            await api.request("POST", path, body)
        except ApiError as error:
            if error.status != CONFLICT:
                raise
    raise RuntimeError(f"Secret {namespace}/{name} appears and disappears")


def serving_context(ca: Pair, names: Sequence[str]) -> ssl.SSLContext:
    key = new_key("ECDSA", 256)
    request = Request(dns_names=tuple(names), usages=("digital signature", "server auth"), duration=_CA_LIFETIME)
    pair = Pair(issue(request, key, ca), key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with private_file(pair.certificate_pem + pair.key_pem()) as name:
        context.load_cert_chain(name)
    return context


def review(request: dict[str, Any], *, validate: bool) -> dict[str, Any]:
    """The AdmissionReview (admission.k8s.io/v1) that answers request; mutation changes nothing here."""
    asked = request["request"]
    found = problems(asked.get("object") or {}) if validate and asked.get("operation") != "DELETE" else []
    response: dict[str, Any] = {"uid": asked["uid"], "allowed": not found}
    if found:
        response["status"] = {"status": "Failure", "reason": "Invalid", "code": 422, "message": "; ".join(found)}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def application() -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        try:
            content = await request.json()
            return web.json_response(review(content, validate=request.path == "/validate"))
        except (ValueError, KeyError, TypeError):
            raise web.HTTPBadRequest(text="an AdmissionReview is expected") from None

    # Requests hold whole objects; the API server's own limit is 3 MiB.
    app = web.Application(client_max_size=4 * 1024 * 1024)
    app.router.add_post("/validate", answer)
    app.router.add_post("/mutate", answer)
    return app


@dataclass(frozen=True)
class Identity:
    """Secret of the CA, and the DNS names that the webhook answers for."""

    namespace: str
    secret: str
    names: tuple[str, ...]


async def serve(
    api: Api, listen: tuple[str, int], identity: Identity, stop: asyncio.Event, ready: asyncio.Event
) -> None:
    """Serves until stop is set; ready is set as soon as it does."""
    context = None
    while context is None and not stop.is_set():
        await wait_for_server(api, stop)
        try:
            ca = await certificate_authority(api, identity.namespace, identity.secret)
            context = serving_context(ca, identity.names)
        except (ApiError, KeyError, ValueError) as error:
            LOG.warning("no certificate yet: %s", error)
            await sleep_unless(stop, 2)
    runner = web.AppRunner(application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, *listen, ssl_context=context).start()
    ready.set()
    await stop.wait()
    await runner.cleanup()
