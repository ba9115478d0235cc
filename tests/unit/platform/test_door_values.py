# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the door converts: text of AWX and ``-e name=value``, and what YAML takes for something else than text."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.convert import INVALID, convert
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.plain import plain
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.spec import Variable
from tests.support.door_inputs import QWEN, STRONG_KEY, model, problem, read, values


@pytest.mark.parametrize(("text", "meant"), [("false", False), ("No", False), (" yes\n", True), (0, False)])
def test_booleans_may_be_text(text: Any, meant: bool) -> None:
    assert values(teardown_data=text)["teardown_data"] is meant
    assert values(models=[{**QWEN, "enabled": text}])["models"][0]["enabled"] is meant


@pytest.mark.parametrize("wrong", ["flase", "", None, 2, [], "y"])
def test_what_is_no_boolean_is_refused(wrong: Any) -> None:
    assert problem(teardown_data=wrong).startswith("maas_teardown_data: ")
    assert problem(models=[{**QWEN, "enabled": wrong}]).startswith("maas_models[0].enabled: ")


@pytest.mark.parametrize("given_as", [2, "2", " 2 ", 2.0])
def test_numbers_may_be_text(given_as: Any) -> None:
    assert values(gateway_replicas=given_as)["gateway_replicas"] == 2
    assert values(gateway_replicas=given_as)["gateway_replicas"].__class__ is int


@pytest.mark.parametrize("wrong", ["two", "2.5", 2.5, True, [2], "", "10m"])
def test_what_is_no_whole_number_is_refused(wrong: Any) -> None:
    assert "maas_timeout: " in problem(timeout=wrong)
    assert "is not a whole number" in problem(timeout=wrong)


@pytest.mark.parametrize("given_as", [0.5, "0.5", " 0.5\n"])
def test_factors_may_be_text(given_as: Any) -> None:
    tiers = [{"name": "all", "groups": ["admin", "developer", "user", "readonly"], "requests_factor": given_as}]
    assert values(tiers=tiers)["tiers"][0]["requests_factor"] == 0.5


@pytest.mark.parametrize(
    ("variable", "text", "entries"),
    [
        ("hostnames", "models.example.com", ["models.example.com"]),
        ("verify_hidden_paths", "/metrics", ["/metrics"]),
        ("verify_unauthenticated", "401", [401]),
        ("verify_unauthenticated", 401, [401]),
        ("key_users", 1001, ["1001"]),
        ("hostnames", '["a.example.com", "b.example.com"]', ["a.example.com", "b.example.com"]),
        ("hostnames", "- a.example.com\n- b.example.com", ["a.example.com", "b.example.com"]),
        ("cors_origins", "", []),
        ("cors_origins", None, []),
    ],
)
def test_a_single_value_is_a_list_of_one_and_never_of_letters(variable: str, text: Any, entries: list[Any]) -> None:
    assert values(**{variable: text})[variable] == entries


def test_fields_of_models_that_are_lists_may_be_a_single_text() -> None:
    found = model(served_names="q", args="--max-model-len=8192", paths="/qwen3")
    assert found["served_names"] == ["qwen", "q"]
    assert found["args"] == ["--max-model-len=8192"]
    assert found["paths"] == ["/qwen3"]
    assert model(args="-x,--y")["args"] == ["-x,--y"]


def test_lists_and_dictionaries_may_be_json_or_yaml_as_surveys_of_awx_give_them() -> None:
    assert values(models=json.dumps([QWEN]))["catalogue"][0]["name"] == "qwen"
    assert values(users="- name: 1001\n  groups: user\n")["users"] == [{"name": "1001", "groups": ["user"]}]
    assert values(users={"name": "a", "groups": "user"})["users"][0]["groups"] == ["user"]
    assert values(local_ports='{"gateway": "8001"}')["local_ports"]["gateway"] == 8001
    assert values(issuer="{type: ca, ca_secret: mine}")["issuer"] == {
        "name": "maas-issuer",
        "type": "ca",
        "ca_secret": "mine",
    }


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"hostnames": "[a"}, "maas_hostnames: '[a' is not a list, also not as JSON or YAML"),
        ({"models": "qwen"}, "maas_models: 'qwen' is not a list, also not as JSON or YAML"),
        ({"models": ["qwen"]}, "maas_models[0]: 'qwen' is not a dictionary, also not as JSON or YAML"),
        ({"models": [None]}, "maas_models[0]: is empty; remove it"),
        ({"models": [{}]}, "maas_models[0].name: is missing; set it"),
        ({"s3": "s3.example.com"}, "maas_s3: the value is not a dictionary, also not as JSON or YAML"),
        ({"users": f"oops {STRONG_KEY}"}, "maas_users: the value is not a list, also not as JSON or YAML"),
        ({"namespace": ["llm"]}, "maas_namespace: a list is not a text"),
        ({"namespace": True}, "maas_namespace: True is read as a boolean; write the text in quotes"),
        ({"auth_mode": "keys"}, "maas_auth_mode: 'keys' is not one of api_key, jwt, both"),
        ({"auth_mode": "both "}, ""),
        ({"verify_only": ["acess"]}, "maas_verify_only[0]: 'acess' is not one of policies, "),
        ({"hostnames": [["a"]]}, "maas_hostnames[0]: a list is not a text"),
    ],
)
def test_mistakes_name_their_place(variables: dict[str, Any], message: str) -> None:
    found = read(**variables).problems
    assert (found == []) if not message else found[0].startswith(message), found
    assert STRONG_KEY not in str(found)


def test_a_path_inside_a_variable_names_every_step() -> None:
    entries = [QWEN, {**QWEN, "name": "b"}, {**QWEN, "name": "c", "args": ["--x", ["y"]]}]
    assert problem(models=entries) == "maas_models[2].args[1]: a list is not a text"


# --- text where Kubernetes wants text -------------------------------------------------------------------------------


def test_numbers_and_booleans_become_text_where_kubernetes_wants_text() -> None:
    found = model(
        args=["--max-model-len", 8192, "--trust", True],
        node_selector={"gpu": True, "zone": 1},
        cpu=2,
        env={"VLLM_USE_V1": True, "THREADS": 4, "RATIO": 0.5, "NAME": " kept "},
    )
    assert found["args"] == ["--max-model-len", "8192", "--trust", "true"]
    assert found["node_selector"] == {"gpu": "true", "zone": "1"}
    assert found["env"] == {"VLLM_USE_V1": "true", "THREADS": "4", "RATIO": "0.5", "NAME": " kept "}
    assert found["resources"]["cpu"] == "2"
    keys = values(api_keys=[{"user": 1001, "labels": {"cost-center": 4711, 5: False}}])["api_keys"]
    assert keys[0]["labels"] == {"cost-center": "4711", "5": "false"}
    assert keys[0]["user"] == "1001"
    runtimes = {"x": {"image": "x", "env": {"A": 1}, "args": "--y"}}
    assert values(runtimes=runtimes)["runtimes"] == {"x": {"image": "x", "env": {"A": "1"}, "args": ["--y"]}}


def test_the_environment_may_come_from_elsewhere() -> None:
    reference = {"valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}
    assert model(env={"HF_TOKEN": reference})["env"] == {"HF_TOKEN": reference}
    assert values(download_env={"HTTPS_PROXY": "http://proxy:3128"})["download_env"] == {
        "HTTPS_PROXY": "http://proxy:3128"
    }


@pytest.mark.parametrize(
    ("entry", "words"),
    [(None, "is empty"), ({"value": "x"}, "is a dictionary"), (["x"], "is a list")],
)
def test_an_environment_that_kubernetes_would_refuse_is_refused(entry: Any, words: str) -> None:
    for variables, place in (
        ({"models": [{**QWEN, "env": {"EXTRA": entry}}]}, "maas_models[0].env.EXTRA"),
        ({"runtimes": {"x": {"image": "x", "env": {"EXTRA": entry}}}}, "maas_runtimes.x.env.EXTRA"),
        ({"download_env": {"EXTRA": entry}}, "maas_download_env.EXTRA"),
    ):
        assert problem(**variables).startswith(f"{place}: {words}")
    assert "no name of an environment variable" in problem(download_env={"A B": "x"})


def test_dates_that_yaml_reads_stay_as_they_were_written() -> None:
    end = datetime.datetime(2026, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
    users = [{"name": "a", "groups": ["user"], "expires_at": end}]
    assert values(users=users)["users"][0]["expires_at"] == "2026-12-31T23:59:59Z"
    day = [{"name": "a", "groups": ["user"], "expires_at": datetime.date(2026, 12, 31)}]
    assert "maas_users[0].expires_at: '2026-12-31' is no moment" in problem(users=day)


# --- trimming -------------------------------------------------------------------------------------------------------


def test_line_ends_and_slashes_at_the_end_are_trimmed() -> None:
    found = values(
        hf_token="hf_abc\r\n",
        namespace=" llm ",
        users=[{"name": "a\n", "groups": ["user "], "key": f"{STRONG_KEY}\n"}],
        keycloak_url="https://sso.example.com/",
        gateway_url="http://127.0.0.1:8000/",
        hostnames=["Models.Example.COM "],
        cors_origins=["https://chat.example.com/"],
        s3={"endpoint": "s3.example.com", "access_key": "a\n", "secret_key": " b c \n"},
    )
    assert found["hf_token"] == "hf_abc"
    assert found["namespace"] == "llm"
    assert found["users"] == [{"name": "a", "groups": ["user"], "key": STRONG_KEY}]
    assert found["keycloak_url"] == "https://sso.example.com"
    assert found["issuer_url"] == "https://sso.example.com/realms/maas"
    assert found["gateway_url"] == "http://127.0.0.1:8000"
    assert found["hostnames"] == ["models.example.com"]
    assert found["cors_origins"] == ["https://chat.example.com"]
    assert found["s3"]["access_key"] == "a"
    assert found["s3"]["secret_key"] == " b c "


def test_an_issuer_keeps_the_slash_that_its_tokens_have() -> None:
    """Keycloak's never have one; Auth0's do, and tokens are compared with the issuer letter by letter."""
    keycloak = values(auth_mode="jwt", oidc_issuer_url="https://sso.example.com/realms/maas/")
    assert keycloak["issuer_url"] == "https://sso.example.com/realms/maas"
    assert values(auth_mode="jwt", oidc_issuer_url="https://x.auth0.com/")["issuer_url"] == "https://x.auth0.com/"


def test_paths_begin_at_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("WORK", "/work")
    assert values(kubeconfig="~/.kube/config")["kubeconfig"] == "/home/somebody/.kube/config"
    assert values(mirror="$WORK/mirror")["upstream_dir"] == "/work/mirror"


# --- any value ------------------------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict, "path": str}


@given(value=ANYTHING, kind=st.sampled_from(sorted(TYPES)))
def test_a_value_is_of_its_type_or_there_is_a_message(value: Any, kind: str) -> None:
    problems = Problems()
    found = convert(value, Variable("x", kind, elements="str"), "maas_x", problems)
    assert (found is INVALID) == bool(problems.messages)
    assert found is INVALID or found is None or isinstance(found, TYPES[kind])


@given(value=ANYTHING)
def test_what_was_converted_is_converted_to_itself(value: Any) -> None:
    for kind in TYPES:
        variable = Variable("x", kind, elements="raw")
        found = convert(value, variable, "maas_x", Problems())
        if found is not INVALID and found is not None and not (isinstance(found, str) and found != found.strip()):
            assert convert(found, variable, "maas_x", Problems()) in (found, *([None] if found == "" else []))


def test_omitted_values_are_left_out_and_special_types_become_plain() -> None:
    class Tagged(str):
        pass

    omit = "__omit_place_holder__0123"
    found = plain({"a": omit, "b": [omit, Tagged("x")], Tagged("c"): (1, 2)}, omit)
    assert found == {"b": ["x"], "c": [1, 2]}
    assert [type(key) for key in found] == [str, str]
    assert found["b"][0].__class__ is str
    assert plain(omit, omit) is None
