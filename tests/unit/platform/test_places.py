# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A further kind of policy, or way to authenticate, is written down in one place, and everything else follows.

A copy of the plugins gets a kind ``DummyPolicy`` and a method ``mtls``, as somebody would add them; what the plugins of
that copy then say is what the tests look at. docs/architecture.md has the table of places.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmops.maas.plugins.module_utils._wait.readiness import rule_of
from ansible_collections.llmops.maas.plugins.modules.resource_wait import DOCUMENTATION
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import policies
from tests.support.auth_platform import variables

CHECKOUT = Path(__file__).resolve().parents[3]
VERIFICATION = yaml.safe_load((CHECKOUT / "roles/maas/defaults/main/verification.yml").read_text())
KIND = """POLICIES = (
    PolicyKind(
        "DummyPolicy",
        "v1beta7",
        "dummypolicies",
        {"dummy": "DUMMY_SERVICE"},
        lambda _model, tiers: any(tier.get("dummy") for tier in tiers),
        "dummy_limits_by_tier",
        lambda _access, model: {"dummy": {"model": model["name"]}},
    ),"""
METHOD = """
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.method import Method, WrongCredential


class Mtls(Method):
    name = "mtls"
    credential = "certificate"
    is_own = "has(auth.identity.certificate)"
    wrong = (WrongCredential("self_signed", "a certificate of nobody", "none"),)
    word = "Certificate"

    def user(self):
        return "auth.identity.certificate.subject"

    def groups(self):
        return "auth.identity.certificate.units"

    def authentication(self):
        return {"mtls-users": {"x509": {}}}
"""
IMPORT = "from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.mtls import Mtls\n"
# What the copy is asked: what is said of two models, one of which has no limits.
QUESTIONS = """
import json
import sys

from ansible_collections.llmops.maas.plugins.filter.access import access
from ansible_collections.llmops.maas.plugins.filter.auth_plan import auth_plan
from ansible_collections.llmops.maas.plugins.filter.kuadrant_environment import kuadrant_environment
from ansible_collections.llmops.maas.plugins.filter.kuadrant_services import kuadrant_services
from ansible_collections.llmops.maas.plugins.lookup.policy_kinds import LookupModule
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.state import failure_modes
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.state import policies as rows_of
from ansible_collections.llmops.maas.plugins.plugin_utils._report import next_steps as _next_steps
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import policies
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth import methods

given = json.load(sys.stdin)
platform, filters = given["platform"], given["filters"]
where = {"namespace": platform["namespace"], "name": platform["gateway_name"]}
tiers = [{**tier, "dummy": "1/min"} for tier in platform["tiers"]]
nothing = {policy.kind: [] for policy in policies.POLICIES}
plan = auth_plan(platform)
answers = {
    "file": policies.__file__,
    "lookup": LookupModule().run([])[0],
    "access": access(platform["catalogue"], platform["groups"], platform["tiers"]),
    "plan": plan,
    "environment": kuadrant_environment("allow", auth_timeout="2s", limits_timeout="1s"),
    "services": kuadrant_services(filters, where, limits_failure_mode="deny"),
    "kinds": _next_steps._KINDS["kuadrant.io"],
    "rows": [row["name"] for row in rows_of(platform["catalogue"], tiers, nothing, where, [])],
    "failure_modes": failure_modes(filters, where, policies.failure_modes("deny")),
    "wrong": [item.name for item in methods.wrong_credentials(platform["auth_mode"])],
    "takes": methods.takes(platform["auth_mode"], "mtls"),
}
json.dump(answers, sys.stdout)
"""


def changed(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the plugins says that has one kind and one method more."""
    folder = tmp_path_factory.mktemp("places")
    plugins = folder / "ansible_collections/llmops/maas/plugins"
    shutil.copytree(CHECKOUT / "plugins", plugins, ignore=shutil.ignore_patterns("__pycache__"))
    of_platform = plugins / "plugin_utils/_platform"
    changed(of_platform / "policies.py", "POLICIES = (", KIND)
    (of_platform / "auth/mtls.py").write_text(METHOD)
    changed(of_platform / "auth/methods.py", "MODES: dict", f"{IMPORT}\nMODES: dict")
    changed(
        of_platform / "auth/methods.py",
        '"both": (ApiKeyMethod, JwtMethod)',
        '"both": (ApiKeyMethod, JwtMethod), "all": (ApiKeyMethod, JwtMethod, Mtls)',
    )
    services = {"dummy-service": {"type": "dummy", "failureMode": "allow"}}
    value = {"config": {"configuration": {"value": json.dumps({"services": services})}}}
    patch = {"patch": {"value": {"name": "envoy.filters.http.wasm", "typed_config": {"value": value}}}}
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "kuadrant-gateway"}
    item = {"metadata": {"namespace": "llm"}, "spec": {"targetRefs": [target], "configPatches": [patch]}}
    given = {"platform": variables(auth_mode="all"), "filters": [item]}
    done = subprocess.run(
        [sys.executable, "-c", QUESTIONS],
        input=json.dumps(given),
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["file"].startswith(str(folder))
    return found


def test_templates_and_tasks_know_a_further_kind(answers: dict[str, Any]) -> None:
    assert answers["lookup"]["DummyPolicy"]["api_version"] == "kuadrant.io/v1beta7"
    assert set(answers["lookup"]) == {"DummyPolicy", *(policy.kind for policy in policies.POLICIES)}


def test_a_further_kind_is_made_for_each_model_and_waited_for(answers: dict[str, Any]) -> None:
    for entry in answers["access"]:
        assert entry["dummy_limits_by_tier"] == {"dummy": {"model": entry["name"]}}
    made = {"api_version": "kuadrant.io/v1beta7", "kind": "DummyPolicy"}
    for entry in answers["plan"]["entries"]:
        of_kind = [item for item in entry["limits"] if item["kind"] == "DummyPolicy"]
        name = {"dummy": {"model": entry["name"]}}
        assert of_kind == ([] if entry["name"] == "model-list" else [{**made, "limits": name}])
    waited = {"namespace": "llm", "label_selector": "llmops.maas/model"}
    assert {**made, **waited} in answers["plan"]["wanted"]


def test_the_services_of_a_further_kind_must_fail_as_chosen(answers: dict[str, Any]) -> None:
    assert answers["environment"]["DUMMY_SERVICE_FAILURE_MODE"] == "allow"
    assert answers["environment"]["DUMMY_SERVICE_TIMEOUT"] == "1s"
    (service,) = answers["services"]
    assert (service["name"], service["wrong"]) == ("dummy-service", True)
    assert "type == 'dummy' && failureMode != 'deny'" in answers["plan"]["configured"]["for"]["jmespath"]
    rows = {row["name"]: row["passed"] for row in answers["failure_modes"]}
    assert rows["Failure mode of dummy"] is False


def test_a_further_kind_is_verified_and_shown(answers: dict[str, Any]) -> None:
    assert "DummyPolicy of HTTPRoute llm/qwen3-0-6b-instruct" in answers["rows"]
    assert "dummypolicies" in answers["kinds"].split(",")


def test_callers_may_use_a_further_method(answers: dict[str, Any]) -> None:
    plan = answers["plan"]
    assert set(plan["authentication"]) == {"api-key-users", "jwt-users", "mtls-users"}
    assert plan["user"].startswith("has(auth.identity.certificate) ? auth.identity.certificate.subject : has(")
    assert plan["groups"].startswith("has(auth.identity.certificate) ? auth.identity.certificate.units : has(")
    assert all(plan["groups"] in entry["allowed"] for entry in plan["entries"])
    assert answers["takes"] is True


def test_help_and_wrong_credentials_name_a_further_method(answers: dict[str, Any]) -> None:
    help_text = json.loads(answers["plan"]["unauthenticated"])["error"]["message"]
    assert help_text.endswith("or a certificate as: Authorization: Certificate <certificate>")
    assert json.loads(answers["plan"]["unauthorized"])["error"]["message"].startswith(
        "This key or token or certificate has"
    )
    assert answers["wrong"][0] == "none"
    assert answers["wrong"][-1] == "self_signed"


def lacking(kinds: Any) -> list[str]:
    """Kinds without a rule of readiness, or that the documentation of the wait does not name."""
    return [
        kind.kind for kind in kinds if rule_of(kind.api_version, kind.kind) is None or kind.kind not in DOCUMENTATION
    ]


def test_every_kind_can_be_waited_for_and_is_documented() -> None:
    assert lacking(policies.POLICIES) == []
    dummy = policies.PolicyKind("DummyPolicy", "v1", "dummypolicies", {}, lambda _model, _tiers: True)
    assert lacking([*policies.POLICIES, dummy]) == ["DummyPolicy"]


def test_every_service_has_an_expected_failure_mode() -> None:
    """That table does not follow from the kinds: it would prove nothing if it did."""
    assert VERIFICATION["maas_verify_failure_modes"] == policies.failure_modes("deny")
