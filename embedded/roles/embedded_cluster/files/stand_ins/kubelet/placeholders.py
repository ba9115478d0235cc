# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills the placeholders of the image map and moves mount paths under a container's own root directory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

# {root}: directory under which the container's volumes are mounted; {tmp}: its /tmp; {kubeconfig}: uses its token;
# {node_kubeconfig}: has the rights of the kubelet stand-in, for what itself stands in for a part of the cluster;
# {service_names}: hosts file with the Services (names.py); {pod_network}: socket of the proxy to Pods (relay.py).
_PLACEHOLDER = re.compile(
    r"\{(port:[A-Za-z0-9-]+|root|tmp|kubeconfig|node_kubeconfig|service_names|pod_network|pod_name|namespace|pod_ip)\}"
)


class PlaceholderError(Exception):
    """A placeholder cannot be filled; the message names it."""


def fill(text: str, values: Mapping[str, str], port: Callable[[str], int]) -> str:
    """Replaces the placeholders; all other braces stay.

    ``{port:8080}`` and ``{port:name}``: port() is given the number or name and returns the local port. The others are
    taken from values. Raises PlaceholderError when one has none.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name.startswith("port:"):
            return str(port(name.removeprefix("port:")))
        if name not in values:
            raise PlaceholderError(f"no value for {{{name}}}")
        return values[name]

    return _PLACEHOLDER.sub(value, text)


def relocate(text: str, mount_paths: Iterable[str], root: str) -> str:
    """Puts root before each mount path in text, e.g. ``--cert=/tls/a`` -> ``--cert=<root>/tls/a`` for mount path /tls.

    A path counts only as a whole: at the start or after a separator, and up to its end or the next ``/``, so that
    neither ``/srv/tls`` nor ``/tlsx`` is taken for ``/tls``. A backslash ends it, too, as in what ``printf`` gets.
    """
    paths = sorted({path.rstrip("/") for path in mount_paths if path.strip("/")}, key=len, reverse=True)
    if not paths:
        return text
    alternatives = "|".join(re.escape(path) for path in paths)
    return re.sub(rf"(?<![\w./\-@])({alternatives})(?=$|[/,;:\s\"'\\])", lambda match: root + match.group(1), text)
