# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for what has no package of its own on the embedded cluster.

A kubelet that runs local processes, and cert-manager.

Run with this package's parent directory on PYTHONPATH: ``python -m stand_ins.kubelet`` and
``python -m stand_ins.cert_manager controller|cainjector|webhook``.
"""
