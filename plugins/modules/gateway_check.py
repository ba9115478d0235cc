#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_check
short_description: Send requests to the Gateway and compare the answers with the expected ones
version_added: 0.1.0
description:
  - Sends a table of requests to the platform's Gateway, as clients would, and reports for each whether its answer is
    the expected one. The content of an answer 200 is checked as well.
  - Expected statuses are those given, never derived from any policy.
  - API keys are read from their Secrets when they are needed. No result, log or error holds one.
  - Changes nothing. The requests count against the limits of the users whose keys they carry.
extends_documentation_fragment:
  - llmops.maas._kube_auth
  - llmops.maas._attributes
  - llmops.maas._attributes.group
  - llmops.maas._progress
options:
  url:
    description: Address of the Gateway, such as V(http://127.0.0.1:8000).
    type: str
    required: true
  requests:
    description: The requests. All but bursts are sent first, a few at a time; then one burst after the other.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What is checked, in words.
        type: str
        required: true
      section:
        description: Heading of the check in reports.
        type: str
        default: access
      kind:
        description:
          - What is asked for. V(chat), V(completion), V(stream), V(embeddings) and V(models) are endpoints of a model,
            for which a body is made; V(list) is the Gateway's own list of models; V(plain) asks for O(requests[].path)
            itself.
          - V(seal) asks for the path that only the seal of the Gateway refuses, see the filter
            P(llmops.maas.gateway_seal#filter).
          - V(echo) asks a backend that answers with the headers that it received, as JSON below C(headers). None of
            O(requests[].names) may be among them, and none of them may hold the credential.
          - V(stream) expects server-sent events, one of them with usage, although the request does not ask for it.
        type: str
        choices: [chat, completion, stream, embeddings, models, list, plain, seal, echo]
        default: plain
      path:
        description: Path of the model at the Gateway, such as V(/qwen3), or for V(plain) the whole path.
        type: str
        required: true
      method:
        description: Method of the request. Default is that of the kind.
        type: str
      host:
        description: The header C(Host), as it is sent.
        type: str
        required: true
      server_name:
        description: Host name that an address with https is asked for (SNI). Default is O(requests[].host).
        type: str
        default: ""
      target:
        description:
          - The target of the request, sent as it is, where it is not O(requests[].path), such as
            V(http://MODELS.EXAMPLE.COM/qwen3/v1/models). Such a request has no body.
        type: str
        default: ""
      url:
        description: Address of the Gateway for this request. Default is O(url).
        type: str
        default: ""
      answer_headers:
        description: Regular expressions by the name of a header, which the answer must have with such a value.
        type: dict
        default: {}
      headers:
        description: Further headers, none of them secret.
        type: dict
        default: {}
      model:
        description: Name of the model, under which it must answer whichever of its names is asked for.
        type: str
        default: ""
      served_name:
        description: Name under which the request asks for the model.
        type: str
        default: ""
      names:
        description:
          - For V(list), all names of models that the answer must hold, and no others.
          - For V(echo), headers that the backend must not receive; V(x-maas-*) stands for all with that prefix.
        type: list
        elements: str
        default: []
      credentials:
        description:
          - Which credential the request carries.
          - V(key) is the key of O(requests[].user) or in O(requests[].secret); V(none) is no credential.
          - V(wrong_key) is a key that nobody has; V(wrong_prefix) is a valid key after a wrong word.
          - V(token) is a token of the client of O(requests[].secret); V(tampered_token) is that token with another
            signature.
        type: str
        choices: [key, none, wrong_key, wrong_prefix, token, tampered_token]
        default: key
      user:
        description: User whose newest key the request carries; found by the Secret's annotation and labels.
        type: str
        default: ""
      secret:
        description:
          - Name of a Secret in O(keys_namespace) that holds the key, instead of O(requests[].user).
          - For tokens, of one in O(clients_namespace) with C(client_id), C(client_secret) and C(token_url).
        type: str
        default: ""
      secret_entry:
        description: Entry of that Secret.
        type: str
        default: api_key
      expected:
        description: Statuses of which the answer must have one.
        type: list
        elements: int
        default: [200]
      denied:
        description:
          - Whether the Gateway itself must answer. Then an expected status that comes from a backend fails.
        type: bool
        default: false
      burst:
        description:
          - The limit to check. That many requests must be answered with 200, and further ones with 429.
          - V(0) sends one request.
        type: int
        default: 0
      window:
        description: Window of the limit, s. A burst that takes longer proves nothing and fails.
        type: int
        default: 60
      settle:
        description: How long the request is repeated until its answer is the expected one, s. For keys that are new.
        type: int
        default: 0
  key_prefix:
    description: Word before the key in the C(Authorization) header.
    type: str
    default: APIKEY
  keys_namespace:
    description: Namespace of the keys.
    type: str
    default: kuadrant-system
  key_labels:
    description: Labels by which the policies find keys.
    type: dict
    default: {app: models-api}
  clients_namespace:
    description: Namespace of the Secrets of the issuer's clients.
    type: str
    default: keycloak
  token_url:
    description: Where tokens come from, instead of what the clients' Secrets say.
    type: str
    default: ""
  timeout:
    description: How long to wait for a connection, and for each part of an answer, s.
    type: int
    default: 30
  gateway_ca_cert:
    description: Path of the CA certificates that sign the Gateway's certificate. Default are those of the system.
    type: path
  gateway_ca_secret:
    description:
      - Secret (C(namespace), C(name)) whose C(ca.crt) is trusted as well, such as that of the Gateway's certificate.
      - One that is not there, or has none, is no error.
    type: dict
  gateway_validate_certs:
    description: Whether to verify the Gateway's certificate.
    type: bool
    default: true
author:
  - llmops.maas contributors (@llmops)
"""

EXAMPLES = r"""
- name: Ask a model as alice, and without any key
  llmops.maas.gateway_check:
    url: http://127.0.0.1:8000
    requests:
      - {name: alice may chat, kind: chat, path: /qwen3, host: localhost, served_name: qwen, user: alice}
      - {name: nobody may, path: /qwen3/v1/models, host: localhost, credentials: none, expected: [401]}
  register: checked

- name: Try a limit of 100 requests per minute
  llmops.maas.gateway_check:
    url: http://127.0.0.1:8000
    requests:
      - {name: limit, kind: chat, path: /qwen3, host: localhost, served_name: qwen, user: probe, burst: 100}
"""

RETURN = r"""
results:
  description: One entry per request, in order. A request that fails does not fail the module.
  type: list
  elements: dict
  returned: success
  contains:
    section:
      description: Heading of the check.
      type: str
    name:
      description: What was checked.
      type: str
    model:
      description: The model.
      type: str
    user:
      description: The user.
      type: str
    kind:
      description: Kind of the request.
      type: str
    expected:
      description: Expected status; for a burst, how many of each.
      type: str
    got:
      description: Status of the answer, V(no answer), V(no key), or for a burst how many of each.
      type: str
    passed:
      description: Whether the answer is the expected one.
      type: bool
    reason:
      description: Why it is not, or a remark.
      type: str
    latency_ms:
      description: How long the answer took, ms; for a burst, all of it.
      type: float
  sample:
    - section: access
      name: qwen3-0-6b-instruct chat as alice
      model: qwen3-0-6b-instruct
      user: alice
      kind: chat
      expected: "200"
      got: "429"
      passed: false
      reason: Too Many Requests
      latency_ms: 3.1
passed:
  description: Whether all answers are the expected ones.
  type: bool
  returned: success
"""

import base64
import functools
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import (
    KEY_ENTRY,
    KEY_LABELS,
    KEY_PREFIX,
    KUADRANT_NAMESPACE,
)
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import key_problem
from ansible_collections.llmops.maas.plugins.module_utils._common.progress import Progress
from ansible_collections.llmops.maas.plugins.module_utils._common.texts import NoTextError, texts_of
from ansible_collections.llmops.maas.plugins.module_utils._gateway.checks import GatewayChecker, with_texts
from ansible_collections.llmops.maas.plugins.module_utils._gateway.credentials import CREDENTIALS, GatewayCredentials
from ansible_collections.llmops.maas.plugins.module_utils._gateway.http import Gateway, GatewayError, Trust
from ansible_collections.llmops.maas.plugins.module_utils._gateway.keys import CredentialSecrets
from ansible_collections.llmops.maas.plugins.module_utils._gateway.kinds import KINDS
from ansible_collections.llmops.maas.plugins.module_utils._gateway.tokens import ClientTokens
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, ApiError, Kube, KubeError

_REQUEST: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "section": {"type": "str", "default": "access"},
    "kind": {"type": "str", "choices": list(KINDS), "default": "plain"},
    "path": {"type": "str", "required": True},
    "method": {"type": "str"},
    "host": {"type": "str", "required": True},
    "server_name": {"type": "str", "default": ""},
    "target": {"type": "str", "default": ""},
    "url": {"type": "str", "default": ""},
    "answer_headers": {"type": "dict", "default": {}},
    "headers": {"type": "dict", "default": {}},
    "model": {"type": "str", "default": ""},
    "served_name": {"type": "str", "default": ""},
    "names": {"type": "list", "elements": "str", "default": []},
    "credentials": {"type": "str", "choices": list(CREDENTIALS), "default": "key"},
    "user": {"type": "str", "default": ""},
    # Names of things, not secrets themselves.
    "secret": {"type": "str", "default": "", "no_log": False},
    "secret_entry": {"type": "str", "default": KEY_ENTRY, "no_log": False},
    "expected": {"type": "list", "elements": "int", "default": [200]},
    "denied": {"type": "bool", "default": False},
    "burst": {"type": "int", "default": 0},
    "window": {"type": "int", "default": 60},
    "settle": {"type": "int", "default": 0},
}


ARGUMENTS: dict[str, Any] = {
    **AUTH_ARGUMENTS,
    "url": {"type": "str", "required": True},
    "requests": {"type": "list", "elements": "dict", "required": True, "options": _REQUEST},
    "key_prefix": {"type": "str", "default": KEY_PREFIX, "no_log": False},
    "keys_namespace": {"type": "str", "default": KUADRANT_NAMESPACE, "no_log": False},
    "key_labels": {"type": "dict", "default": KEY_LABELS, "no_log": False},
    "clients_namespace": {"type": "str", "default": "keycloak", "no_log": False},
    "token_url": {"type": "str", "default": "", "no_log": False},
    "timeout": {"type": "int", "default": 30},
    "gateway_ca_cert": {"type": "path"},
    "gateway_ca_secret": {"type": "dict", "no_log": False},
    "gateway_validate_certs": {"type": "bool", "default": True},
    "progress": {"type": "path"},
}


def _ca(kube: Kube, secret: Mapping[str, str] | None) -> str:
    """CA certificates (PEM) of a Secret; empty where it is not there or has none."""
    if not secret:
        return ""
    try:
        found = kube.request("GET", f"/api/v1/namespaces/{secret['namespace']}/secrets/{secret['name']}")
        return base64.b64decode((found.get("data") or {}).get("ca.crt") or "").decode()
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return ""


def checked(module: AnsibleModule) -> list[dict[str, Any]]:
    """The results of all requests of the module's arguments."""
    given = module.params
    problem = key_problem(given["key_prefix"])
    if problem:
        raise GatewayError(f"key_prefix: {given['key_prefix']!r} {problem}, so no request can carry it")
    requests, key_labels = with_texts(given["requests"]), texts_of(given["key_labels"], "key_labels")
    kube = Kube.connect(given)
    trust = Trust(
        given["gateway_ca_cert"] or "", _ca(kube, given["gateway_ca_secret"]), given["gateway_validate_certs"]
    )

    @functools.cache
    def connect(url: str, host: str) -> Gateway:
        return Gateway(url or given["url"], host, timeout=float(given["timeout"]), trust=trust)

    # A mistake in an address ends the task before anything is sent.
    for request in requests:
        connect(request["url"], request["server_name"] or request["host"])
    keys = CredentialSecrets(kube, given["keys_namespace"], key_labels)
    tokens = ClientTokens(
        CredentialSecrets(Kube.connect(given), given["clients_namespace"], {}),
        token_url=given["token_url"],
        timeout=float(given["timeout"]),
    )
    credentials = GatewayCredentials(keys, tokens, given["key_prefix"])
    return GatewayChecker(connect, credentials, Progress(given["progress"])).run(requests)


@guarded
def main() -> None:
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        results = checked(module)
    except (GatewayError, KubeError, NoTextError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, results=results, passed=all(result["passed"] for result in results))


if __name__ == "__main__":
    main()
