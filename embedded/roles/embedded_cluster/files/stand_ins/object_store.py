# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SeaweedFS in MinIO's place: ``python -m stand_ins.object_store BINARY DIRECTORY server DATA ... -- OPTION...``.

Before ``--`` stand the MinIO server's own arguments, of which only the folder with the data matters; after it options
of ``weed mini``. The credentials, $MINIO_ROOT_USER and $MINIO_ROOT_PASSWORD, are those of S3 and of the console.
The process becomes SeaweedFS.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def identities(user: str, password: str) -> str:
    """SeaweedFS's S3 configuration with one administrator and nobody else."""
    credentials = [{"accessKey": user, "secretKey": password}]
    return json.dumps({"identities": [{"name": user, "credentials": credentials, "actions": ["Admin"]}]})


def data_folder(own: Sequence[str]) -> str:
    """The folder of ``minio server [options] FOLDER [options]``. Raises ValueError unless there is exactly one."""
    folders = [word for word in own[1:] if word.startswith("/")]
    if list(own[:1]) != ["server"] or len(folders) != 1:
        raise ValueError(f"not the arguments of a MinIO server with one folder: {' '.join(own)}")
    return folders[0]


# SeaweedFS's parts know each other by tokens; without these keys they would answer anybody on this machine over HTTP.
_TOKEN_KEYS = ("JWT_SIGNING_KEY", "JWT_SIGNING_READ_KEY", "JWT_FILER_SIGNING_KEY", "JWT_FILER_SIGNING_READ_KEY")


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """With the console's login and fresh keys, which must not be in the process list."""
    login = {"WEED_ADMIN_USER": given["MINIO_ROOT_USER"], "WEED_ADMIN_PASSWORD": given["MINIO_ROOT_PASSWORD"]}
    return {**given, **login, **{f"WEED_{name}": secrets.token_hex(32) for name in _TOKEN_KEYS}}


def main() -> None:
    binary, directory, *rest = sys.argv[1:]
    place = rest.index("--")
    data = data_folder(rest[:place])
    configuration = Path(directory) / "s3.json"
    configuration.touch(mode=0o600)
    configuration.write_text(
        identities(os.environ["MINIO_ROOT_USER"], os.environ["MINIO_ROOT_PASSWORD"]), encoding="utf-8"
    )
    options = [f"-dir={data}", f"-s3.config={configuration}", *rest[place + 1 :]]
    os.execve(binary, [binary, "-logtostderr", "mini", *options], environment(os.environ))  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
