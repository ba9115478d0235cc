# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where errors become what people see: no secret of the call can appear in it.

A call is one run of a module or of its action plugin, with all that runs inside it in this process. Whoever comes by a
secret says so with ``hide``; ``_guarded_module`` does it for the arguments. What nobody expected ends as an ordinary
failure, without a traceback of Ansible's: its text may come from a library that shows the value it could not use.
"""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import unquote

from ansible_collections.llmops.maas.plugins.module_utils._common.masking import MASK, Secrets

# Where the argument is a path, it may be shown; where it is a kubeconfig, nothing of it.
KUBECONFIG = "kubeconfig"
_OURS = "llmops"


class Ending(Protocol):
    """A module, as far as it can end with a failure."""

    def fail_json(self, msg: str, *, trace: str = "", **result: Any) -> Any:
        """End; ``trace`` is a traceback without secrets."""


class Call:
    """What is secret in one call. ``doubtful`` values are so only in words of others: a Secret also holds plain
    names.
    """

    def __init__(self) -> None:
        self.secrets = Secrets()
        self.doubtful = Secrets()
        self.module: Ending | None = None

    def mask(self, text: str) -> str:
        """Words of our own, in which values of others may be quoted."""
        return self.secrets.mask(text)

    def mask_foreign(self, text: str) -> str:
        """Words of a library."""
        return self.secrets.mask_fragments(self.doubtful.mask_fragments(text))


_CALLS: list[Call] = []


@contextlib.contextmanager
def call() -> Iterator[Call]:
    """A call, or the one around it."""
    if _CALLS:
        yield _CALLS[-1]
        return
    _CALLS.append(Call())
    try:
        yield _CALLS[-1]
    finally:
        _CALLS.pop()


def is_module(module: Ending) -> None:
    """Let the call end with a failure of this module when something happens that nobody expected."""
    if _CALLS:
        _CALLS[-1].module = module


def hide(value: Any, *, doubtful: bool = False) -> None:
    """Let this value (text, bytes or a number) be shown in nothing that the call says."""
    for current in _CALLS:
        (current.doubtful if doubtful else current.secrets).add(value)


def hide_url(url: str, *, machine: bool = False) -> None:
    """The same for the user information of a URL, if it has any; see ``user_information``."""
    user, _colon, password = user_information(url, machine=machine).partition(":")
    secret = password or user
    if secret:
        hide(secret)
        hide(unquote(secret))


def masked(text: str) -> str:
    """Words that may quote a secret of the call, without it. For texts that are cut or shown before the call ends."""
    return _CALLS[-1].mask(text) if _CALLS else text


def described(error: BaseException) -> str:
    """An error that nobody expected: its class, where it came from, and its text without secrets."""
    text = _CALLS[-1].mask_foreign(str(error)) if _CALLS else ""
    return f"unexpected {type(error).__name__} in {_place(error)}{': ' if text else ''}{text}"


def _place(error: BaseException) -> str:
    """The last line of ours on the way to the error, else the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}, line {ours[-1].lineno} ({ours[-1].name})" if ours else "an unknown place"


def user_information(text: str, *, machine: bool = False) -> str:
    """What stands before the ``@`` of a URL's host; empty for URLs without, and for what is no URL.

    Also where it holds characters that it may not: a slash in a password has other readers take its half for a port.

    :param machine: the URL is one of a machine, so that no ``@`` can belong to its path.
    """
    rest = text.partition("://")[2]
    place = re.split("[/?#]", rest, maxsplit=1)[0]
    if machine or ("@" not in place and re.search(r"^[^\[]*:(?![0-9]{0,5}$)", place)):
        place = rest
    return place.rpartition("@")[0]


def without_password(text: str, *, machine: bool = False) -> str:
    """A URL with its user information covered; any other text as it is."""
    information = user_information(text, machine=machine)
    return text.replace(f"://{information}@", f"://{MASK}@", 1) if information else text


class Guard:
    """Catches what a block raises, if ``catches`` says so. ``message`` then says what it was; else it is empty."""

    def __init__(self, current: Call, catches: Callable[[Exception], bool]) -> None:
        self._call = current
        self._catches = catches
        self.message = ""
        self.traceback = ""

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or not self._catches(error):
            return False
        self.message = (
            f"{described(error)}. This is a fault of the collection or of a library that it uses; please report it"
        )
        self.traceback = self._call.mask_foreign("".join(traceback.format_exception(error)))
        return True


def leaves(value: Any) -> Iterator[str]:
    """Every text in an argument, and every number as text."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, bytes | str | int | float) and not isinstance(value, bool):
        yield value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


_SECRET_NAME = ("token", "password", "secret", "key-data", "key_data")


def kubeconfig_secrets(config: Any, name: str = "") -> Iterator[str]:
    """What is secret in a kubeconfig that was given as a mapping: tokens, passwords, keys, and the environment that it
    gives to programs.
    """
    if isinstance(config, Mapping):
        for key, value in config.items():
            inherited = name if name == "env" and key == "value" else str(key)
            yield from kubeconfig_secrets(value, inherited)
    elif isinstance(config, list | tuple):
        for item in config:
            yield from kubeconfig_secrets(item, name)
    elif isinstance(config, str | int) and (name == "env" or name.lower().endswith(_SECRET_NAME)):
        yield str(config)


def secret_arguments(spec: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """The values of arguments that may not be logged, also of those inside others."""
    for name, value in given.items():
        option = spec.get(name) or {}
        if name == KUBECONFIG:
            yield from kubeconfig_secrets(value)
        elif option.get("no_log"):
            yield from leaves(value)
        elif option.get("options"):
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Mapping):
                    yield from secret_arguments(option["options"], item)
