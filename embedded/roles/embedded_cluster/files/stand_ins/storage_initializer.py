# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KServe's storage initializer as the process of its init container: ``python -m stand_ins.storage_initializer SOURCE
DIRECTORY``, run by the Python of an environment that has ``kserve-storage``.

No stand-in: it does what the entry point of KServe's image does, and finds Services by their names before.
"""

from __future__ import annotations

import sys

from kserve_storage import Storage
from kserve_storage.logging import configure_logging, logger

from . import service_names


def main() -> int:
    if len(sys.argv) != 3:
        print("Usage: initializer-entrypoint src_uri dest_path")
        return 0
    service_names.install()
    configure_logging()
    source, directory = sys.argv[1:]
    logger.info("Initializing, args: src_uri [%s] dest_path[ [%s]", source, directory)
    Storage.download(source, directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
