# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification asks and makes, what the cluster says of its policies, and the reports of both.

``plan`` is the way in; each table of requests has a file of its own.
"""
