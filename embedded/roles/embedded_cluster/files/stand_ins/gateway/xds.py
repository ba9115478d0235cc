# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy's discovery service, and those fields of its resources that are read or changed on their way from istiod.

Numbers and names are those of envoy/service/discovery/v3/discovery.proto and of the files of each resource below
envoy/config and envoy/extensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import json_format, struct_pb2

from ..messages import declared

Json = dict[str, Any]

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD: Final = "StreamAggregatedResources"

_TYPE: Final = "type.googleapis.com/"
LISTENER: Final = f"{_TYPE}envoy.config.listener.v3.Listener"
ROUTES: Final = f"{_TYPE}envoy.config.route.v3.RouteConfiguration"
CLUSTER: Final = f"{_TYPE}envoy.config.cluster.v3.Cluster"
ENDPOINTS: Final = f"{_TYPE}envoy.config.endpoint.v3.ClusterLoadAssignment"
MANAGER: Final = f"{_TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
# JSON in the place of a message; Envoy knows both names.
_STRUCTS: Final = (f"{_TYPE}xds.type.v3.TypedStruct", f"{_TYPE}udpa.type.v1.TypedStruct")

# Of Cluster.DiscoveryType
STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST = range(5)

_CLASSES = declared(
    {
        "Any": {"type_url": (1, "string"), "value": (2, "bytes")},
        "Status": {"code": (1, "int32"), "message": (2, "string")},
        "DiscoveryRequest": {
            "version_info": (1, "string"),
            "type_url": (4, "string"),
            "response_nonce": (5, "string"),
            "error_detail": (6, "Status"),
        },
        "DiscoveryResponse": {
            "version_info": (1, "string"),
            "resources": (2, "*Any"),
            "type_url": (4, "string"),
            "nonce": (5, "string"),
        },
        "TypedStruct": {"type_url": (1, "string"), "value": (2, "bytes")},
        "SocketAddress": {"address": (2, "string"), "port_value": (3, "uint32")},
        "Address": {"socket_address": (1, "SocketAddress")},
        # Of the network and of HTTP
        "Filter": {"name": (1, "string"), "typed_config": (4, "Any")},
        "FilterChain": {"filters": (3, "*Filter")},
        "Listener": {
            "name": (1, "string"),
            "address": (2, "Address"),
            "filter_chains": (3, "*FilterChain"),
            "default_filter_chain": (25, "FilterChain"),
            "additional_addresses": (33, "*bytes"),
        },
        # A log has the same fields as a filter.
        "HttpConnectionManager": {"http_filters": (5, "*Filter"), "access_log": (13, "*Filter")},
        "Endpoint": {"address": (1, "Address")},
        "LbEndpoint": {"endpoint": (1, "Endpoint")},
        "LocalityLbEndpoints": {"lb_endpoints": (2, "*LbEndpoint")},
        "ClusterLoadAssignment": {"cluster_name": (1, "string"), "endpoints": (2, "*LocalityLbEndpoints")},
        "Cluster": {
            "name": (1, "string"),
            "type": (2, "int32"),
            "load_assignment": (33, "ClusterLoadAssignment"),
            "transport_socket_matches": (43, "*bytes"),
        },
        "RegexMatcher": {"regex": (2, "string")},
        "StringMatcher": {"exact": (1, "string"), "safe_regex": (5, "RegexMatcher")},
        "HeaderMatcher": {"name": (1, "string"), "string_match": (13, "StringMatcher")},
        "QueryParameterMatcher": {"name": (1, "string"), "string_match": (5, "StringMatcher")},
        "RouteMatch": {
            "prefix": (1, "string"),
            "path": (2, "string"),
            "headers": (6, "*HeaderMatcher"),
            "query_parameters": (7, "*QueryParameterMatcher"),
            "safe_regex": (10, "RegexMatcher"),
            "path_separated_prefix": (14, "string"),
        },
        # A map is written as a list of its entries.
        "FilterSettings": {"key": (1, "string"), "value": (2, "Any")},
        "Route": {
            "match": (1, "RouteMatch"),
            "typed_per_filter_config": (13, "*FilterSettings"),
            "name": (14, "string"),
        },
        "VirtualHost": {"name": (1, "string"), "domains": (2, "*string"), "routes": (3, "*Route")},
        "RouteConfiguration": {
            "name": (1, "string"),
            "virtual_hosts": (2, "*VirtualHost"),
            "typed_per_filter_config": (16, "*FilterSettings"),
        },
    }
)
AnyMessage: Any = _CLASSES["Any"]
Request: Any = _CLASSES["DiscoveryRequest"]
Response: Any = _CLASSES["DiscoveryResponse"]
TypedStruct: Any = _CLASSES["TypedStruct"]
HttpFilter: Any = _CLASSES["Filter"]
FilterChain: Any = _CLASSES["FilterChain"]
Listener: Any = _CLASSES["Listener"]
ConnectionManager: Any = _CLASSES["HttpConnectionManager"]
LbEndpoint: Any = _CLASSES["LbEndpoint"]
ClusterLoadAssignment: Any = _CLASSES["ClusterLoadAssignment"]
Cluster: Any = _CLASSES["Cluster"]
Route: Any = _CLASSES["Route"]
RouteConfiguration: Any = _CLASSES["RouteConfiguration"]


def packed(content: Mapping[str, Any]) -> Any:
    """A message from its JSON with ``@type``, which Envoy reads by the definition that it has of that type."""
    fields = dict(content)
    value = struct_pb2.Struct()
    kind = fields.pop("@type")
    json_format.ParseDict(fields, value)
    inner = TypedStruct(type_url=kind, value=value.SerializeToString(deterministic=True))
    return AnyMessage(type_url=_STRUCTS[0], value=inner.SerializeToString(deterministic=True))


def unpacked(message: Any) -> Json | None:
    """The JSON of a message that was given as JSON, with ``@type``; None for any other."""
    if message.type_url not in _STRUCTS:
        return None
    inner = TypedStruct.FromString(message.value)
    value = struct_pb2.Struct.FromString(inner.value)
    return {"@type": inner.type_url, **json_format.MessageToDict(value)}
