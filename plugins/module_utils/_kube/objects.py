# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes objects as parsed JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KubeObject = Mapping[str, Any]
"""A Kubernetes object: ``apiVersion``, ``kind``, ``metadata`` and what else its kind has."""

# The annotation in which `kubectl apply` without --server-side notes what it sent.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def without_managed_fields(item: KubeObject) -> dict[str, Any]:
    """The object without the part that only server-side apply needs; it is often the largest."""
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key != "managedFields"}
    return {**item, "metadata": metadata}
