# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per component says all that the rest has to know of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.maas.plugins.module_utils._common import fixed_names as names
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.components import (
    ComponentError,
    derive,
    read_components,
    with_local_ports,
)
from tests.support.plays import playbook, run

CHECKOUT = Path(__file__).resolve().parents[3]
ROLES = CHECKOUT / "roles"
NAMES = yaml.safe_load((ROLES / "maas/vars/main/names.yml").read_text())
FOLDER = "maas/vars/main/components"
DUMMY = """\
---
__maas_component_dummy:
  order: 75
  bundles: [dummy-crds, dummy]
  namespaces: [dummy-system]
  upstream:
    dummy: {file: dummy-v1.yaml, url: https://example.com/dummy.yaml}
  minimum_kubernetes:
    - {product: Dummy 1, version: "1.99"}
  forwards:
    - {name: dummy, namespace: dummy-system, service: web, port: 80, local_port: 8088}
  flows:
    - {namespace: dummy-system, name: dummy, pods: {app: dummy}, ingress: [{ports: [8080], from: [gateway]}]}
  needs: {components: [istio], controllers: [dummy-operator]}
"""
# What teardown, mirror, port_forward.yml, preflight and the role network_policies take from the components.
FOUND = {
    "teardown": "{{ maas_components.teardown }}",
    "works": "{{ maas_components.works }}",
    "missing": "{{ __maas_files_missing | map(attribute='file') }}",
    "forwards": "{{ __maas_forwards }}",
    "too_old": "{{ __maas_minimum_kubernetes | llmops.maas.kubernetes_too_old(version='1.34.4') }}",
    "policies": "{{ maas_components.flows | llmops.maas.network_flows(namespaces=maas_components.namespaces) }}",
}


PARTS = ("variables", "components")


def found(folder: Path, dummy: str = "", **variables: Any) -> dict[str, Any]:
    """What follows from the components of the collection, with one more where there is one."""
    collection = folder / "ansible_collections/llmops/maas"
    collection.mkdir(parents=True)
    shutil.copytree(ROLES / "maas", collection / "roles/maas")
    for name in ("plugins", "meta", "galaxy.yml"):
        (collection / name).symlink_to(CHECKOUT / name)
    if dummy:
        (collection / "roles" / FOLDER / "dummy.yml").write_text(dummy)
    tasks = [
        *({"ansible.builtin.import_role": {"name": "llmops.maas.maas", "tasks_from": tasks}} for tasks in PARTS),
        {"ansible.builtin.copy": {"dest": str(folder / "found.json"), "content": "{{ found | to_json }}"}},
    ]
    (folder / "mirror").mkdir()
    path = playbook(folder, *tasks, found=FOUND, maas_mirror=str(folder / "mirror"), **variables)
    answer = run(path, ANSIBLE_COLLECTIONS_PATH=str(folder))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    result: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return result


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return found(tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return found(tmp_path_factory.mktemp("after"), DUMMY, maas_missing_controllers=["dummy-operator"])


def more(before: dict[str, Any], after: dict[str, Any], name: str) -> list[Any]:
    assert [item for item in before[name] if item not in after[name]] == []
    return [item for item in after[name] if item not in before[name]]


def test_teardown_follows(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert more(before, after, "teardown") == ["dummy", "dummy-crds"]
    order = after["teardown"]
    assert order.index("routes") < order.index("dummy") < order.index("dummy-crds") < order.index("keycloak")


def test_the_mirror_follows(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert more(before, after, "missing") == ["dummy-v1.yaml"]
    assert "istiod-1.26.2.yaml" in before["missing"]


def test_forwards_follow(before: dict[str, Any], after: dict[str, Any]) -> None:
    wanted = {"name": "dummy", "namespace": "dummy-system", "service": "web", "port": 80, "local_port": 8088}
    assert more(before, after, "forwards") == [wanted]


def test_the_oldest_kubernetes_follows(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert before["too_old"] == ""
    assert after["too_old"] == "The cluster runs Kubernetes 1.34.4. Too old for Dummy 1: upgrade it to 1.99 or later."


def test_network_policies_follow(before: dict[str, Any], after: dict[str, Any]) -> None:
    made = {item["metadata"]["name"]: item for item in more(before, after, "policies")}
    assert sorted(made) == ["default-deny", "dummy"]
    assert {item["metadata"]["namespace"] for item in made.values()} == {"dummy-system"}
    pods = {"gateway.networking.k8s.io/gateway-name": "kuadrant-gateway"}
    assert made["dummy"]["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"] == pods


def test_what_needs_a_controller_that_is_missing_does_not_work(after: dict[str, Any]) -> None:
    assert [name for name, works in after["works"].items() if not works] == ["dummy"]


def test_without_a_gateway_nothing_behind_it_works(tmp_path: Path) -> None:
    works = found(tmp_path, maas_missing_controllers=["pilot-discovery"])["works"]
    assert [name for name, fine in works.items() if not fine] == ["istio", "kuadrant", "models", "auth"]


def test_an_object_store_outside_closes_no_namespace_of_minio(tmp_path: Path) -> None:
    given = {"endpoint": "s3.example.com", "access_key": "a", "secret_key": "b"}
    policies = found(tmp_path, maas_s3=given)["policies"]
    assert NAMES["maas_namespaces"]["minio"] not in {item["metadata"]["namespace"] for item in policies}


def files() -> dict[str, dict[str, Any]]:
    """The components as they are written, with their templates."""
    read = {path.stem: yaml.safe_load(path.read_text()) for path in (ROLES / FOLDER).glob("*.yml")}
    return {name: content[f"__maas_component_{name}"] for name, content in read.items()}


def test_site_runs_the_roles_of_all_components_in_their_order() -> None:
    play = yaml.safe_load((CHECKOUT / "playbooks/site.yml").read_text())[-1]
    order = sorted(files(), key=lambda name: int(files()[name]["order"]))
    wanted = [
        {"role": f"llmops.maas.{name}", "tags": [name], "when": f"maas_components.works.{name}"} for name in order
    ]
    assert play["roles"] == wanted


def bundles(role: str) -> Iterator[str]:
    for path in (ROLES / role / "tasks").glob("*.yml"):
        yield from re.findall(r"^ +bundle: ([a-z][a-z0-9-]*)$", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(files()))
def test_teardown_knows_every_bundle_of_the_role(name: str) -> None:
    assert sorted(files()[name]["bundles"]) == sorted(set(bundles(name)))


def test_every_network_policy_names_pods_of_a_closed_namespace(before: dict[str, Any]) -> None:
    closed = {i["metadata"]["namespace"] for i in before["policies"] if i["metadata"]["name"] == "default-deny"}
    assert {item["metadata"]["namespace"] for item in before["policies"]} == closed


ISTIO = {"order": 1, "bundles": ["istio"]}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a": []}, r"a: \[\] is not a dictionary"),
        ({"a": {}}, "a.order: None is not a whole number"),
        ({"a": {"order": 1, "bundels": []}}, "a: unknown field bundels; known are bundles, enabled"),
        ({"a": {"order": 1, "bundles": "a"}}, "a.bundles: 'a' is not a list"),
        ({"a": {"order": 1, "bundles": [1]}}, r"a.bundles\[0\]: 1 is not a text"),
        ({"a": {"order": 1, "enabled": "of"}}, "a.enabled: 'of' is not a boolean"),
        ({"a": {"order": 1, "forwards": [{"name": "a"}]}}, r"a.forwards\[0\].namespace: is missing"),
        ({"a": {"order": 1, "upstream": {"x": {"url": "https://a"}}}}, "a.upstream.x.file: is missing"),
        ({"a": {"order": 1, "upstream": {"x": {"file": "a", "chart": "b"}}}}, "a.upstream.x.repository: is missing"),
        ({"a": {"order": 1, "minimum_kubernetes": [{"product": "a", "version": 1.3}]}}, "1.3 is not a text; put it"),
        ({"a": {"order": 1, "needs": {"tools": []}}}, "a.needs: unknown field tools; known are components"),
        ({"a": ISTIO, "b": {"order": 1}}, "b and a both have '1': give each component its own"),
        ({"a": ISTIO, "b": {**ISTIO, "order": 2}}, "b and a both have 'istio'"),
        (
            {"a": {"order": 1, "needs": {"components": ["b"]}}, "b": {"order": 2}},
            "a.needs.components: no 'b' comes before",
        ),
    ],
)
def test_wrong_components_are_refused(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(ComponentError, match=message):
        read_components(entries)


def test_texts_of_templates_are_numbers_and_booleans() -> None:
    result = derive({"a": {"order": "2", "enabled": "False"}, "b": {"order": 1}})
    assert result.order == ["b", "a"]
    assert result.active == {"b": True, "a": False}


def test_a_component_that_is_off_is_still_torn_down() -> None:
    off = {"order": 1, "enabled": False, "bundles": ["a"], "namespaces": ["n"], "flows": [{"name": "f"}]}
    result = derive({"a": off})
    assert result.teardown == ["a"]
    assert (result.namespaces, result.flows) == ([], [])


FORWARD = {"name": "gateway", "namespace": "llm", "service": "g", "port": 80, "local_port": 8000}


def test_ports_of_this_machine_can_be_chosen() -> None:
    assert with_local_ports([FORWARD], {"gateway": "8001"}) == [{**FORWARD, "local_port": 8001}]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"getaway": 1}, "^maas_local_ports: there is no getaway, only gateway$"),
        ({"gateway": 0}, "^maas_local_ports.gateway: 0 is not a port from 1 to 65535$"),
        ({"gateway": "http"}, "^maas_local_ports.gateway: 'http' is not a port"),
        ({"gateway": True}, "^maas_local_ports.gateway: True is not a port"),
    ],
)
def test_wrong_local_ports_are_refused(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(ComponentError, match=message):
        with_local_ports([FORWARD], chosen)


def test_templates_and_python_have_the_same_names() -> None:
    assert NAMES["maas_namespaces"]["kuadrant"] == names.KUADRANT_NAMESPACE
    assert NAMES["maas_key_labels"] == names.KEY_LABELS
    assert NAMES["maas_model_label"] == names.MODEL_LABEL
    assert {"app.kubernetes.io/part-of": NAMES["maas_part_of"]} == names.PART_OF
    assert NAMES["maas_annotations"]["expires_at"] == names.EXPIRES


@pytest.mark.parametrize(
    "name", sorted({*NAMES["maas_namespaces"].values(), names.MODEL_LABEL} - {"kserve", "cert-manager"})
)
def test_fixed_names_are_written_once(name: str) -> None:
    # "kserve" and "cert-manager" are names of other things too. The embedded cluster is no part of the platform.
    written = [
        path.relative_to(ROLES)
        for path in sorted([*ROLES.rglob("*.yml"), *ROLES.rglob("*.j2")])
        if path.relative_to(ROLES).parts[0] in {*files(), "maas"}
        and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", path.read_text())
    ]
    assert written == [Path("maas/vars/main/names.yml")]
