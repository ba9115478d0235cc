# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Benchmarks of the collection against kubectl and kubernetes.core: ``python -m benchmarks``, see
docs/benchmarks.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# The servers and the deployment are those of the integration tests.
sys.path.insert(0, str(CHECKOUT / "tests" / "integration"))
