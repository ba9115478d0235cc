# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models: names, paths and sources that the platform and KServe can serve."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.listeners import REDIRECT_ROUTE
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.catalogue import normalise
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.quantities import QuantityError, cpus, size
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.values import Values

# KServe's own address of a model is http://<name>-predictor-<namespace>.<domain>, whose first label has at most 63
# characters (KServe pkg/controller/v1beta1/inferenceservice/utils; RFC 1035).
_LONGEST_LABEL = 63
MODEL_LIST = "model-list"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_RESOURCE = re.compile(rf"({_LABEL}\.)+{_LABEL}/[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?")
# What KServe's storage initializer reads of Hugging Face: organisation, model, and a revision without slashes
# (KServe python/storage/kserve_storage, _download_hf).
_HUGGING_FACE = re.compile(r"hf://[^/:\s]+/[^/:\s]+(:[^/:\s]+)?")
_S3 = re.compile(r"s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](/.*)?")
_CLAIM = re.compile(r"pvc://[a-z0-9]([-.a-z0-9]*[a-z0-9])?(/.*)?")


def _enabled(values: Values) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, model in enumerate(values["models"]):
        if model["enabled"]:
            yield f"maas_models[{index}]", model


def catalogue(values: Values, problems: Problems) -> None:
    """Each entry by itself, and what two of them share."""
    normalise(values["models"], values["runtimes"], "maas_models", problems.say)


def names(values: Values, problems: Problems) -> None:
    """Names that KServe can make its own from, and that nothing else in the namespace has."""
    namespace, gateway = values["namespace"], values["gateway_name"]
    fits = _LONGEST_LABEL - len("-predictor-") - len(namespace)
    reserved = {
        MODEL_LIST: "the list of models",
        REDIRECT_ROUTE: "the route that leads to https",
        "maas-verify-backend": "the verification",
        gateway: "the Gateway",
        f"{gateway}-istio": "the Gateway's Pods",
        f"{gateway}-deny": "the Gateway's policy",
    }
    for where, model in _enabled(values):
        name = model["name"]
        if len(name) > fits:
            problems.add(
                f"{where}.name",
                f"{name!r} has {len(name)} characters, and in the namespace {namespace} (maas_namespace) at most"
                f" {max(fits, 0)} fit: KServe calls it {name}-predictor-{namespace}",
            )
        if name in reserved:
            problems.add(f"{where}.name", f"{name!r} is the name of {reserved[name]}; choose another one")


def paths(values: Values, problems: Problems) -> None:
    """A path inside another model's would take its requests, callers and limits."""
    taken = [("the list of models", "/v1/models")] if values["model_list"] else []
    taken += [("certificates", "/.well-known")]
    for where, model in _enabled(values):
        own = model.get("paths") or [f"/{model['name']}"]
        for index, path in enumerate(own):
            place = f"{where}.paths[{index}]" if model.get("paths") else f"{where}.name"
            for owner, other in taken:
                if path != other and _overlap(path, other):
                    problems.add(
                        place, f"{path!r} of {model['name']} and {other!r} of {owner} overlap; choose another path"
                    )
        taken += [(model["name"], path) for path in own]


def _overlap(one: str, other: str) -> bool:
    """Whether one is the other or leads into it, also where they differ in case alone."""
    short, long = sorted((one.lower(), other.lower()), key=len)
    return long == short or long.startswith(f"{short}/")


def sources(values: Values, problems: Problems) -> None:
    """Addresses that KServe's storage initializer can read."""
    for where, model in _enabled(values):
        uri = model.get("storage_uri") or ""
        if uri.endswith("://"):
            continue
        place = f"{where}.storage_uri"
        if uri.startswith("hf://") and not _HUGGING_FACE.fullmatch(uri):
            problems.add(
                place,
                f"{uri!r} cannot be read by KServe; write hf://organisation/model, or hf://organisation/model:revision"
                " with a revision without slashes",
            )
        elif uri.startswith("s3://") and not _S3.fullmatch(uri):
            problems.add(place, f"{uri!r} names no bucket; write s3://bucket or s3://bucket/path")
        elif uri.startswith("pvc://") and not _CLAIM.fullmatch(uri):
            problems.add(place, f"{uri!r} names no PersistentVolumeClaim; write pvc://claim or pvc://claim/path")


def resources(values: Values, problems: Problems) -> None:
    """Amounts with their units, and names of GPU resources."""
    checks: dict[str, Callable[[str, str], str]] = {"memory": size, "cpu": cpus}
    for where, model in _enabled(values):
        for field, check in checks.items():
            with problems.noting(QuantityError):
                check(model[field], f"{where}.{field}")
        if model.get("gpu_resource"):
            _check_resource(model["gpu_resource"], f"{where}.gpu_resource", problems)
    for name, runtime in values["runtimes"].items():
        if runtime.get("shared_memory"):
            with problems.noting(QuantityError):
                size(runtime["shared_memory"], f"maas_runtimes.{name}.shared_memory")


def gpu_resource(values: Values, problems: Problems) -> None:
    _check_resource(values["gpu_resource"], "maas_gpu_resource", problems)


def _check_resource(name: str, where: str, problems: Problems) -> None:
    if not _RESOURCE.fullmatch(name):
        problems.add(where, f"{name!r} is no name of a resource; write it as nvidia.com/gpu or nvidia.com/mig-1g.10gb")


RULES = (catalogue, names, paths, sources, resources, gpu_resource)
