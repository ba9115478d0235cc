# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the Gateway is asked, by scheme: what somebody has set comes before what the cluster says."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.filter.gateway_urls import gateway_urls

GATEWAY = {
    "spec": {"listeners": [{"protocol": "HTTP", "port": 80}, {"protocol": "HTTPS", "port": 443}]},
    "status": {"addresses": [{"value": "203.0.113.7"}]},
}


@pytest.mark.parametrize(
    ("gateway", "url", "urls"),
    [
        (GATEWAY, "", {"http": "http://203.0.113.7", "https": "https://203.0.113.7"}),
        (GATEWAY, "http://127.0.0.1:8000", {"http": "http://127.0.0.1:8000"}),
        (GATEWAY, "HTTPS://models.example.com", {"https": "HTTPS://models.example.com"}),
        ({}, "https://models.example.com", {"https": "https://models.example.com"}),
        ({}, "", {}),
    ],
)
def test_the_address_that_is_set_is_the_only_one(gateway: dict[str, Any], url: str, urls: dict[str, str]) -> None:
    assert gateway_urls(gateway, {}, url=url) == urls
