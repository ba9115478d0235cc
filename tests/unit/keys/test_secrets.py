# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._secrets.kept import (
    ALPHABET,
    SecretError,
    decode,
    random_text,
    wanted,
)


def spec(**fields: Any) -> dict[str, Any]:
    return {"name": "redis", "namespace": "store", "data": {}, "generate": {}, "compose": {}, **fields}


def test_missing_values_are_generated_and_composed_with() -> None:
    outcome = wanted(spec(generate={"password": 40}, compose={"URL": "redis://:${password}@redis"}), {}, {})
    assert outcome.generated == ("password",)
    assert len(outcome.values["password"]) == 40
    assert outcome.values["URL"] == f"redis://:{outcome.values['password']}@redis"


def test_values_that_are_there_are_kept() -> None:
    def must_not_be_called(length: int) -> str:
        raise AssertionError(length)

    outcome = wanted(spec(generate={"password": 40}), {"password": "old"}, {}, must_not_be_called)
    assert outcome.values == {"password": "old"}
    assert outcome.generated == ()


def test_variables_are_used_but_not_kept() -> None:
    outcome = wanted(spec(compose={"a": "${user}!"}), {}, {"user": "me"})
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
        wanted(spec(**fields), {}, {})


def test_binary_values_are_refused_by_name() -> None:
    assert decode({"a": "YQ=="}, "Secret x/y") == {"a": "a"}
    with pytest.raises(SecretError, match="Secret x/y holds binary data"):
        decode({"a": "/w=="}, "Secret x/y")
