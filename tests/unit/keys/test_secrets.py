# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._secrets.kept import (
    ALPHABET,
    SecretError,
    checked_specs,
    decode,
    random_text,
    secret_values,
)


def spec(**fields: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {part: {} for part in ("labels", "annotations", "data", "generate", "compose", "variables")}
    return {"name": "redis", "namespace": "store", **empty, **fields}


def test_missing_values_are_generated_and_composed_with() -> None:
    outcome = secret_values(spec(generate={"password": 40}, compose={"URL": "redis://:${password}@redis"}), {}, {})
    assert outcome.generated == ("password",)
    assert len(outcome.values["password"]) == 40
    assert outcome.values["URL"] == f"redis://:{outcome.values['password']}@redis"


def test_values_that_are_there_are_kept() -> None:
    def must_not_be_called(length: int) -> str:
        raise AssertionError(length)

    outcome = secret_values(spec(generate={"password": 40}), {"password": "old"}, {}, must_not_be_called)
    assert outcome.values == {"password": "old"}
    assert outcome.generated == ()


def test_variables_are_used_but_not_kept() -> None:
    outcome = secret_values(spec(compose={"a": "${user}!"}), {}, {"user": "me"})
    assert outcome.values == {"a": "me!"}


def test_random_text_is_long_and_never_twice_the_same() -> None:
    values = {random_text(32) for _unused in range(200)}
    assert len(values) == 200
    assert all(len(value) == 32 and set(value) <= set(ALPHABET) for value in values)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"generate": {"password": 8}}, "generate.password .* at least 16"),
        ({"generate": {"password": "many"}}, "generate.password must be a number"),
        ({"data": {"a": "b"}, "compose": {"a": "c"}}, "a is asked for twice"),
        ({"compose": {"a": "${nobody}"}}, "compose.a refers to nobody.*known are none"),
        ({"data": {"a": "byte-\udcff"}}, "a holds bytes that are no UTF-8"),
    ],
)
def test_mistakes_name_the_secret_and_the_key(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SecretError, match=f"Secret store/redis.*{message}"):
        secret_values(spec(**fields), {}, {})


def test_binary_values_are_refused_by_name() -> None:
    assert decode({"a": "YQ=="}, "Secret x/y") == {"a": "a"}
    with pytest.raises(SecretError, match="Secret x/y holds binary data"):
        decode({"a": "/w=="}, "Secret x/y")


def test_numbers_and_booleans_are_text_where_kubernetes_wants_text() -> None:
    (found,) = checked_specs([spec(labels={"cost-center": 4711}, annotations={"on": True}, data={"port": 6379})])
    assert (found["labels"], found["annotations"], found["data"]) == (
        {"cost-center": "4711"},
        {"on": "true"},
        {"port": "6379"},
    )


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([spec(labels={"a": None})], "Secret store/redis: labels.a: is empty"),
        ([spec(annotations={"a": ["secret-word"]})], "Secret store/redis: annotations.a: is a list"),
        ([spec(data={"a": {"secret-word": 1}})], "Secret store/redis: data.a: is a dictionary"),
        ([spec(data={1001: "a", "1001": "b"})], "Secret store/redis: data: 1001 is given twice"),
        ([spec(), spec(name="other"), spec()], "Secret store/redis is asked for twice"),
    ],
)
def test_what_is_no_text_or_given_twice_is_refused_without_a_value(specs: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(SecretError, match=message) as caught:
        checked_specs(specs)
    assert "secret-word" not in str(caught.value)
