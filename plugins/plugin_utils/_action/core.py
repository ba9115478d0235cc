# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything here that is not a public name of ansible-core, or differs between its releases.

The action plugins use what their base class offers to subclasses, and this file; nothing else in the collection may
depend on the release. The tests run on the oldest and the newest supported one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from operator import attrgetter
from typing import Any

from ansible.module_utils import basic
from ansible.module_utils.common import json as core_json

# From 2.19 on arguments and results are written as a named profile says (``ansible/module_utils/common/json.py``).
_PROFILE = "legacy"
_HAS_PROFILES = hasattr(core_json, "get_module_encoder")
# Keys of a result between a module and the controller, which C(ActionBase) removes as well.
_INTERNAL = "_ansible_"


@contextlib.contextmanager
def module_arguments(arguments: Mapping[str, Any]) -> Iterator[None]:
    """Let ``AnsibleModule`` find the arguments where the wrapper of a module leaves them."""
    places = {"_ANSIBLE_ARGS": _packed(arguments), **({"_ANSIBLE_PROFILE": _PROFILE} if _HAS_PROFILES else {})}
    before = {name: getattr(basic, name) for name in places}
    try:
        for name, value in places.items():
            setattr(basic, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(basic, name, value)


def _packed(arguments: Mapping[str, Any]) -> bytes:
    content = {"ANSIBLE_MODULE_ARGS": dict(arguments)}
    if _HAS_PROFILES:
        encoder = core_json.get_module_encoder(_PROFILE, core_json.Direction.CONTROLLER_TO_MODULE)
        return json.dumps(content, cls=encoder).encode()
    old_encoder: Any = core_json.AnsibleJSONEncoder
    return json.dumps(content, cls=old_encoder, vault_to_text=True).encode()


def module_result(text: str) -> dict[str, Any]:
    """The result that a module has printed. Nothing in it is ever taken for a template."""
    if _HAS_PROFILES:
        decoder = core_json.get_module_decoder(_PROFILE, core_json.Direction.MODULE_TO_CONTROLLER)
        found = json.loads(text, cls=decoder)
    else:
        # 2.19 and later mark what is a template, earlier releases what is none.
        found = import_module("ansible.utils.unsafe_proxy").wrap_var(json.loads(text))
    return {key: value for key, value in found.items() if not key.startswith(_INTERNAL)}


def vault_secrets(loader: Any) -> Any:
    """The vault's secrets of this run, as ``VaultLib`` takes them; empty without any.

    :param loader: the ``DataLoader`` of an action plugin. It takes secrets by a public method, but gives none back.
    :raises AttributeError: if a later release keeps them elsewhere, for nothing may then be written unsealed
    """
    return attrgetter("_vault.secrets")(loader)
