# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""API keys as values and as objects, and what a rotation decides to do with them."""

from __future__ import annotations

import base64
import dataclasses
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.filter.unlisted_keys import unlisted_keys
from ansible_collections.llmops.maas.plugins.module_utils._common import fixed_names as names
from ansible_collections.llmops.maas.plugins.module_utils._keys import api_keys as objects
from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import ApiKey, Identity, read_key, successor
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import Delivery, DeliveryError
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import (
    PATTERN,
    KeyValueError,
    check_given,
    entropy_bits,
    fingerprint,
    generate,
    is_weak,
    key_id,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.options import OptionError, dns_name, user_id
from ansible_collections.llmops.maas.plugins.module_utils._keys.plan import (
    FINISH,
    KEEP,
    RESUME,
    RETIRE,
    ROTATE,
    Due,
    plan,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.probe import Authorino, ProbeError
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import Clock, TimeError, moment, stamp
from ansible_collections.llmops.maas.plugins.modules import api_key, api_key_rotation

ROTATION = ArgumentSpecValidator(api_key_rotation.ARGUMENTS).validate({}).validated_parameters
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
LABELS = {"app": "models-api"}


def secret(name: str = "api-key-alice", **changes: Any) -> dict[str, Any]:
    """The Secret of a key that this collection made, as the API server returns it."""
    identity = changes.pop("identity", Identity("alice", ("premium",)))
    new = objects.first_key(name, "kuadrant-system", identity, LABELS, changes.pop("value", ""))
    found = new.secret()
    stored = {"uid": f"uid-{name}", "resourceVersion": "7", "creationTimestamp": stamp(NOW - timedelta(days=40))}
    found["metadata"].update(stored)
    for part in ("labels", "annotations"):
        found["metadata"][part] = changes.pop(part, found["metadata"][part])
    return {**found, **changes}


def key(name: str = "api-key-alice", **fields: Any) -> ApiKey:
    found = read_key(secret(name), LABELS)
    assert found is not None
    return dataclasses.replace(found, **fields)


def test_generated_keys_are_long_recognisable_and_never_the_same() -> None:
    values = {generate("0123456789") for _unused in range(100)}
    assert len(values) == 100
    assert all(PATTERN.fullmatch(value) for value in values)
    assert all(value.startswith("maas_0123456789_") for value in values)
    # 43 of 62 characters: 256 bits.
    assert {len(value.split("_")[2]) for value in values} == {43}


def test_the_key_id_says_nothing_of_the_secret_and_is_the_same_for_the_same_predecessor() -> None:
    assert key_id("uid") == key_id("uid") != key_id("uid2")
    assert re.fullmatch("[0-9a-f]{10}", key_id("uid"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("short-key", "fewer than 32 characters"),
        ("a" * 64, "can be guessed"),
        ("abababababababababababababababababababab", "can be guessed"),
        ("with a space in it, and otherwise long enough", "without spaces"),
        ("Größe-" + "0123456789abcdefghijklmnop", "ASCII"),
        ('quote"' + "0123456789abcdefghijklmnop", "quotes"),
        ("0123456789abcdefghijklmnopqrstuv" * 40, "1 to 1024"),
    ],
)
def test_given_keys_that_are_weak_or_impossible_are_refused_without_being_shown(value: str, words: str) -> None:
    with pytest.raises(KeyValueError, match=words) as caught:
        check_given(value, "value (user alice)", allow_weak=False)
    assert value not in str(caught.value)
    assert "value (user alice)" in str(caught.value)


def test_weak_is_what_is_short_or_repeats_itself() -> None:
    assert is_weak("short-key")
    assert is_weak("x" * 31)
    assert is_weak("a" * 64)
    assert not is_weak("0123456789abcdef0123456789abcdef")


@given(st.text(alphabet="0123456789abcdef", min_size=64, max_size=64).filter(lambda text: entropy_bits(text) > 200))
def test_random_hexadecimal_keys_are_accepted(value: str) -> None:
    check_given(value, "value", allow_weak=False)


def test_demonstrations_may_have_weak_keys_but_no_impossible_ones() -> None:
    check_given("admin-key-12345", "value", allow_weak=True)
    with pytest.raises(KeyValueError):
        check_given("two words", "value", allow_weak=True)


def listed_key(user: str, lineage: str, *, managed: bool = True) -> dict[str, Any]:
    return {"user": user, "lineage": lineage, "name": f"{lineage}-1", "managed": managed}


@pytest.mark.parametrize(
    ("users", "listed", "left"),
    [
        ([], [], {"api-key-1001", "batch", "api-key-bob"}),
        # What YAML reads as a number, and what it does not.
        ([{"name": 1001, "groups": ["user"]}], [], {"api-key-bob"}),
        ([{"name": "1001"}], [], {"api-key-bob"}),
        ([], [{"user": 1001}], {"batch", "api-key-bob"}),
        ([], [{"user": 1001, "name": "batch"}, {"user": 1001}], {"api-key-bob"}),
        ([], [{"user": 1001, "state": "disabled"}], {"api-key-bob"}),
        ([], [{"user": 1001, "name": "batch", "state": "disabled"}], {"api-key-1001", "api-key-bob"}),
        ([], [{"user": 1001, "name": None, "state": None}], {"batch", "api-key-bob"}),
        ([{"name": True}, {"name": 1001.0}], [{"user": "bob"}], {"api-key-1001", "batch"}),
    ],
)
def test_keys_that_are_not_listed_any_more(users: Any, listed: Any, left: set[str]) -> None:
    keys = [
        listed_key("1001", "api-key-1001"),
        listed_key("1001", "batch"),
        listed_key("bob", "api-key-bob"),
        listed_key("eve", "by-hand", managed=False),
    ]
    assert {row["lineage"] for row in unlisted_keys(keys, users=users, listed=listed)} == left


def test_a_listed_key_without_a_name_is_the_one_that_the_module_makes() -> None:
    keys = [listed_key("Alice@example.com", objects.default_name("Alice@example.com"))]
    assert unlisted_keys(keys, listed=[{"user": "Alice@example.com"}]) == []


def test_moments_need_a_time_zone_and_are_kept_in_utc() -> None:
    assert stamp(moment("2026-12-31T23:59:59+01:00", "now")) == "2026-12-31T22:59:59Z"
    for text in ("2026-12-31T23:59:59", "2026-12-31", "tomorrow", ""):
        with pytest.raises(TimeError, match="expires_at: "):
            moment(text, "expires_at")


def test_a_clock_goes_on_from_the_given_moment() -> None:
    ticks = iter([10.0, 15.0])
    assert Clock(NOW, lambda: next(ticks)).now() == NOW + timedelta(seconds=5)


def test_what_is_written_is_what_is_read() -> None:
    identity = Identity("alice@example.com", ("premium", "staff"), NOW + timedelta(days=1))
    found = read_key(secret("k", identity=identity, value="v" * 40), LABELS)
    assert found is not None
    assert found.identity == identity
    assert (found.value, found.lineage, found.immutable, found.state(NOW)) == ("v" * 40, "k", True, "active")


def test_no_representation_of_a_key_holds_its_value() -> None:
    found = key(value="hunter2-hunter2")
    new = successor(found, LABELS, value="hunter2-hunter2")
    shown = f"{found!r} {new!r} {found.report(NOW)}"
    assert "hunter2" not in shown
    assert base64.b64encode(b"hunter2-hunter2").decode() not in shown


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "active"),
        ({"retire_after": NOW}, "retiring"),
        ({"identity": Identity("alice", (), NOW)}, "expired"),
        ({"watched": False}, "unwatched"),
        ({"selected": False, "disabled": True}, "unwatched"),
    ],
)
def test_states(fields: dict[str, Any], state: str) -> None:
    assert key(**fields).state(NOW) == state


@pytest.mark.parametrize(
    ("labels", "annotations", "user", "groups"),
    [
        (LABELS, {"secret.kuadrant.io/user-id": "alice", "kuadrant.io/groups": "a, b,"}, "alice", ("a", "b")),
        ({**LABELS, "user": "bob", "tier": "gold"}, {}, "bob", ("gold",)),
        ({**LABELS}, {"kuadrant.io/user-id": "carl", "groups": "x"}, "carl", ("x",)),
        (LABELS, {}, "", ()),
    ],
)
def test_keys_of_other_schemes_are_understood(
    labels: dict[str, str], annotations: dict[str, str], user: str, groups: tuple[str, ...]
) -> None:
    found = read_key(secret("by-hand", labels=labels, annotations=annotations), LABELS)
    assert found is not None
    assert (found.identity.user, found.identity.groups) == (user, groups)
    assert (found.managed, found.watched, found.state(NOW)) == (False, False, "unwatched")


def test_a_secret_that_cannot_be_read_is_named_and_its_value_is_not() -> None:
    broken = secret("broken", data={"api_key": base64.b64encode(b"\xff\xfe-binary").decode()})
    with pytest.raises(objects.KeyObjectError, match="Secret kuadrant-system/broken: its api_key is no text") as caught:
        read_key(broken, LABELS)
    # It can be replaced and revoked all the same.
    assert caught.value.key is not None
    assert (caught.value.key.identity.user, len(caught.value.key.report(NOW)["fingerprint"])) == ("alice", 12)
    with pytest.raises(objects.KeyObjectError, match="its api_key is empty") as caught:
        read_key(secret("empty", data={"api_key": ""}), LABELS)
    assert caught.value.key is None
    wrong = secret("wrong")
    wrong["metadata"]["annotations"][names.RETIRE_AFTER] = "soon"
    with pytest.raises(objects.KeyObjectError, match="retire-after: 'soon' is no moment"):
        read_key(wrong, LABELS)
    assert read_key(secret("none", data={"password": "eA=="}), LABELS) is None


def test_there_can_be_only_one_successor_and_it_carries_on_what_limits_count_by() -> None:
    old = key(labels={**LABELS, "team": "a", names.KEY_ID: "0000000000", names.DISABLED: "true"}, value="demo")
    first, second = successor(old, LABELS), successor(old, LABELS)
    assert first.name == second.name == f"api-key-alice-{first.key_id}"
    body = first.secret()
    assert body["metadata"]["annotations"]["secret.kuadrant.io/user-id"] == "alice"
    assert body["metadata"]["annotations"]["kuadrant.io/groups"] == "premium"
    assert body["metadata"]["annotations"][names.GIVEN] == fingerprint("demo")
    assert body["metadata"]["labels"]["team"] == "a"
    assert body["metadata"]["labels"][names.KEY_ID] == first.key_id
    assert names.DISABLED not in body["metadata"]["labels"]
    assert body["immutable"] is True
    # Two runs make two values; the name lets only one of them be stored.
    assert body["data"] != second.secret()["data"]


def request(**options: Any) -> api_key.KeyRequest:
    """What the module makes of options that Ansible has checked."""
    checked = ArgumentSpecValidator(api_key.ARGUMENTS).validate({"user": "alice", **options})
    assert checked.error_messages == []
    return api_key.KeyRequest.of(checked.validated_parameters)


def test_numbers_in_labels_and_groups_are_text() -> None:
    asked = request(labels={"cost-center": 4711, "gpu": True}, groups=[1001], key_labels={"app": 1})
    assert asked.key.labels == {"cost-center": "4711", "gpu": "true"}
    assert asked.key.groups == ("1001",)
    assert asked.scope.labels == {"app": "1"}
    assert api_key_rotation.options_of({**ROTATION, "selector": {"team": 7}}).due.labels == {"team": "7"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": {1001: "a", "1001": "b"}}, "labels: 1001 is given twice"),
        ({"labels": {"team": None}}, "labels.team: is empty"),
        ({"labels": {"team": ["a"]}}, "labels.team: is a list"),
        ({"key_labels": {"app": {}}}, "key_labels.app: is a dictionary"),
        ({"key_labels": {}}, "key_labels: give the labels"),
        ({"groups": [1001, "1001"]}, "groups: 1001 is given twice"),
        ({"groups": ["a,b"]}, "groups: 'a,b' is no group"),
    ],
)
def test_labels_and_groups_that_cannot_be_meant_are_refused_before_the_cluster_is_asked(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        request(**options)


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_every_user_gets_a_name_of_its_own(first: str, second: str) -> None:
    names = [objects.default_name(user) for user in (first, second)]
    for name in names:
        assert dns_name(name, "name") == name
    assert (names[0] == names[1]) == (first == second)


@pytest.mark.parametrize("user", ["", " alice", "a\nb", "x" * 257])
def test_user_ids_that_do_not_fit_are_refused(user: str) -> None:
    with pytest.raises(OptionError, match="user: "):
        user_id(user)


def steps(keys: list[ApiKey], **due: Any) -> dict[str, str]:
    return {step.key.name: step.action for step in plan(keys, Due(**{"max_age": 30 * 86400, **due}), NOW)}


def following(old: ApiKey, **fields: Any) -> ApiKey:
    new = successor(old, LABELS)
    made = {"uid": f"uid-{new.name}", "name": new.name, "lineage": old.lineage, "succeeds": old.uid, "created": NOW}
    return dataclasses.replace(old, **{**made, "retire_after": None, "superseded_by": "", **fields})


def test_old_keys_are_due_and_young_disabled_expired_and_nameless_ones_are_not() -> None:
    keys = [
        key("old"),
        key("young", created=NOW - timedelta(days=29)),
        key("disabled", disabled=True),
        key("expired", identity=Identity("alice", (), NOW)),
        key("nameless", identity=Identity("")),
    ]
    assert steps(keys) == {"old": ROTATE, "young": KEEP, "disabled": KEEP, "expired": KEEP, "nameless": KEEP}
    assert steps(keys, force=True)["young"] == ROTATE


def test_only_the_chosen_users_and_labels_are_touched() -> None:
    other = key("bob", identity=Identity("bob"), labels={"team": "b"}, retire_after=NOW)
    assert steps([key(), other], users=frozenset({"alice"})) == {"api-key-alice": ROTATE}
    assert steps([key(), other], labels={"team": "b"}) == {"bob": RETIRE}


def test_what_an_earlier_run_began_is_gone_on_with_whatever_its_age() -> None:
    young = key(created=NOW)
    begun = following(young, proved=False)
    assert steps([young, begun]) == {young.name: RESUME}
    assert steps([begun]) == {begun.name: FINISH}
    retiring = dataclasses.replace(young, retire_after=NOW + timedelta(hours=1))
    # Not rotated again while its predecessor is in its grace period, not even by force.
    done = dataclasses.replace(begun, proved=True)
    assert steps([retiring, done], force=True) == {young.name: RETIRE, done.name: KEEP}


class Cluster:
    """The writes of a rotation on plain keys, in the order that the product makes them, with a kill after any."""

    def __init__(self, keys: list[ApiKey]) -> None:
        self.keys = {item.uid: item for item in keys}
        self.given_out: set[str] = set()

    def run(self, writes: int, *, force: bool, now: datetime) -> int:
        """One run that ends after so many writes; returns how many it did not need."""
        for step in plan(list(self.keys.values()), Due(30 * 86400, force), now):
            for write in self._writes(step, now):
                if not writes:
                    return 0
                write()
                writes -= 1
                self.check(now)
        return writes

    def _writes(self, step: Any, now: datetime) -> Any:
        old = step.key
        if step.action == RETIRE and old.retire_after <= now:
            yield lambda: self.keys.pop(old.uid)
        if step.action not in (ROTATE, RESUME, FINISH):
            return
        new = old if step.action == FINISH else step.successor or following(old, created=now)
        if step.action == ROTATE:
            yield lambda: self.keys.setdefault(new.uid, new)
        if not new.proved:
            yield lambda: self.change(new.uid, proved=True)
        yield lambda: self.given_out.add(new.uid)
        if step.action != FINISH:
            yield lambda: self.change(old.uid, retire_after=now + timedelta(hours=1), superseded_by=new.name)

    def change(self, uid: str, **fields: Any) -> None:
        self.keys[uid] = dataclasses.replace(self.keys[uid], **fields)

    def check(self, now: datetime) -> None:
        """At every moment each user has a key that was given out and is not at its end."""
        for user in ("alice", "bob"):
            mine = [item for item in self.keys.values() if item.identity.user == user]
            assert [item for item in mine if item.uid in self.given_out and item.state(now) in ("active", "retiring")]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.sampled_from([0, 1, 7200])), max_size=8))
def test_runs_killed_anywhere_end_with_one_key_for_each_user(runs: list[tuple[int, bool, int]]) -> None:
    first = [key("a"), key("b", identity=Identity("bob"))]
    cluster = Cluster(first)
    cluster.given_out = {item.uid for item in first}
    now = NOW
    for writes, force, later in runs:
        cluster.run(writes, force=force, now=now)
        now += timedelta(seconds=later)
    # Left alone, two more runs, the second after the grace period, finish all that was begun.
    for _unused in range(3):
        assert cluster.run(100, force=False, now=now) > 0
        now += timedelta(hours=2)
    left = list(cluster.keys.values())
    assert sorted(item.identity.user for item in left) == ["alice", "bob"]
    assert all(item.uid in cluster.given_out and item.state(now) == "active" for item in left)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"secret": {"namespace": "x", "name": "key-${usr}", "key": "api_key"}}, "delivery.secret.name: .*placeholder"),
        ({"secret": {"namespace": "x", "name": "key-$", "key": "api_key"}}, "delivery.secret.name: .*placeholder"),
        ({"file": "/tmp/key"}, "control node"),
        ({"registered": True}, "control node"),
    ],
)
def test_deliveries_that_cannot_work_are_refused_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DeliveryError, match=words):
        Delivery(options)


def test_two_keys_never_go_to_one_place_nor_over_a_key() -> None:
    fixed = Delivery({"secret": {"namespace": "apps", "name": "key-${user}", "key": "k"}})
    first, second = key("one"), key("two")
    assert set(fixed.clashes([first, second], [])) == {first.uid, second.uid}
    assert fixed.clashes([first], [first, second]) == {}
    over = Delivery({"secret": {"namespace": "kuadrant-system", "name": "${lineage}", "key": "k"}})
    assert "is the Secret of a key itself" in over.clashes([first], [first, second])[first.uid]


def test_a_user_id_leads_to_no_other_folder() -> None:
    delivery = Delivery({"secret": {"namespace": "n", "name": "k-${user}", "key": "k"}})
    (place,) = delivery.places("../../Etc/passwd", "x")
    assert str(place) == "secret n/k-etc-passwd"


def endpoint_slice(addresses: list[tuple[str, bool]], **fields: Any) -> dict[str, Any]:
    endpoints = [{"addresses": [address], "conditions": {"ready": ready}} for address, ready in addresses]
    ports = [{"name": "grpc", "port": 50051}, {"name": "http", "port": 5001}]
    return {"addressType": "IPv4", "ports": ports, "endpoints": endpoints, **fields}


def auth_config(host: str, labels: dict[str, str]) -> dict[str, Any]:
    key_source = {"apiKey": {"selector": {"matchLabels": labels}}}
    return {"spec": {"hosts": [host], "authentication": {"keys": key_source, "tokens": {"jwt": {}}}}}


def found_by(slices: list[dict[str, Any]], configs: list[dict[str, Any]]) -> list[str]:
    def read(path: str, _query: Any) -> Any:
        return {"items": slices if "endpointslices" in path else configs}

    return [str(endpoint) for endpoint in Authorino(read, "kuadrant-system", LABELS)()]


def test_keys_are_tried_on_every_ready_replica_for_every_policy_that_takes_them() -> None:
    slices = [
        endpoint_slice([("10.0.0.1", True), ("10.0.0.2", False)]),
        endpoint_slice([("fd00::1", True)], addressType="IPv6"),
    ]
    configs = [auth_config("a", LABELS), auth_config("b", LABELS), auth_config("c", {"app": "other"})]
    assert found_by(slices, configs) == [
        f"http://{address}:5001/check ({host})" for address in ("10.0.0.1", "[fd00::1]") for host in "ab"
    ]


@pytest.mark.parametrize(
    ("slices", "configs", "words"),
    [
        ([], [auth_config("a", LABELS)], "no ready replica"),
        ([endpoint_slice([("10.0.0.1", False)])], [auth_config("a", LABELS)], "no ready replica"),
        ([endpoint_slice([("10.0.0.1", True)])], [auth_config("a", {"app": "other"})], "no AuthConfig takes keys"),
    ],
)
def test_without_anything_to_try_keys_on_that_is_said(slices: Any, configs: Any, words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        found_by(slices, configs)
