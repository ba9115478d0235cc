# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place that turns errors into words: what it covers, and that everything goes through it."""

from __future__ import annotations

import base64
import importlib
import json
import re
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import (
    call,
    described,
    hide,
    kubeconfig_secrets,
    masked,
    user_information,
    without_password,
)
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._common.masking import MASK, Secrets, as_bytes
from ansible_collections.llmops.maas.plugins.module_utils._keys.results import FAILED, PLANNED, KeyResult
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import DirectAction, printed
from tests.support.odd_values import INVOCATION

PLUGINS = Path(__file__).parents[3] / "plugins"
KEY = "maas_0123456789_Zk3hR8vQ1xW6"
ENCODERS: dict[str, Callable[[bytes], str]] = {
    "text": lambda data: data.decode("utf-8", "replace"),
    "bytes": repr,
    "repr": lambda data: repr(data.decode("utf-8", "replace")),
    "repr of bytes in repr": lambda data: repr(repr(data)),
    "Latin-1": lambda data: repr(data.decode("latin-1")),
    "JSON": lambda data: json.dumps(data.decode("utf-8", "replace")),
    "JSON in JSON": lambda data: json.dumps(json.dumps(data.decode("utf-8", "replace"))),
    "JSON as text": lambda data: json.dumps(data.decode("utf-8", "replace"), ensure_ascii=False),
    "URL": lambda data: quote(data, safe=""),
    "path": quote,
    "form": quote_plus,
    "lower-case URL": lambda data: re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quote(data)),
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 without padding": lambda data: base64.b64encode(data).decode().rstrip("="),
    "base64 for URLs": lambda data: base64.urlsafe_b64encode(data).decode(),
    "hexadecimal": lambda data: data.hex(),
}
values = st.one_of(
    st.binary(min_size=8, max_size=40),
    st.text(min_size=8, max_size=40).filter(lambda text: len(text.strip()) > 7).map(as_bytes),
)


@pytest.mark.parametrize("form", ENCODERS)
@settings(max_examples=30, deadline=None)
@given(value=values)
@example(value=KEY.encode())
@example(value=b"with \"quotes\" and 'others' \\ % + / = \n\0\xff")
def test_a_secret_is_covered_in_every_form(form: str, value: bytes) -> None:
    shown = ENCODERS[form](value)
    secrets = Secrets([value])
    # Quotes are no part of the value.
    inner = shown.removeprefix("b")[1:-1] if form in ("bytes", "repr", "Latin-1", "JSON", "JSON as text") else shown
    if inner.strip():
        assert inner not in secrets.mask(f"before {shown} after")


@pytest.mark.parametrize("prefix", ["", "u:", "ab:", "APIKEY ", "Bearer "])
def test_a_secret_inside_of_base64_is_covered(prefix: str) -> None:
    encoded = base64.b64encode(f"{prefix}{KEY}@host".encode()).decode()
    text = Secrets([KEY]).mask(encoded)
    assert MASK in text
    # A part as long as a word would be enough to go on.
    decoded = "".join(base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1") for part in text.split(MASK))
    assert not any(KEY[at : at + 4] in decoded for at in range(len(KEY) - 3))


def test_what_overlaps_and_what_is_left_alone() -> None:
    secrets = Secrets(["abcdefghij", "fghijklmno", None, True, "", " \n", MASK])
    assert secrets.mask("<abcdefghijklmno> is not abcdefghi") == f"<{MASK}> is not abcdefghi"
    assert Secrets().mask("nothing is secret") == "nothing is secret"
    assert Secrets([12345678]).mask("port 12345678") == f"port {MASK}"


def test_parts_of_a_secret_are_covered_in_the_words_of_others() -> None:
    secrets = Secrets(["first-half/second-half"])
    assert secrets.mask("nonnumeric port: 'first-half'") == "nonnumeric port: 'first-half'"
    assert secrets.mask_fragments("nonnumeric port: 'first-half'") == f"nonnumeric port: '{MASK}'"
    assert secrets.mask_fragments("half of it") == "half of it"


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("Invalid header value b'Bearer a\\n'", "Invalid header value b'Bearer ********\\n'"),
        ("a word, and api_key=a&b", "a word, and api_key=********&b"),
        ('a "a" and a path /a', 'a "********" and a path /********'),
    ],
)
def test_a_short_secret_is_covered_where_it_is_a_value(text: str, covered: str) -> None:
    assert Secrets(["a"]).mask(text) == covered


@pytest.mark.parametrize(
    ("url", "information", "shown"),
    [
        ("http://u:p@h:3128", "u:p", "http://********@h:3128"),
        ("http://token@h/x", "token", "http://********@h/x"),
        ("http://u:pa/ss@h", "u:pa/ss", "http://********@h"),
        ("http://u:p@ss@h", "u:p@ss", "http://********@h"),
        ("https://h:8443/@scope/name", "", "https://h:8443/@scope/name"),
        ("https://[fd00::1]:80/a@b", "", "https://[fd00::1]:80/a@b"),
        ("mail: me@example.com", "", "mail: me@example.com"),
    ],
)
def test_the_user_information_of_urls(url: str, information: str, shown: str) -> None:
    assert user_information(url) == information
    assert without_password(url) == shown


def test_what_is_secret_in_a_kubeconfig() -> None:
    user = {
        "token": "t",
        "password": "p",
        "client-key-data": "k",
        "client-certificate-data": "public",
        "tokenFile": "/path",
        "username": "u",
        "exec": {"command": "login", "env": [{"name": "LOGIN", "value": "e"}]},
        "auth-provider": {"name": "oidc", "config": {"id-token": "i", "client-secret": "c", "client-id": "public"}},
    }
    config = {"users": [{"name": "u", "user": user}], "clusters": [{"cluster": {"server": "https://h"}}]}
    assert sorted(kubeconfig_secrets(config)) == ["c", "e", "i", "k", "p", "t"]


SPEC = {
    "name": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "inner": {"type": "list", "elements": "dict", "options": {"key": {"type": "str", "no_log": True}}},
}


def module_that(act: Callable[[Any], None]) -> ModuleType:
    made = ModuleType("example")

    @guarded
    def main() -> None:
        act(GuardedModule(argument_spec=SPEC, supports_check_mode=True))

    made.main = main  # type: ignore[attr-defined]
    return made


def answer(act: Callable[[Any], None], **arguments: Any) -> dict[str, Any]:
    text = printed(module_that(act), {"name": "granite", "password": KEY, **INVOCATION, **arguments})
    assert KEY not in text
    assert base64.b64encode(KEY.encode()).decode()[:-4] not in text
    result: dict[str, Any] = json.loads(text)
    return result


def with_tracebacks(monkeypatch: pytest.MonkeyPatch, shown: bool) -> dict[str, Any]:
    """Arguments for a module for which Ansible shows tracebacks, or not."""
    name = "ansible.module_utils._internal._traceback"
    try:
        importlib.import_module(name)
    except ImportError:  # before ansible-core 2.19
        return {"_ansible_verbosity": 3 if shown else 0}
    monkeypatch.setattr(f"{name}.is_traceback_enabled", lambda _event: shown)
    return {}


def unforeseen(_module: Any) -> None:
    cause = ValueError(f"Invalid header value {f'Bearer {KEY}'.encode()!r}")
    raise RuntimeError(base64.b64encode(KEY.encode()).decode().rstrip("=")) from cause


@pytest.mark.parametrize("tracebacks", [False, True])
def test_what_nobody_expected_is_a_failure_that_says_where_and_shows_nothing(
    tracebacks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = answer(unforeseen, **with_tracebacks(monkeypatch, tracebacks))
    assert result["failed"]
    assert re.match(rf"unexpected RuntimeError in \S+, line \d+ \(\w+\): {re.escape(MASK)}", result["msg"])
    assert ("exception" in result) is tracebacks
    if tracebacks:
        assert "Invalid header value" in result["exception"]
    assert result["invocation"]["module_args"]["password"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def test_an_error_that_was_expected_does_not_take_its_causes_to_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = with_tracebacks(monkeypatch, True)

    def act(module: Any) -> None:
        try:
            unforeseen(module)
        except RuntimeError as error:
            module.fail_json(msg=f"cannot be done: {error}")

    result = answer(act, **shown)
    assert result["msg"] == f"cannot be done: {MASK}"
    assert "Invalid header value" not in json.dumps(result)


def test_results_are_covered_where_they_hold_words_and_kept_where_others_go_on_with_them() -> None:
    def act(module: Any) -> None:
        hide("kuadrant-system")
        rows = [{"namespace": "kuadrant-system", "error": "no kuadrant-system", "message": ["kuadrant-system"]}]
        module.exit_json(changed=False, rows=rows)

    (row,) = answer(act)["rows"]
    assert row == {"namespace": "kuadrant-system", "error": f"no {MASK}", "message": [MASK]}


def test_arguments_inside_others_are_hidden_and_passwords_of_urls_too() -> None:
    result = answer(
        lambda module: module.exit_json(msg=module.params["name"]),
        name=f"http://u:{KEY}@h/",
        inner=[{"key": KEY}],
    )
    shown = result["invocation"]["module_args"]
    assert shown["name"] == "http://********@h/"
    assert shown["inner"] == [{"key": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}]
    assert result["msg"].startswith("http://u:***")


def test_a_short_argument_is_not_covered_in_every_word() -> None:
    result = answer(lambda module: module.fail_json(msg="there is no e in 'e'"), password="e")
    assert result["msg"] == "there is no e in '********'"
    assert result["invocation"]["module_args"]["name"] == "granite"


def test_outside_of_a_call_words_are_as_they_are_and_unknown_ones_are_not_shown() -> None:
    hide(KEY)
    assert masked(KEY) == KEY
    assert described(ValueError(KEY)) == "unexpected ValueError in an unknown place"
    with call():
        hide(KEY)
        with call():
            assert masked(f"of {KEY}") == f"of {MASK}"
        assert described(ValueError(KEY)).endswith(f": {MASK}")


def action(act: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    class Action(DirectAction):
        module = module_that(lambda _module: None)

        def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
            del task_vars
            return act()

    monkeypatch.setattr(ActionBase, "run", lambda *_arguments: {})
    made = Action.__new__(Action)
    made._task = SimpleNamespace(args={"api_key": KEY})
    return made.run(None, {})


def test_action_plugins_end_with_a_failure_that_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> dict[str, Any]:
        raise OSError(f"no file {KEY}")

    result = action(act, monkeypatch)
    assert result["failed"]
    assert "unexpected OSError in" in result["msg"]
    assert KEY not in str(result)


@pytest.mark.parametrize(("words", "passes"), [("delivery: give a dictionary", True), (f"cannot use {KEY}", False)])
def test_errors_of_ansible_speak_for_themselves_unless_they_show_something(
    words: str, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act() -> dict[str, Any]:
        raise AnsibleActionFail(words)

    if passes:
        with pytest.raises(AnsibleError, match=words):
            action(act, monkeypatch)
    else:
        assert KEY not in str(action(act, monkeypatch))


def test_a_step_that_fails_in_any_way_fails_its_key_alone() -> None:
    key = SimpleNamespace(name="k", identity=SimpleNamespace(user="alice"), lineage="k")
    result = KeyResult(SimpleNamespace(action="rotate", key=key, reason=""), PLANNED)  # type: ignore[arg-type]
    future: Future[None] = Future()
    future.set_exception(UnicodeEncodeError("latin-1", KEY, 0, 1, "ordinal not in range"))
    with call():
        hide(KEY)
        assert result.settle(future) is False
    assert result.status == FAILED
    assert "unexpected UnicodeEncodeError" in result.error
    assert KEY not in result.error


# Without what the controller does alone: there the file holds documentation only.
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py") if "\ndef main(" in path.read_text("utf-8"))


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_guarded(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.llmops.maas.plugins.modules.{name}")
    assert module.main.__wrapped__.__name__ == "main"
    source = (PLUGINS / "modules" / f"{name}.py").read_text("utf-8")
    assert not re.search(r"(?<!Guarded)\bAnsibleModule\(", source)


@pytest.mark.parametrize("name", MODULES)
def test_every_action_plugin_is_guarded(name: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.llmops.maas.plugins.action.{name}")
    assert plugin.ActionModule.run is DirectAction.run
