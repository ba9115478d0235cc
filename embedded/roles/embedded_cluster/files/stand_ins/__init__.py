# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for what has no package of its own on the embedded cluster.

- ``kubelet``: a kubelet and kube-proxy, runs Pods as local processes and relays Services to them
- ``gateway``: Kuadrant's filter, in the configuration that the Gateway's Envoy gets from istiod through a relay
- ``limitador``: the Limitador server, counts requests and tokens by the operator's limits file
- ``oidc``: Keycloak, issues tokens by the realm that Keycloak would import
- ``vllm``: vLLM, starts the simulator with the arguments of a model server
- ``mc``: the MinIO client, makes buckets
- ``envoy``, ``keycloak``, ``object_store``, ``storage_initializer``: no stand-ins, they start the real program as the
  process of a Pod

Run with this package's parent directory on PYTHONPATH, such as ``python -m stand_ins.gateway``.
"""
