# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  fail_fast:
    description:
      - Whether to end as soon as one of the objects has failed for good. All objects are reported either way.
      - With V(false) the wait goes on until each of the others is ready or has failed too.
    type: bool
    default: true
  controller_grace:
    description:
      - Seconds that an object may be without a status, or have only that of an older generation, before its controller
        is looked at. V(0) never looks.
      - The wait for it ends when no namespace has the controller's Deployment, when that asks for no replicas, or when
        its Pods cannot start. A Deployment that is being rolled out, or whose Pods pull images, gets its time. One that
        is ready but leaves the object without a status ends the wait after another half minute to two minutes, as long
        as it may take to elect a new leader.
      - Objects that do not exist are treated in the same way when it is known what they are made from, as the
        StatefulSet of a Prometheus, the Deployment of a Gateway or the Secret of a Certificate.
      - The controllers of cert-manager, Istio, KServe, Kuadrant with Authorino and Limitador, and Prometheus are known.
        They are found by the names and images of their Deployments in all namespaces, which needs the right to list
        Deployments and Pods; without it the wait just continues.
    type: float
    default: 10
  slice_seconds:
    description:
      - Return after this many seconds even when the wait is not over. V(0) waits to the end at once.
      - Set by the action plugin, which runs the module in slices and shows progress between them. Not for playbooks.
    type: float
    default: 0
  slice_early:
    description: Whether a slice may end early when there is something to report. Set by the action plugin.
    type: bool
    default: true
  resume:
    description: What the slice before returned, to go on from there. Set by the action plugin.
    type: str
notes:
  - While it waits, a line is shown whenever something changed, at most one every few seconds. Under ansible-runner and
    AWX only with C(-v) or more.
  - The C(async) keyword is not supported.
"""
