# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  progress:
    description: File in which the module keeps a line on how far it is. Set by the action plugin. Not for playbooks.
    type: path
notes:
  - When it takes long, a line is shown every few seconds on how far it is. Under ansible-runner and AWX only with C(-v)
    or more.
"""
