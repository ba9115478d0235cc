# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping the lock for as long as ansible-playbook runs.

Nothing of Ansible itself lives from one task to the next but the process ansible-playbook, in which collections cannot
run anything. So a process of its own renews the lock. It watches ansible-playbook, and when that has ended, however it
came to that (Ctrl-C, a failed task, kill -9), it releases the lock and ends too. Should it be killed with the others,
the lock goes stale and whoever comes next takes it over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import KubeError
from ansible_collections.llmops.maas.plugins.module_utils._lock.lease import LeaseLock, patiently
from ansible_collections.llmops.maas.plugins.module_utils._lock.lock import Holder, LockError
from ansible_collections.llmops.maas.plugins.module_utils._supervise.process_life import ProcessEnd, detach

# At most 15 characters, see `detach`.
NAME = "maas-run-lock"
# A renewal may fail twice before the lock is stale.
_RENEWALS = 3
_RETRY_SECONDS = 2.0
_RELEASE_SECONDS = 10.0


def start(connect: Callable[[], LeaseLock], holder: Holder) -> None:
    """Start the process that keeps the holder's lock. ``connect`` makes connections that are its own."""
    detach(NAME, lambda: keep(connect, holder, ProcessEnd(holder.pid)))


def keep(connect: Callable[[], LeaseLock], holder: Holder, run: ProcessEnd) -> None:
    """Renew the lock until the run ends, then release it; ends early when somebody else has given it up or taken it."""
    lock: LeaseLock | None = None
    regular = holder.seconds / _RENEWALS
    pause = regular
    while not run.within(pause):
        try:
            lock = lock or connect()
            if not lock.renew(holder.id):
                return
            pause = regular
        except (KubeError, LockError):
            pause = min(_RETRY_SECONDS, regular)
    with contextlib.suppress(KubeError, LockError):
        lock = lock or connect()
        patiently(lambda: lock.release(lambda other: other.id == holder.id), _RELEASE_SECONDS)
