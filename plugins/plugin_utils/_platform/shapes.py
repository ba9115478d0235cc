# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an argument spec cannot say of a value: tables by free names, text for Kubernetes, addresses in one form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.convert import INVALID, as_text, convert, refuse
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems, shown
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.spec import Variable

LOCAL_PORTS = {"gateway": 8000, "prometheus": 9090, "grafana": 3000, "keycloak": 8080, "minio": 9001}
"""Ports of this machine that ``playbooks/port_forward.yml`` uses where nothing else is said."""
_RUNTIME = Variable(
    name="runtime",
    type="dict",
    item=True,
    options={
        "image": Variable("image", required=True),
        "args": Variable("args", "list", "str"),
        "env": Variable("env", "dict"),
        "self_contained": Variable("self_contained", "bool"),
        "served_names_flag": Variable("served_names_flag"),
        "shared_memory": Variable("shared_memory"),
    },
)
_STATUS = Variable("status", "int")
_MODE = Variable("mode", choices=("deny", "allow"))
# apimachinery/pkg/util/validation IsEnvVarName.
_ENVIRONMENT_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

Shape = Callable[[Any, str, Problems], Any]


def environment(value: Any, where: str, problems: Problems) -> Any:
    """Environment variables: text by name, or where Kubernetes takes the text from (``valueFrom``).

    No message shows a value, for it may be a token.
    """
    found: dict[str, Any] = {}
    before = len(problems)
    for name, given in value.items():
        place = f"{where}.{name}"
        if not _ENVIRONMENT_NAME.fullmatch(name):
            problems.add(place, "this is no name of an environment variable; use letters, digits and _ . -")
        if given is None:
            problems.add(place, 'is empty; write "" for an empty text, or remove it')
        elif isinstance(given, dict) and set(given) != {"valueFrom"}:
            problems.add(place, "is a dictionary; write a text, or {valueFrom: {secretKeyRef: {name: ..., key: ...}}}")
        elif isinstance(given, list):
            problems.add(place, "is a list; write a text")
        else:
            found[name] = given if isinstance(given, dict) else as_text(given)
    return found if len(problems) == before else INVALID


def texts(value: Any, where: str, problems: Problems) -> Any:
    """Text by name, as labels are."""
    before = len(problems)
    for name, given in value.items():
        if given is None or isinstance(given, dict | list):
            problems.add(f"{where}.{name}", f"{shown(given)} is not a text")
    return {name: as_text(given) for name, given in value.items()} if len(problems) == before else INVALID


def _table(value: Any, where: str, problems: Problems, entry: Shape) -> Any:
    found = {name: entry(given, f"{where}.{name}", problems) for name, given in value.items()}
    return INVALID if any(given is INVALID for given in found.values()) else found


def _one(variable: Variable) -> Shape:
    def shape(value: Any, where: str, problems: Problems) -> Any:
        if value is None:
            return refuse(where, "is empty; set it or remove it", problems)
        return convert(value, variable, where, problems)

    return shape


def _runtime(value: Any, where: str, problems: Problems) -> Any:
    found = _one(_RUNTIME)(value, where, problems)
    if found is INVALID or "env" not in found:
        return found
    variables = environment(found["env"], f"{where}.env", problems)
    return INVALID if variables is INVALID else {**found, "env": variables}


def _runtimes(value: Any, where: str, problems: Problems) -> Any:
    return _table(value, where, problems, _runtime)


def _models(value: Any, where: str, problems: Problems) -> Any:
    return _parts(value, where, problems, {"env": environment, "node_selector": texts})


def _api_keys(value: Any, where: str, problems: Problems) -> Any:
    return _parts(value, where, problems, {"labels": texts})


def _s3(value: Any, where: str, problems: Problems) -> Any:
    return _parts([value], where, problems, {"service_account_annotations": texts}, number=False)[0]


def _parts(value: Any, where: str, problems: Problems, shapes: Mapping[str, Shape], *, number: bool = True) -> Any:
    """The entries of a list with some of their fields in their shape."""
    found = []
    for index, entry in enumerate(value):
        place = f"{where}[{index}]" if number else where
        fields = {
            name: shape(entry[name], f"{place}.{name}", problems)
            for name, shape in shapes.items()
            if entry.get(name) is not None
        }
        # Mistakes are noted; without such a field, the rules can say what else is wrong.
        found.append(
            {name: fields.get(name, given) for name, given in entry.items() if fields.get(name) is not INVALID}
        )
    return found


def _expected(value: Any, where: str, problems: Problems) -> Any:
    return _table(value, where, problems, _statuses)


def _statuses(value: Any, where: str, problems: Problems) -> Any:
    if not isinstance(value, dict):
        return refuse(where, f"{shown(value)} is not a dictionary of statuses by kind of request", problems)
    return _table(value, where, problems, _one(_STATUS))


def _limits(value: Any, where: str, problems: Problems) -> Any:
    return _table(value, where, problems, _limit)


def _limit(value: Any, where: str, problems: Problems) -> Any:
    """One number, or one for each tier."""
    number = _one(_STATUS)
    return _table(value, where, problems, number) if isinstance(value, dict) else number(value, where, problems)


def _failure_modes(value: Any, where: str, problems: Problems) -> Any:
    return _table(value, where, problems, _one(_MODE))


def _local_ports(value: Any, where: str, problems: Problems) -> Any:
    before = len(problems)
    for name in sorted(set(value) - set(LOCAL_PORTS)):
        problems.add(f"{where}.{name}", f"there is no such forward; known are {', '.join(LOCAL_PORTS)}")
    found = _table(value, where, problems, _one(Variable("port", "int")))
    if found is INVALID or len(problems) > before:
        return INVALID
    for name, port in found.items():
        if not 0 < port < 65536:
            return refuse(f"{where}.{name}", f"{port} is no port; use 1 to 65535", problems)
    return {**LOCAL_PORTS, **found}


def _address(value: Any, where: str, problems: Problems) -> Any:
    del where, problems
    return value.rstrip("/")


def _issuer(value: Any, where: str, problems: Problems) -> Any:
    """Tokens are compared with the issuer letter by letter. Keycloak's never ends with a slash, that of others may."""
    del where, problems
    return value.rstrip("/") if "/realms/" in value else value


def _origins(value: Any, where: str, problems: Problems) -> Any:
    del where, problems
    return [origin.rstrip("/") for origin in value]


def _lower(value: Any, where: str, problems: Problems) -> Any:
    del where, problems
    return [entry.lower() for entry in value]


SHAPES: Mapping[str, Shape] = {
    "api_keys": _api_keys,
    "cors_origins": _origins,
    "credential_headers": _lower,
    "download_env": environment,
    "embedded_tools": texts,
    "gateway_url": _address,
    "hostnames": _lower,
    "keycloak_url": _address,
    "local_ports": _local_ports,
    "models": _models,
    "oidc_issuer_url": _issuer,
    "oidc_jwks_url": _address,
    "runtimes": _runtimes,
    "s3": _s3,
    "verify_expected": _expected,
    "verify_failure_modes": _failure_modes,
    "verify_limits": _limits,
    "verify_token_url": _address,
}
"""By variable, without ``maas_``; each gets a value of the type that the argument spec gives."""
