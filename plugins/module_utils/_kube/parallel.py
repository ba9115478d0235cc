# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work on many objects at once, with a bound on how many requests are under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = 16


def in_parallel(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int = WORKERS
) -> list[tuple[Item, Future[Result]]]:
    """Call ``function`` for each item in up to ``workers`` threads; when all are done, return items with their futures.

    They are in the order of the items.

    ``future.result()`` returns what the function returned or raises what it raised.
    """
    work = list(items)
    with ThreadPoolExecutor(min(workers, len(work)) or 1) as pool:
        return list(zip(work, [pool.submit(function, item) for item in work], strict=True))


def error_of(future: Future[Any]) -> Exception | None:
    """What the function raised, None when it returned. What is meant to end the process is raised here."""
    error = future.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    return error
