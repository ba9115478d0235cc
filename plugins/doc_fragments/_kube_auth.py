# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig file, or its content as a dictionary.
      - No cluster is ever guessed. Choose one with this option, O(context), O(host) or O(in_cluster), or with the
        environment variables of the same options.
      - When the environment variable E(K8S_AUTH_KUBECONFIG) is set and no option chooses a cluster, its value is used.
    type: raw
  context:
    description:
      - Context of the kubeconfig to use. Without O(kubeconfig) it is looked up in the default kubeconfig.
      - Falls back to E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description:
      - Address of the API server, such as V(https://api.example.com:6443). Needs credentials beside it.
      - Falls back to E(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - Bearer token for O(host). White space around it is left out. Falls back to E(K8S_AUTH_API_KEY).
    type: str
  username:
    description: User for HTTP basic authentication at O(host). Falls back to E(K8S_AUTH_USERNAME).
    type: str
  password:
    description: Password for HTTP basic authentication. Falls back to E(K8S_AUTH_PASSWORD).
    type: str
  validate_certs:
    description:
      - Whether to verify the API server's certificate. Verified unless this or the kubeconfig says otherwise; a
        warning is shown when it is not.
      - Falls back to E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description: Path of the CA certificates that sign the API server's. Falls back to E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description: Path of a client certificate for O(host). Falls back to E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description: Path of the key of O(client_cert). Falls back to E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  proxy:
    description:
      - URL of an HTTP proxy to reach the API server through, such as V(http://proxy.example.com:3128), or with user and
        password V(http://user:password@proxy.example.com:3128). Falls back to E(K8S_AUTH_PROXY).
      - E(HTTPS_PROXY) is not used.
    type: str
  in_cluster:
    description: Use the ServiceAccount of the Pod that the module runs in.
    type: bool
    default: false
requirements:
  - kubernetes (Python package) >= 29
"""
