# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which methods there are, and what the modes of ``maas_auth_mode`` make of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeVar

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.api_key import ApiKeyMethod, not_expired
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.jwt import JwtMethod
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.method import (
    Identities,
    Json,
    Method,
    WrongCredential,
)

_Item = TypeVar("_Item")

MODES: dict[str, tuple[type[Method], ...]] = {
    "api_key": (ApiKeyMethod,),
    "jwt": (JwtMethod,),
    "both": (ApiKeyMethod, JwtMethod),
}
"""Methods by mode. A caller whom none of the later ones knows as its own is one of the first."""

NO_CREDENTIAL = WrongCredential("none", "no key", "none")

METHODS: tuple[type[Method], ...] = tuple(dict.fromkeys(method for methods in MODES.values() for method in methods))
"""All methods, each once."""


class ModeError(ValueError):
    """Methods that cannot go together, or none; the message names the variable and the fix."""


def of_mode(mode: str) -> tuple[type[Method], ...]:
    """The methods of a mode. Raises ModeError."""
    if mode not in MODES:
        raise ModeError(f"maas_auth_mode: {mode!r} is none of {', '.join(MODES)}")
    return MODES[mode]


def takes(mode: str, method: str) -> bool:
    """Whether callers may show themselves in that way, such as ``api_key``."""
    return method in {each.name for each in of_mode(mode)}


def wrong_credentials(mode: str) -> list[WrongCredential]:
    """All that has to be refused in this mode: first none at all."""
    return [NO_CREDENTIAL, *(wrong for method in of_mode(mode) for wrong in method.wrong)]


class Authentication:
    """A mode: one method, or several of which each caller uses one."""

    def __init__(self, mode: str, identities: Identities) -> None:
        """Raises ModeError for methods that nobody could tell apart."""
        self.methods = [method(identities) for method in of_mode(mode)]
        _tell_apart(self.methods)

    def user(self) -> str:
        """CEL for Authorino: the caller's user id; empty for nobody."""
        return self._of_each({method: method.user() for method in self.methods})

    def groups(self) -> str:
        """CEL for Authorino: the caller's groups, separated by commas."""
        return self._of_each({method: method.groups() for method in self.methods})

    def authentication(self) -> Json:
        """``authentication`` of each AuthPolicy."""
        return _merged(method.authentication() for method in self.methods)

    def authorization(self) -> Json:
        """``authorization`` of each AuthPolicy, without what only one model asks for."""
        alone = len(self.methods) == 1
        return {
            **_merged(method.authorization(alone=alone) for method in self.methods),
            # Without a user id nothing could be counted: such a caller is not let in.
            "user-known": pattern(f'({self.user()}) != ""'),
            "key-not-expired": pattern(not_expired()),
        }

    def unauthenticated(self) -> str:
        """What callers read who are not known, in JSON."""
        ways = ", or a ".join(method.help() for method in self.methods)
        return json.dumps({"error": {"message": f"Send a valid {ways}", "type": "unauthenticated"}})

    def unauthorized(self) -> str:
        """What callers read who are known and may not do that, in JSON."""
        what = " or ".join(method.credential for method in self.methods)
        message = f"This {what} has expired or may not do that with this model."
        return json.dumps({"error": {"message": message, "type": "forbidden"}})

    def _of_each(self, expressions: dict[Method, str]) -> str:
        first, *others = self.methods
        found = expressions[first]
        for method in others:
            found = f"{method.is_own} ? {expressions[method]} : {found}"
        return found


def pattern(predicate: str) -> Json:
    """A rule of ``authorization`` with one predicate in CEL."""
    return {"patternMatching": {"patterns": [{"predicate": predicate}]}}


def _merged(parts: Iterable[dict[str, _Item]]) -> dict[str, _Item]:
    return {name: item for part in parts for name, item in part.items()}


def _tell_apart(methods: list[Method]) -> None:
    """Two methods after one word: what Authorino and the rules take for one may be meant as the other."""
    for method in methods:
        for other in methods:
            if method is not other and f"{method.word} ".startswith(f"{other.word} "):
                raise ModeError(
                    f"maas_api_key_prefix: {method.word!r} cannot be told from {other.word!r}, the word before a"
                    f" {other.credential}, which maas_auth_mode takes as well; choose another, such as APIKEY"
                )
