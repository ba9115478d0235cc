# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a way to authenticate has to say, in one place for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

Json = dict[str, Any]


@dataclass(frozen=True)
class Identities:
    """What the methods have to know about callers: variables of the role ``maas``, without their prefix.

    :param key_labels: labels by which Authorino finds keys.
    :param issuer_url: what tokens name as their issuer.
    :param jwks_url: where the issuer's keys are; empty for those that the issuer itself names.
    """

    api_key_prefix: str = "APIKEY"
    key_labels: Mapping[str, str] = field(default_factory=dict)
    issuer_url: str = ""
    jwks_url: str = ""
    oidc_audience: str = ""
    oidc_role: str = ""
    oidc_groups_claim: str = "groups"


@dataclass(frozen=True)
class WrongCredential:
    """A credential that nobody may get in with; its name is that of the expected status in ``maas_verify_credentials``.

    :param words: how reports name it, such as ``a wrong key``.
    :param sent: what the module gateway_check calls it (``credentials`` of its requests).
    :param of: what it is made from: nothing (empty), the key of a ``user``, one that the verification makes itself
        (``probe``), or the token of a ``client`` of the issuer.
    :param lacks: for a client, what it lacks (``role``, ``audience``).
    """

    name: str
    words: str
    sent: str
    of: str = ""
    lacks: str = ""


class Method(ABC):
    """A way to show who one is."""

    name: ClassVar[str]
    """As ``maas_auth_mode`` has it."""
    credential: ClassVar[str]
    """What callers call it, such as ``key``."""
    wrong: ClassVar[tuple[WrongCredential, ...]]
    is_own: ClassVar[str]
    """CEL: whether ``auth.identity`` is of this method."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    @property
    @abstractmethod
    def word(self) -> str:
        """The word before the credential in the header ``Authorization``."""

    @abstractmethod
    def user(self) -> str:
        """CEL for Authorino: the caller's user id; empty for nobody."""

    @abstractmethod
    def groups(self) -> str:
        """CEL for Authorino: the caller's groups, separated by commas."""

    @abstractmethod
    def authentication(self) -> Json:
        """``authentication`` of an AuthPolicy."""

    def authorization(self, *, alone: bool) -> Json:
        """``authorization`` of an AuthPolicy: rules for callers of this method.

        :param alone: whether it is the only method. Else the rules have to leave callers of the others alone.
        """
        del alone
        return {}

    def help(self) -> str:
        """How to send the credential."""
        return f"{self.credential} as: Authorization: {self.word} <{self.credential}>"

    def header(self, credential: str) -> str:
        """The value of the header ``Authorization``."""
        return f"{self.word} {credential}"
