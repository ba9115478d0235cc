# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model catalogue: one entry per model, from which runtime, routes, limits and monitoring follow."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from ansible_collections.llmops.maas.plugins.module_utils._common.booleans import BooleanError, as_boolean
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import RateError, parse_rates
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import TASKS

# KServe labels a model's Pods with app: isvc.<name>-predictor, and a label's value has at most 63 characters
# (KServe pkg/constants GetRawServiceLabel; RFC 1035).
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NAME_LENGTH = 63 - len("isvc.-predictor")
# No segment of dots alone: Envoy and clients resolve those, so that the path would be another one.
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")
_STORAGE = re.compile(r"^(hf|s3|pvc|oci|https|gs)://.+")
# Gateway API allows 16 rules in one HTTPRoute (HTTPRouteSpec.rules maxItems).
_MAX_RULES = 16

_DEFAULTS: dict[str, Any] = {
    "runtime": "vllm-latest",
    "task": "generate",
    "served_names": [],
    "gpus": 0,
    "gpu_resource": "",
    "vram_gb": 0,
    "cpu": "2",
    "memory": "8Gi",
    "args": [],
    "env": {},
    "min_replicas": 1,
    "max_replicas": 1,
    "timeout_seconds": 600,
    "request_limits": "",
    "node_selector": {},
    "enabled": True,
}
_KNOWN = {"name", "storage_uri", "paths", *_DEFAULTS}


class CatalogueError(ValueError):
    """A catalogue that cannot be deployed; the message names the entry, its field and the fix."""


def _raise(message: str) -> NoReturn:
    raise CatalogueError(message)


def normalise(
    models: Sequence[Mapping[str, Any]],
    runtimes: Mapping[str, Any],
    variable: str,
    complain: Callable[[str], None] = _raise,
) -> list[dict[str, Any]]:
    """Validate the catalogue and fill in what its entries leave out.

    :param models: entries as in the inventory.
    :param runtimes: the runtimes that entries may name.
    :param variable: the variable's name, for error messages.
    :param complain: gets the message of each mistake. By default the first one is raised.
    :returns: the enabled entries, each with every field, plus ``served_names`` that start with the model's own name,
        ``rules`` (path and rewrite of each route rule), ``rates`` (for a RateLimitPolicy) and ``revision`` (a digest
        of the entry that changes whenever its Pods have to).
    :raises CatalogueError: at the first entry that is wrong.
    """
    entries: list[dict[str, Any]] = []
    for index, model in enumerate(models):
        try:
            entries.append(_entry(model, runtimes, f"{variable}[{index}]"))
        except CatalogueError as error:
            complain(str(error))
    enabled = [entry for entry in entries if entry["enabled"]]
    for field in ("name", "paths", "served_names"):
        _refuse_twice(enabled, field, variable, complain)
    return enabled


def _entry(model: Mapping[str, Any], runtimes: Mapping[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(model, Mapping) or not model.get("name"):
        raise CatalogueError(f"{where}: a model needs a name")
    where = f"{where} ({model['name']})"
    unknown = sorted(set(model) - _KNOWN)
    if unknown:
        raise CatalogueError(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(sorted(_KNOWN))}")
    entry = {**_DEFAULTS, "paths": ["/" + str(model["name"])], **model}
    entry["enabled"] = _boolean(entry["enabled"], f"{where}.enabled")
    _check_identity(entry, runtimes, where)
    _check_numbers(entry, where)
    entry["served_names"] = list(dict.fromkeys([entry["name"], *entry["served_names"]]))
    entry["rules"] = _rules(entry["paths"], entry["task"], where)
    try:
        entry["rates"] = parse_rates(str(entry["request_limits"]), f"{where}.request_limits")
    except RateError as error:
        raise CatalogueError(str(error)) from error
    entry["revision"] = _revision(entry, runtimes[entry["runtime"]])
    return entry


def _check_identity(entry: Mapping[str, Any], runtimes: Mapping[str, Any], where: str) -> None:
    name = str(entry["name"])
    if not _NAME.fullmatch(name) or len(name) > _NAME_LENGTH:
        raise CatalogueError(
            f"{where}.name: use lower-case letters, digits and '-', start with a letter,"
            f" at most {_NAME_LENGTH} characters"
        )
    if entry["runtime"] not in runtimes:
        raise CatalogueError(
            f"{where}.runtime: no runtime {entry['runtime']!r} in maas_runtimes;"
            f" known are {', '.join(sorted(runtimes)) or 'none'}"
        )
    if entry["task"] not in TASKS:
        raise CatalogueError(f"{where}.task: {entry['task']!r} is not one of {', '.join(TASKS)}")
    uri = str(entry.get("storage_uri") or "")
    contained = runtimes[entry["runtime"]].get("self_contained", False)
    if not uri and not _boolean(contained, f"maas_runtimes.{entry['runtime']}.self_contained"):
        raise CatalogueError(
            f"{where}.storage_uri: say where the model comes from, such as hf://Qwen/Qwen3-0.6B or s3://models/qwen3"
        )
    if uri and not _STORAGE.match(uri):
        raise CatalogueError(
            f"{where}.storage_uri: {uri!r} does not start with hf://, s3://, pvc://, oci://, gs:// or https://"
        )
    for path in entry["paths"]:
        if not _PATH.fullmatch(str(path)):
            raise CatalogueError(
                f"{where}.paths: {path!r} must start with '/' and must not end with it; use letters, digits and"
                " . _ ~ -, and no '.' or '..' between slashes"
            )


def _boolean(value: Any, where: str) -> bool:
    try:
        return as_boolean(value, where)
    except BooleanError as error:
        raise CatalogueError(str(error)) from error


def _check_numbers(entry: Mapping[str, Any], where: str) -> None:
    for field, least in (("gpus", 0), ("min_replicas", 1), ("max_replicas", 1), ("timeout_seconds", 1)):
        value = entry[field]
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise CatalogueError(f"{where}.{field}: {value!r} must be a whole number of at least {least}")
    if entry["min_replicas"] > entry["max_replicas"]:
        raise CatalogueError(f"{where}.min_replicas: is larger than max_replicas; raise max_replicas or lower it")


def _rules(paths: Sequence[str], task: str, where: str) -> list[dict[str, str]]:
    """Route rules: each path's prefix is removed, and the endpoints are offered with and without ``/v1``."""
    rules = []
    for path in paths:
        offered = [endpoint.path for endpoint in TASKS[task].endpoints]
        rules += [{"path": f"{path}/{endpoint}", "rewrite": f"/v1/{endpoint}"} for endpoint in offered]
        rules.append({"path": path, "rewrite": "/"})
    if len(rules) > _MAX_RULES:
        raise CatalogueError(
            f"{where}.paths: {len(paths)} paths make {len(rules)} rules, an HTTPRoute takes {_MAX_RULES};"
            " use fewer paths"
        )
    return rules


def _revision(entry: Mapping[str, Any], runtime: Mapping[str, Any]) -> str:
    """Digest of what the model's Pods are made from; routes and limits do not restart them."""
    fields = (
        "name",
        "storage_uri",
        "served_names",
        "gpus",
        "cpu",
        "memory",
        "args",
        "env",
        "node_selector",
        "timeout_seconds",
    )
    made_from = {field: entry.get(field) for field in fields} | {"runtime": runtime}
    if entry["gpu_resource"]:
        made_from["gpu_resource"] = entry["gpu_resource"]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _refuse_twice(
    entries: Sequence[Mapping[str, Any]], field: str, variable: str, complain: Callable[[str], None]
) -> None:
    owners: dict[str, str] = {}
    for entry in entries:
        values = entry[field] if isinstance(entry[field], list) else [entry[field]]
        for value in values:
            if value in owners:
                complain(
                    f"{variable}: {field} {value!r} is used by {owners[value]} and again by {entry['name']}; keep one"
                )
            owners[value] = str(entry["name"])
