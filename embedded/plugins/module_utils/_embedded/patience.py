# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking hosts that may not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Answer = TypeVar("Answer")


def answers_in_time(questions: Mapping[str, Callable[[], Answer]], seconds: float) -> dict[str, Answer]:
    """Ask all at the same time; what returned within so many seconds, by the name of its question.

    In threads, because looking up a name has no time limit of its own. Nobody waits for those that take longer.
    """
    answers: dict[str, Answer] = {}

    def ask(name: str) -> None:
        answers[name] = questions[name]()

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in questions]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(answers)
