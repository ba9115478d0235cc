# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ApplyOptions and results that applying and deleting share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import Unchecked, unchecked
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import ObjectKey
from ansible_collections.llmops.maas.plugins.module_utils._manifests.diff import difference
from ansible_collections.llmops.maas.plugins.module_utils._manifests.transform import matches

# How many failures are shown in full; a broken connection fails every object in the same way.
_SHOWN = 20


@dataclass(frozen=True)
class ApplyOptions:
    """The module's options that matter beyond reading its input; ``timeout`` and ``controller_grace`` in seconds."""

    manager: str
    force: bool
    validate: str
    namespace: str
    create_only: Sequence[Mapping[str, Any]]
    keep_kinds: frozenset[str]
    prune: bool
    timeout: float
    wait_deleted: bool
    controller_grace: float
    check: bool
    diff: bool

    def create_only_fields(self, kind: str, name: str) -> list[str]:
        """The fields of that object that are set when it is made and then left to others."""
        return [path for item in self.create_only if matches(item, kind, name) for path in item["fields"]]


@dataclass
class ApplyOutcome:
    """What was done, or would be in check mode."""

    options: ApplyOptions
    warn: Callable[[str], None]
    objects: list[dict[str, str]] = field(default_factory=list)
    diffs: list[dict[str, str]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    record_removed: bool = False
    unasked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many objects check mode could not judge: what of them, and why not."""

    @property
    def changed(self) -> bool:
        return bool(self.objects) or self.record_removed

    def note(
        self,
        key: ObjectKey,
        api_version: str,
        action: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Note one object's action, with its difference in diff mode. Not thread-safe."""
        self.counts[action] += 1
        if action in ("unchanged", "kept"):
            return
        self.objects.append(
            {
                "apiVersion": api_version,
                "kind": key.kind,
                "namespace": key.namespace,
                "name": key.name,
                "action": action,
            }
        )
        if self.options.diff:
            self.diffs.append(difference(key, before, after))

    def unchecked(self, bundle: str) -> list[Unchecked]:
        """What check mode could not judge."""
        return [
            unchecked(what, why, [f"{count} of {bundle}" if bundle else str(count)])
            for (what, why), count in self.unasked.items()
        ]

    def fail(self, key: ObjectKey, where: str, error: str) -> None:
        self.failures.append(
            {"kind": key.kind, "namespace": key.namespace, "name": key.name, "source": where, "error": error}
        )

    def failure_text(self) -> str:
        """All failures, one line each, the same error of several objects once."""
        by_error: dict[str, list[str]] = {}
        for item in self.failures:
            what = str(ObjectKey("", item["kind"], item["namespace"], item["name"]))
            by_error.setdefault(item["error"], []).append(f"{what} ({item['source']})" if item["source"] else what)
        lines = []
        for error, names in by_error.items():
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            lines.append(f"{', '.join(names[:_SHOWN])}{more}: {error}")
        return "\n".join(lines)
