# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a user waits for (the ``for`` of a resource) into a rule; errors say how to write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject
from ansible_collections.llmops.maas.plugins.module_utils._wait.expressions import (
    ExpressionError,
    NoValueError,
    compile_expression,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.readiness import (
    READY,
    Rule,
    conditions_met,
    exists,
    rule_of,
    waiting,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict

FORMS = (
    "'exists', 'deleted', {condition: Ready, status: 'True'}, {conditions: {Accepted: 'True'}, reasons: {Enforced: "
    "[Overridden]}} or {jmespath: 'status.phase', value: Active}"
)


class CriterionError(ValueError):
    """What was asked for cannot be waited for; the message says how to write it."""


@dataclass(frozen=True)
class Criterion:
    """``rule`` judges an object that is there; ``deleted`` turns the wait round: it is over when there is none."""

    rule: Rule
    deleted: bool = False


def criterion_for(api_version: str, kind: str, wanted: Any, keys: list[str] | None = None) -> Criterion:
    """The criterion for a kind; without ``wanted`` the kind's own. Raises ``CriterionError``."""
    if keys and kind not in {"Secret", "ConfigMap"}:
        raise CriterionError(f"'keys' is for Secrets and ConfigMaps, not for {kind}: leave it out")
    criterion = _own_rule(api_version, kind) if wanted is None else _parse(wanted)
    if not keys:
        return criterion
    return Criterion(rule=_with_keys(criterion.rule, list(keys)))


def _own_rule(api_version: str, kind: str) -> Criterion:
    if kind == "InferenceService":
        raise CriterionError(
            "for InferenceServices use the module llmops.maas.inference_service_wait, which knows failures"
        )
    rule = rule_of(api_version, kind)
    if rule is None:
        raise CriterionError(
            f"kind {kind} of {api_version} has no rule of its own: say what to wait for with 'for': {FORMS}"
        )
    return Criterion(rule=rule)


def _parse(wanted: Any) -> Criterion:
    if wanted == "exists":
        return Criterion(rule=exists)
    if wanted == "deleted":
        return Criterion(rule=exists, deleted=True)
    if not isinstance(wanted, Mapping):
        raise CriterionError(f"'for' cannot be {wanted!r}: write {FORMS}")
    if "condition" in wanted or "conditions" in wanted:
        return Criterion(rule=_condition_rule(wanted))
    if "jmespath" in wanted:
        return Criterion(rule=_jmespath_rule(wanted))
    raise CriterionError(f"'for' has the keys {sorted(map(str, wanted))}: write {FORMS}")


def _condition_rule(wanted: Mapping[str, Any]) -> Rule:
    _refuse_others(wanted, {"condition", "status", "conditions", "reasons"})
    conditions = dict(wanted.get("conditions") or {})
    if wanted.get("condition"):
        conditions[wanted["condition"]] = wanted.get("status", "True")
    reasons = wanted.get("reasons") or {}
    if not conditions or not isinstance(reasons, Mapping):
        raise CriterionError(f"'for' needs a condition, and 'reasons' lists by condition: write {FORMS}")
    accepted = {str(name): [listed] if isinstance(listed, str) else list(listed) for name, listed in reasons.items()}
    # A reason makes no sense for a condition that nobody asked for, unless that one is then wanted true.
    statuses = {
        **dict.fromkeys(accepted, "True"),
        **{str(name): _status_text(value) for name, value in conditions.items()},
    }
    return lambda item: conditions_met(item, statuses, accepted)


def _status_text(value: Any) -> str:
    """YAML reads an unquoted True as a boolean; conditions have the words."""
    text = str(value).capitalize()
    if text not in {"True", "False", "Unknown"}:
        raise CriterionError(f"a condition's status is 'True', 'False' or 'Unknown', not {value!r}")
    return text


def _jmespath_rule(wanted: Mapping[str, Any]) -> Rule:
    _refuse_others(wanted, {"jmespath", "value"})
    expression = str(wanted["jmespath"])
    try:
        evaluate = compile_expression(expression)
    except ExpressionError as error:
        raise CriterionError(f"'for' has an expression that cannot be used: {error}") from error

    def rule(item: KubeObject) -> Verdict:
        try:
            found = evaluate(item)
        except NoValueError as error:
            # A function may not fit a part of the status that is not there yet.
            return waiting("NoValue", f"{expression} cannot be evaluated yet: {error}")
        reached = found == wanted["value"] if "value" in wanted else bool(found)
        target = f", waiting for {wanted['value']!r}" if "value" in wanted else ""
        return READY if reached else waiting("OtherValue", f"{expression} is {found!r}{target}")

    return rule


def _refuse_others(wanted: Mapping[str, Any], known: set[str]) -> None:
    others = sorted(set(map(str, wanted)) - known)
    if others:
        raise CriterionError(f"'for' has unknown keys {', '.join(others)}: known here are {', '.join(sorted(known))}")


def _with_keys(rule: Rule, keys: list[str]) -> Rule:
    def checked(item: KubeObject) -> Verdict:
        verdict = rule(item)
        held = {**(item.get("data") or {}), **(item.get("binaryData") or {})}
        lacking = [key for key in keys if not held.get(key)]
        if verdict.state != "ready" or not lacking:
            return verdict
        return waiting("KeysMissing", f"it has no value yet for {', '.join(lacking)}")

    return checked
