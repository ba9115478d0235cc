# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateway stand-in: what istiod's xDS and Kuadrant's wasm filter are to a gateway, for an Envoy on this machine.

It turns the Gateway, its HTTPRoutes and the EnvoyFilters that the Kuadrant operator wrote into Envoy's configuration.
Requests pass through Envoy alone.
"""
