# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fields that were applied once and that nobody owns any more, so that no apply would ever remove them.

Some controllers' writes take fields from their owners without changing them: after istiod has written the status of a
Gateway, in v1beta1, the owner of its spec in v1 is gone from ``managedFields``. A server-side apply removes what its
manager owns and the new manifest lacks, and so would leave a listener that was taken out of the manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._manifests.field_sets import Fields, minus, within
from ansible_collections.llmops.maas.plugins.module_utils._manifests.owned_fields import drop_field, entries_of, united


def lost_fields(
    live: Mapping[str, Any],
    applied: Mapping[str, Any],
    manifest: Callable[[], Mapping[str, Any]],
    ignored: Sequence[str],
) -> Fields:
    """What of the set ``applied`` is still in ``live``, has no owner, and is not in the manifest.

    :param applied: what was ours right after the last apply.
    :param manifest: reads it, which is needed for few objects.
    :param ignored: fields that are left to whoever changes them.
    """
    lost = within(minus(applied, united(entries_of(live["metadata"]))), live)
    for path in ("status", *ignored):
        lost = drop_field(lost, path)
    return minus(lost, within(lost, manifest())) if lost else {}
