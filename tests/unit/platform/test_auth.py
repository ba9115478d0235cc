# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How callers show who they are: CEL for each mode, evaluated; rules, help and what the role waits for."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.filter.auth_plan import auth_plan
from ansible_collections.llmops.maas.plugins.modules.gateway_check import DOCUMENTATION as GATEWAY_CHECK
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import cel
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth import methods
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.jwt import claim_path
from tests.support.auth_identities import Question, questions
from tests.support.auth_platform import CHECKOUT, MODES, expressions, planned, variables
from tests.support.cel_engine import evaluate

DEFAULTS = yaml.safe_load((CHECKOUT / "roles/maas/defaults/main/verification.yml").read_text())
SPEC = yaml.safe_load((CHECKOUT / "roles/maas/meta/argument_specs.yml").read_text())["argument_specs"]["platform"][
    "options"
]


@pytest.mark.parametrize("item", questions(), ids=lambda item: item.name)
def test_what_policies_make_of_an_identity(item: Question) -> None:
    found = evaluate(item.expression, item.facts)
    # What has no value is refused, as what is false.
    assert (found or None) == (item.value or None)


# What the Python engine also takes, and Authorino does not: what it has no value for, it writes otherwise.
@pytest.mark.parametrize("mode", MODES)
def test_optional_fields_are_asked_for_in_the_words_of_cel_go(mode: str) -> None:
    for text in expressions(planned(mode)):
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
        assert not re.search(r"\b(get|getOrDefault|optional|default)\(", bare), text
        assert bare.count(".orValue(") + bare.count(".hasValue()") == len(
            re.findall(r"auth\.identity(?=\.\?|\[\?)", bare)
        )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_quoted_text_is_that_text(text: str) -> None:
    assert evaluate(cel.quoted(text), {}) == text
    assert evaluate(f"[{cel.quoted(text)}] == {cel.quoted_list([text])}", {}) is True


@pytest.mark.parametrize(
    "text", ['"', "\\", "\n\r\t\0", "\u2028", "é", "\U0001f600", "a/b", "\x7f", "'", "${x}", "{{ x }}"]
)
def test_odd_texts_are_quoted_for_every_reader_of_cel(text: str) -> None:
    literal = cel.quoted(text)
    assert evaluate(literal, {}) == text
    # CEL knows no surrogates, and no escaped slash.
    assert not re.search(r"\\ud[89a-f]|\\/", literal)
    assert json.loads(literal) == text


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="half of a character"):
        cel.quoted("a\ud83d")


@pytest.mark.parametrize(
    ("claim", "path"),
    [
        ("groups", ["groups"]),
        ("realm_access.roles", ["realm_access", "roles"]),
        (r"resource_access.my\.client.roles", ["resource_access", "my.client", "roles"]),
        ("https://example.com/claims.groups", ["https://example.com/claims.groups"]),
    ],
)
def test_dots_in_the_name_of_a_claim_nest_it(claim: str, path: list[str]) -> None:
    assert claim_path(claim) == path


@pytest.mark.parametrize(
    ("mode", "names", "ways"),
    [
        ("api_key", {"api-key-users"}, "Send a valid key as: Authorization: APIKEY <key>"),
        ("jwt", {"jwt-users"}, "Send a valid token as: Authorization: Bearer <token>"),
        (
            "both",
            {"api-key-users", "jwt-users"},
            "Send a valid key as: Authorization: APIKEY <key>, or a token as: Authorization: Bearer <token>",
        ),
    ],
)
def test_who_is_not_known_reads_how_to_show_it(mode: str, names: set[str], ways: str) -> None:
    plan = planned(mode)
    assert set(plan["authentication"]) == names
    assert json.loads(plan["unauthenticated"])["error"] == {"message": ways, "type": "unauthenticated"}


@pytest.mark.parametrize(("mode", "what"), [("api_key", "key"), ("jwt", "token"), ("both", "key or token")])
def test_who_may_not_do_that_reads_so(mode: str, what: str) -> None:
    message = json.loads(planned(mode)["unauthorized"])["error"]["message"]
    assert message == f"This {what} has expired or may not do that with this model."


def test_rules_for_tokens_leave_keys_alone_where_both_are_taken() -> None:
    assert "token-for-this" not in planned("api_key")["authorization"]
    assert "when" not in planned("jwt")["authorization"]["token-for-this"]
    (when,) = planned("both")["authorization"]["token-for-this"]["when"]
    for header, of_token in (
        ("Bearer a.b.c", True),
        ("APIKEY abc", False),
        ("bearer abc", False),
        ("Bearers abc", False),
    ):
        assert evaluate(when["predicate"], {"request": {"headers": {"authorization": header}}}) is of_token


@pytest.mark.parametrize("prefix", ["Bearer", "Bearer x"])
def test_a_key_that_would_be_taken_for_a_token_is_refused_first(prefix: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        planned("both", api_key_prefix=prefix)
    assert f"maas_api_key_prefix: {prefix!r} cannot be told from 'Bearer'" in str(error.value)
    assert "choose another, such as APIKEY" in str(error.value)
    for mode in ("api_key", "jwt"):
        assert planned(mode, api_key_prefix=prefix)
    for other in ("bearer", "Bearers", "APIKEY"):
        assert planned("both", api_key_prefix=other)


def test_a_mode_that_is_none_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="maas_auth_mode: 'mtls' is none of api_key, jwt, both"):
        planned("mtls")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"oidc_issuer_url": "https://sso"}, {"issuerUrl": "https://sso"}),
        ({"oidc_issuer_url": "https://sso/"}, {"issuerUrl": "https://sso/"}),
        ({"oidc_issuer_url": "https://sso", "oidc_jwks_url": "https://sso/keys"}, {"jwksUrl": "https://sso/keys"}),
    ],
)
def test_keys_of_an_issuer_are_where_it_says(changes: dict[str, str], where: dict[str, str]) -> None:
    plan = planned("jwt", keycloak_enabled=False, **changes)
    assert plan["authentication"]["jwt-users"]["jwt"] == where


@pytest.mark.parametrize(("dns", "host"), [(True, "keycloak.keycloak.svc.cluster.local"), (False, "127.100.0.3")])
def test_keys_of_the_deployed_keycloak_are_asked_for_inside_of_the_cluster(dns: bool, host: str) -> None:
    keycloak = {"metadata": {"name": "keycloak"}, "spec": {"clusterIP": "127.100.0.3"}}
    platform = variables(auth_mode="jwt", cluster_dns=dns, keycloak_url="https://sso.example.com/")
    plan = auth_plan(platform, found=[[], [], [keycloak]])
    keys = f"http://{host}:8080/realms/maas/protocol/openid-connect/certs"
    assert plan["authentication"]["jwt-users"]["jwt"] == {"jwksUrl": keys}
    (issuer, *_rest) = plan["authorization"]["token-for-this"]["patternMatching"]["patterns"]
    assert "https://sso.example.com/realms/maas" in issuer["predicate"]
    assert "//realms" not in issuer["predicate"]


def kinds(plan: dict[str, Any]) -> list[str]:
    return [item["kind"] for item in plan["wanted"] if "label_selector" in item]


def test_only_policies_that_some_model_has_are_waited_for() -> None:
    assert kinds(planned("api_key")) == ["HTTPRoute", "AuthPolicy", "RateLimitPolicy", "TokenRateLimitPolicy"]
    tiers = [{"name": "all", "groups": ["admin", "developer", "user", "readonly"]}]
    catalogue = [{**model, "rates": []} for model in variables()["catalogue"]]
    without = {"catalogue": catalogue, "tiers": tiers}
    # The list of models has limits of its own.
    assert kinds(planned("api_key", **without)) == ["HTTPRoute", "AuthPolicy", "RateLimitPolicy"]
    assert kinds(planned("api_key", **without, model_list=False)) == ["HTTPRoute", "AuthPolicy"]


def test_what_else_is_waited_for() -> None:
    plan = planned("api_key", tls_enabled=True)
    named = [(item["kind"], item["name"]) for item in plan["wanted"] if "name" in item]
    assert named == [("HTTPRoute", "https-redirect"), ("AuthPolicy", "https-redirect"), ("Deployment", "model-list")]
    assert plan["listeners"] == {"serving": ["https"], "redirecting": ["http"]}
    assert [item["name"] for item in planned("api_key")["wanted"] if "name" in item] == ["model-list"]


def test_groups_by_their_full_paths_are_the_same_groups() -> None:
    groups = [{**group, "name": f"/{group['name']}"} for group in variables()["groups"]]
    tiers = [{**tier, "groups": [f"/{name}" for name in tier["groups"]]} for tier in variables()["tiers"]]
    assert planned("jwt", groups=groups, tiers=tiers) == planned("jwt")


def test_modes_are_those_of_the_variable_and_credentials_those_of_the_verification() -> None:
    assert list(methods.MODES) == SPEC["maas_auth_mode"]["choices"]
    known = {item.name for mode in methods.MODES for item in methods.wrong_credentials(mode)}
    assert known == set(DEFAULTS["maas_verify_credentials"])
    options = yaml.safe_load(GATEWAY_CHECK)["options"]["requests"]["suboptions"]
    sent = {item.sent for mode in methods.MODES for item in methods.wrong_credentials(mode)}
    assert sent <= set(options["credentials"]["choices"])
