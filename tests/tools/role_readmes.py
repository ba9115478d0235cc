# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the README of each role from its ``meta/main.yml`` and ``meta/argument_specs.yml``, and from nothing else.

``--check`` writes nothing and fails with the names of those that are not up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
# Folders of collections in the repository.
COLLECTIONS = (CHECKOUT, CHECKOUT / "embedded")
# Ansible's markup (docs.ansible.com, "Linking and other format macros within module documentation").
LINK = re.compile(r"\bL\(([^,()]+), *([^)]+)\)")
CODE = re.compile(r"\b(?:C|O|V|RV|E)\(((?:[^()\\]|\\.|\([^()]*\))*)\)")
PLUGIN = re.compile(r"\b(?:M|P)\(([^)#]+)(?:#[a-z]+)?\)")
PLAIN = re.compile(r"\b(?:B|I|U)\(([^)]+)\)")
# What stands before an option's own name, such as `llmops.maas.maas#role:main:`.
OWNER = re.compile(r"^[\w.]+#[a-z]+:(?:[a-z_]+:)*")


def markdown(text: str) -> str:
    """A description of an argument spec as Markdown that fits into a cell of a table."""
    text = LINK.sub(r"[\1](\2)", text)
    text = CODE.sub(lambda found: f"`{OWNER.sub('', found[1]).replace(chr(92), '')}`", text)
    text = PLAIN.sub(r"\1", PLUGIN.sub(r"`\1`", text))
    return " ".join(text.split()).replace("|", "\\|")


def paragraphs(text: str | Sequence[str]) -> list[str]:
    return [markdown(part) for part in ([text] if isinstance(text, str) else text)]


def kind(option: Mapping[str, Any]) -> str:
    """Type of an option, such as ``list of dict``."""
    name = option.get("type", "str")
    return f"{name} of {option['elements']}" if "elements" in option else str(name)


def default(option: Mapping[str, Any]) -> str:
    """Default of an option as YAML in one line; ``required`` where it has to be given."""
    if option.get("required"):
        return "required"
    if "default" not in option:
        return ""
    text = json.dumps(option["default"], ensure_ascii=False).replace("|", "\\|")
    return f"`{text}`"


def rows(options: Mapping[str, Mapping[str, Any]], above: str = "") -> Iterator[str]:
    """Rows of the table of options, those of a dictionary below it with its name in front."""
    for name, option in options.items():
        path = f"{above}{name}"
        words = " ".join(paragraphs(option.get("description", "")))
        if "choices" in option:
            words += f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}."
        yield f"| `{path}` | {kind(option)} | {default(option)} | {words} |"
        inner = f"{path}[]." if option.get("type") == "list" else f"{path}."
        yield from rows(option.get("options") or {}, inner)


def entry(name: str, spec: Mapping[str, Any]) -> Iterator[str]:
    """The section of one entry point: what it does, how it is called, its variables."""
    yield from ("" if name == "main" else f"## Entry point `{name}`", "")
    if name != "main":
        yield from (f"{markdown(spec['short_description'])}.", "")
    for paragraph in paragraphs(spec.get("description", [])):
        yield from (paragraph, "")
    options = spec.get("options") or {}
    if options:
        yield from ("| Variable | Type | Default | |", "|---|---|---|---|")
        yield from (*rows(options), "")
    else:
        yield from ("It has no variables of its own.", "")


def dependencies(meta: Mapping[str, Any]) -> list[str]:
    given = (item["role"] if isinstance(item, Mapping) else item for item in meta.get("dependencies") or [])
    return [f"`{name}`" for name in given]


def readme(role: Path, collection: str) -> str:
    """The text of the README of a role of that collection."""
    meta = yaml.safe_load((role / "meta/main.yml").read_text(encoding="utf-8"))
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    # The role maas calls it otherwise: Ansible itself would check an entry point main.
    first = "main" if "main" in specs else next(iter(specs))
    lines = [
        "<!-- Made by `make docs` from meta/main.yml and meta/argument_specs.yml. -->",
        "",
        f"# Role `{collection}.{role.name}`",
        "",
        f"{markdown(specs[first]['short_description'])}.",
    ]
    for name in sorted(specs, key=lambda name: (name != first, name)):
        lines += entry(name, specs[name])
    needed = f"ansible-core {meta['galaxy_info']['min_ansible_version']} or newer"
    lines += ["## Needs", "", " and the role ".join([needed, *dependencies(meta)]) + "."]
    # Sections may begin with an empty line: two in a row are one.
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def readmes() -> Iterator[tuple[Path, str]]:
    """Each role's README with the text that it should have."""
    for root in filter(Path.is_dir, COLLECTIONS):
        galaxy = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))
        for specs in sorted(root.glob("roles/*/meta/argument_specs.yml")):
            role = specs.parents[1]
            yield role / "README.md", readme(role, f"{galaxy['namespace']}.{galaxy['name']}")


def stale() -> dict[Path, str]:
    """READMEs that are missing or differ from what they should be."""
    return {path: text for path, text in readmes() if not path.exists() or path.read_text(encoding="utf-8") != text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which are not up to date")
    found = stale()
    if parser.parse_args().check:
        names = ", ".join(str(path.relative_to(CHECKOUT)) for path in found)
        sys.exit(f"not up to date: {names}; run make docs" if found else 0)
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
