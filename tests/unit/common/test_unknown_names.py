# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.llmops.maas.plugins.filter.unknown_names import unknown_names

KNOWN = ["maas_models", "maas_users", "maas_mirror"]


def test_known_names_are_silent() -> None:
    assert unknown_names(["maas_users", "maas_models"], KNOWN) == []


def test_a_typing_error_gets_the_nearest_name() -> None:
    assert unknown_names(["maas_modles"], KNOWN) == [
        "maas_modles is not a variable of this collection; did you mean maas_models?"
    ]


def test_something_else_gets_no_guess() -> None:
    assert unknown_names(["maas_zzzzzzzz"], KNOWN) == ["maas_zzzzzzzz is not a variable of this collection"]


def test_removed_names_say_what_replaced_them() -> None:
    assert unknown_names(["maas_model_list"], KNOWN, {"maas_model_list": "use maas_models"}) == [
        "maas_model_list was removed: use maas_models"
    ]
