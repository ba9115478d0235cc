#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Print lines and tables as written
version_added: 0.1.0
description:
  - Prints plain lines and tables, at once, where M(ansible.builtin.debug) would show a list of quoted strings.
  - Columns are as wide as their content. Lines are neither wrapped nor cut.
  - On a terminal, parts of the lines are coloured, as Ansible is configured; in a file, a pipe and AWX they are not.
  - With a callback whose output a program may read, such as V(json), the lines go to standard error.
  - In check mode a report ends with what the tasks of this run could not check.
extends_documentation_fragment:
  - llmops.maas._attributes
attributes:
  check_mode:
    support: full
    details: Prints the lines, and what could not be checked.
options:
  lines:
    description:
      - What to print, in order. Each entry is a text, a dictionary with a text, or a table.
      - A text is C(text) and C(style), which is V(plain), V(heading), V(ok), V(failed) or V(warning).
      - A table has C(rows), each of them a list of texts, and may have C(heading), the titles of its columns, and
        C(indent), a number of blanks. Columns without content are left out.
    type: list
    elements: raw
    default: []
  unchecked:
    description:
      - Things that this run cannot check in check mode, for the end of later reports. Nothing is printed now.
      - Without check mode they are ignored.
    type: list
    elements: dict
    default: []
    suboptions:
      what:
        description: What is not checked, in words that follow "Not checked".
        type: str
        required: true
      why:
        description: The reason, in words that follow "because". Things with the same reason share a line.
        type: str
        required: true
      items:
        description: The names of the things, if there are several.
        type: list
        elements: str
        default: []
notes:
  - C(no_log) hides the lines.
author:
  - llmops.maas contributors (@llmops)
"""

EXAMPLES = r"""
- name: Show how it went
  llmops.maas.report:
    lines:
      - {text: Models, style: heading}
      - heading: [NAME, STATE]
        rows:
          - [qwen3-0-6b-instruct, {text: ready, style: ok}]
          - [granite-8b-code-instruct-128k, {text: failed, style: failed}]
        indent: 2
      - 2 models

- name: Say what check mode leaves out
  llmops.maas.report:
    unchecked:
      - {what: whether the service answers, why: nothing was started}
"""

RETURN = r"""
lines:
  description: How many lines were printed.
  type: int
  returned: success
  sample: 4
"""
