# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From YAML text or dictionaries to single manifests that can be sent to the API server."""

from __future__ import annotations

import base64
import binascii
import gc
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.encoding import TextError, utf8, without_leading_marks
from ansible_collections.llmops.maas.plugins.module_utils._common.guard import hide
from ansible_collections.llmops.maas.plugins.module_utils._common.masking import as_bytes
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._kube.pins import Pin, Place, pins_of
from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import YamlError, dump_json, load_yaml

# A line that begins with `---` and a space or its end starts a document, whatever is around it (YAML 1.1, 9.1.2:
# not even a block scalar may hold such a line). Where files were joined, a byte order mark may stand before it.
_DOCUMENT_START = re.compile(rb"^(?:\xef\xbb\xbf)*---(?=[ \t\r\n]|\Z)", re.MULTILINE)
# Something else than blank lines, comments, directives and document ends.
_CONTENT = re.compile(rb"^(?!\s*(?:#|%|\.\.\.\s*$|$)).", re.MULTILINE)

Transform = Callable[[dict[str, Any]], "dict[str, Any] | None"]


class InputError(Exception):
    """What was given cannot be used. ``problems`` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class ObjectKey:
    """Identity of an object: the version of its API does not belong to it."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass
class Manifest:
    """One object as it is to be sent: ``payload`` is its JSON, which is half as long as a release's YAML and is what an
    apply patch may hold as well.
    """

    where: str
    api_version: str
    kind: str
    name: str
    namespace: str
    payload: bytes
    crd_types: tuple[ResourceType, ...] = field(default=())
    pins: tuple[Pin, ...] = field(default=())

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.group, self.kind, self.namespace, self.name)

    @property
    def is_secret(self) -> bool:
        return self.kind == "Secret" and not self.group

    def body(self) -> dict[str, Any]:
        """The object as a dictionary, read again from the payload: dictionaries of large bundles need much memory."""
        body: dict[str, Any] = json.loads(self.payload)
        return body

    def digest(self, options_digest: bytes) -> str:
        """Short digest of the object and of the options (``options_digest``) that it was made with."""
        return short_digest(options_digest + self.payload)


@dataclass
class ManifestSource:
    """Text that holds any number of documents. ``name`` is shown in errors."""

    name: str
    data: bytes


def short_digest(data: bytes) -> str:
    """96 bits of SHA-256 as 16 characters: enough against chance, and the records stay small."""
    return base64.b64encode(hashlib.sha256(data).digest()[:12]).decode()


def split_documents(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (number from 1, first line from 1, text) of every document that is not empty."""
    starts = [(match.start(), match.end()) for match in _DOCUMENT_START.finditer(data)]
    begins = [0, *(end for _start, end in starts)]
    ends = [*(start for start, _end in starts), len(data)]
    number, line, position = 0, 1, 0
    for begin, end in zip(begins, ends, strict=True):
        line += data.count(b"\n", position, begin)
        position = begin
        text = without_leading_marks(data[begin:end])
        if _CONTENT.search(text):
            number += 1
            yield number, line, text


def read_sources(sources: Iterable[ManifestSource], transform: Transform) -> list[Manifest]:
    """All manifests of all sources, in order. Raises InputError with every problem that was found.

    ``transform`` gets each object and returns it (changed in place or not), or None to leave it out.
    """
    manifests: list[Manifest] = []
    problems: list[str] = []
    with _without_garbage_collection():
        for source in sources:
            try:
                data = utf8(source.data)
            except TextError as error:
                problems.append(f"{source.name}: {error}")
                continue
            for number, line, text in split_documents(data):
                place = Place(f"{source.name}, document {number} (line {line})", line, text)
                try:
                    manifests.extend(_read_document(place, transform))
                except InputError as error:
                    problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return manifests


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Reading YAML makes millions of small objects and no cycles; the search for cycles takes half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read_document(place: Place, transform: Transform) -> Iterator[Manifest]:
    try:
        body = load_yaml(place.text)
    except YamlError as error:
        at = f" at line {place.line + error.line - 1}" if error.line else ""
        raise InputError([f"{place.where}: not valid YAML{at}: {error.problem}"]) from None
    if body is None:
        return
    yield from _read_object(place, body, transform)


def _read_object(place: Place, body: Any, transform: Transform) -> Iterator[Manifest]:
    where = place.where
    if not isinstance(body, dict):
        raise InputError(
            [f"{where}: holds {_type_name(body)}, not a Kubernetes object (a mapping with apiVersion, kind)"]
        )
    if _is_list(body):
        for index, item in enumerate(body["items"] or []):
            yield from _read_object(place.item(index), _with_kind(item, body), transform)
        return
    _check_identity(where, body)
    changed = transform(body)
    if changed is None:
        return
    _check_secret(where, changed)
    metadata = changed["metadata"]
    yield Manifest(
        where=where,
        api_version=changed["apiVersion"],
        kind=changed["kind"],
        name=metadata["name"],
        namespace=metadata.get("namespace") or "",
        payload=dump_json(changed),
        crd_types=crd_types(changed),
        pins=pins_of(metadata, place),
    )


def _is_list(body: Mapping[str, Any]) -> bool:
    return str(body.get("kind", "")).endswith("List") and isinstance(body.get("items", 0), list | None)


def _with_kind(item: Any, listed: Mapping[str, Any]) -> Any:
    """The item of a list such as ConfigMapList with the list's kind and version where it has none.

    So it comes from the API server and so kubectl reads it (decodeToList in apimachinery's unstructured/helpers.go).
    """
    kind = str(listed["kind"]).removesuffix("List")
    if not kind or not isinstance(item, dict) or item.get("kind") not in (None, "", kind):
        return item
    return {**item, "kind": kind, "apiVersion": item.get("apiVersion") or listed.get("apiVersion")}


def _check_identity(where: str, body: Mapping[str, Any]) -> None:
    problems = []
    for name, example in (("apiVersion", "apps/v1"), ("kind", "Deployment")):
        value = body.get(name)
        if not isinstance(value, str) or not value:
            problems.append(f"{where}: {name} is missing or no string; set it, for example {name}: {example}")
    metadata = body.get("metadata")
    what = body.get("kind") if isinstance(body.get("kind"), str) else "the object"
    if not isinstance(metadata, dict):
        problems.append(f"{where}: {what} has no metadata; set metadata.name")
    else:
        problems.extend(_metadata_problems(f"{where}: {what}", metadata))
    if problems:
        raise InputError(problems)


def _metadata_problems(what: str, metadata: Mapping[str, Any]) -> Iterator[str]:
    name = metadata.get("name")
    if not name and metadata.get("generateName"):
        yield f"{what}: metadata.generateName would make a new object in every run; set metadata.name"
    elif not isinstance(name, str) or not name:
        yield f"{what}: metadata.name is missing or no string; set it (quote it if it looks like a number)"
    if not isinstance(metadata.get("namespace") or "", str):
        yield f"{what} {name}: metadata.namespace is no string; quote it"
    if metadata.get("managedFields"):
        yield f"{what} {name}: metadata.managedFields is the API server's; remove it"


def _check_secret(where: str, body: dict[str, Any]) -> None:
    """Refuse what the server would refuse with the value in its error, and turn stringData into data.

    The server merges stringData into data, but data is then nobody's field: neither drift nor a removed key would be
    seen.
    """
    if body["kind"] != "Secret" or body["apiVersion"] != "v1":
        return
    what = f"{where}: Secret {body['metadata']['name']}"
    problems = []
    for part in ("data", "stringData"):
        values = body.get(part)
        if values is not None and not isinstance(values, dict):
            problems.append(f"{what}: {part} is no mapping")
            continue
        problems.extend(
            f"{what}: {part}.{key} {_value_problem(value, part)}"
            for key, value in (values or {}).items()
            if _value_problem(value, part)
        )
    if problems:
        raise InputError(problems)
    texts = body.pop("stringData", None)
    if texts:
        encoded = {key: base64.b64encode(as_bytes(value or "")).decode() for key, value in texts.items()}
        body["data"] = {**(body.get("data") or {}), **encoded}
    for value in (body.get("data") or {}).values():
        hide(base64.b64decode(value or ""), doubtful=True)


def _value_problem(value: Any, part: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"is {_type_name(value)}, not a string; quote it"
    if part == "data":
        try:
            base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
        except (binascii.Error, ValueError):
            return "is not base64; encode it, or put the plain text under stringData"
    return ""


def crd_types(body: Mapping[str, Any]) -> tuple[ResourceType, ...]:
    """The resources that a CustomResourceDefinition brings, empty for any other object."""
    if body.get("kind") != "CustomResourceDefinition":
        return ()
    spec = body.get("spec") or {}
    names = spec.get("names") or {}
    if not (spec.get("group") and names.get("kind") and names.get("plural")):
        return ()
    namespaced = spec.get("scope") == "Namespaced"
    return tuple(
        ResourceType(f"{spec['group']}/{version.get('name')}", names["kind"], names["plural"], namespaced)
        for version in spec.get("versions") or []
        if isinstance(version, dict) and version.get("served")
    )


def _type_name(value: Any) -> str:
    names = {str: "text", int: "a number", float: "a number", bool: "a boolean", list: "a list", dict: "a mapping"}
    return names.get(type(value), "nothing")
