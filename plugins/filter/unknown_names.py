# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_names
short_description: Find misspelt variable names
version_added: 0.1.0
description:
  - Gives one message for each name that is not known, with the known name that it most resembles, or with what
    replaced it if it was removed.
options:
  _input:
    description: Names that are set.
    type: list
    elements: str
    required: true
  known:
    description: Names that mean something.
    type: list
    elements: str
    required: true
  removed:
    description: Names that meant something once, each with what to use instead.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Refuse misspelt variables
  ansible.builtin.assert:
    that: __misspelt | length == 0
    fail_msg: "{{ __misspelt | join('; ') }}"
  vars:
    __misspelt: "{{ ['maas_model'] | llmops.maas.unknown_names(known=['maas_models']) }}"
"""

RETURN = r"""
_value:
  description: One message per unknown name, empty when all are known.
  type: list
  elements: str
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def unknown_names(names: Iterable[str], known: Iterable[str], removed: Mapping[str, str] | None = None) -> list[str]:
    """See DOCUMENTATION."""
    every = sorted(known)
    return [_message(name, every, removed or {}) for name in sorted(names) if name not in every]


def _message(name: str, known: list[str], removed: Mapping[str, str]) -> str:
    if name in removed:
        return f"{name} was removed: {removed[name]}"
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"{name} is not a variable of this collection" + (f"; did you mean {close[0]}?" if close else "")


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"unknown_names": unknown_names}
