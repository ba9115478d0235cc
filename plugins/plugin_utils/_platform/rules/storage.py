# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where models and metrics are kept, the images and the folders of this machine."""

from __future__ import annotations

import re

from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import token_problem
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.quantities import (
    QuantityError,
    image_version,
    prometheus_duration,
    size,
)
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.values import Values

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+([-+.][-+.0-9A-Za-z]+)?")
_ENDPOINT = re.compile(r"[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_CREDENTIALS = ("access_key", "secret_key")


def object_store(values: Values, problems: Problems) -> None:
    """An object store outside the cluster needs an endpoint, and keys or a role of the ServiceAccount."""
    given = values["s3"]
    if not given:
        return
    if not _ENDPOINT.fullmatch(given.get("endpoint", "")):
        problems.add("maas_s3.endpoint", "must be host and port without a scheme, such as s3.example.com:443")
    missing = [field for field in _CREDENTIALS if not given.get(field)]
    if len(missing) == 1:
        problems.add(f"maas_s3.{missing[0]}", "is missing; give both keys, or none and service_account_annotations")
    if len(missing) == len(_CREDENTIALS) and not given.get("service_account_annotations"):
        problems.add(
            "maas_s3",
            "has no credentials; give access_key and secret_key, or service_account_annotations such as"
            " {eks.amazonaws.com/role-arn: ...}, by which the models' ServiceAccount gets a role",
        )


def metrics(values: Values, problems: Problems) -> None:
    with problems.noting(QuantityError):
        size(values["prometheus_storage"], "maas_prometheus_storage")
    with problems.noting(QuantityError):
        prometheus_duration(values["prometheus_retention"], "maas_prometheus_retention")


def images(values: Values, problems: Problems) -> None:
    with problems.noting(QuantityError):
        image_version(values["images"]["prometheus"], "maas_images.prometheus")


def versions(values: Values, problems: Problems) -> None:
    for name, version in values["versions"].items():
        if not _VERSION.fullmatch(version):
            problems.add(
                f"maas_versions.{name}", f"{version!r} is no version; write all of it, in quotes and without v: '1.2.3'"
            )


def hugging_face(values: Values, problems: Problems) -> None:
    if values["hf_token"] and token_problem(values["hf_token"]):
        problems.add("maas_hf_token", f"{token_problem(values['hf_token'])}; copy the token alone")


RULES = (object_store, metrics, images, versions, hugging_face)
