# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which API keys the inventory does not name any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.names import as_text, named
from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import default_name


def unlisted(
    keys: Iterable[Mapping[str, Any]], users: Iterable[Mapping[str, Any]], listed: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Those of the keys that this collection manages which neither ``users`` nor ``listed`` names.

    :param keys: ``api_keys`` of the module ``api_key_info``: ``user``, ``lineage`` and ``managed`` of each.
    :param users: ``maas_users``, of which the name counts: all keys of these users stay.
    :param listed: ``maas_api_keys``: ``user``, and ``name`` and ``state``, which may be left out as in the inventory.
    """
    entries = named(listed)
    whole = {as_text(user["name"]) for user in users} | {entry["user"] for entry in entries if _is_whole(entry)}
    names = {entry.get("name") or default_name(entry["user"]) for entry in entries}
    return [dict(key) for key in keys if key["managed"] and key["user"] not in whole and key["lineage"] not in names]


def _is_whole(entry: Mapping[str, Any]) -> bool:
    """Whether it speaks of all keys of its user: one that disables without naming a key."""
    return not entry.get("name") and entry.get("state") == "disabled"
