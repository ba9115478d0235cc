# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML and its encodings are read as kubectl reads them: the real one is asked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.maas.plugins.module_utils._kube import yaml as _yaml
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import (
    InputError,
    Manifest,
    ManifestSource,
    read_sources,
)
from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import YamlError, load_yaml
from tests.support.kubectl import read_by_kubectl

HEAD = b"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nspec:\n"
MARK = "\ufeff"
PLAIN = """
61e9540 1e400 -1e400 1e-9999 1e3 1.5e3 1e21 1e1_0 .5_0 ._5 .5 -.5 1. . .e3 1e 1e+ 100m 1.2.3
0o17 0o8 0777 08 0_8 0b11 +0b11 -0b11 0b+0 0x1F -0x1F 0xfffffffffffffffff 1_000 _1 1_ -_1 - + -0 -0.0
9223372036854775808 18446744073709551616 -9223372036854775809 123456789012345678901234567890
12:30:45 1:30 2001-12-14 2001-12-14t21:59:43.10-05:00 Infinity inf nan NaN +inf 0x1p3 .1p3 =
yes no on off y N ~ null Null NULL true True tRUE
"""
TAGGED = ("!!str 12", "!!int '12'", "!!float 12", "!!bool 'yes'", "!!binary aGk=", "!!timestamp 2001-12-14", "'<<'", "")
KEYS = """
80 0777 0x50 1_000 yes on Y 1.10 1.0 12345678.9 999999.5 1e6 16777217.0 1e-5 0.3 2001-12-14 12:30 61e9540
"""


def read(data: bytes) -> list[Manifest]:
    return read_sources([ManifestSource("input", data)], lambda body: body)


def thing(name: str = "a", extra: str = "") -> str:
    return f"apiVersion: example.com/v1\nkind: Thing\nmetadata: {{name: {name}}}\nspec: {{k: é{extra}}}\n"


def random_scalars(count: int) -> Iterator[str]:
    """Texts that look like numbers, as YAML takes them for plain ones."""
    pick = random.Random(61)
    starts = ["", "0x", "0b", "0o", "-", "+", ".", "1e", "e9540", "12:30", "2001-01-01", "9223372036854775807"]
    while count:
        text = pick.choice(starts) + "".join(pick.choice("0123456789_.eE+-xXoObBafnNyYtT~:") for _unused in range(5))
        node = yaml.compose(f"- {text}")
        item = node.value[0] if isinstance(node, yaml.SequenceNode) else None
        if isinstance(item, yaml.ScalarNode) and item.value == text and ".inf" not in text.lower():
            count -= 1
            yield text


def same(value: Any) -> tuple[str, Any]:
    """The value with what distinguishes ``1`` from ``true`` and ``"1"``, but not ``1`` from ``1.0``, which JSON does
    not.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number", float(value)
    return type(value).__name__, value


def test_scalars_are_what_kubectl_takes_them_for(tmp_path: Path) -> None:
    texts = [*PLAIN.split(), *TAGGED, *random_scalars(3000)]
    data = HEAD + "".join(f"- {text}\n" for text in texts).encode()
    wanted = read_by_kubectl(data, tmp_path)[0]["spec"]
    found = load_yaml(data)["spec"]
    assert [(text, same(value)) for text, value in zip(texts, found, strict=True)] == [
        (text, same(value)) for text, value in zip(texts, wanted, strict=True)
    ]
    assert "61e9540" in found


def test_keys_are_what_kubectl_takes_them_for(tmp_path: Path) -> None:
    data = HEAD + "".join(f"- {{{key}: x}}\n" for key in KEYS.split()).encode()
    assert load_yaml(data)["spec"] == read_by_kubectl(data, tmp_path)[0]["spec"]


@pytest.mark.parametrize(
    "text",
    [
        "{x: 3, <<: {x: 1}}",
        "{<<: {x: 1}, x: 3}",
        "{<<: [{x: 1}, {x: 2, z: 5}]}",
        "!!set {a, b}",
        "!!omap [a: 1]",
        "{!!str on: a}",
        "[&a {b: 1}, *a]",
        '{"a": "\\u00e9"}',
    ],
)
def test_collections_are_what_kubectl_takes_them_for(text: str, tmp_path: Path) -> None:
    data = HEAD.replace(b"spec:\n", b"spec: ") + text.encode()
    assert load_yaml(data)["spec"] == read_by_kubectl(data, tmp_path)[0]["spec"]


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan", "!!int abc", "!!float x", "!!bool 1", "!!null x", "&a [*a]"])
def test_what_kubectl_refuses_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    data = HEAD + f"- {text}\n".encode()
    with pytest.raises(ValueError, match=r"yaml|json"):
        read_by_kubectl(data, tmp_path)
    with pytest.raises(YamlError) as caught:
        load_yaml(data)
    assert caught.value.line == 5


@pytest.mark.parametrize("key", ["~", ".inf", "1e39", "18446744073709551615", "[a]", "{a: b}"])
def test_keys_that_cannot_be_text_are_to_be_quoted(key: str) -> None:
    with pytest.raises(YamlError, match="quote it"):
        load_yaml(f"? {key}\n: x\n")


def test_tags_that_kubectl_drops_are_refused() -> None:
    with pytest.raises(YamlError, match="!vault means nothing to Kubernetes; remove it"):
        load_yaml("a: !vault |\n  x\n")


def test_json_is_read_as_json(tmp_path: Path) -> None:
    face = "\U0001f600"
    text = (
        '{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": ["\\ud83d\\ude00", 1e3]}'
    )
    assert load_yaml(text)["spec"] == [face, 1000] == read_by_kubectl(text.encode(), tmp_path)[0]["spec"]
    with pytest.raises(YamlError, match="twice"):
        load_yaml('{"a": 1, "a": 2}')
    with pytest.raises(YamlError, match="too large"):
        load_yaml('{"a": 1e400}')


def test_the_parser_in_python_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML is sometimes built without its C parser."""
    data = "".join(f"- {text}\n" for text in (*PLAIN.split(), *TAGGED))
    by_c = load_yaml(data)
    monkeypatch.setattr(_yaml, "_cache", [])
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert load_yaml(data) == by_c


@pytest.mark.parametrize(
    "text",
    [
        MARK + thing("a"),
        "---\n" + MARK + thing("a"),
        thing("a") + "---\n" + MARK + thing("b"),
        thing("a") + "---\n# comment\n\n" + MARK + thing("b"),
        "---\r\n" + MARK + thing("a").replace("\n", "\r\n"),
        MARK + "---\n" + MARK + thing("a"),
        MARK + MARK + thing("a"),
        thing("a", f", more: 'x{MARK}y'"),
        MARK,
    ],
)
def test_byte_order_marks_are_read_as_kubectl_reads_them(text: str, tmp_path: Path) -> None:
    check_documents(text.encode(), tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_utf_16_is_read_as_kubectl_reads_it(encoding: str, line_end: str, tmp_path: Path) -> None:
    text = (MARK + thing("a") + "---\n" + MARK + thing("b").replace("é", "\U0001f600")).replace("\n", line_end)
    check_documents(text.encode(encoding), tmp_path)


def check_documents(data: bytes, folder: Path) -> None:
    wanted = [(item["metadata"]["name"], item["spec"]) for item in read_by_kubectl(data, folder)]
    assert [(manifest.name, manifest.body()["spec"]) for manifest in read(data)] == wanted


def test_joined_files_with_byte_order_marks() -> None:
    """``type a.yaml b.yaml > both.yaml`` where each begins with ``---``; kubectl refuses it."""
    assert [item.name for item in read((MARK + "---\n" + thing("a") + MARK + "---\n" + thing("b")).encode())] == [
        "a",
        "b",
    ]
    assert [item.name for item in read((thing("a") + "---\n" + thing("b")).encode("utf-32"))] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (thing("a").encode("utf-16-le"), "input: is UTF-16 or UTF-32 without a byte order mark; save it as UTF-8"),
        (b"a: 1\nb: \xe9\n", "input: is not valid UTF-8 at line 2; save it as UTF-8"),
        (b"\xff\xfea\x00:\x00\n\x00b", "input: is not valid UTF-16-LE at line 2; save it as UTF-8"),
    ],
)
def test_other_encodings_are_named(data: bytes, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(data)
    assert str(caught.value) == said


def test_items_of_a_list_get_its_kind(tmp_path: Path) -> None:
    data = (
        b"apiVersion: example.com/v1\nkind: ThingList\nmetadata: {}\nitems:\n- metadata: {name: a}\n  spec: 1\n"
        b"- {apiVersion: v1, kind: Secret, metadata: {name: b}, spec: 2}\n"
    )
    found = [(item.api_version, item.kind, item.name, item.body()["spec"]) for item in read(data)]
    assert found == [
        (item["apiVersion"], item["kind"], item["metadata"]["name"], item["spec"])
        for item in read_by_kubectl(data, tmp_path)
    ]
    assert found[0] == ("example.com/v1", "Thing", "a", 1)
    # More than kubectl does: of the kind and the version, one is enough.
    assert read(data.replace(b"- metadata: {name: a}", b"- metadata: {name: a}\n  kind: Thing"))[0].key.group


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apiVersion: v1\nkind: List\nitems: [{metadata: {name: a}}]", "item 1: kind is missing"),
        ("kind: ConfigMapList\nitems: [{metadata: {name: a}}]", "item 1: apiVersion is missing"),
        (
            "apiVersion: v1\nkind: ConfigMapList\nitems: [{kind: Role, metadata: {name: a}}]",
            "item 1: apiVersion is missing",
        ),
        ("apiVersion: v1\nkind: ConfigMapList\nitems: [a]", "item 1: holds text"),
    ],
)
def test_items_that_a_list_cannot_complete(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(text.encode())


def test_string_data_of_a_secret_list_is_encoded() -> None:
    text = "apiVersion: v1\nkind: SecretList\nitems: [{metadata: {name: a}, stringData: {k: x}}]"
    manifest = read(text.encode())[0]
    assert manifest.is_secret
    assert manifest.body()["data"] == {"k": "eA=="}
