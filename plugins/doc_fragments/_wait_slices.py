# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  fail_fast:
    description:
      - Whether to end as soon as one of the objects has failed for good. All objects are reported in any case.
      - With V(false) the wait goes on until each of the others is ready or has failed too.
    type: bool
    default: true
  slice_seconds:
    description:
      - Return after this many seconds even when the wait is not over. V(0) waits to the end at once.
      - Set by the action plugin, which runs the module in slices and shows progress between them. Not for playbooks.
    type: float
    default: 0
  slice_early:
    description: Whether a slice may end early when there is something to tell. Set by the action plugin.
    type: bool
    default: true
  resume:
    description: What the slice before returned, to go on from there. Set by the action plugin.
    type: str
notes:
  - While it waits, a line is shown whenever something changed, at most one every few seconds. Under ansible-runner and
    AWX only with C(-v) or more.
  - The C(async) keyword is not supported.
"""
