# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups and tiers: what is refused, and what the expressions that come of them say, evaluated as CEL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cel
import pytest
import yaml
from ansible.errors import AnsibleFilterError
from cel.stdlib import add_stdlib_to_context
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.filter.access import access
from ansible_collections.llmops.maas.plugins.filter.model_list import model_list
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.catalogue import normalise

CHECKOUT = Path(__file__).resolve().parents[3]
DEFAULTS = yaml.safe_load((CHECKOUT / "roles/maas/defaults/main/platform.yml").read_text())
SEED = yaml.safe_load((CHECKOUT / "inventories/embedded/group_vars/all/models.yml").read_text())["maas_models"]
CATALOGUE = normalise(SEED, {"vllm-latest": {}}, "maas_models")
QWEN = "qwen3-0-6b-instruct"
GROUPS = [{"name": "staff"}, {"name": "guests"}]
TIERS = [{"name": "high", "groups": ["staff"]}, {"name": "low", "groups": ["guests"]}]


def rules(groups: Any = None, tiers: Any = None, **options: Any) -> dict[str, dict[str, Any]]:
    """The filter's entries by model, with the variable ``groups`` in the place of the identity."""
    chosen = DEFAULTS["maas_groups"] if groups is None else groups, DEFAULTS["maas_tiers"] if tiers is None else tiers
    made = access(CATALOGUE, *chosen, identity_groups="groups", **options)
    return {entry["name"]: entry for entry in made}


def evaluate(expression: str, groups: str, method: str = "GET", path: str = "/") -> Any:
    context = cel.Context()
    add_stdlib_to_context(context)
    context.add_variable("groups", groups)
    context.add_variable("request", {"method": method, "url_path": path})
    return cel.evaluate(expression, context)


# Written out by hand: what the four groups of the demonstration may do with the first model.
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/qwen3/v1/chat/completions", {"admin", "developer", "user"}),
        ("POST", "/qwen/completions", {"admin", "developer", "user"}),
        ("GET", "/qwen3/v1/models", {"admin", "developer", "user", "readonly"}),
        ("GET", "/qwen/models", {"admin", "developer", "user", "readonly"}),
        ("GET", "/qwen3/metrics", {"admin", "developer", "readonly"}),
        ("POST", "/qwen3/v1/models", {"admin"}),
        ("GET", "/qwen3/v1/chat/completions", {"admin"}),
        ("POST", "/qwen3/v1/responses", {"admin"}),
        ("POST", "/qwen3/v1/load_lora_adapter", {"admin"}),
        ("POST", "/qwen3//v1/chat/completions", {"admin"}),
        ("POST", "/qwen3/v1/embeddings", {"admin"}),
    ],
)
def test_who_may_do_what_by_default(method: str, path: str, allowed: set[str]) -> None:
    expression = rules()[QWEN]["allowed"]
    found = {
        group
        for group in ("admin", "developer", "user", "readonly", "other", "")
        if evaluate(expression, group, method, path)
    }
    assert found == allowed


def test_groups_are_compared_as_a_whole_and_any_of_them_counts() -> None:
    expression = rules()[QWEN]["allowed"]
    chat = ("POST", "/qwen3/v1/chat/completions")
    assert evaluate(expression, "readonly,user", *chat)
    for group in ("superuser", "user2", "use", "User", " user", "readonly"):
        assert not evaluate(expression, group, *chat), group


def test_a_group_may_use_its_models_alone() -> None:
    made = rules([{"name": "staff", "models": [QWEN]}], [{"name": "one", "groups": ["staff"]}])
    assert evaluate(made[QWEN]["allowed"], "staff", "POST", "/qwen/v1/chat/completions")
    assert made["mistral-7b-instruct"]["allowed"] == "false"


def listed(groups: str, table: Any = None) -> list[str] | None:
    """Names in the list of models for a caller of these groups; None when the caller may not ask."""
    chosen = DEFAULTS["maas_groups"] if table is None else table
    tiers = [{"name": "one", "groups": [group["name"] for group in chosen]}]
    made = model_list(CATALOGUE, "list", chosen, tiers, identity_groups="groups")
    if not evaluate(made["allowed"], groups):
        return None
    content = json.loads(evaluate(made["list"], groups))
    assert content["object"] == "list"
    assert all(entry["object"] == "model" and entry["base_path"].endswith("/v1") for entry in content["data"])
    return [entry["id"] for entry in content["data"]]


def test_the_list_of_models_holds_what_the_callers_groups_may_list() -> None:
    everything = [name for model in CATALOGUE for name in model["served_names"]]
    assert len(everything) == 8
    assert [listed(group) for group in ("admin", "user", "readonly", "other", "")] == [everything] * 3 + [None] * 2
    table = [
        {"name": "qwen", "endpoints": ["models"], "models": [QWEN]},
        {"name": "mistral", "endpoints": ["all"], "models": ["mistral-7b-instruct"]},
        {"name": "silent", "endpoints": ["inference"]},
    ]
    qwen, mistral = ["qwen3-0-6b-instruct", "qwen"], ["mistral-7b-instruct", "mistral"]
    found = [listed(groups, table) for groups in ("qwen", "mistral", "silent,mistral,qwen", "silent")]
    assert found == [qwen, mistral, qwen + mistral, None]


@pytest.mark.parametrize(
    ("catalogue", "name", "limits", "message"),
    [
        (CATALOGUE, QWEN, "", f"maas_models ({QWEN}): this name is taken by the list of models"),
        (CATALOGUE, "list", "60/day", "maas_model_list_limits: '60/day': Kuadrant has no unit for days"),
        (CATALOGUE * 50, "list", "", "/v1/models can answer with 32768 at most; set maas_model_list to false"),
    ],
)
def test_a_list_that_cannot_be_is_refused(catalogue: Any, name: str, limits: str, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        model_list(catalogue, name, DEFAULTS["maas_groups"], DEFAULTS["maas_tiers"], limits)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("groups", "tier"),
    [
        ("admin", "premium"),
        ("developer", "standard"),
        ("user,developer", "standard"),
        ("readonly", "free"),
        ("x", ""),
        ("", ""),
    ],
)
def test_the_best_tier_of_the_groups_counts(groups: str, tier: str) -> None:
    assert evaluate(rules()[QWEN]["tier"], groups) == tier


def numbers(limits: dict[str, Any]) -> dict[str, list[tuple[int, str]]]:
    return {name: [(rate["limit"], rate["window"]) for rate in limit["rates"]] for name, limit in limits.items()}


def test_limits_by_default() -> None:
    made = rules()
    seed = {QWEN: 150, "granite-8b-code-instruct-128k": 100, "mistral-7b-instruct": 50, "nomic-embed-text-v1-5": 200}
    for model, limit in seed.items():
        assert numbers(made[model]["request_limits_by_tier"]) == {
            "requests-premium": [(limit, "1m"), (limit * 10, "1h")],
            "requests-standard": [(limit, "1m"), (limit * 10, "1h")],
            "requests-free": [(limit // 2, "1m"), (limit * 5, "1h")],
        }
        tokens = numbers(made[model]["token_limits_by_tier"])
        assert tokens == {"tokens-standard": [(500000, "1m")], "tokens-free": [(50000, "1m")]}


def test_limits_count_each_user_of_the_tier_and_tokens_only_where_answers_have_usage() -> None:
    made = rules()[QWEN]
    limit = made["request_limits_by_tier"]["requests-free"]
    assert limit["when"] == [{"predicate": 'auth.identity.tier == "free"'}]
    assert limit["counters"] == [{"expression": "auth.identity.userid"}]
    tier, usage = [item["predicate"] for item in made["token_limits_by_tier"]["tokens-free"]["when"]]
    assert tier == 'auth.identity.tier == "free"'
    # Whatever way the path is written, and after the route has rewritten it.
    for path in ("/qwen3/chat/completions", "/qwen3/v1/chat%2Fcompletions", "/v1/chat/completions"):
        assert evaluate(usage, "", "POST", path)
    assert not evaluate(usage, "", "GET", "/qwen3/v1/models")


def test_own_limits_of_a_tier_replace_those_of_the_models() -> None:
    made = rules(GROUPS, [{"name": "all", "groups": ["staff", "guests"], "requests": "7/min"}])
    assert {str(numbers(entry["request_limits_by_tier"])) for entry in made.values()} == {
        "{'requests-all': [(7, '1m')]}"
    }
    assert not any(entry["token_limits_by_tier"] for entry in made.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": [{"name": "a,b"}]}, "maas_groups[0] (a,b).name: use letters"),
        ({"groups": [{}]}, "maas_groups[0]: give it a name"),
        ({"groups": [*GROUPS, {"name": "staff"}]}, "maas_groups[2] (staff).name: is used by an entry before"),
        (
            {"groups": [{"name": "a", "model": []}]},
            "(a): unknown field model; known are endpoints, models",
        ),
        (
            {"groups": [{"name": "a", "models": ["gpt"]}]},
            "maas_groups[0] (a).models[0]: 'gpt' is not known; known",
        ),
        (
            {"groups": [{"name": "a", "models": QWEN}]},
            "(a).models: 'qwen3-0-6b-instruct' must be a list",
        ),
        (
            {"groups": [{"name": "a", "endpoints": ["chat"]}]},
            "(a).endpoints[0]: 'chat' is not known; known are",
        ),
        ({"groups": [{"name": "a", "endpoints": []}]}, "maas_groups[0] (a).endpoints: name at least one of inference"),
        ({"groups": [*GROUPS, {"name": "new"}]}, "maas_groups[2] (new): is in no tier; add it to the groups of one"),
        (
            {"tiers": [*TIERS, {"name": "x", "groups": ["staff"]}]},
            "(x).groups[0]: staff is in the tier high",
        ),
        ({"tiers": [*TIERS, {"name": "x", "groups": ["no"]}]}, "maas_tiers[2] (x).groups[0]: 'no' is not known"),
        ({"tiers": [*TIERS, {"name": "low"}]}, "maas_tiers[2] (low).name: is used by an entry before"),
        ({"tiers": [*TIERS, {"name": "A b"}]}, "maas_tiers[2] (A b).name: use lower-case letters"),
        (
            {"tiers": [*TIERS, {"name": "x", "requests": "5/day"}]},
            "(x).requests: '5/day': Kuadrant has no unit",
        ),
        ({"tiers": [*TIERS, {"name": "x", "tokens": "5/fortnight"}]}, "(x).tokens: '5/fortnight' has the unknown unit"),
        ({"tiers": [*TIERS, {"name": "x", "requests_factor": 0}]}, "(x).requests_factor: 0 must be a number above 0"),
        ({"tiers": [*TIERS, {"name": "x", "requests_factor": "2"}]}, "(x).requests_factor: '2' must be a number"),
        (
            {"tiers": [*TIERS, {"name": "x", "requests": "5/min", "requests_factor": 2}]},
            "(x): requests replaces",
        ),
        (
            {"users": [{"name": "u", "groups": ["nobody"]}]},
            "maas_users[0] (u).groups[0]: 'nobody' is not in",
        ),
        ({"users": [{"name": "u"}]}, "maas_users[0] (u).groups: name at least one group; known are staff, guests"),
    ],
)
def test_mistakes_are_refused_with_their_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        rules(**{"groups": GROUPS, "tiers": TIERS, **change})
    assert message in str(caught.value)


@given(st.lists(st.sampled_from(["staff", "guests", "others"]), max_size=4), st.floats(0.001, 1000))
def test_whoever_gets_in_has_a_tier_with_limits(groups: list[str], factor: float) -> None:
    tiers = [{**TIERS[0], "requests_factor": factor}, TIERS[1]]
    made = rules(GROUPS, tiers)[QWEN]
    joined = ",".join(groups)
    tier = evaluate(made["tier"], joined)
    assert evaluate(made["allowed"], joined, "POST", "/qwen3/v1/chat/completions") == bool(tier)
    limits = made["request_limits_by_tier"]
    assert not tier or all(rate["limit"] >= 1 for rate in limits[f"requests-{tier}"]["rates"])


def test_names_that_yaml_reads_as_numbers_are_their_text() -> None:
    groups: list[dict[str, Any]] = [{"name": 100}, {"name": "200", "models": []}]
    tiers: list[dict[str, Any]] = [{"name": "all", "groups": ["100", 200]}]
    found = rules(groups, tiers, users=[{"name": 1001, "groups": [100, "200"]}])
    entry = next(iter(found.values()))
    assert 'g in ["100", "200"]' in entry["allowed"]
    assert evaluate(entry["tier"], "100") == "all"
