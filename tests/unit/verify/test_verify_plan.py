# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification asks and makes, by the platform's variables and what its cluster holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.methods import wrong_credentials
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.policies import POLICIES
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import all_kinds
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.plan import VerifyPlan, kinds
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import VerifyError
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.sections import SECTIONS
from tests.support.verification import CLIENTS, NOMIC, QWEN, USERS, objects, planned, platform

SPEC = Path(__file__).resolve().parents[3] / "roles/maas/meta/argument_specs.yml"
OPTIONS = yaml.safe_load(SPEC.read_text())["argument_specs"]["platform"]["options"]
CASES = {wrong.name for wrong in wrong_credentials("both")}
NO_NEW_USERS = "only tokens are taken, and a token's user cannot be a new one for each run"


def sections(plan: VerifyPlan) -> list[str]:
    return list(dict.fromkeys(row["section"] for row in plan["requests"]))


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


def left_out(plan: VerifyPlan) -> list[tuple[str, str, bool]]:
    return [(entry["what"], entry["why"], entry["check_mode"]) for entry in plan["unchecked"]]


def test_the_sections_are_those_that_the_inventory_may_name() -> None:
    assert OPTIONS["maas_verify_only"]["choices"] == list(SECTIONS)


def test_everything_is_asked_in_the_order_of_the_report() -> None:
    plan = planned(objects(tls=True), auth_mode="both", keycloak_clients=CLIENTS, tls_enabled="yes")
    assert plan["sections"] == list(SECTIONS)
    expected = ["seal", "hosts", "transport", "access", "credentials", "tokens", "hidden", "routes"]
    assert sections(plan) == expected
    assert {row["section"] for row in plan["results"]} == {"policies", "failure_modes"}
    assert {row["section"] for row in plan["probe_requests"]} == {"credentials", "backend", "limits"}
    assert plan["unchecked"] == []


@pytest.mark.parametrize("only", SECTIONS)
def test_a_section_alone_asks_and_makes_what_is_its_own(only: str) -> None:
    plan = planned(objects(tls=True), auth_mode="both", keycloak_clients=CLIENTS, tls_enabled=True, verify_only=[only])
    rows = [*plan["results"], *plan["requests"], *plan["probe_requests"], *plan["removed_requests"]]
    assert plan["sections"] == [only]
    assert {row["section"] for row in rows} == {only}
    assert plan["probes"] == (only in {"credentials", "backend", "limits"})
    assert bool(plan["secrets"]) == plan["probes"]
    assert bool(plan["backend"]) == (only == "backend")


def test_no_key_of_a_user_is_in_the_plan() -> None:
    assert USERS[0]["key"] not in json.dumps(planned())


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        ("api_key", ["seal", "hosts", "access", "credentials", "hidden", "routes"]),
        ("jwt", ["seal", "hosts", "credentials", "tokens", "hidden", "routes"]),
        ("both", ["seal", "hosts", "access", "credentials", "tokens", "hidden", "routes"]),
    ],
)
def test_keys_and_tokens_are_tried_where_they_are_taken(mode: str, asked: list[str]) -> None:
    plan = planned(auth_mode=mode, keycloak_clients=CLIENTS)
    assert sections(plan) == asked
    wrong = {row["credentials"] for row in plan["requests"] if row["section"] == "credentials"}
    assert wrong == {"none", "wrong_key"} | ({"wrong_prefix"} if mode != "jwt" else set())


def test_tokens_of_an_issuer_that_was_not_deployed_are_not_tried() -> None:
    plan = planned(auth_mode="both", keycloak_enabled=False, keycloak_clients=CLIENTS)
    assert "tokens" not in sections(plan)
    assert "clients_namespace" not in plan["connection"]
    assert plan["connection"]["token_url"] == ""


def test_tokens_are_those_of_clients_with_rights_and_of_the_two_that_lack_some() -> None:
    plan = planned(auth_mode="both", keycloak_clients=CLIENTS, verify_only=["tokens"])
    secrets = {row["secret"] for row in plan["requests"]}
    assert secrets == {f"keycloak-client-{name}" for name in ("app", "maas-verify-no-role", "maas-verify-no-audience")}
    without = [row["expected"] for row in plan["requests"] if row["secret"].endswith("no-audience")]
    assert without == [[403], [403]]


def test_with_tokens_alone_limits_and_ended_keys_are_left_out() -> None:
    plan = planned(auth_mode="jwt", keycloak_clients=CLIENTS, users=[])
    assert left_out(plan) == [("limits", NO_NEW_USERS, False), ("expired and removed keys", NO_NEW_USERS, False)]
    (row,) = plan["probe_requests"]
    assert (row["credentials"], row["secret"], plan["secrets"]) == ("token", "keycloak-client-app", [])


def test_the_backend_is_left_out_where_nobody_could_reach_it() -> None:
    nobody = planned(auth_mode="jwt", keycloak_clients=CLIENTS[1:], users=[], verify_only=["backend"])
    assert (nobody["probes"], nobody["backend"], nobody["probe_requests"]) == (False, {}, [])
    assert left_out(nobody)[0][:2] == (
        "headers that a backend gets",
        "no client of the issuer is known whose token would be sent",
    )
    assert left_out(planned(catalogue=[]))[0][1] == "there is no model whose policy would be asked"


def test_check_mode_makes_nothing_and_says_what_it_leaves_out() -> None:
    plan = planned(check_mode=True)
    assert (plan["probes"], plan["secrets"], plan["backend"], plan["probe_requests"]) == (False, [], {}, [])
    why = "they are tried with keys that would have to be made"
    words = ("limits", "headers that a backend gets", "expired and removed keys")
    assert left_out(plan) == [(what, why, True) for what in words]
    assert planned(check_mode=True, verify_only=["access"])["unchecked"] == []
    jwt = planned(check_mode=True, auth_mode="jwt", users=[], verify_only=["limits"])
    assert left_out(jwt) == [("limits", NO_NEW_USERS, False)]


def test_each_tier_is_tried_by_a_user_of_its_own() -> None:
    tiers = [
        {"name": "premium", "groups": ["admin"], "requests": "7/min"},
        {"name": "free", "groups": ["user", "guest"]},
    ]
    plan = planned(verify_only=["limits"], tiers=tiers)
    assert [(row["model"], row["secret"], row["user"], row["burst"]) for row in plan["probe_requests"]] == [
        ("qwen3", "maas-verify-tier-0", "probe-1-premium", 7),
        ("nomic", "maas-verify-tier-0", "probe-1-premium", 7),
        ("qwen3", "maas-verify-tier-1", "probe-1-free", 150),
        ("nomic", "maas-verify-tier-1", "probe-1-free", 20),
    ]
    assert plan["secrets"][1] == {
        "name": "maas-verify-tier-1",
        "namespace": "kuadrant-system",
        "labels": {
            "app": "models-api",
            "authorino.kuadrant.io/managed-by": "authorino",
            "app.kubernetes.io/part-of": "llmops-maas-verify",
        },
        "annotations": {"secret.kuadrant.io/user-id": "probe-1-free", "kuadrant.io/groups": "user,guest"},
        "generate": {"api_key": 43},
    }


def test_a_removed_key_is_asked_for_before_and_after() -> None:
    plan = planned(verify_only=["credentials"])
    assert names(plan["secrets"]) == ["maas-verify-removed", "maas-verify-removed-value", "maas-verify-expired"]
    value = plan["secrets"][1]
    assert value["compose"] == {"value": "${api_key}"}
    assert value["variables_from"] == {"name": "maas-verify-removed", "namespace": "kuadrant-system"}
    assert "app" not in value["labels"]
    assert plan["secrets"][2]["annotations"]["llmops.maas/expires-at"] < "2026"
    before = [(row["model"], row["secret"], row["expected"]) for row in plan["probe_requests"]]
    assert before == [
        ("qwen3", "maas-verify-removed-value", [200]),
        ("qwen3", "maas-verify-expired", [403]),
        ("nomic", "maas-verify-expired", [403]),
    ]
    assert plan["removed_keys"] == [{"name": "maas-verify-removed", "namespace": "kuadrant-system"}]
    after = [(row["model"], row["secret"], row["secret_entry"], row["expected"]) for row in plan["removed_requests"]]
    assert after == [(model, "maas-verify-removed-value", "value", [401]) for model in ("qwen3", "nomic")]


@pytest.mark.parametrize("tiers", [1, 20])
def test_what_is_made_is_among_what_is_removed(tiers: int) -> None:
    given = [{"name": f"t{number}", "groups": ["admin"]} for number in range(tiers)]
    plan = planned(tiers=given)
    assert set(names(plan["secrets"])) <= set(names(plan["leftovers"]))
    assert "maas-verify-tier-15" in names(plan["leftovers"])


def test_the_backend_is_behind_the_policy_of_the_first_model() -> None:
    plan = planned(verify_only=["backend"])
    backend = plan["backend"]
    assert (backend["name"], backend["namespace"], backend["path"]) == ("maas-verify-backend", "llm", "/qwen3")
    assert (backend["route"]["metadata"]["name"], backend["policy"]["spec"]["targetRef"]["name"]) == ("qwen3", "qwen3")
    assert backend["works"]
    assert plan["probe_requests"][0]["secret"] == "maas-verify-backend"
    missing = planned({**objects(), "AuthPolicy": []}, verify_only=["backend"])
    assert not missing["backend"]["works"]
    assert missing["probe_requests"], "its request fails and says so"


def test_a_quick_look_asks_once_for_each_model_and_user_and_tries_one_limit() -> None:
    plan = planned(quick=True, verify_only=["routes"])
    assert plan["sections"] == ["access", "limits"]
    assert [(row["model"], row["kind"], row["user"]) for row in plan["requests"]] == [
        ("qwen3", "chat", "alice"),
        ("qwen3", "chat", "bob"),
        ("nomic", "embeddings", "alice"),
        ("nomic", "embeddings", "bob"),
    ]
    (burst,) = plan["probe_requests"]
    assert (burst["model"], burst["burst"], burst["secret"]) == ("nomic", 20, "maas-verify-tier-0")
    assert names(plan["secrets"]) == ["maas-verify-tier-0"]
    assert plan["results"] == []


def test_a_quick_look_without_limits_or_keys_tries_none() -> None:
    assert planned(quick=True, catalogue=[{**QWEN, "rates": []}])["probe_requests"] == []
    assert planned(quick=True, auth_mode="jwt", users=[])["requests"] == []


@pytest.mark.parametrize(
    ("variables", "held", "url"),
    [
        ({}, objects(), "http://127.100.0.9"),
        ({"gateway_url": "https://gw.example:8443"}, {}, "https://gw.example:8443"),
    ],
)
def test_the_gateway_is_where_it_is_said_to_be_or_found(variables: dict[str, Any], held: Any, url: str) -> None:
    plan = planned(held, verify_only=["seal"], **variables)
    assert (plan["url"], plan["connection"]["url"]) == (url, url)
    assert [row["url"] for row in plan["requests"]] == [url]


def test_a_gateway_that_cannot_be_reached_ends_the_planning() -> None:
    with pytest.raises(VerifyError, match="there is no Gateway yet"):
        planned({})
    with pytest.raises(VerifyError, match="set maas_gateway_url"):
        planned(objects("10.0.0.1"))


def test_the_connection_has_what_the_platform_has() -> None:
    assert planned()["connection"] == {
        "url": "http://127.100.0.9",
        "key_prefix": "APIKEY",
        "keys_namespace": "kuadrant-system",
        "key_labels": {"app": "models-api"},
        "token_url": "",
        "gateway_validate_certs": True,
    }
    more = planned(
        objects(tls=True),
        auth_mode="jwt",
        users=[],
        tls_enabled="true",
        gateway_validate_certs="no",
        gateway_ca_cert="ca.pem",
        api_key_prefix="KEY",
    )["connection"]
    assert more["gateway_ca_secret"] == {"namespace": "llm", "name": "kuadrant-gateway-tls"}
    assert (more["gateway_ca_cert"], more["gateway_validate_certs"], more["key_prefix"]) == ("ca.pem", False, "KEY")
    assert more["clients_namespace"] == "keycloak"


@pytest.mark.parametrize(
    ("dns", "given", "url"),
    [
        (False, "", "http://127.100.0.9:8080/realms/maas/protocol/openid-connect/token"),
        (True, "", ""),
        (False, "http://issuer.example/token\n", "http://issuer.example/token"),
    ],
)
def test_tokens_come_from_where_they_can_be_had(dns: bool, given: str, url: str) -> None:
    more = {"auth_mode": "jwt", "users": [], "verify_token_url": given, "gateway_url": "http://gw"}
    assert planned(objects(), cluster_dns=dns, **more)["connection"]["token_url"] == url
    assert planned({}, cluster_dns=dns, **more)["connection"]["token_url"] == given.strip()


def test_open_routes_and_the_redirect_are_not_probed() -> None:
    probed = {row["name"].split(":")[0] for row in planned(verify_only=["routes"])["requests"]}
    assert probed == {"HTTPRoute llm/qwen3", "HTTPRoute llm/nomic", "HTTPRoute elsewhere/foreign"}
    left = planned(verify_only=["routes"], verify_open_routes=["elsewhere/foreign"])["requests"]
    assert len(left) == 2


def test_the_list_of_models_is_asked_for_where_there_is_one() -> None:
    assert "list" in {row["kind"] for row in planned(verify_only=["access"])["requests"]}
    assert "list" not in {row["kind"] for row in planned(verify_only=["access"], model_list="false")["requests"]}


def test_strict_transport_is_asked_for_with_https_alone() -> None:
    def asked(**variables: Any) -> list[str]:
        return names(planned(objects(tls=True), verify_only=["transport"], **variables)["requests"])

    assert "https with Strict-Transport-Security" in asked(tls_enabled=True)
    assert "https with Strict-Transport-Security" not in asked(tls_enabled=False)


def test_every_kind_of_policy_is_read_and_reported() -> None:
    read = {entry["kind"]: entry for entry in kinds(platform())}
    for policy in POLICIES:
        assert read[policy.kind]["api_version"] == policy.api_version
    limited = planned(verify_only=["policies"], tiers=[{"name": "t", "groups": [], "requests": "1/s", "tokens": "1/s"}])
    reported = {row["name"].split(" of ")[0] for row in limited["results"] if row["model"] == NOMIC["name"]}
    assert reported == {policy.kind for policy in POLICIES}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"verify_only": ["acces"]}, "maas_verify_only: acces is none of policies, failure_modes"),
        ({"users": []}, "maas_users: name at least one user, whose key the requests carry"),
        ({"verify_expected": {"admin": {"talk": 200}}}, "maas_verify_expected.admin: unknown kind talk"),
        ({"verify_exceptions": [{"model": "x"}]}, "maas_verify_exceptions[0]: needs expected"),
        ({"tls_enabled": "perhaps"}, "maas_tls_enabled: 'perhaps' is not a boolean"),
        (
            {"keycloak_enabled": True, "keycloak_clients": [{"name": "c", "groups": ["nobody"]}]},
            "maas_keycloak_clients[0] (c).groups[0]: 'nobody' is not in maas_groups",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_before_anything_is_read(variables: dict[str, Any], message: str) -> None:
    with pytest.raises(VerifyError) as error:
        kinds(platform(**variables))
    assert message in str(error.value)


def test_names_of_groups_are_the_same_with_and_without_a_slash() -> None:
    tiers = [{"name": "all", "groups": ["/admin", "readonly"]}]
    users = [{"name": "alice", "groups": ["/admin"]}]
    exceptions = [{"group": "/admin", "kind": "chat", "expected": 404}]
    plan = planned(
        verify_expected={"/admin": dict.fromkeys(all_kinds(), 200)},
        verify_exceptions=exceptions,
        verify_probe_groups=["/admin"],
        tiers=tiers,
        users=users,
    )
    assert [row["expected"] for row in plan["requests"] if row["name"] == "qwen3 chat as alice"] == [[404]]
    groups = {
        entry["name"]: entry["annotations"]["kuadrant.io/groups"] for entry in plan["secrets"] if "annotations" in entry
    }
    assert (groups["maas-verify-expired"], groups["maas-verify-tier-0"]) == ("admin", "admin,readonly")


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_status_that_the_inventory_lacks_is_named_before_anything_is_made(case: str) -> None:
    statuses = {name: 401 for name in CASES if name != case}
    with pytest.raises(VerifyError, match=f"maas_verify_credentials: has no status for {case}; add it"):
        planned(auth_mode="both", keycloak_clients=CLIENTS, verify_credentials=statuses)
