# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm charts as manifests: Helm's own SDK, out of a Python package."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import load_yaml
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError

# As Helm takes a rendered template apart (pkg/release/util/manifest.go): a template may trim the end of the line.
_SEPARATOR = re.compile(r"(?:^|\s*\n)---\s*")


def render(chart: Path, release: str, namespace: str, values: Mapping[str, str]) -> list[str]:
    """The documents that ``helm template --include-crds --no-hooks`` gives, CRDs first.

    :param values: by dotted name, as for ``--set``
    :raises SuperviseError: with what Helm says, or how to get the Python package
    """
    helm = _helm()
    try:
        given = helm.parse_set_string(",".join(f"{name}={value}" for name, value in values.items()))
        with helm.Chart.load(chart) as loaded:
            crds = [str(crd["data"]) for crd in loaded.crds]
            rendered = loaded.render(given, name=release, namespace=namespace)
    except helm.HelmError as error:
        raise SuperviseError(f"Helm says: {str(error)[-600:]}") from error
    texts = [text for name, text in sorted(rendered.items()) if not name.endswith("NOTES.txt")]
    return [part for text in (*crds, *texts) for part in documents_of(text)]


def _helm() -> Any:
    """Helm's SDK. It is a library in Go, which does not survive a fork: Ansible itself must not load it."""
    try:
        return importlib.import_module("helm_python")
    except ImportError as error:
        raise SuperviseError(
            "the Python package helm-python-sdk is missing: install embedded/requirements.txt"
        ) from error


def documents_of(text: str) -> list[str]:
    """The objects of one rendered template, without those that only a release that Helm installs has."""
    return [part for part in _SEPARATOR.split(text) if _is_object(part)]


def _is_object(part: str) -> bool:
    if all(line.strip() == "" or line.startswith("#") for line in part.splitlines()):
        return False
    # Reading all of them takes longer than rendering.
    if "helm.sh/hook" not in part:
        return True
    content: Any = load_yaml(part)
    return "helm.sh/hook" not in (content.get("metadata", {}).get("annotations") or {})
