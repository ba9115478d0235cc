# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy's rate limit service (envoy/service/ratelimit/v3/rls.proto), as much of it as is used here.

The messages are declared here because the package that publishes them installs over the one that has Envoy itself.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE: Final = "envoy.service.ratelimit.v3.RateLimitService"
METHOD: Final = "ShouldRateLimit"
OK, OVER_LIMIT = 1, 2

_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "llmops.maas.ratelimit"


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="llmops_maas_ratelimit.proto", package=_PACKAGE, syntax="proto3")
    _message(file, "Entry", [("key", 1, _FIELD.TYPE_STRING, ""), ("value", 2, _FIELD.TYPE_STRING, "")])
    _message(file, "Descriptor", [("entries", 1, _FIELD.TYPE_MESSAGE, "*Entry")])
    request = [("domain", 1, _FIELD.TYPE_STRING, ""), ("descriptors", 2, _FIELD.TYPE_MESSAGE, "*Descriptor")]
    _message(file, "RateLimitRequest", request)
    response = [("overall_code", 1, _FIELD.TYPE_INT32, ""), ("raw_body", 5, _FIELD.TYPE_BYTES, "")]
    _message(file, "RateLimitResponse", response)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{message.name}"))
        for message in file.message_type
    }


def _message(file: Any, name: str, fields: list[tuple[str, int, Any, str]]) -> None:
    """Adds a message; the type of a field that holds messages is their name, with a star before it for a list."""
    message = file.message_type.add(name=name)
    for field, number, kind, of in fields:
        label = _FIELD.LABEL_REPEATED if of.startswith("*") else _FIELD.LABEL_OPTIONAL
        added = message.field.add(name=field, number=number, type=kind, label=label)
        if of:
            added.type_name = f".{_PACKAGE}.{of.lstrip('*')}"


_CLASSES = _messages()
Request: Any = _CLASSES["RateLimitRequest"]
Response: Any = _CLASSES["RateLimitResponse"]
