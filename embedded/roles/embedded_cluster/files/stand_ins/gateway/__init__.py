# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Gateway's Envoy, and the relay through which istiod configures it.

The relay moves addresses to this machine, and puts filters of Envoy's own in the place of Kuadrant's wasm filter.
Requests pass through Envoy alone.
"""
