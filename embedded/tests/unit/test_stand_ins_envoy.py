# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Envoy of somebody else's listens on loopback only."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.envoy import local


def listener(port: int) -> dict[str, Any]:
    return {"address": {"socket_address": {"address": "0.0.0.0", "port_value": port}}}


def test_every_listener_is_moved_to_loopback_and_its_local_port() -> None:
    given = {"static_resources": {"listeners": [listener(8080), listener(8443)]}, "admin": listener(9901)}
    moved = local(given, {8080: 20001, 8443: 20002, 9901: 20003})
    owners = [*moved["static_resources"]["listeners"], moved["admin"]]
    assert [tuple(owner["address"]["socket_address"].values()) for owner in owners] == [
        ("127.0.0.1", 20001),
        ("127.0.0.1", 20002),
        ("127.0.0.1", 20003),
    ]


def test_a_listener_without_a_local_port_is_refused() -> None:
    with pytest.raises(KeyError, match="9090"):
        local({"static_resources": {"listeners": [listener(9090)]}}, {8080: 20001})
