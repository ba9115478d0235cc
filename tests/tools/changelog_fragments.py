# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that users can notice comes with a changelog fragment of its own.

Compares the checkout, uncommitted changes included, with the commit at which it left the branch ``main``. If a file in
``plugins``, ``roles`` or ``playbooks`` has changed since then and no file was added to ``changelogs/fragments``, the
check fails. What a fragment may hold is checked by ``antsibull-changelog lint``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
NOTICED = ("plugins/", "roles/", "playbooks/")
# Folders of collections in the repository, each with its own changelog.
COLLECTIONS = ("", "embedded/")
FRAGMENTS = "changelogs/fragments/"
# Written by `make docs`.
GENERATED = "README.md"
BRANCHES = ("origin/main", "main")
SHOWN = 5


class ChangelogError(Exception):
    """A change without a fragment; the message names the files and the fix."""


def git(root: Path, *arguments: str) -> str | None:
    """Output of a git command in ``root``; None if it fails, as outside of a repository."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def base(root: Path) -> str | None:
    """The commit at which the checkout left the first of BRANCHES that exists; None without such a branch."""
    found = (git(root, "merge-base", "HEAD", branch) for branch in BRANCHES)
    return next((commit.strip() for commit in found if commit), None)


def listed(root: Path, *arguments: str) -> list[str]:
    return [name for name in (git(root, *arguments) or "").split("\0") if name]


def noticed(name: str) -> bool:
    """Whether users can notice a change of that file."""
    kept = tuple(collection + folder for collection in COLLECTIONS for folder in NOTICED)
    return name.startswith(kept) and not name.endswith(GENERATED)


def is_fragment(name: str) -> bool:
    return name.startswith(tuple(collection + FRAGMENTS for collection in COLLECTIONS)) and name.endswith(".yml")


def check(root: Path) -> str:
    """What was compared, for the user.

    :raises ChangelogError: when a fragment is missing.
    """
    commit = base(root)
    if commit is None:
        return f"no branch {' or '.join(BRANCHES)} here to compare with: not checked for missing fragments"
    new = listed(root, "ls-files", "-z", "--others", "--exclude-standard")
    added = listed(root, "diff", "-z", "--name-only", "--diff-filter=A", commit) + new
    changed = sorted(filter(noticed, {*listed(root, "diff", "-z", "--name-only", "--no-renames", commit), *new}))
    since = f"since {commit[:10]} on main"
    if changed and not any(map(is_fragment, added)):
        raise ChangelogError(_missing(changed, since))
    return f"{len(changed)} files that users notice have changed {since}, fragments: {sum(map(is_fragment, added))}"


def _missing(changed: Sequence[str], since: str) -> str:
    more = f"\n  and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    names = "".join(f"\n  {name}" for name in changed[:SHOWN])
    return (
        f"changed {since}, without a changelog fragment:{names}{more}\n"
        f"Add {FRAGMENTS}<what-changed>.yml with what users see of it, such as\n\n"
        "  ---\n  bugfixes:\n    - manifests - an empty file is refused, with its name.\n\n"
        "The sections are in changelogs/config.yaml; what users see nothing of goes to the section `trivial`."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    try:
        sys.stdout.write(f"   {check(CHECKOUT)}\n")
    except ChangelogError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
