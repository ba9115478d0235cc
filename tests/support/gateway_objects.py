# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a Gateway as Istio and the Kuadrant operator write them."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Json = dict[str, Any]

HOST = "models.example.com"


def gateway(*listeners: Json) -> Json:
    plain = {"name": "http", "protocol": "HTTP", "port": 80, "hostname": HOST}
    spec = {"listeners": list(listeners) or [plain]}
    return {"metadata": {"name": "gate", "namespace": "llm"}, "spec": spec}


def rule(path: str, *filters: Json, service: str = "model", kind: str = "PathPrefix", **more: Any) -> Json:
    return {
        "matches": [{"path": {"type": kind, "value": path}, **more}],
        "filters": list(filters),
        "backendRefs": [{"name": service, "port": 80}],
    }


def rewrite(prefix: str) -> Json:
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}
    return {"type": "URLRewrite", "urlRewrite": {"path": path}}


def route(name: str, *rules: Json, accepted: str = "True", created: str = "2026-01-01T00:00:00Z") -> Json:
    parent = {"namespace": "llm", "name": "gate"}
    status = {"parents": [{"parentRef": parent, "conditions": [{"type": "Accepted", "status": accepted}]}]}
    return {
        "metadata": {"name": name, "namespace": "llm", "creationTimestamp": created},
        "spec": {"parentRefs": [parent], "hostnames": [HOST], "rules": list(rules)},
        "status": status,
    }


def limit_action(scope: str = "llm/model", kind: str = "ratelimit", hits: str = "", **more: Any) -> Json:
    data = [("limit.per_user__1", "1"), ("auth.identity.userid", "auth.identity.userid")]
    data += [("ratelimit.hits_addend", hits)] if hits else []
    expressions = [{"expression": {"key": key, "value": value}} for key, value in data]
    return {"service": f"{kind}-service", "scope": scope, "conditionalData": [{"data": expressions, **more}]}


def action_set(path: str, *actions: Json, scope: str = "auth-1") -> Json:
    return {
        "name": path,
        "routeRuleConditions": {"hostnames": [HOST], "predicates": [f"request.url_path.startsWith('{path}')"]},
        "actions": [{"service": "auth-service", "scope": scope}, *actions],
    }


def envoy_filters(*action_sets: Json, limits: str = "allow") -> list[Json]:
    services: Json = {"auth-service": _service("auth", "deny", "200ms")}
    for kind in ("ratelimit", "ratelimit-check", "ratelimit-report"):
        services[f"{kind}-service"] = _service(kind, limits, "100ms")
    text = json.dumps({"services": services, "actionSets": list(action_sets)})
    configuration = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}
    wasm = {
        "name": "envoy.filters.http.wasm",
        "typed_config": {"value": {"config": {"configuration": configuration}}},
    }
    authorino = "authorino-authorino-authorization.kuadrant-system.svc.cluster.local"
    limitador = "limitador-limitador.kuadrant-system.svc.cluster.local"
    patches = [
        {"applyTo": "HTTP_FILTER", "match": before_router(), "patch": {"operation": "INSERT_BEFORE", "value": wasm}},
        _cluster("kuadrant-auth-service", authorino, 50051),
        _cluster("kuadrant-ratelimit-service", limitador, 8081),
    ]
    spec = {"targetRefs": [{"kind": "Gateway", "name": "gate"}], "configPatches": patches}
    return [{"metadata": {"name": "kuadrant-gate", "namespace": "llm"}, "spec": spec}]


def before_router() -> Json:
    """Where the operator inserts Kuadrant's filter (kuadrant-operator 1.5.2, internal/istio/utils.go)."""
    router = {"subFilter": {"name": "envoy.filters.http.router"}}
    manager = {"name": "envoy.filters.network.http_connection_manager", **router}
    return {"context": "GATEWAY", "listener": {"filterChain": {"filter": manager}}}


def _service(kind: str, failure: str, timeout: str) -> Json:
    endpoint = "kuadrant-auth-service" if kind == "auth" else "kuadrant-ratelimit-service"
    return {"type": kind, "endpoint": endpoint, "failureMode": failure, "timeout": timeout}


def _cluster(name: str, address: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    value = {"name": name, "type": "STRICT_DNS", "load_assignment": assignment}
    return {"applyTo": "CLUSTER", "patch": {"operation": "ADD", "value": value}}


def service(name: str, port: int, target: str | int, namespace: str = "llm") -> Json:
    spec = {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}]}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def pod(app: str, local: Json, namespace: str = "llm", ready: str = "True", **metadata: Any) -> Json:
    annotations = {"llmops.maas/local-ports": json.dumps(local)}
    ports = [{"name": "http", "containerPort": 8080}]
    return {
        "metadata": {
            "name": app,
            "namespace": namespace,
            "labels": {"app": app},
            "annotations": annotations,
            **metadata,
        },
        "spec": {"containers": [{"name": "main", "ports": ports}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def certificate() -> Json:
    """A Secret with a certificate of its own for the host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
    dated = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    signed = dated.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    data = {"tls.crt": signed.public_bytes(pem), "tls.key": private}
    return {"data": {name: base64.b64encode(value).decode() for name, value in data.items()}}
