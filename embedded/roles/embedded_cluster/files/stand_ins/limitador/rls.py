# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy's rate limit service (envoy/service/ratelimit/v3/rls.proto), as much of it as is used here."""

from __future__ import annotations

from typing import Any, Final

from ..messages import declared

SERVICE: Final = "envoy.service.ratelimit.v3.RateLimitService"
METHOD: Final = "ShouldRateLimit"
OK, OVER_LIMIT = 1, 2

_CLASSES = declared(
    {
        "Entry": {"key": (1, "string"), "value": (2, "string")},
        "Descriptor": {"entries": (1, "*Entry")},
        "RateLimitRequest": {"domain": (1, "string"), "descriptors": (2, "*Descriptor")},
        "RateLimitResponse": {"overall_code": (1, "int32"), "raw_body": (5, "bytes")},
    }
)
Request: Any = _CLASSES["RateLimitRequest"]
Response: Any = _CLASSES["RateLimitResponse"]
