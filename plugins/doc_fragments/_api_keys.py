# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  namespace:
    description:
      - Namespace of the Secrets that hold the keys. It must be that of Authorino, unless its AuthConfigs look in all
        namespaces.
    type: str
    default: kuadrant-system
  key_labels:
    description: Labels by which the AuthPolicies find keys.
    type: dict
    default: {app: models-api}
  now:
    description:
      - The moment to act for, with a time zone, such as V(2026-12-31T12:00:00Z). Default is the system's time.
      - With check mode, shows what a later run would do.
    type: str
notes:
  - No key is ever shown, logged or returned, except where O(ignore:delivery.registered) asks for it.
  - The C(async) keyword is not supported.
"""

    DELIVERY = r"""
options:
  delivery:
    description:
      - Where a new key is delivered. Several may be given.
      - In names and paths, C(${user}) stands for the user and C(${lineage}) for the key's name, which stays the same
        when it is rotated.
    type: dict
    suboptions:
      secret:
        description: A Secret that the consumer reads.
        type: dict
        suboptions:
          namespace:
            description: Its namespace, which must exist.
            type: str
            required: true
          name:
            description: Its name.
            type: str
            required: true
          key:
            description: Key in the Secret's data.
            type: str
            default: api_key
      file:
        description:
          - A file on the control node, with mode 0600, replaced in one step. Missing folders are made with mode 0700.
          - Encrypted with Ansible Vault when a vault secret is loaded.
        type: path
      registered:
        description:
          - Return the keys, for C(register). Refused unless the task has C(no_log=true).
        type: bool
        default: false
"""
