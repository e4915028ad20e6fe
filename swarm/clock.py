# SPDX-License-Identifier: Apache-2.0
"""Waiting. Chain time decides the protocol and is passed as `now`; this clock only limits how long we wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from swarm.errors import TransientError

T = TypeVar("T")


def wait_for(
    probe: Callable[[], T | None],
    *,
    timeout_seconds: float,
    what: str,
    period_seconds: float = 0.25,
    stop: threading.Event | None = None,
) -> T:
    """Calls `probe` until it returns something true. Raises TransientError naming `what` when the time is over."""
    end = time.monotonic() + timeout_seconds
    pause = stop or threading.Event()
    while True:
        if found := probe():
            return found
        if time.monotonic() >= end or pause.is_set():
            raise TransientError(f"gave up waiting for {what} after {timeout_seconds:.0f} s")
        pause.wait(period_seconds)
