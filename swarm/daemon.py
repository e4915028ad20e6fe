# SPDX-License-Identifier: Apache-2.0
"""Drives a reconcile loop: one instance, missed ticks coalesced, ended by a signal or when nothing is left to do."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from swarm.log import Log

if TYPE_CHECKING:
    from swarm.chain.network import Network

log = Log("swarm.daemon")
# A devnet makes a block a second and its windows are short; elsewhere windows are hours and endpoints count calls.
_DEVNET_PERIOD_SECONDS, _PERIOD_SECONDS = 1.0, 15.0
_WATCH_SECONDS = 0.25
# What follows an action at once: an acceptance is followed by the run, a reveal by the tally. Not without end, since an
# endpoint that lags shows the state before the action.
_LOOKS_AT_ONCE = 3
_TICK = "tick"


def period_for(network: Network) -> float:
    """How often a daemon looks at the chain, in seconds."""
    return _DEVNET_PERIOD_SECONDS if network.is_devnet else _PERIOD_SECONDS


class Heart:
    """When the loop last turned, on the monotonic clock."""

    def __init__(self, period_seconds: float) -> None:
        # A tick may wait for a transaction, which is given a minute and a half.
        self._patience = 120 + 4 * period_seconds
        self._beat_at = time.monotonic()

    def beat(self) -> None:
        self._beat_at = time.monotonic()

    def trouble(self) -> str | None:
        """What is wrong with the loop, if anything."""
        age = time.monotonic() - self._beat_at
        return f"the loop has not turned for {age:.0f} s" if age > self._patience else None


class ClockStep:
    """Notices that the machine's clock was set: the wall's time moved otherwise than the monotonic one."""

    _NOTICED_SECONDS = 1.0

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def happened(self) -> bool:
        """Whether it was set since this was last asked."""
        before, self._offset = self._offset, time.time() - time.monotonic()
        if abs(self._offset - before) < self._NOTICED_SECONDS:
            return False
        log.warning("clock_was_set", seconds=round(self._offset - before))
        return True


def run(
    tick: Callable[[], object],
    *,
    period_seconds: float,
    is_done: Callable[[], bool] = lambda: False,
    is_at_rest: Callable[[object], bool] = lambda answer: True,
    watch: Callable[[], bool] | None = None,
    heart: Heart | None = None,
) -> None:
    """Calls `tick` every `period_seconds` until told to stop; an exception ends one tick, not the daemon.

    `is_at_rest` says of what a tick answered whether the next one can wait; `watch` is asked four times a second,
    beside a tick that may be waiting, whether the next one should come at once.
    """
    from apscheduler.schedulers import SchedulerNotRunningError
    from apscheduler.schedulers.blocking import BlockingScheduler

    scheduler = BlockingScheduler()
    ended, over, woken, at_work = (threading.Event() for _ in range(4))

    def guarded() -> None:
        at_work.set()
        try:
            for _ in range(1 + _LOOKS_AT_ONCE):
                woken.clear()
                if is_last(once()):
                    return
        finally:
            at_work.clear()

    def once() -> bool:
        """Whether the next tick can wait."""
        try:
            return is_at_rest(tick())
        except Exception as error:
            # A daemon nobody watches must outlive what nobody foresaw; the chain tells it again what to do.
            log.error("tick_failed", reason=repr(error))
            return True

    def is_last(can_wait: bool) -> bool:
        if heart:
            heart.beat()
        if is_done():
            end()
        return ended.is_set() or (can_wait and not woken.is_set())

    def end(number: int = 0, frame: object = None) -> None:
        ended.set()

    def shut_down() -> None:
        # Told to end before it has begun, the scheduler would refuse, then begin and never end.
        while not over.wait(0.02):
            try:
                return scheduler.shutdown(wait=False)
            except SchedulerNotRunningError:
                continue

    def look() -> None:
        step = ClockStep()
        while not ended.wait(_WATCH_SECONDS):
            try:
                # The scheduler waits by the clock on the wall: set back by an hour, it would sleep for an hour.
                if step.happened() or (watch and watch()):
                    woken.set()
                # While a tick is at work the scheduler would drop the next one.
                if woken.is_set() and not at_work.is_set():
                    scheduler.modify_job(_TICK, next_run_time=datetime.now().astimezone())
            except Exception as error:
                log.error("watch_failed", reason=repr(error))
        shut_down()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    scheduler.add_job(
        guarded,
        "interval",
        id=_TICK,
        seconds=period_seconds,
        coalesce=True,
        max_instances=1,
        misfire_grace_time=None,  # late is better than left out: after a suspend, a busy minute or a clock that was set
        next_run_time=datetime.now().astimezone(),
    )
    threading.Thread(target=look, name="watch", daemon=True).start()
    try:
        scheduler.start()
    finally:
        over.set()
        ended.set()
