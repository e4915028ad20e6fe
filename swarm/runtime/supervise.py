# SPDX-License-Identifier: Apache-2.0
"""The loop around a running job, the same for every sandbox: limits, progress, the end."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from swarm.errors import TransientError
from swarm.runtime.lines import Lines
from swarm.runtime.outputs import excess
from swarm.runtime.port import JobRun, Progress, RunEnd

TICK_SECONDS = 0.05
_OUTPUT_PERIOD_SECONDS = 0.2
_END_TIMEOUT_SECONDS = 30.0


class Work(Protocol):
    """A started job as its supervisor sees it."""

    lines: Lines

    def has_ended(self) -> bool:
        """Whether no process of it is left and all it printed was read."""

    def broken_limit(self) -> RunEnd | None:
        """A limit that only this kind of sandbox watches, once it is broken; called at every tick."""

    def kill(self) -> None:
        """Ends every process of it at once; may be called again."""


class Every:
    """True at most once per period, counted on the monotonic clock."""

    def __init__(self, period_seconds: float) -> None:
        self._period = period_seconds
        self._next = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._period
        return True


def supervise(work: Work, run: JobRun, *, on_progress: Progress | None, stop: threading.Event | None) -> RunEnd | None:
    """Waits for the job's end, killing it at the first broken limit. Returns that limit, or None if it ended by itself.

    Raises TransientError when the job cannot be ended, and whatever `on_progress` raises.
    """
    deadline = time.monotonic() + run.limits.wall_seconds
    output_is_due = Every(_OUTPUT_PERIOD_SECONDS)
    end: RunEnd | None = None
    while end is None and not work.has_ended():
        end = _broken(work, run, deadline, stop, output_is_due())
        _hand_on(work.lines, on_progress, TICK_SECONDS)
    if end is not None:
        work.kill()
        # What a job printed before we ended it is of no interest; draining lets its reader finish.
        on_progress = None
    _wait_for_end(work, on_progress)
    if end is None and (too_much := excess(run.outputs, run.limits)):
        end = _note(work, RunEnd.OUTPUT, f"output: {too_much}")
    return end


def _broken(work: Work, run: JobRun, deadline: float, stop: threading.Event | None, look: bool) -> RunEnd | None:
    if stop is not None and stop.is_set():
        return RunEnd.STOPPED
    if time.monotonic() >= deadline:
        return _note(work, RunEnd.TIMEOUT, f"ran longer than {run.limits.wall_seconds:.0f} s")
    if work.lines.overflowed:
        return _note(work, RunEnd.OUTPUT, "printed too much")
    if look and (too_much := excess(run.outputs, run.limits)):
        return _note(work, RunEnd.OUTPUT, f"output: {too_much}")
    return work.broken_limit()


def _hand_on(lines: Lines, on_progress: Progress | None, timeout_seconds: float) -> None:
    until = time.monotonic() + timeout_seconds
    while (left := until - time.monotonic()) > 0:
        fact = lines.next_progress(left)
        if fact is None:
            return
        if on_progress:
            on_progress(fact)


def _wait_for_end(work: Work, on_progress: Progress | None) -> None:
    deadline = time.monotonic() + _END_TIMEOUT_SECONDS
    while not work.has_ended():
        _hand_on(work.lines, on_progress, TICK_SECONDS)
        if time.monotonic() >= deadline:
            raise TransientError("the job was killed but does not end", hint="look at the host's processes")
    while (fact := work.lines.next_progress(0)) is not None:
        if on_progress:
            on_progress(fact)


def _note(work: Work, end: RunEnd, why: str) -> RunEnd:
    work.lines.note(f"sandbox: {why}")
    return end
