# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the Gateway can be reached from the machine that Ansible runs on."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

# Ports of a Service that only root may listen on are moved on the embedded cluster; the Service says where to.
LOCAL_PORTS = "llmops.maas/local-ports"


class AddressError(ValueError):
    """The Gateway has no address that works from here; the message says what to set."""


def gateway_url(gateway: Mapping[str, Any] | None, service: Mapping[str, Any] | None) -> str:
    """Address of the listener that clients should use, see `preferred` and `gateway_urls`."""
    return preferred(gateway_urls(gateway, service))


def preferred(urls: Mapping[str, str]) -> str:
    """The address for https where there is one, else the first; empty without any."""
    return urls.get("https") or next(iter(urls.values()), "")


def gateway_urls(gateway: Mapping[str, Any] | None, service: Mapping[str, Any] | None) -> dict[str, str]:
    """Address of the first listener of each scheme: of the Gateway's Service where that is on this machine, else of its
    status. Raises AddressError.
    """
    if gateway is None:
        raise AddressError("there is no Gateway yet; deploy it with site.yml, or set maas_gateway_url")
    ports: dict[str, int] = {}
    for listener in gateway["spec"].get("listeners") or [{}]:
        ports.setdefault(str(listener.get("protocol") or "HTTP").lower(), int(listener.get("port") or 80))
    address = str((service or {}).get("spec", {}).get("clusterIP") or "")
    if _on_this_machine(address):
        annotations = ((service or {}).get("metadata") or {}).get("annotations") or {}
        moved = json.loads(annotations.get(LOCAL_PORTS) or "{}")
        return {scheme: _url(scheme, address, int(moved.get(str(port), port))) for scheme, port in ports.items()}
    found = [str(item["value"]) for item in (gateway.get("status") or {}).get("addresses") or ()]
    outside = [value for value in found if not value.endswith(".svc.cluster.local")]
    if not outside:
        raise AddressError(
            f"the Gateway has no address outside of the cluster ({', '.join(found) or 'none yet'});"
            " forward a port to its Service and set maas_gateway_url, such as http://127.0.0.1:8000"
        )
    return {scheme: _url(scheme, outside[0], port) for scheme, port in ports.items()}


def reachable(gateway: Mapping[str, Any] | None, service: Mapping[str, Any] | None, url: str = "") -> dict[str, str]:
    """Address by scheme; empty where none can be reached from here.

    :param url: the one address that somebody has set, such as that of a forwarded port.
    """
    if url:
        return {urlsplit(url).scheme: url}
    try:
        return gateway_urls(gateway or None, service or None)
    except AddressError:
        return {}


def _on_this_machine(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _url(scheme: str, host: str, port: int) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port == {"http": 80, "https": 443}.get(scheme) else f"{scheme}://{host}:{port}"
