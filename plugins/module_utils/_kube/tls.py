# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and keys of the adapter: read into memory once, and left in no file of ours.

The ``kubernetes`` package writes what a kubeconfig holds as data to temporary files, for TLS takes a client's key from
a file only. It removes them when the process exits; Ansible's workers, in which modules may run, end without exiting
(``os._exit``), and would leave a client's key behind with every task.
"""

from __future__ import annotations

import os
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

try:
    from kubernetes.config import kube_config
    from urllib3.util.ssl_ import create_urllib3_context
except ImportError:
    pass  # `_kube_config` says what is missing before anything here is called

# Files here are in memory, where the system has it (tmpfs on Linux).
_MEMORY = "/dev/shm"  # noqa: S108 - the folder made in it is this user's alone
# The package keeps one list of its files for the whole process.
_LOCK = threading.Lock()


@contextmanager
def passing_files() -> Iterator[str]:
    """A folder for the package's files. They are gone, and forgotten by the package, when the block ends."""
    folder = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    with _LOCK, tempfile.TemporaryDirectory(prefix="llmops-maas-", dir=folder) as files:
        try:
            yield files
        finally:
            # Older versions of the package (24.2, for one) would tell a second connection of the process the names of
            # files that are gone; and it makes some elsewhere (the CA of an OIDC issuer).
            forget = getattr(kube_config, "_cleanup_temp_files", None)
            if forget is not None:
                forget()


def tls_context(configuration: Any) -> ssl.SSLContext:
    """What the connections to that API server share: whom to trust, and the client's certificate and key.

    Raises ssl.SSLError or OSError when the files that the configuration names cannot be used.
    """
    verify = bool(configuration.verify_ssl)
    context: ssl.SSLContext = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    if verify and configuration.ssl_ca_cert:
        context.load_verify_locations(configuration.ssl_ca_cert)
    elif verify:
        context.load_default_certs()
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
