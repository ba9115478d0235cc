# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AnsibleModule behind the guard: what the modules of this collection are made with."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import (
    KUBECONFIG,
    Guard,
    call,
    hide,
    hide_url,
    is_module,
    leaves,
    masked,
    secret_arguments,
    without_password,
)
from ansible_collections.llmops.maas.plugins.module_utils._common.masking import LEAST

HIDDEN_ARGUMENT = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
# Fields of results that may hold words of a library or a server.
_WORDS = frozenset({"error", "hint", "log", "message", "msg", "reason", "troubles", "why"})
# Arguments that are addresses of machines alone.
_MACHINES = ("host", "proxy")
# From this verbosity on, Ansible shows tracebacks.
_VERBOSE = 3


def guarded(main: Callable[[], None]) -> Callable[[], None]:
    """The ``main`` of a module, such that it ends with a result whatever happens."""

    @functools.wraps(main)
    def run() -> None:
        with call() as current:
            current.module = None
            # Before there is a module, nothing is known that could be shown, and nobody who could show it.
            with Guard(current, lambda _error: current.module is not None) as guard:
                main()
            if guard.message and current.module is not None:
                current.module.fail_json(guard.message, trace=guard.traceback)

    return run


class GuardedModule(AnsibleModule):
    """An AnsibleModule that hides its secret arguments, and shows no secret of the call in what it returns.

    ``shown`` has, by name, what makes an argument fit to be shown that is secret in parts.
    """

    def __init__(
        self,
        argument_spec: Mapping[str, Any],
        *,
        shown: Mapping[str, Callable[[Any], Any]] | None = None,
        **options: Any,
    ) -> None:
        self._spec = argument_spec
        self._shown_parts = shown or {}
        # It ends here, with our fail_json, when the arguments are wrong.
        super().__init__(argument_spec=dict(argument_spec), **options)  # type: ignore[no-untyped-call]
        self._hide_arguments()
        is_module(self)

    def _hide_arguments(self) -> None:
        secrets = set(self.no_log_values) - set(leaves(self.params.get(KUBECONFIG)))
        secrets |= {str(value) for value in secret_arguments(self._spec, self.params)}
        # Ansible covers its values wherever they occur, a letter in every word: short ones are covered by us.
        self.no_log_values.clear()
        self.no_log_values.update(value for value in secrets if len(value) >= LEAST)
        for value in secrets:
            hide(value)
        for name, value in self.params.items():
            for text in leaves(value):
                hide_url(text, machine=name in _MACHINES)

    def warn(self, warning: str, **options: Any) -> None:
        super().warn(masked(str(warning)), **options)

    def exit_json(self, **result: Any) -> NoReturn:
        super().exit_json(**self._shown(result))
        raise AssertionError("exit_json ends the module")

    def fail_json(self, msg: str, *, trace: str = "", **result: Any) -> NoReturn:
        """End with a failure. ``trace`` is a traceback without secrets, for those who let Ansible show them."""
        # Ansible itself ends here while it reads the arguments.
        self._hide_arguments()
        result.pop("exception", None)
        # Else Ansible would format the exception that is being handled, with its causes and their texts.
        if "exception" in inspect.signature(AnsibleModule.fail_json).parameters:
            result["exception"] = trace or None
        elif self._debug or self._verbosity >= _VERBOSE:  # before ansible-core 2.19
            result["exception"] = trace or "(left out, as it may quote what is secret)"
        super().fail_json(masked(str(msg)), **self._shown(result))
        raise AssertionError("fail_json ends the module")

    def _shown(self, result: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: self._shown_parts.get(name, _itself)(value) for name, value in self.params.items()}
        invocation = {"module_args": shown_arguments(self._spec, given)}
        return {**_with_masked_words(result), "invocation": invocation}


def _itself(value: Any) -> Any:
    return value


def _with_masked_words(value: Any, words: bool = False) -> Any:
    """The result with secrets covered in the fields that hold words."""
    if isinstance(value, str):
        return masked(value) if words else value
    if isinstance(value, Mapping):
        return {name: _with_masked_words(item, words or name in _WORDS) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_masked_words(item, words) for item in value]
    return value


def shown_arguments(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as they may be shown."""
    return {name: _shown_argument(name, spec.get(name) or {}, value) for name, value in given.items()}


def _shown_argument(name: str, option: Mapping[str, Any], value: Any) -> Any:
    hidden = isinstance(value, Mapping) if name == KUBECONFIG else option.get("no_log")
    if hidden and value not in (None, ""):
        return HIDDEN_ARGUMENT
    if isinstance(value, Mapping):
        return shown_arguments(option.get("options") or {}, value)
    if isinstance(value, list | tuple):
        return [_shown_argument(name, option, item) for item in value]
    return without_password(value, machine=name in _MACHINES) if isinstance(value, str) else value
