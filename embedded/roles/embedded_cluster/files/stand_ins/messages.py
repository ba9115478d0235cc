# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocol buffers by a declaration of those fields that are used.

The package that publishes Envoy's messages installs over the one that has Envoy itself. All other fields of a message
are kept when it is written again, and what was set to an empty value stays set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE: Final = "llmops.maas"
_SCALARS: Final = {
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
    "uint32": _FIELD.TYPE_UINT32,
    # Enumerations are written the same way.
    "int32": _FIELD.TYPE_INT32,
}

Fields = Mapping[str, tuple[int, str]]


def declared(messages: Mapping[str, Fields]) -> dict[str, Any]:
    """A class for each message. A field is its number and a scalar or the name of a message, starred for a list."""
    # Of the syntaxes the one in which a field that is set to its default differs from one that is not set.
    file = descriptor_pb2.FileDescriptorProto(name="llmops_maas.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            label = _FIELD.LABEL_REPEATED if kind.startswith("*") else _FIELD.LABEL_OPTIONAL
            _of_kind(message.field.add(name=field, number=number, label=label), kind.removeprefix("*"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in messages
    }


def _of_kind(field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
