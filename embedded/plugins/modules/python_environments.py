#!/usr/bin/python
# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python environments of the embedded cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: python_environments
short_description: Make Python environments for optional parts of the embedded cluster
version_added: 0.1.0
description:
  - Makes each environment in the cache, with the pinned packages of its file. One that is there is left alone.
author:
  - llmops.maas contributors (@llmops)
options:
  source:
    description: Directory with a file of pinned requirements per environment, C(<name>.txt).
    type: path
    required: true
  names:
    description: Names of the environments to have.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - llmops.maas._attributes
attributes:
  check_mode:
    support: full
    details: Says whether something would be made. The paths are those that there would be.
  diff_mode:
    support: none
    details: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Have KServe's storage initializer
  llmops.embedded.python_environments:
    source: "{{ role_path }}/files/python"
    names: [storage-initializer]
"""

RETURN = r"""
pythons:
  description: Path of the Python of each environment, by name.
  returned: always
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.python_environments import PythonEnvironment
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError, cache_home

ARGUMENTS: dict[str, Any] = {
    "source": {"type": "path", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
}


def run(params: dict[str, Any], *, dry: bool) -> dict[str, Any]:
    wanted = [PythonEnvironment(cache_home(), Path(params["source"]) / f"{name}.txt") for name in params["names"]]
    pythons = {item.name: str(item.python) for item in wanted}
    made = [not item.python.exists() if dry else item.make() for item in wanted]
    return {"changed": any(made), "pythons": pythons}


@guarded
def main() -> None:
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = run(module.params, dry=module.check_mode)
    except SuperviseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
