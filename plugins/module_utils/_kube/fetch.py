# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests from URLs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.error import URLError

from ansible.module_utils.urls import ConnectionError as FetchError
from ansible.module_utils.urls import open_url

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError, ManifestSource

_SECONDS = 30


def fetch_sources(urls: Sequence[Mapping[str, Any]]) -> list[ManifestSource]:
    """Sources of ``[{url, checksum}]``. Raises InputError with all that cannot be fetched or have another checksum."""
    sources, problems = [], []
    for item in urls:
        try:
            sources.append(_fetch(item["url"], item.get("checksum")))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return sources


def _fetch(url: str, checksum: str | None) -> ManifestSource:
    if not url.startswith("https://"):
        raise InputError([f"urls: {url} does not begin with https://; download other files and give them as files"])
    try:
        data: bytes = open_url(url, timeout=_SECONDS).read()
    except (URLError, FetchError, OSError) as error:
        raise InputError(
            [f"urls: {url} cannot be fetched: {error}; with no way to it, use a mirror and files"]
        ) from error
    found = hashlib.sha256(data).hexdigest()
    wanted = (checksum or "").removeprefix("sha256:").lower()
    if wanted and wanted != found:
        raise InputError([f"urls: {url} has the SHA-256 {found}, not {wanted}; the file is another one than expected"])
    return ManifestSource(url, data)
