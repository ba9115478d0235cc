# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pools of HTTP connections, to the API server and to what runs in the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

URLLIB3_MISSING = False
try:
    import urllib3
except ImportError:
    URLLIB3_MISSING = True

# What to say when it is missing: the package kubernetes brings it along.
ADVICE = "the Python package 'urllib3' is missing: pip install kubernetes"


def connection_pool(
    connections: int,
    *,
    verify: bool = True,
    proxy: str | None = None,
    proxy_headers: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """A pool of up to that many connections to each address, which stay open between requests.

    :param verify: False for addresses whose certificate is not verified. urllib3 would warn with every request; the
        modules warn once, in words that say what to do.
    :param proxy: URL of an HTTP proxy to go through.
    :param options: further ones of ``urllib3.PoolManager``, such as ``ssl_context``.
    """
    if not verify:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        options["cert_reqs"] = "CERT_NONE"
    if proxy:
        return urllib3.ProxyManager(proxy, proxy_headers=proxy_headers, maxsize=connections, **options)
    return urllib3.PoolManager(maxsize=connections, **options)
