#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: platform
short_description: Read the platform's variables
version_added: 0.1.0
description:
  - Reads all variables of the collection, which the role C(llmops.maas.maas) documents, converts each to its type,
    checks them one by one and against each other, and fills in defaults. Register the result; roles read nothing else.
  - All mistakes are shown together. Each message names the variable with its path, the value unless it is secret, and
    the fix.
  - Values may come as text, as from C(-e name=value) and surveys of AWX.
extends_documentation_fragment:
  - llmops.maas._attributes
attributes:
  check_mode:
    support: full
    details: Nothing is changed without it either.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  check_only:
    description:
      - Whether to check the variables and return none of them.
      - Without it the result holds secrets, so that C(no_log) has to hide it, which hides the messages as well.
    type: bool
    default: false
notes:
  - Without O(check_only) the task must have C(no_log).
author:
  - llmops.maas contributors (@llmops)
"""

EXAMPLES = r"""
- name: Check the variables
  llmops.maas.platform:
    check_only: true

- name: Read the variables
  llmops.maas.platform:
  register: maas_platform
  no_log: true

- name: Show the models
  ansible.builtin.debug:
    msg: "{{ maas_platform.catalogue | map(attribute='name') }}"
"""

RETURN = r"""
namespace:
  description:
    - An example of a variable. Each of them is returned by its name without C(maas_), C(maas_namespace) as this one.
  type: str
  returned: success, without check_only
  sample: llm
catalogue:
  description:
    - The models that are enabled, each with every field filled in, and with C(rules), C(rates), C(revision),
      C(resources), C(tolerations) and C(source).
  type: list
  elements: dict
  returned: success, without check_only
model_names:
  description: Names of all models, also of those that are not enabled.
  type: list
  elements: str
  returned: success, without check_only
group_names:
  description: Names of the groups.
  type: list
  elements: str
  returned: success, without check_only
gateway:
  description: The Gateway's C(namespace) and C(name).
  type: dict
  returned: success, without check_only
gateway_tls_secret:
  description: Name of the Secret with the Gateway's certificate; empty without TLS.
  type: str
  returned: success, without check_only
host:
  description: The first host name.
  type: str
  returned: success, without check_only
open_paths:
  description: Beginnings of paths that anybody may use.
  type: list
  elements: str
  returned: success, without check_only
connection:
  description: Options of every module that talks to the cluster.
  type: dict
  returned: success, without check_only
upstream_dir:
  description: Folder with the upstream manifests.
  type: str
  returned: success, without check_only
keycloak_enabled:
  description: Whether Keycloak is deployed.
  type: bool
  returned: success, without check_only
keycloak:
  description: Its C(namespace) and C(realm); empty where it is not deployed.
  type: dict
  returned: success, without check_only
issuer_url:
  description: The issuer of tokens, as they name it.
  type: str
  returned: success, without check_only
minio_deployed:
  description: Whether MinIO is deployed.
  type: bool
  returned: success, without check_only
s3_has_keys:
  description: Whether there is an object store outside with keys.
  type: bool
  returned: success, without check_only
s3_storage_config:
  description: What KServe reads of that, with the keys; empty without.
  type: dict
  returned: success, without check_only
service_account_annotations:
  description: Annotations of the models' ServiceAccount.
  type: dict
  returned: success, without check_only
download_environment:
  description: O(ignore:maas_download_env) as containers have it, a list with C(name) and C(value) or C(valueFrom).
  type: list
  elements: dict
  returned: success, without check_only
prometheus_version:
  description: Version of Prometheus, from its image.
  type: str
  returned: success, without check_only
"""
