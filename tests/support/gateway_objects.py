# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a Gateway as Istio and the Kuadrant operator write them."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Json = dict[str, Any]

HOST = "models.example.com"
_GATEWAY_API = "gateway.networking.k8s.io"


def gateway(*listeners: Json) -> Json:
    plain = {"name": "http", "protocol": "HTTP", "port": 80, "hostname": HOST}
    spec = {"gatewayClassName": "istio", "listeners": list(listeners) or [plain]}
    metadata = {"name": "gate", "namespace": "llm"}
    return {"apiVersion": f"{_GATEWAY_API}/v1", "kind": "Gateway", "metadata": metadata, "spec": spec}


def gateway_class() -> Json:
    spec = {"controllerName": "istio.io/gateway-controller"}
    return {"apiVersion": f"{_GATEWAY_API}/v1", "kind": "GatewayClass", "metadata": {"name": "istio"}, "spec": spec}


def rule(path: str, *filters: Json, service: str = "model", kind: str = "PathPrefix", **more: Any) -> Json:
    return {
        "matches": [{"path": {"type": kind, "value": path}, **more}],
        "filters": list(filters),
        "backendRefs": [{"name": service, "port": 80}],
    }


def rewrite(prefix: str) -> Json:
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}
    return {"type": "URLRewrite", "urlRewrite": {"path": path}}


def route(name: str, *rules: Json, hostnames: Sequence[str] = (HOST,)) -> Json:
    parents = [{"namespace": "llm", "name": "gate"}]
    return {
        "apiVersion": f"{_GATEWAY_API}/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "llm"},
        "spec": {"parentRefs": parents, "hostnames": list(hostnames), "rules": list(rules)},
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


def wasm_configuration(*action_sets: Json, limits: str = "allow") -> str:
    services: Json = {"auth-service": _service("auth", "deny", "200ms")}
    for kind in ("ratelimit", "ratelimit-check", "ratelimit-report"):
        services[f"{kind}-service"] = _service(kind, limits, "100ms")
    return json.dumps({"services": services, "actionSets": list(action_sets)})


def wasm_filter(configuration: str) -> Json:
    """The filter as the operator writes it (kuadrant-operator 1.5.2, internal/istio/envoy_filters.go)."""
    value = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration}
    return {
        "name": "envoy.filters.http.wasm",
        "typed_config": {
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "value": {"config": {"configuration": value, "name": "kuadrant-wasm-shim"}},
        },
    }


def envoy_filters(*action_sets: Json, limits: str = "allow", limitador: int = 8081) -> list[Json]:
    """``limitador``: its port on loopback."""
    wasm = wasm_filter(wasm_configuration(*action_sets, limits=limits))
    authorino = "authorino-authorino-authorization.kuadrant-system.svc.cluster.local"
    patches = [
        {"applyTo": "HTTP_FILTER", "match": before_router(), "patch": {"operation": "INSERT_BEFORE", "value": wasm}},
        _cluster("kuadrant-auth-service", authorino, 50051),
        _cluster("kuadrant-ratelimit-service", "127.0.0.1", limitador),
    ]
    return [envoy_filter("kuadrant-gate", *patches)]


def envoy_filter(name: str, *patches: Json, priority: int = 0) -> Json:
    """One for the Gateway."""
    references = [{"group": _GATEWAY_API, "kind": "Gateway", "name": "gate"}]
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": "llm"},
        "spec": {"targetRefs": references, "configPatches": list(patches), "priority": priority},
    }


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
    value = {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "http2_protocol_options": {},
        "load_assignment": assignment,
    }
    return {
        "applyTo": "CLUSTER",
        "match": {"cluster": {"service": address}},
        "patch": {"operation": "ADD", "value": value},
    }


def service(name: str, port: int, target: str | int, namespace: str = "llm") -> Json:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": target}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def endpoints(name: str, address: str, *ports: int, namespace: str = "llm") -> Json:
    """What a controller makes of a Service and its one Pod."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": f"p{port}" if ports[1:] else "http", "port": port, "protocol": "TCP"} for port in ports],
    }


def pod(
    app: str, local: Json, *, address: str, namespace: str = "llm", image: str = "x", labels: Json | None = None
) -> Json:
    """A Pod as the kubelet stand-in reports it."""
    container = {"name": "istio-proxy", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": app,
            "namespace": namespace,
            "labels": labels or {"app": app},
            "annotations": {"llmops.maas/local-ports": json.dumps(local)},
        },
        "spec": {"containers": [container], "serviceAccountName": app, "nodeName": "node"},
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
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
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    metadata = {"name": "gate-tls", "namespace": "llm"}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": encoded}
