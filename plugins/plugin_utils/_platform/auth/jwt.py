# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of an OpenID Connect issuer, such as Keycloak. Authorino checks their signature and time, and nothing else."""

from __future__ import annotations

import re

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.method import Json, Method, WrongCredential
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.cel import optional, quoted, quoted_list

_WORD = "Bearer"
_DOT = re.compile(r"(?<!\\)\.")


def claim_path(claim: str) -> list[str]:
    r"""The names on the way to a claim, as Keycloak's mappers write it: ``realm_access.roles`` is nested, ``\.`` a dot
    in a name. A claim with a name like a URL, as others have it, is one name.
    """
    if "://" in claim:
        return [claim]
    return [part.replace("\\.", ".") for part in _DOT.split(claim)]


class JwtMethod(Method):
    """See the module."""

    name = "jwt"
    credential = "token"
    is_own = "has(auth.identity.sub)"
    wrong = (
        WrongCredential("tampered_token", "a token of another signature", "tampered_token", of="client"),
        WrongCredential("token_without_role", "a token without the role", "token", of="client", lacks="role"),
        WrongCredential("token_without_audience", "a token for nobody", "token", of="client", lacks="audience"),
    )

    @property
    def word(self) -> str:
        return _WORD

    def user(self) -> str:
        return 'auth.identity.?sub.orValue("")'

    def groups(self) -> str:
        """Groups travel as one text, separated by commas: one whose own name holds a comma would be several, so it
        counts for nothing. Keycloak may name a group by its full path, ``/developer``.
        """
        found = f"{optional('auth.identity', *claim_path(self._identities.oidc_groups_claim))}.orValue([])"
        return f'{found}.filter(g, !g.contains(",")).map(g, g.startsWith("/") ? g.substring(1) : g).join(",")'

    def authentication(self) -> Json:
        known = self._identities
        where = {"jwksUrl": known.jwks_url} if known.jwks_url else {"issuerUrl": known.issuer_url}
        return {"jwt-users": {"jwt": where}}

    def authorization(self, *, alone: bool) -> Json:
        """What came after another word is of another method: tokens are read after this one alone."""
        when = [] if alone else [{"predicate": f'request.headers.authorization.startsWith("{_WORD} ")'}]
        rule: Json = {"patternMatching": {"patterns": [{"predicate": text} for text in self.rules()]}}
        return {"token-for-this": {**({"when": when} if when else {}), **rule}}

    def rules(self) -> list[str]:
        """CEL, all of which must hold: the token is of this issuer, for this audience and of somebody with the role.

        A token has one audience as text, several as a list. Issuers differ in whether their name ends in a slash.
        """
        known = self._identities
        issuer, audience = known.issuer_url.rstrip("/"), quoted(known.oidc_audience)
        one, several = f"auth.identity.aud == {audience}", f"auth.identity.aud.exists(a, a == {audience})"
        rules = [
            f"auth.identity.iss in {quoted_list([issuer, f'{issuer}/'])}",
            f"has(auth.identity.aud) && (type(auth.identity.aud) == list ? {several} : {one})",
        ]
        if known.oidc_role:
            role = f"{quoted(known.oidc_role)} in auth.identity.realm_access.roles"
            rules.append(f"has(auth.identity.realm_access) && {role}")
        return rules
