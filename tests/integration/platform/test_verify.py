# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""verify.yml passes on a deployed platform, and names each of the faults that are planted there; in order."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import time
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError
from tests.support import deployment as deployments
from tests.support.deployment import Deployment, Run
from tests.support.gateway_client import Client, chat, gateway, until

VERIFY = "playbooks/verify.yml"
MODEL, OTHER = "mistral-7b-instruct", "granite-8b-code-instruct-128k"
AUTH_POLICY = f"/apis/kuadrant.io/v1/namespaces/llm/authpolicies/{MODEL}"
LIMITS = "/apis/kuadrant.io/v1/namespaces/llm/ratelimitpolicies"
DENY = "/apis/kuadrant.io/v1/namespaces/llm/authpolicies/kuadrant-gateway-deny"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/llm/httproutes"
SERVICE = f"/apis/serving.kserve.io/v1beta1/namespaces/llm/inferenceservices/{MODEL}"
OPERATOR = "/apis/apps/v1/namespaces/kuadrant-system/deployments/kuadrant-operator-controller-manager"
SECRETS = "/api/v1/namespaces/kuadrant-system/secrets"
WATCHED = "authorino.kuadrant.io/managed-by"
CLIENTS = [
    {"name": "app-developer", "groups": ["developer"]},
    {"name": "app-user", "groups": ["user"]},
    {"name": "busy-user", "groups": ["user"]},
    {"name": "short-lived", "groups": ["user"], "token_seconds": 2},
]
# A distribution of Keycloak, where the stand-in is not to issue the tokens.
KEYCLOAK = os.environ.get("LLMOPS_MAAS_KEYCLOAK", "")
TOKENS = {"maas_auth_mode": "both", "maas_keycloak_clients": CLIENTS, "embedded_cluster_keycloak": KEYCLOAK}
# How long a fault may take to reach the gateway, s.
SPREAD = 90


SECTIONS = {"policies", "failure_modes", "seal", "hosts", "access", "credentials", "tokens", "hidden", "routes"}
SECTIONS |= {"backend", "limits"}
SEAL = "/apis/networking.istio.io/v1alpha3/namespaces/llm/envoyfilters/kuadrant-gateway-seal"


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployment]:
    for cluster in deployments.platform(**TOKENS):
        run = cluster.playbook("site.yml")
        assert run.code == 0, run.output
        yield cluster


def words(run: Run) -> str:
    """The output without the line breaks and quotes that the shape of YAML puts into it."""
    return " ".join(run.output.replace("'", "").replace('"', "").split())


def last_report(cluster: Deployment) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((cluster.home / "llmops-maas/verify/verify.json").read_text())
    return report


def faults(cluster: Deployment) -> list[str]:
    """What failed in the last verification, one line each."""
    failed = [result for result in last_report(cluster)["results"] if not result["passed"]]
    return [f"{item['name']}: expected {item['expected']}, got {item['got']} ({item['reason']})" for item in failed]


def probe_secrets(cluster: Deployment) -> list[str]:
    names = [item["metadata"]["name"] for item in cluster.get("v1", "secrets", "kuadrant-system")]
    return [name for name in names if name.startswith("maas-verify")]


def test_a_sound_platform_passes_without_showing_a_key(deployed: Deployment) -> None:
    run = deployed.playbook(VERIFY, "-vvv", "--diff")
    assert run.code == 0, run.output
    assert run.recap()["changed"] == 0
    reports = deployed.home / "llmops-maas/verify"
    report = last_report(deployed)
    assert report["passed"] is True
    sections = {result["section"] for result in report["results"]}
    assert sections == SECTIONS
    root = ET.parse(reports / "verify.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == (str(len(report["results"])), "0")
    shown = run.output + (reports / "verify.json").read_text() + (reports / "verify.xml").read_text()
    for item in deployed.get("v1", "secrets", "kuadrant-system"):
        encoded = (item.get("data") or {}).get("api_key")
        if encoded:
            assert base64.b64decode(encoded).decode() not in shown
            assert encoded not in shown
    assert probe_secrets(deployed) == []


# Tokens. The statuses are literals: what Keycloak's tokens get on a gateway of Kuadrant.


def token(cluster: Deployment, client: str) -> str:
    """A token from the issuer, as a client gets it."""
    service = cluster.get("v1", "services", "keycloak", "keycloak")
    data = cluster.get("v1", "secrets", "keycloak", f"keycloak-client-{client}")["data"]
    secret = base64.b64decode(data["client_secret"]).decode()
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    url = f"http://{service['spec']['clusterIP']}:8080/realms/maas/protocol/openid-connect/token"
    with urllib.request.urlopen(url, data=urlencode(form).encode(), timeout=10) as answer:
        found: str = json.load(answer)["access_token"]
    return found


def bearer(cluster: Deployment, value: str) -> Client:
    return gateway(cluster, value, prefix="Bearer")


CHAT = chat(MODEL, 1)
CHAT_PATH = "/mistral/v1/chat/completions"


def test_a_token_is_valid_until_it_ends(deployed: Deployment) -> None:
    client = bearer(deployed, token(deployed, "short-lived"))
    assert client.status(CHAT_PATH, CHAT) == 200
    time.sleep(4)
    assert client.status(CHAT_PATH, CHAT) == 401


def test_a_token_may_what_its_groups_may_and_is_counted_by_its_subject(deployed: Deployment) -> None:
    busy = token(deployed, "busy-user")
    # Half of the model's 50, for that is the tier of the group. One may have gone to the verification before.
    found = [bearer(deployed, busy).status(CHAT_PATH, CHAT) for _unused in range(26)]
    assert found.count(200) in {24, 25}
    assert found == [200] * found.count(200) + [429] * found.count(429)
    # Whichever of the subject's tokens is sent.
    assert bearer(deployed, token(deployed, "busy-user")).status(CHAT_PATH, CHAT) == 429
    assert bearer(deployed, token(deployed, "app-user")).status(CHAT_PATH, CHAT) == 200
    assert gateway(deployed, "user-key-abcdef").status(CHAT_PATH, CHAT) == 200
    assert len(bearer(deployed, busy).json("/v1/models")["data"]) == 8
    assert bearer(deployed, busy).status("/qwen3/metrics") == 403
    assert bearer(deployed, token(deployed, "app-developer")).status("/qwen3/metrics") == 200


@pytest.mark.parametrize("lacking", ["maas-verify-no-role", "maas-verify-no-audience"])
def test_a_token_for_something_else_is_refused(deployed: Deployment, lacking: str) -> None:
    assert bearer(deployed, token(deployed, lacking)).status(CHAT_PATH, CHAT) == 403


def test_what_is_no_token_is_refused(deployed: Deployment) -> None:
    head, claims, signature = token(deployed, "app-developer").split(".")
    grown = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    other = base64.urlsafe_b64encode(json.dumps({**grown, "groups": ["admin"]}).encode()).decode().rstrip("=")
    for value in (f"{head}.{other}.{signature}", f"{head}.{claims}.", "dev-key-67890", "x"):
        assert bearer(deployed, value).status(CHAT_PATH, CHAT) == 401
    assert gateway(deployed, f"{head}.{claims}.{signature}").status(CHAT_PATH, CHAT) == 401


def test_check_mode_says_what_it_leaves_out(deployed: Deployment) -> None:
    run = deployed.playbook(VERIFY, "--check", maas_verify_only=["credentials", "limits"])
    assert run.code == 0, run.output
    lines = run.output.splitlines()
    for words in ("limits", "expired and removed keys"):
        assert [line for line in lines if line.startswith(f"Not checked (check mode): {words}, because ")], run.output
    assert {result["section"] for result in last_report(deployed)["results"]} == {"credentials"}


def test_a_quick_look_shows_each_key_a_limit_and_the_monitoring(deployed: Deployment) -> None:
    run = deployed.playbook("playbooks/test_api.yml")
    assert run.code == 0, run.output
    shown = words(run)
    assert f"{MODEL} chat as developer" in shown
    assert f"ok 50 x 200, 3 x 429 50 x 200, 3 x 429 {MODEL} 50 requests in 60 s, tier premium" in shown
    assert "ok 1 of 1 llm-observability/grafana" in shown
    assert "SCRAPE TARGETS: 9 of 9 up" in shown


def test_nothing_is_left_behind_when_the_gateway_does_not_answer(deployed: Deployment) -> None:
    only = ["credentials", "limits"]
    run = deployed.playbook(VERIFY, maas_verify_only=only, maas_gateway_url="http://127.0.0.1:9")
    assert run.code != 0
    assert "no answer" in run.output
    assert probe_secrets(deployed) == []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"maas_verify_only": ["acces"]}, "maas_verify_only[0]: acces is not one of policies"),
        ({"maas_verify_expected": {"admin": {"talk": 200}}}, "maas_verify_expected.admin: unknown kind talk"),
        ({"maas_gateway_url": "localhost:80"}, "maas_gateway_url: localhost:80 is no address; begin it with http"),
    ],
)
def test_mistakes_are_named(deployed: Deployment, variables: dict[str, Any], message: str) -> None:
    run = deployed.playbook(VERIFY, **{"maas_verify_only": ["access"], **variables})
    assert run.code != 0
    assert message in words(run)


# Faults. Each plants itself, and undoes itself at the end.


@contextlib.contextmanager
def deleted(cluster: Deployment, path: str) -> Iterator[None]:
    item = cluster.kube.request("GET", path)
    cluster.kube.request("DELETE", path)
    try:
        yield
    finally:
        kept = {key: value for key, value in item["metadata"].items() if key in {"name", "namespace", "labels"}}
        body = {**item, "metadata": kept}
        body.pop("status", None)
        cluster.kube.request("POST", path.rpartition("/")[0], body=body)


def rewrite(cluster: Deployment, path: str, change: Callable[[Any], None]) -> Any:
    """Write what ``change`` makes of the object in place, again when a controller wrote in between; the object
    before.
    """
    for _attempt in range(50):
        before = cluster.kube.request("GET", path)
        item = json.loads(json.dumps(before))
        change(item)
        try:
            cluster.kube.request("PUT", path, body=item)
        except ApiError as error:
            if error.status != 409:
                raise
        else:
            return before
    raise AssertionError(f"somebody else keeps writing {path}")


@contextlib.contextmanager
def changed(cluster: Deployment, path: str, change: Callable[[Any], None]) -> Iterator[None]:
    """The object with another spec, which ``change`` makes of it in place."""
    before = rewrite(cluster, path, change)
    try:
        yield
    finally:
        rewrite(cluster, path, lambda item: item.update(spec=before["spec"]))


@contextlib.contextmanager
def open_route(cluster: Deployment) -> Iterator[None]:
    """A route of somebody else's with a policy that lets everybody in, whose path its backend does not even know."""
    route: dict[str, Any] = json.loads(json.dumps(cluster.kube.request("GET", f"{ROUTES}/{MODEL}")["spec"]))
    rule = route["rules"][-1]
    route["rules"] = [{"backendRefs": rule["backendRefs"], "matches": [{"path": {"type": "Exact", "value": "/open"}}]}]
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "open"}
    # What the seal of the Gateway lets through: somebody knew of it.
    success = {"headers": {"x-maas-user": {"plain": {"value": "anybody"}}}}
    rules = {"authentication": {"anybody": {"anonymous": {}}}, "response": {"success": success}}
    policy = {"targetRef": target, "rules": rules}
    policies = AUTH_POLICY.rpartition("/")[0]
    made = [
        (ROUTES, {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": route}),
        (policies, {"apiVersion": "kuadrant.io/v1", "kind": "AuthPolicy", "spec": policy}),
    ]
    try:
        for path, body in made:
            cluster.kube.request("POST", path, body={**body, "metadata": {"name": "open", "namespace": "llm"}})
        yield
    finally:
        for path, _body in made:
            cluster.kube.request("DELETE", f"{path}/open")


@contextlib.contextmanager
def unlabelled_key(cluster: Deployment) -> Iterator[None]:
    items = cluster.kube.request("GET", SECRETS)["items"]
    (name,) = [
        item["metadata"]["name"]
        for item in items
        if (item["metadata"].get("annotations") or {}).get("secret.kuadrant.io/user-id") == "developer"
    ]

    def label(value: str | None) -> None:
        body = {"metadata": {"labels": {WATCHED: value}}}
        content_type = "application/merge-patch+json"
        cluster.kube.request("PATCH", f"{SECRETS}/{name}", body=body, content_type=content_type)

    label(None)
    try:
        yield
    finally:
        label("authorino")


@contextlib.contextmanager
def swapped_limits(cluster: Deployment) -> Iterator[None]:
    one, other = (cluster.kube.request("GET", f"{LIMITS}/{name}")["spec"]["limits"] for name in (MODEL, OTHER))
    with (
        changed(cluster, f"{LIMITS}/{MODEL}", lambda item: item["spec"].update(limits=other)),
        changed(cluster, f"{LIMITS}/{OTHER}", lambda item: item["spec"].update(limits=one)),
    ):
        yield


def wrong_rewrite(item: Any) -> None:
    for rule in item["spec"]["rules"]:
        for entry in rule.get("filters") or ():
            if entry["type"] == "URLRewrite":
                entry["urlRewrite"]["path"]["replacePrefixMatch"] = "/wrong"


def wrong_name(item: Any) -> None:
    model = item["spec"]["predictor"]["model"]
    model["args"] = [argument if argument.startswith("--") else "wrong" for argument in model["args"]]


def without_a_tier(item: Any) -> None:
    del item["spec"]["limits"]["requests-free"]


def wrong_issuer(item: Any) -> None:
    (patterns,) = [item["spec"]["rules"]["authorization"]["token-for-this"]["patternMatching"]["patterns"]]
    patterns[0]["predicate"] = patterns[0]["predicate"].replace("/realms/", "/auth/realms/")


def fail_open(item: Any) -> None:
    (manager,) = [entry for entry in item["spec"]["template"]["spec"]["containers"] if entry["name"] == "manager"]
    for variable in manager["env"]:
        if variable["name"] == "RATELIMIT_SERVICE_FAILURE_MODE":
            variable["value"] = "allow"


def override(item: Any) -> None:
    item["spec"]["overrides"] = item["spec"].pop("defaults")


@contextlib.contextmanager
def stopped_authorino(cluster: Deployment) -> Iterator[None]:
    def all_of_it() -> list[int]:
        return [pid for pid, line in cluster.processes().items() if Path(line.split()[0]).name == "authorino"]

    pids = all_of_it()
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        # Its liveness probe may have ended it meanwhile.
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def without(name: str) -> Callable[[Any], None]:
    """Takes a filter out of the seal."""

    def change(item: Any) -> None:
        patches = item["spec"]["configPatches"]
        item["spec"]["configPatches"] = [entry for entry in patches if entry["patch"]["value"]["name"] != name]

    return change


MISSING = "expected Accepted, Enforced, got missing"
FAULTS: dict[str, tuple[Callable[[Deployment], Any], str, str]] = {
    "an AuthPolicy is deleted": (
        lambda cluster: deleted(cluster, AUTH_POLICY),
        "policies",
        f"AuthPolicy of HTTPRoute llm/{MODEL}: {MISSING}",
    ),
    "a RateLimitPolicy is missing": (
        lambda cluster: deleted(cluster, f"{LIMITS}/{MODEL}"),
        "policies",
        f"RateLimitPolicy of HTTPRoute llm/{MODEL}: {MISSING}",
    ),
    "a policy is not enforced": (
        lambda cluster: changed(cluster, DENY, override),
        "policies",
        f"AuthPolicy of HTTPRoute llm/{MODEL}: expected Accepted, Enforced, got Enforced=False (Overridden)",
    ),
    "a route is open": (open_route, "routes", "HTTPRoute llm/open: GET localhost/open: expected"),
    "a key is not watched": (unlabelled_key, "access", f"of user developer lacks the label {WATCHED}=authorino"),
    "limits are swapped": (
        swapped_limits,
        "limits",
        f"{MODEL} 50 requests in 60 s, tier premium: expected 50 x 200, 3 x 429, got 53 x",
    ),
    "a tier is missing": (
        lambda cluster: changed(cluster, f"{LIMITS}/{MODEL}", without_a_tier),
        "limits",
        f"{MODEL} 25 requests in 60 s, tier free: expected 25 x 200, 3 x 429, got 28 x",
    ),
    "a rewrite is wrong": (
        lambda cluster: changed(cluster, f"{ROUTES}/{MODEL}", wrong_rewrite),
        "access",
        f"{MODEL} chat as admin: expected 200, got 404",
    ),
    "a served name is wrong": (
        lambda cluster: changed(cluster, SERVICE, wrong_name),
        "access",
        f"{MODEL} chat as admin: expected 200, got 404",
    ),
    "limits fail open": (
        lambda cluster: changed(cluster, OPERATOR, fail_open),
        "failure_modes",
        "Failure mode of ratelimit: expected deny, got allow",
    ),
    "the issuer is wrong": (
        lambda cluster: changed(cluster, AUTH_POLICY, wrong_issuer),
        "tokens",
        f"{MODEL} chat with a token of app-developer: expected 200, got 403",
    ),
    "the seal is deleted": (
        lambda cluster: deleted(cluster, SEAL),
        "seal",
        "http, host localhost: what no policy has admitted: expected 403, got 404",
    ),
    "the seal is deleted, and hosts in capitals come in": (
        lambda cluster: deleted(cluster, SEAL),
        "hosts",
        f"{MODEL}, host localhost in capitals, without a key: expected 301 or 400 or 401 or 403 or 404 or 421, got 200",
    ),
    "the seal is open": (
        lambda cluster: changed(cluster, SEAL, without("llmops.maas.seal")),
        "seal",
        "the seal is open: what no policy has admitted is let through",
    ),
    "forged headers are believed": (
        lambda cluster: changed(
            cluster, SEAL, lambda item: (without("llmops.maas.identity")(item), without("llmops.maas.host")(item))
        ),
        "seal",
        "the seal is open: what no policy has admitted is let through",
    ),
    "backends get credentials": (
        lambda cluster: changed(cluster, SEAL, without("llmops.maas.credentials")),
        "backend",
        "headers that a backend gets: expected 200, got 200 (the backend got api-key, authorization, x-api-key)",
    ),
    "Authorino is stopped": (stopped_authorino, "access", f"{MODEL} chat as admin: expected 200, got 500"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(deployed: Deployment, fault: str) -> None:
    plant, section, message = FAULTS[fault]
    with plant(deployed):
        deadline = time.monotonic() + SPREAD
        run = deployed.playbook(VERIFY, maas_verify_only=[section])
        while not any(message in fault for fault in faults(deployed)) and time.monotonic() < deadline:
            run = deployed.playbook(VERIFY, maas_verify_only=[section])
    (fault, *_others) = [fault for fault in faults(deployed) if message in fault]
    name = fault.partition(": expected")[0]
    assert [line for line in run.output.splitlines() if line.startswith("  FAIL  ") and name in line], run.output
    assert run.code != 0


def test_with_tokens_alone_keys_are_refused(deployed: Deployment) -> None:
    # Not the model whose policy the faults were planted in: what they wrote is theirs as well, and stays.
    path, body = "/granite/v1/chat/completions", chat(OTHER, 1)
    run = deployed.playbook("site.yml", "--tags", "auth", maas_auth_mode="jwt")
    assert run.code == 0, run.output
    known = gateway(deployed, "dev-key-67890")
    assert until(lambda: known.status(path, body), wanted=401) == 401
    assert bearer(deployed, token(deployed, "app-developer")).status(path, body) == 200
    # Without the one that has used up its requests.
    run = deployed.playbook(VERIFY, maas_auth_mode="jwt", maas_keycloak_clients=CLIENTS[:2])
    assert run.code == 0, run.output
    assert deployed.playbook("site.yml", "--tags", "auth").code == 0


def test_mended_it_passes_again(deployed: Deployment) -> None:
    deadline = time.monotonic() + SPREAD
    run = deployed.playbook(VERIFY)
    while run.code != 0 and time.monotonic() < deadline:
        run = deployed.playbook(VERIFY)
    assert run.code == 0, run.output
