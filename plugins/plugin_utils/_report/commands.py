# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that people paste into their shell, so that they work as they are printed there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible import context
from ansible.parsing.splitter import parse_kv

# Variables that say which platform is meant. Others are not repeated, for they may hold secrets.
_WHICH = (
    "maas_kubeconfig",
    "maas_context",
    "maas_in_cluster",
    "maas_namespace",
    "maas_gateway_name",
    "maas_auth_mode",
)
# What `make` takes when INVENTORY is not set, see the Makefile.
_DEFAULT_INVENTORY = "inventories/embedded"


@dataclass(frozen=True)
class AnsibleCall:
    """How Ansible was called: its inventories, and the options that a further call needs as well.

    ``partly`` says that there were variables that are not repeated.
    """

    inventories: Sequence[str] = ()
    options: Sequence[str] = ()
    partly: bool = False

    @classmethod
    def this(cls, more: Iterable[str] = ()) -> AnsibleCall:
        """That of the running process; ``more`` names further variables that may be repeated."""
        return cls.of(context.CLIARGS, more)

    @classmethod
    def of(cls, arguments: Mapping[str, Any], more: Iterable[str] = ()) -> AnsibleCall:
        """That of Ansible's parsed arguments."""
        which = {*_WHICH, *more}
        given = [str(text) for text in arguments.get("extra_vars") or () if text]
        files = [text for text in given if text.startswith("@")]
        variables = [item for text in given if not text.startswith("@") for item in _variables(text).items()]
        repeated = {name: value for name, value in variables if name in which and _is_plain(value)}
        options = [option for text in files for option in ("-e", text)]
        options += [option for name, value in repeated.items() for option in ("-e", _assignment(name, value))]
        return cls(
            inventories=[str(source) for source in arguments.get("inventory") or ()],
            options=[*options, *_vault(arguments)],
            partly=len(dict(variables)) > len(repeated),
        )


def _variables(given: str) -> dict[str, Any]:
    """As ansible-playbook reads the text after ``-e``."""
    found = yaml.safe_load(given) if given[0] in "[{" else parse_kv(given)
    return dict(found) if isinstance(found, Mapping) else {}


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | str) and "{{" not in str(value)


def _assignment(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    simple = re.fullmatch(r"[\w./:@~-]+", str(value))
    return f"{name}={value}" if simple else json.dumps({name: value})


def _vault(arguments: Mapping[str, Any]) -> list[str]:
    options = ["--ask-vault-pass"] if arguments.get("ask_vault_pass") else []
    for name, option in (("vault_password_files", "--vault-password-file"), ("vault_ids", "--vault-id")):
        options += [word for value in arguments.get(name) or () for word in (option, str(value))]
    return options


@dataclass(frozen=True)
class Shell:
    """The shell that commands are meant for, as far as it can be known from the process that it started.

    :param environment: environment of this process.
    :param folder: working directory.
    :param prefix: ``sys.prefix`` of the running Python; a virtual environment when ``virtual``.
    """

    environment: Mapping[str, str]
    folder: Path
    prefix: Path
    virtual: bool

    @classmethod
    def this(cls) -> Shell:
        return cls(os.environ, Path.cwd(), Path(sys.prefix), sys.prefix != sys.base_prefix)

    def program(self, name: str) -> str:
        """The word that starts the program: its name where the shell finds it, else its path; empty without it."""
        if shutil.which(name, path=self._path()):
            return name
        own = self.prefix / "bin" / name
        if not os.access(own, os.X_OK):
            return ""
        path = self._short(str(own))
        # Without a slash the shell would look into PATH.
        return shlex.quote(path if "/" in path else f"./{path}")

    def _path(self) -> str:
        """PATH without the virtual environment that runs Ansible: ``make`` puts it there for its own commands only."""
        entries = self.environment.get("PATH", "").split(os.pathsep)
        activated = self.environment.get("VIRTUAL_ENV", "")
        if not self.virtual or (activated and _same(Path(activated), self.prefix)):
            return os.pathsep.join(entries)
        return os.pathsep.join(entry for entry in entries if entry and not _same(Path(entry), self.prefix / "bin"))

    def _short(self, path: str) -> str:
        """Relative to the working directory where it is inside; a list of hosts, which has a comma, is no path."""
        inside = "," not in path and Path(path).is_relative_to(self.folder)
        return str(Path(path).relative_to(self.folder)) if inside else path

    def make(self, target: str, call: AnsibleCall) -> str:
        """The command for a target of the collection's own Makefile; empty where that is not to be had."""
        words = [f"ARGS={shlex.join(call.options)}"] if call.options else []
        if not (self._has_target(target) and self.program("make")) or len(call.inventories) > 1 or "$" in str(words):
            return ""
        for source in call.inventories:
            if not _same(Path(source), self.folder / _DEFAULT_INVENTORY):
                words.insert(0, f"INVENTORY={self._short(source)}")
        return shlex.join(["make", target, *words])

    def _has_target(self, target: str) -> bool:
        makefile, galaxy = self.folder / "Makefile", self.folder / "galaxy.yml"
        if not (makefile.is_file() and galaxy.is_file()):
            return False
        collection = yaml.safe_load(galaxy.read_text("utf-8"))
        ours = (collection.get("namespace"), collection.get("name")) == ("llmops", "maas")
        return ours and bool(re.search(rf"^{re.escape(target)}:", makefile.read_text("utf-8"), re.MULTILINE))

    def playbook(self, name: str, call: AnsibleCall, *arguments: str) -> str:
        """The command for a playbook, with the name of its collection."""
        start = self.program("ansible-playbook") or f"{shlex.quote(sys.executable)} -m ansible playbook"
        sources = [word for source in call.inventories for word in ("-i", self._short(source))]
        return f"{start} {shlex.join([*sources, name, *arguments, *call.options])}"


def _same(one: Path, other: Path) -> bool:
    return one.expanduser().resolve() == other.expanduser().resolve()
