# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role's README is what its argument spec says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]

from role_readmes import markdown, readme, readmes, stale


def test_every_readme_is_up_to_date() -> None:
    assert [str(path.relative_to(CHECKOUT)) for path in stale()] == [], "run make docs"


def test_every_role_has_one() -> None:
    roles = {path.parents[1] for path in CHECKOUT.glob("roles/*/meta/main.yml")}
    assert roles
    assert roles <= {path.parent for path, _text in readmes()}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Default is O(llmops.maas.maas#role:main:maas_timeout).", "Default is `maas_timeout`."),
        ("One of V(a), C(b\\)c) and RV(llmops.maas.secrets#module:names).", "One of `a`, `b)c` and `names`."),
        ("C(K8S_AUTH_*), C($(date\\)), C(f(x\\))", "`K8S_AUTH_*`, `$(date)`, `f(x)`"),
        ("M(llmops.maas.secrets), P(llmops.maas.catalogue#filter)", "`llmops.maas.secrets`, `llmops.maas.catalogue`"),
        ("L(the API, https://example.com/a) of B(one) I(thing)", "[the API](https://example.com/a) of one thing"),
        ("U(https://example.com).", "https://example.com."),
        ("Two\n  lines, a|b.", "Two lines, a\\|b."),
        ("The GPU(s) of a VM(s).", "The GPU(s) of a VM(s)."),
    ],
)
def test_markup_of_ansible_becomes_markdown(text: str, shown: str) -> None:
    assert markdown(text) == shown


def test_all_of_a_spec_is_shown(tmp_path: Path) -> None:
    inner = {"type": "str", "required": True, "description": "Its name."}
    options = {
        "disks": {"type": "list", "elements": "dict", "description": "Disks.", "options": {"name": inner}},
        "mode": {"choices": ["a", "b"], "default": "a", "description": ["How.", "See O(disks)."]},
    }
    main = {"short_description": "A role", "description": ["It does a thing.", "And more."], "options": options}
    specs = {"down": {"short_description": "Undo", "description": "Undoes it."}, "main": main}
    meta = {"galaxy_info": {"min_ansible_version": "2.16"}, "dependencies": [{"role": "a.b.c"}, "a.b.d"]}
    role = tmp_path / "thing"
    (role / "meta").mkdir(parents=True)
    (role / "meta/argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": specs}), encoding="utf-8")
    (role / "meta/main.yml").write_text(yaml.safe_dump(meta), encoding="utf-8")
    text = readme(role, "a.b")
    assert text.splitlines()[2:] == [
        "# Role `a.b.thing`",
        "",
        "A role.",
        "",
        "It does a thing.",
        "",
        "And more.",
        "",
        "| Variable | Type | Default | |",
        "|---|---|---|---|",
        "| `disks` | list of dict |  | Disks. |",
        "| `disks[].name` | str | required | Its name. |",
        '| `mode` | str | `"a"` | How. See `disks`. One of `a`, `b`. |',
        "",
        "## Entry point `down`",
        "",
        "Undo.",
        "",
        "Undoes it.",
        "",
        "It has no variables of its own.",
        "",
        "## Needs",
        "",
        "ansible-core 2.16 or newer and the role `a.b.c` and the role `a.b.d`.",
    ]
