#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: manifests
short_description: Apply or delete a bundle of Kubernetes manifests of any size in one task
version_added: 0.1.0
description:
  - Brings a cluster to what a bundle of manifests says, with server-side apply, in the order that they need
    (namespaces, CRDs until they are served, RBAC, configuration, workloads, webhooks, custom resources), many at once.
  - With O(bundle) it keeps a record in the cluster. An unchanged bundle then costs a few requests for metadata and no
    write; drift in any field that was applied is found and repaired in the same run, and what a newer version of the
    bundle dropped can be pruned. Fields that others own are left alone.
  - Values of Secrets are shown neither in differences nor in arguments nor in errors.
options:
  bundle:
    description:
      - Name of the record of what was applied, one for each set of objects that belong together. Lower-case letters,
        digits and V(-).
      - Without it every object is sent in every run, and O(prune) is not possible.
    type: str
  definitions:
    description:
      - Objects as dictionaries or as YAML text, which may hold several documents, or a list of these.
      - Text is read as kubectl reads it. Dictionaries were read by Ansible, so quote in them what it does not take for
        text, such as a time stamp or the key V(on); the error names each.
      - Rendered templates fit well, such as V(query('ansible.builtin.template', 'a.yaml.j2', 'b.yaml.j2'\)).
    type: raw
  files:
    description:
      - YAML files on the controller, found as by M(ansible.builtin.copy). They may be vaulted.
      - In UTF-8, or in UTF-16 with a byte order mark.
    type: list
    elements: path
    default: []
  urls:
    description: YAML files to fetch from the host that the module runs on.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: Address that begins with V(https://).
        type: str
        required: true
      checksum:
        description: SHA-256 of the file in hexadecimal digits, with or without V(sha256:) before it.
        type: str
  state:
    description:
      - V(present) applies the objects.
      - V(absent) deletes them, in reverse order. With O(bundle) and no definition it deletes everything that the record
        holds, but not what somebody else made under the same name.
    type: str
    choices: [present, absent]
    default: present
  namespace:
    description: Namespace of namespaced objects that name none. Without it such an object is an error.
    type: str
  override_namespace:
    description: Namespace for all objects that name one.
    type: str
  replace_namespace:
    description:
      - Namespaces to replace by others, in objects, names of Namespace objects, subjects of role bindings, and services
        of webhooks, conversions and API services.
    type: dict
    default: {}
  exclude:
    description: Objects to leave out. One that matches nothing is an error.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Kind of the object.
        type: str
        required: true
      name:
        description: Name of the object; all of the kind when left out.
        type: str
  patches:
    description: Changes to make before objects are sent. One that matches nothing is an error.
    type: list
    elements: dict
    default: []
    suboptions:
      target:
        description: The object to change.
        type: dict
        required: true
        suboptions:
          kind:
            description: Kind of the object.
            type: str
            required: true
          name:
            description: Name of the object; all of the kind when left out.
            type: str
      merge:
        description:
          - What to merge into the object. Mappings merge, null removes, lists whose items all have a C(name) merge by
            it (containers, environment variables), anything else replaces.
        type: dict
      merge_json:
        description:
          - For a ConfigMap whose values are JSON texts, what to merge into them, by key of C(data).
        type: dict
  create_only:
    description:
      - Fields that are set when an object is made and are then left to whoever changes them, such as a webhook's
        C(failurePolicy) that its controller raises, or C(replicas) under an autoscaler.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Kind of the object.
        type: str
        required: true
      name:
        description: Name of the object; all of the kind when left out.
        type: str
      fields:
        description: Paths such as V(spec.replicas) or V(webhooks[*].failurePolicy).
        type: list
        elements: str
        required: true
  duplicates:
    description: What to do when an object is given twice; V(last) takes the later one.
    type: str
    choices: [error, last]
    default: error
  field_manager:
    description: Name under which fields are owned. Keep it, for fields applied under another name stay that one's.
    type: str
    default: llmops.maas
  force_conflicts:
    description:
      - Take over fields that other managers set to other values. Otherwise such a field is an error.
      - Also take over what C(kubectl apply) without C(--server-side) has set, so that fields that the object no longer
        has are removed. Otherwise a warning names them.
    type: bool
    default: false
  validate:
    description:
      - What to do with a field that the kind's schema does not have. V(strict) refuses the object and names the field,
        V(warn) leaves the field out with a warning, V(ignore) leaves it out.
    type: str
    choices: [strict, warn, ignore]
    default: strict
  prune:
    description: Delete what an earlier version of the bundle made and this one does not hold.
    type: bool
    default: false
  keep_kinds:
    description: Kinds never to delete, such as V(CustomResourceDefinition) or V(PersistentVolumeClaim).
    type: list
    elements: str
    default: []
  wait_deleted:
    description: Wait until deleted objects are gone, which custom resources need to be before their controllers go.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that each step (each wave of objects of like kinds) may take to succeed. Within it, webhooks that do not
        answer yet, lost races and overload are tried again.
    type: float
    default: 120
  controller_grace:
    description:
      - Seconds that an object may be on its way out before the controller that has to remove its finalizers is looked
        at. When that does not run, the task fails without waiting for O(timeout). V(0) never looks.
      - Which controllers are known, and when one counts as not running, is said at the option of the same name of
        M(llmops.maas.resource_wait).
    type: float
    default: 10
  inventory_namespace:
    description: Namespace of the records. It is made with the first and removed with the last.
    type: str
    default: llmops-maas
  sealed:
    description: For internal use. Carries what may not be logged from the controller to the module.
    type: str
extends_documentation_fragment:
  - llmops.maas._kube_auth
  - llmops.maas._attributes
  - llmops.maas._attributes.group
attributes:
  check_mode:
    support: full
    details:
      - Objects that exist are sent as dry runs, which webhooks see too. Where a namespace or a kind is not there yet,
        as on an empty cluster, the object counts as created without being checked.
  diff_mode:
    support: full
    details: Of very large objects only the fields that differ are shown.
author:
  - llmops.maas contributors (@llmops)
seealso:
  - module: kubernetes.core.k8s
"""

EXAMPLES = r"""
- name: Install KServe from its release manifest
  llmops.maas.manifests:
    kubeconfig: ~/.kube/config
    bundle: kserve
    files: [kserve-v0.15.2.yaml]
    field_manager: kserve-install
    force_conflicts: true

- name: Apply a role's templates in one task, and remove what they no longer hold
  llmops.maas.manifests:
    bundle: observability
    definitions: "{{ query('ansible.builtin.template', 'prometheus.yaml.j2', 'grafana.yaml.j2') }}"
    namespace: llm-observability
    prune: true

- name: Move an operator out of the namespace default and give it another log level
  llmops.maas.manifests:
    bundle: prometheus-operator
    files: [prometheus-operator-bundle.yaml]
    replace_namespace:
      default: llm-observability
    patches:
      - target: {kind: Deployment, name: prometheus-operator}
        merge:
          spec:
            template:
              spec:
                containers:
                  - name: prometheus-operator
                    env: [{name: LOG_LEVEL, value: debug}]

- name: Remove everything that the bundle made, but for its CRDs
  llmops.maas.manifests:
    bundle: kserve
    state: absent
    keep_kinds: [CustomResourceDefinition]
"""

RETURN = r"""
objects:
  description: The objects that were changed, or would be in check mode. Those that were not changed are only counted.
  returned: always
  type: list
  elements: dict
  contains:
    apiVersion:
      description: API version of the object.
      type: str
      returned: always
    kind:
      description: Kind of the object.
      type: str
      returned: always
    namespace:
      description: Namespace of the object, empty when its kind has none.
      type: str
      returned: always
    name:
      description: Name of the object.
      type: str
      returned: always
    action:
      description: One of V(created), V(configured), V(deleted), V(pruned).
      type: str
      returned: always
counts:
  description: Number of objects by action; also V(unchanged), and V(kept) because of O(keep_kinds).
  returned: always
  type: dict
  sample: {created: 2, unchanged: 38}
unchecked:
  description: What could not be checked, each with C(what), C(why) and C(items), for M(llmops.maas.report).
  returned: in check mode
  type: list
  elements: dict
failures:
  description: The objects that failed, with O(files) or O(definitions) they came from (C(source)) and the error.
  returned: on failure
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, Kube, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.config import KUBERNETES_MISSING
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError
from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import YAML_MISSING
from ansible_collections.llmops.maas.plugins.module_utils._manifests.bundle import Bundle
from ansible_collections.llmops.maas.plugins.module_utils._manifests.redact import shown_definitions

_TARGET: dict[str, Any] = {"kind": {"type": "str", "required": True}, "name": {"type": "str"}}
ARGUMENTS: dict[str, Any] = {
    "bundle": {"type": "str"},
    "definitions": {"type": "raw"},
    "files": {"type": "list", "elements": "path", "default": []},
    "urls": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"url": {"type": "str", "required": True}, "checksum": {"type": "str"}},
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "namespace": {"type": "str"},
    "override_namespace": {"type": "str"},
    "replace_namespace": {"type": "dict", "default": {}},
    "exclude": {"type": "list", "elements": "dict", "default": [], "options": _TARGET},
    "patches": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "target": {"type": "dict", "required": True, "options": _TARGET},
            "merge": {"type": "dict"},
            "merge_json": {"type": "dict"},
        },
    },
    "create_only": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {**_TARGET, "fields": {"type": "list", "elements": "str", "required": True}},
    },
    "duplicates": {"type": "str", "choices": ["error", "last"], "default": "error"},
    "field_manager": {"type": "str", "default": "llmops.maas"},
    "force_conflicts": {"type": "bool", "default": False},
    "validate": {"type": "str", "choices": ["strict", "warn", "ignore"], "default": "strict"},
    "prune": {"type": "bool", "default": False},
    "keep_kinds": {"type": "list", "elements": "str", "default": []},
    "wait_deleted": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 120},
    "controller_grace": {"type": "float", "default": 10},
    "inventory_namespace": {"type": "str", "default": "llmops-maas"},
    "sealed": {"type": "str", "no_log": True},
    **AUTH_ARGUMENTS,
}


@guarded
def main() -> None:
    # Run without its action plugin, the module gets Secrets in plain sight: they are not sent back.
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True, shown={"definitions": shown_definitions})
    for missing, library in ((KUBERNETES_MISSING, "kubernetes"), (YAML_MISSING, "PyYAML")):
        if missing:
            module.fail_json(msg=missing_required_lib(library))
    bundle: Bundle | None = None
    try:
        bundle = Bundle(module.params, check=module.check_mode, diff=module._diff, warn=module.warn)
        bundle.run(Kube.connect(module.params))
    except InputError as error:
        module.fail_json(msg=f"Nothing was changed. {error}")
    except KubeError as error:
        module.fail_json(msg=str(error), **(bundle.result() if bundle else {}))
    result = bundle.result()
    if bundle.outcome.failures:
        module.fail_json(msg=bundle.outcome.failure_text(), failures=bundle.outcome.failures, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
