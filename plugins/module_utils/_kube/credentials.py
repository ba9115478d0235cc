# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials of the adapter: such that a header can carry them, and in no error that they cause."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import SplitResult, unquote, urlsplit

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import hide, masked
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import token_problem
from ansible_collections.llmops.maas.plugins.module_utils._common.masking import as_bytes

_LONGEST_MESSAGE = 300
_NOT_IN_URLS = re.compile(r"[\s\x00-\x1f\x7f]")


class KubeError(Exception):
    """Base of all errors of the adapter."""


class KubeConfigError(KubeError):
    """No cluster chosen, or the choice cannot be used."""


def credentials(header: str, source: str) -> str:
    """The value of the Authorization header, without white space around its token: files and variables may have it.

    :param source: where the token came from, in words.
    :raises KubeConfigError: no header can carry the token.
    """
    scheme, _space, token = header.strip().partition(" ")
    token = token.strip()
    hide(token)
    if scheme.lower() == "basic":
        hide(_password_of(token))
    problem = token_problem(token)
    if problem:
        raise KubeConfigError(
            f"{source}: the token {problem}, so no request can carry it; copy it again, in one line (it is not shown"
            " here)"
        )
    return f"{scheme} {token}"


def _password_of(token: str) -> bytes:
    try:
        return base64.b64decode(token).partition(b":")[2]
    except ValueError:
        return b""


def basic(user: str, password: str) -> str:
    """The value of a header for basic authentication (RFC 7617)."""
    hide(password)
    return "Basic " + base64.b64encode(as_bytes(f"{user}:{password}")).decode()


def proxy_address(url: str) -> str:
    """Scheme, host and port of a proxy. Raises KubeConfigError, without the URL: it may hold a password."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise KubeConfigError(
            "proxy: it is no address; write http://host:port, or http://user:password@host:port with the special"
            " characters of the two escaped, such as %40 for @"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"


def proxy_headers(url: str) -> dict[str, str]:
    """Authentication at the proxy, where its URL has user information."""
    parts = _split(url)
    if parts is None or not parts.username:
        return {}
    return {"Proxy-Authorization": basic(unquote(parts.username), unquote(parts.password or ""))}


def _split(url: str) -> SplitResult | None:
    """The parts of a URL; None for one that others would read otherwise, such as with a slash in its password."""
    try:
        parts = urlsplit(url)
        # Looked at only when it is asked for.
        _port = parts.port
    except ValueError:
        return None
    return None if _NOT_IN_URLS.search(url) or "@" in f"{parts.path}{parts.query}{parts.fragment}" else parts


@contextmanager
def package_messages() -> Iterator[list[str]]:
    """What the ``kubernetes`` package logs in the block, kept from the screen.

    It goes on without a token when the program that should give one fails, and logs whatever that raised.
    """
    messages: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        messages.append(" ".join(masked(record.getMessage()).split())[:_LONGEST_MESSAGE])
        return False

    root = logging.getLogger()
    root.addFilter(keep)
    try:
        yield messages
    finally:
        root.removeFilter(keep)
