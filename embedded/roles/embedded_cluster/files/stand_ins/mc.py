# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MinIO client's ``mb``: ``python -m stand_ins.mc [--config-dir DIRECTORY] mb [--ignore-existing] ALIAS/BUCKET``.

Alias and credentials come from ``$MC_HOST_<alias>``, as for mc. It speaks S3 by the ``minio`` package, so a wrong
credential, a server that does not answer and a bad name end it with an error and exit code 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from . import service_names

# Of S3: the bucket is there already, and belongs to the one who asks.
_THERE = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


def client(alias: str, environment: Mapping[str, str]) -> Minio:
    """Raises ValueError for an alias that the environment does not define."""
    address = environment.get(f"MC_HOST_{alias}")
    if not address:
        raise ValueError(f"alias {alias} is not defined: set MC_HOST_{alias}")
    url = urlsplit(address)
    if not url.hostname or url.username is None:
        raise ValueError(f"MC_HOST_{alias} must be http(s)://<access key>:<secret key>@<host>")
    host = f"{url.hostname}:{url.port}" if url.port else url.hostname
    # The Job itself is what tries again.
    pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=10, read=30))
    secure = url.scheme == "https"
    return Minio(host, unquote(url.username), unquote(url.password or ""), secure=secure, http_client=pool)


def make_bucket(target: str, *, ignore_existing: bool, environment: Mapping[str, str]) -> None:
    """Raises ValueError, MinioException or an error of urllib3 when the bucket is not there afterwards."""
    alias, _slash, bucket = target.partition("/")
    try:
        client(alias, environment).make_bucket(bucket)
    except S3Error as error:
        if not (ignore_existing and error.code in _THERE):
            raise


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mc", allow_abbrev=False)
    parser.add_argument("--config-dir", help="has nothing to say here: the alias is in the environment")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("mb", allow_abbrev=False)
    make.add_argument("--ignore-existing", "-p", action="store_true")
    make.add_argument("target")
    return parser.parse_args(words)


def main() -> int:
    options = arguments(sys.argv[1:])
    service_names.install()
    try:
        make_bucket(options.target, ignore_existing=options.ignore_existing, environment=os.environ)
    except (MinioException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
        print(f"mc: <ERROR> Unable to make bucket `{options.target}`. {error}", file=sys.stderr)
        return 1
    print(f"Bucket created successfully `{options.target}`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
