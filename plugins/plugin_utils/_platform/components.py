# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform consists of: one entry per component, which is all that the rest knows of it.

An entry is a file in ``roles/maas/vars/main/components``. From the entries follow teardown, upstream manifests,
forwards, the oldest Kubernetes, network policies, and which roles run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.fields import DataFieldError, DataFields

_FIELDS = (
    "order",
    "enabled",
    "bundles",
    "namespaces",
    "upstream",
    "minimum_kubernetes",
    "forwards",
    "flows",
    "needs",
)
_UPSTREAM_FIELDS = ("file", "url", "chart", "repository", "version", "namespace")


class ComponentError(ValueError):
    """A component whose file is wrong; the message names the component, its field and the fix."""


@dataclass(frozen=True)
class Upstream:
    """A manifest of the upstream project: its file's name in a mirror, and where it comes from without one.

    :param url: address of the release's file; otherwise a chart is rendered, of a version, for a namespace.
    """

    file: str
    url: str = ""
    chart: str = ""
    repository: str = ""
    version: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class ForwardedService:
    """A Service that ``port_forward.yml`` leads to, and the port of this machine that it usually gets."""

    name: str
    namespace: str
    service: str
    port: int
    local_port: int


@dataclass(frozen=True)
class PlatformComponent:
    """One component, named as its role is.

    :param order: when it is installed, after all with smaller numbers; teardown goes the other way.
    :param enabled: whether the platform has it. Its role runs all the same, to remove what an earlier run made.
    :param bundles: bundles of manifests, in the order of installation.
    :param namespaces: namespaces of its Pods, which network policies close.
    :param upstream: upstream's manifests by name.
    :param minimum_kubernetes: product and version, and the oldest Kubernetes that it supports.
    :param forwards: Services to reach from this machine.
    :param flows: traffic of its Pods, see ``network.py``.
    :param components: components without which it is left out.
    :param controllers: controllers without which it is left out.
    """

    name: str
    order: int
    enabled: bool = True
    bundles: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    upstream: Mapping[str, Upstream] = field(default_factory=dict)
    minimum_kubernetes: Mapping[str, str] = field(default_factory=dict)
    forwards: tuple[ForwardedService, ...] = ()
    flows: tuple[Mapping[str, Any], ...] = ()
    components: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlatformComponents:
    """What follows from the components, for roles and playbooks.

    :param order: names in the order of installation.
    :param active: by name, whether the platform has it.
    :param works: by name, whether nothing is missing that it needs.
    :param teardown: bundles in the order of removal.
    :param namespaces: namespaces of the components that are enabled.
    :param upstream: fields of ``Upstream`` that are set, by name.
    :param minimum_kubernetes: see ``PlatformComponent``.
    :param forwards: fields of ``ForwardedService``.
    :param flows: flows of the components that are enabled.
    """

    order: list[str]
    active: dict[str, bool]
    works: dict[str, bool]
    teardown: list[str]
    namespaces: list[str]
    upstream: dict[str, dict[str, str]]
    minimum_kubernetes: dict[str, str]
    forwards: list[dict[str, Any]]
    flows: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, with what is in them as it is: containers of ansible-core cannot be copied."""
        return {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}


def read_components(entries: Mapping[str, Any]) -> list[PlatformComponent]:
    """The components in the order of installation.

    :param entries: content of the files, by component.
    :raises ComponentError: for an entry that is wrong, two with one place or one bundle, and for a need that is unknown
        or comes later.
    """
    try:
        found = sorted((_component(name, entry) for name, entry in entries.items()), key=lambda item: item.order)
    except DataFieldError as error:
        raise ComponentError(str(error)) from error
    _refuse_twice((item.name, str(item.order)) for item in found)
    _refuse_twice((item.name, bundle) for item in found for bundle in item.bundles)
    _refuse_twice((item.name, key) for item in found for key in item.upstream)
    _refuse_twice((item.name, forward.name) for item in found for forward in item.forwards)
    earlier: set[str] = set()
    for item in found:
        for name in item.components:
            if name not in earlier:
                raise ComponentError(
                    f"{item.name}.needs.components: no {name!r} comes before it; see order and the name"
                )
        earlier.add(item.name)
    return found


def derive(entries: Mapping[str, Any], missing: Iterable[str] = ()) -> PlatformComponents:
    """What follows from the components.

    :param missing: controllers that the cluster cannot run.
    :raises ComponentError: see ``read_components``.
    """
    components = read_components(entries)
    enabled = [item for item in components if item.enabled]
    return PlatformComponents(
        order=[item.name for item in components],
        active={item.name: item.enabled for item in components},
        works=_works(components, frozenset(missing)),
        teardown=[bundle for item in reversed(components) for bundle in reversed(item.bundles)],
        namespaces=list(dict.fromkeys(name for item in enabled for name in item.namespaces)),
        upstream={name: _given(entry) for item in components for name, entry in item.upstream.items()},
        minimum_kubernetes={name: oldest for item in enabled for name, oldest in item.minimum_kubernetes.items()},
        forwards=[dataclasses.asdict(forward) for item in components for forward in item.forwards],
        flows=[dict(flow) for item in enabled for flow in item.flows],
    )


def with_local_ports(forwards: Sequence[Mapping[str, Any]], local_ports: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The forwards with the ports of this machine that a user chose.

    :param local_ports: ``maas_local_ports``, ports by the forward's name.
    :raises ComponentError: for a name that no forward has, or a value that is no port.
    """
    names = [forward["name"] for forward in forwards]
    unknown = [str(name) for name in local_ports if name not in names]
    if unknown:
        raise ComponentError(f"maas_local_ports: there is no {', '.join(unknown)}, only {', '.join(names)}")
    for name, port in local_ports.items():
        if isinstance(port, bool) or not str(port).isdecimal() or not 0 < int(str(port)) < 65536:
            raise ComponentError(f"maas_local_ports.{name}: {port!r} is not a port from 1 to 65535")
    return [{**item, "local_port": int(local_ports.get(item["name"], item["local_port"]))} for item in forwards]


def _works(components: Sequence[PlatformComponent], missing: frozenset[str]) -> dict[str, bool]:
    works: dict[str, bool] = {}
    for item in components:
        works[item.name] = missing.isdisjoint(item.controllers) and all(works[name] for name in item.components)
    return works


def _given(upstream: Upstream) -> dict[str, str]:
    return {name: text for name, text in dataclasses.asdict(upstream).items() if text}


def _component(name: str, entry: Any) -> PlatformComponent:
    fields = DataFields.of(entry, name)
    needs = fields.inner("needs")
    component = PlatformComponent(
        name=name,
        order=fields.number("order"),
        enabled=fields.boolean("enabled", default=True),
        bundles=fields.texts("bundles"),
        namespaces=fields.texts("namespaces"),
        upstream={key: _upstream(item) for key, item in fields.inner("upstream").mappings()},
        minimum_kubernetes=dict(_minimum(item) for item in fields.items("minimum_kubernetes")),
        forwards=tuple(_forward(item) for item in fields.items("forwards")),
        flows=tuple(item.content for item in fields.items("flows")),
        components=needs.texts("components"),
        controllers=needs.texts("controllers"),
    )
    needs.refuse_others("components", "controllers")
    fields.refuse_others(*_FIELDS)
    return component


def _minimum(fields: DataFields) -> tuple[str, str]:
    fields.refuse_others("product", "version")
    return fields.text("product"), fields.text("version")


def _upstream(fields: DataFields) -> Upstream:
    given = {name: fields.text(name, default="") for name in _UPSTREAM_FIELDS}
    fields.refuse_others(*_UPSTREAM_FIELDS)
    fields.text("file")
    if not given["url"]:
        for name in ("chart", "repository", "version", "namespace"):
            fields.text(name)
    return Upstream(**given)


def _forward(fields: DataFields) -> ForwardedService:
    forward = ForwardedService(
        name=fields.text("name"),
        namespace=fields.text("namespace"),
        service=fields.text("service"),
        port=fields.number("port"),
        local_port=fields.number("local_port"),
    )
    fields.refuse_others(*(item.name for item in dataclasses.fields(ForwardedService)))
    return forward


def _refuse_twice(owned: Iterable[tuple[str, str]]) -> None:
    owners: dict[str, str] = {}
    for name, what in owned:
        if what in owners:
            raise ComponentError(f"{name} and {owners[what]} both have {what!r}: give each component its own")
        owners[what] = name
