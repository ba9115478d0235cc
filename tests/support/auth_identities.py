# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who callers may be, and what each mode has to make of them: a table that two engines evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.api_key import not_expired
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.jwt import JwtMethod
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.method import Identities
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.methods import Authentication

ISSUER = "https://sso.example.com/realms/maas"
KNOWN: dict[str, Any] = {"issuer_url": ISSUER, "oidc_audience": "maas-api", "oidc_role": "api-user"}
GOOD = {"iss": ISSUER, "aud": "maas-api", "sub": "u-1", "realm_access": {"roles": ["api-user"]}}


@dataclass(frozen=True)
class Question:
    """An expression, what Authorino knows, and the value (None: it has none, so that the request is refused)."""

    name: str
    expression: str
    facts: dict[str, Any]
    value: Any


def key(**annotations: str) -> dict[str, Any]:
    names = {"user": "secret.kuadrant.io/user-id", "groups": "kuadrant.io/groups", "end": "llmops.maas/expires-at"}
    found = {names[name]: value for name, value in annotations.items()}
    metadata = {"name": "api-key-alice", "labels": {"app": "models-api"}}
    return {"metadata": {**metadata, **({"annotations": found} if found else {})}, "data": {"api_key": "c2VjcmV0"}}


def token(*without: str, **claims: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **claims}.items() if name not in without}


NO_METADATA = {"data": {"api_key": "c2VjcmV0"}}
KEYS = [
    ("a key", key(user="alice", groups="admin,user"), "alice", "admin,user"),
    ("a key without groups", key(user="alice"), "alice", ""),
    ("a key without a user", key(groups="admin"), "", "admin"),
    ("a key without annotations", key(), "", ""),
    ("a key without metadata", NO_METADATA, "", ""),
    ("a key of a user with odd letters", key(user='é"\\\n', groups="a"), 'é"\\\n', "a"),
]
TOKENS = [
    ("a token", token(groups=["admin", "user"]), "u-1", "admin,user"),
    ("a token without groups", token(), "u-1", ""),
    ("a token with an empty list of groups", token(groups=[]), "u-1", ""),
    ("a comma in a group's name", token(groups=["admin,user", "readonly"]), "u-1", "readonly"),
    ("groups by their full paths", token(groups=["/developer", "/team/admin"]), "u-1", "developer,team/admin"),
    ("a path with a comma", token(groups=["/admin,user", "x"]), "u-1", "x"),
    ("two slashes", token(groups=["//admin"]), "u-1", "/admin"),
    ("groups as one text", token(groups="admin"), "u-1", None),
    ("groups that are numbers", token(groups=[1, "admin"]), "u-1", None),
    # What a key has says nothing about a token.
    ("a token with annotations", {**token(groups=["user"]), **key(user="root", groups="admin")}, "u-1", "user"),
]
CLAIMS = [
    ("groups", token(groups=["a"]), "a"),
    ("realm_access.roles", token(realm_access={"roles": ["api-user", "a"]}), "api-user,a"),
    ("realm_access.roles", token("realm_access"), ""),
    ("realm_access.roles", token(realm_access={}), ""),
    # Not the claim that has the dot in its own name.
    ("realm_access.roles", {**token("realm_access"), "realm_access.roles": ["a"]}, ""),
    ("resource_access.my-client.roles", token(resource_access={"my-client": {"roles": ["a"]}}), "a"),
    (r"resource_access.my\.client.roles", token(resource_access={"my.client": {"roles": ["a"]}}), "a"),
    ("https://example.com/groups", {**token(), "https://example.com/groups": ["a"]}, "a"),
    ("cognito:groups", {**token(), "cognito:groups": ["a"]}, "a"),
    ('od"d', {**token(), 'od"d': ["a"]}, "a"),
    ("grüße", {**token(), "grüße": ["a"]}, "a"),
    ("a\U0001f600", {**token(), "a\U0001f600": ["a"]}, "a"),
]
RULES: list[tuple[str, dict[str, Any], bool, dict[str, Any]]] = [
    ("a good token", token(), True, {}),
    ("another issuer", token(iss="https://other.example.com"), False, {}),
    ("an issuer that begins alike", token(iss=f"{ISSUER}2"), False, {}),
    ("no issuer", token("iss"), False, {}),
    ("a slash more in the token", token(iss=f"{ISSUER}/"), True, {}),
    ("a slash more in the variable", token(), True, {"issuer_url": f"{ISSUER}/"}),
    ("a slash in both", token(iss=f"{ISSUER}/"), True, {"issuer_url": f"{ISSUER}/"}),
    ("several audiences", token(aud=["account", "maas-api"]), True, {}),
    ("one audience in a list", token(aud=["maas-api"]), True, {}),
    ("another audience", token(aud="account"), False, {}),
    ("an audience that begins alike", token(aud="maas-api2"), False, {}),
    ("other audiences", token(aud=["account", "maas-api2"]), False, {}),
    ("an empty list of audiences", token(aud=[]), False, {}),
    ("no audience", token("aud"), False, {}),
    ("another role", token(realm_access={"roles": ["user"]}), False, {}),
    ("no roles", token(realm_access={}), False, {}),
    ("no realm_access", token("realm_access"), False, {}),
    ("a role that is part of a text", token(realm_access={"roles": "api-user"}), False, {}),
    ("no role asked for", token("realm_access"), True, {"oidc_role": ""}),
    ("an odd audience", token(aud='a"\\é\U0001f600'), True, {"oidc_audience": 'a"\\é\U0001f600'}),
    ("an audience that would be CEL", token(), False, {"oidc_audience": '" || true || "'}),
    ("a role that would be CEL", token(), False, {"oidc_role": '" in ["x"] || "'}),
    ("an issuer that would be CEL", token(iss="x"), False, {"issuer_url": '"] || ["'}),
]
# The request is of 2026-01-01T00:00:00Z.
NOW = 1767225600
ENDS = [
    ("a key that ends later", key(user="a", end="2026-01-01T00:00:01Z"), True),
    ("a key that ends now", key(user="a", end="2026-01-01T00:00:00Z"), False),
    ("a key that has ended", key(user="a", end="2020-01-01T00:00:00Z"), False),
    ("a key that never ends", key(user="a"), True),
    ("a key without annotations", key(), True),
    ("a key with no moment", key(user="a", end="soon"), None),
    ("a token", token(), True),
]


def questions() -> list[Question]:
    """All of the table."""
    found = []
    for modes, rows in ((("api_key", "both"), KEYS), (("jwt", "both"), TOKENS)):
        for mode in modes:
            made = Authentication(mode, Identities(**KNOWN))
            for name, identity, user, groups in rows:
                facts = {"auth": {"identity": identity}}
                found.append(Question(f"{mode}: user of {name}", made.user(), facts, user))
                found.append(Question(f"{mode}: groups of {name}", made.groups(), facts, groups))
                known = made.authorization()["user-known"]["patternMatching"]["patterns"][0]["predicate"]
                found.append(Question(f"{mode}: is {name} somebody's", known, facts, user != ""))
    for claim, identity, groups in CLAIMS:
        expression = JwtMethod(Identities(oidc_groups_claim=claim)).groups()
        found.append(Question(f"groups in {claim}", expression, {"auth": {"identity": identity}}, groups))
    for name, identity, holds, more in RULES:
        rules = JwtMethod(Identities(**{**KNOWN, **more})).rules()
        facts = {"auth": {"identity": identity}}
        found.append(Question(f"token: {name}", " && ".join(f"({rule})" for rule in rules), facts, holds or None))
    for name, identity, holds in ENDS:
        facts = {"auth": {"identity": identity}, "request": {"time": {"seconds": NOW}}}
        found.append(Question(f"end of {name}", not_expired(), facts, holds))
    found.append(Question("end, and no time", not_expired(), {"auth": {"identity": ENDS[0][1]}, "request": {}}, None))
    return found
