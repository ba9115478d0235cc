# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from the variables: the values that roles read beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.catalogue import normalise
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.quantities import image_version
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.values import Values

# Where an ACME server asks (RFC 8555, 8.3), which routes of cert-manager answer.
_ACME_PATH = "/.well-known/acme-challenge/"
_SCHEMES = {True: "https", False: "http"}


def derive(values: Values) -> dict[str, Any]:
    """The derived values by name; the module ``platform`` documents them."""
    keycloak_enabled = values["auth_mode"] != "api_key" and not values["oidc_issuer_url"]
    realm = values["keycloak_realm"]
    runtimes = _runtimes(values["runtimes"], values["images"])
    return {
        "catalogue": _catalogue(values, runtimes),
        "runtimes": runtimes,
        "model_names": [model["name"] for model in values["models"]],
        "group_names": [group["name"] for group in values["groups"]],
        "gateway": {"namespace": values["namespace"], "name": values["gateway_name"]},
        "gateway_tls_secret": values["tls_secret"] if values["tls_enabled"] else "",
        "host": values["hostnames"][0],
        "open_paths": [_ACME_PATH] if values["issuer"]["type"] == "acme" else [],
        "connection": _connection(values),
        "upstream_dir": _upstream_dir(values),
        "keycloak_enabled": keycloak_enabled,
        "keycloak": {"namespace": values["keycloak_namespace"], "realm": realm} if keycloak_enabled else {},
        "issuer_url": values["oidc_issuer_url"] or f"{values['keycloak_url']}/realms/{realm}",
        "minio_deployed": values["minio_enabled"] and not values["s3"],
        **_object_store(values["s3"]),
        "download_environment": [
            {"name": name, **(value if isinstance(value, dict) else {"value": value})}
            for name, value in sorted(values["download_env"].items())
        ],
        "prometheus_version": image_version(values["images"]["prometheus"], "maas_images.prometheus"),
    }


def _connection(values: Values) -> dict[str, Any]:
    """Options of every module that talks to the cluster; none of them is empty."""
    own = {
        "kubeconfig": values["kubeconfig"],
        "context": values["context"],
        "in_cluster": values["in_cluster"],
        **values["connection"],
    }
    return {name: value for name, value in own.items() if value not in ("", None)}


def _upstream_dir(values: Values) -> str:
    """The folder with upstream manifests: the mirror, below the working directory if relative, or what was fetched."""
    return str(Path(values["mirror"]).resolve()) if values["mirror"] else f"{values['cache_dir']}/upstream"


def _runtimes(runtimes: Mapping[str, Any], images: Mapping[str, str]) -> dict[str, Any]:
    """With the image of each, which may be the name of one of the platform's."""
    return {name: {**entry, "image": images.get(entry["image"], entry["image"])} for name, entry in runtimes.items()}


def _catalogue(values: Values, runtimes: Mapping[str, Any]) -> list[dict[str, Any]]:
    keyless = bool(values["s3"]) and not _has_keys(values["s3"])
    entries = normalise(values["models"], runtimes, "maas_models")
    return [{**entry, **_added(entry, values["gpu_resource"], keyless=keyless)} for entry in entries]


def _added(entry: Mapping[str, Any], gpu_resource: str, *, keyless: bool) -> dict[str, Any]:
    """``gpu_resource``, ``tolerations``, ``resources`` and ``source`` (the part of the InferenceService's model)."""
    resource = entry["gpu_resource"] or gpu_resource
    amounts = {"cpu": entry["cpu"], "memory": entry["memory"]}
    return {
        "gpu_resource": resource,
        "tolerations": _tolerations(resource) if entry["gpus"] else [],
        "resources": {**amounts, **({resource: str(entry["gpus"])} if entry["gpus"] else {})},
        "source": _source(entry.get("storage_uri") or "", keyless=keyless),
    }


def _tolerations(resource: str) -> list[dict[str, str]]:
    """Nodes are tainted with their resource, or with the vendor's name for all of its GPUs, as GPU operators do."""
    vendor = resource.partition("/")[0]
    return [{"key": key, "operator": "Exists"} for key in dict.fromkeys([resource, f"{vendor}/gpu"])]


def _source(uri: str, *, keyless: bool) -> dict[str, Any]:
    """``storage`` with KServe's credentials for S3, ``storageUri`` for all else."""
    if not uri:
        return {}
    if not uri.startswith("s3://") or keyless:
        return {"storageUri": uri}
    bucket, _slash, path = uri.removeprefix("s3://").partition("/")
    return {"storage": {"key": "default", "path": path, "parameters": {"type": "s3", "bucket": bucket}}}


def _has_keys(store: Mapping[str, Any]) -> bool:
    return bool(store.get("access_key"))


def _object_store(store: Mapping[str, Any]) -> dict[str, Any]:
    """How KServe reads the object store outside: what a Secret holds as JSON, or annotations of a ServiceAccount.

    The annotations count for it where the ServiceAccount has a role (``eks.amazonaws.com/role-arn``; KServe
    pkg/credentials/s3).
    """
    annotations: dict[str, str] = {}
    config: dict[str, str] = {}
    if store and _has_keys(store):
        config = {
            "type": "s3",
            "access_key_id": store["access_key"],
            "secret_access_key": store["secret_key"],
            "endpoint_url": f"{_SCHEMES[store['https']]}://{store['endpoint']}",
            "bucket": store["bucket"],
            "default_bucket": store["bucket"],
            "region": store["region"],
        }
    elif store:
        annotations = {
            "serving.kserve.io/s3-endpoint": store["endpoint"],
            "serving.kserve.io/s3-usehttps": "1" if store["https"] else "0",
            "serving.kserve.io/s3-region": store["region"],
            **store.get("service_account_annotations", {}),
        }
    return {
        "s3_has_keys": bool(config),
        "s3_storage_config": config,
        "service_account_annotations": annotations,
    }
