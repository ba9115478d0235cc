# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which status whom is expected to get: ``maas_verify_expected`` and its exceptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.names import as_text, named
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.access import group_name
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.tasks import all_kinds
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import VerifyError

LIST = "list"
"""The kind of request that asks the Gateway for the models that the caller may use."""
OK = 200
_DEFAULT = "default"
_FIELDS = {"group", "model", "kind", "expected"}


class TableError(VerifyError):
    """A table of expected statuses that cannot be used; the message names the variable, the entry and the fix."""


@dataclass(frozen=True)
class ExpectedStatuses:
    """Statuses by group and kind of request.

    :param by_group: ``maas_verify_expected``; the entry ``default`` is for people none of whose groups is in it.
    :param exceptions: ``maas_verify_exceptions``: ``expected`` for a ``group``, ``model`` and ``kind``, which may be
        left out; the last one that fits counts.
    """

    by_group: Mapping[str, Mapping[str, int]]
    exceptions: Sequence[Mapping[str, Any]] = ()

    def group_of(self, name: str, groups: Sequence[str], role: str = "user") -> str:
        """The first of somebody's groups that has statuses. ``name`` and ``role`` say in messages who it is.

        :raises TableError: there is neither one nor a default.
        """
        group = next((group for group in groups if group in self.by_group), _DEFAULT)
        if group not in self.by_group:
            raise TableError(
                f"maas_verify_expected: has none of the groups of {role} {name}; add one of them, or an entry default"
            )
        return group

    def status(self, group: str, model: str, kind: str) -> int:
        """What a group that has statuses is expected to get of a model.

        :raises TableError: no status for that kind.
        """
        asked = {"group": group, "model": model, "kind": kind}
        for entry in reversed(self.exceptions):
            if all(entry.get(field, value) == value for field, value in asked.items()):
                return int(entry["expected"])
        if kind not in self.by_group[group]:
            raise TableError(f"maas_verify_expected.{group}: has no status for {kind}; add it, such as {kind}: 200")
        return int(self.by_group[group][kind])

    def of_list(self, group: str) -> int | None:
        """What the group is expected to get of the Gateway's list of models; None where the table says nothing."""
        status = self.by_group[group].get(LIST)
        return None if status is None else int(status)

    def any_may(self, groups: Sequence[str], model: str, kind: str) -> bool:
        """Whether one of these groups, where the table has it or a default, may send such a request."""
        known = [group if group in self.by_group else _DEFAULT for group in groups]
        return OK in [self.status(group, model, kind) for group in known if group in self.by_group]


def credential_status(statuses: Mapping[str, int], case: str) -> int:
    """What a request with a wrong credential is expected to get, by ``maas_verify_credentials``.

    :raises TableError: the table does not say.
    """
    if case not in statuses:
        raise TableError(f"maas_verify_credentials: has no status for {case}; add it, such as {case}: 401")
    return int(statuses[case])


def read_expected(table: Mapping[Any, Mapping[str, int]], exceptions: Sequence[Mapping[str, Any]]) -> ExpectedStatuses:
    """The tables as people wrote them: names may be numbers, and those of groups may begin with a slash.

    :raises TableError: a kind of request or a field that does not exist.
    """
    by_group = {group_name(as_text(group)): statuses for group, statuses in table.items()}
    kinds = {LIST, *all_kinds()}
    for group, statuses in by_group.items():
        unknown = sorted(set(statuses) - kinds)
        if unknown:
            raise TableError(
                f"maas_verify_expected.{group}: unknown kind {', '.join(unknown)}; known are {', '.join(sorted(kinds))}"
            )
    for number, entry in enumerate(exceptions):
        unknown = sorted(set(entry) - _FIELDS)
        if unknown or "expected" not in entry:
            raise TableError(
                f"maas_verify_exceptions[{number}]: needs expected, and may have group, model and kind;"
                f" unknown is {', '.join(unknown) or 'nothing'}"
            )
    plain = [
        {**entry, "group": group_name(entry["group"])} if "group" in entry else entry for entry in named(exceptions)
    ]
    return ExpectedStatuses(by_group, plain)
