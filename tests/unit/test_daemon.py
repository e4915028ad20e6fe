# SPDX-License-Identifier: Apache-2.0
"""What daemons share: one per home, woken early when somebody asks, alive whatever a tick raises; and durations."""

import os
import signal
import threading
import time
from datetime import UTC, timedelta

import pytest

from swarm import daemon
from swarm.errors import UsageError
from swarm.journal import KeyLock
from swarm.units import format_duration, parse_duration


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "1.5h", "soon", "3w", "1h30", "30m1h", "٣s"])
def test_refuses_a_duration_that_is_none(text):
    with pytest.raises(UsageError, match="not a duration"):
        parse_duration(text)


def test_reads_and_writes_durations():
    assert [parse_duration(text) for text in ("90", "90s", "15m", "24h", "2d", "1h30m")] == [
        90,
        90,
        900,
        86_400,
        172_800,
        5_400,
    ]
    assert [format_duration(seconds) for seconds in (-1, 45, 190, 7300, 200_000)] == [
        "0 s",
        "45 s",
        "3 m",
        "2 h",
        "2 d",
    ]


def test_a_second_daemon_of_a_home_is_refused_and_the_first_one_is_named(tmp_path):
    lock = KeyLock("worker", "0xAA", directory=tmp_path / "home")
    assert lock.holder() is None
    lock.acquire()
    try:
        assert KeyLock("worker", "", directory=tmp_path / "home").holder() == str(os.getpid())
        with pytest.raises(UsageError, match=str(os.getpid())):
            KeyLock("worker", "0xBB", directory=tmp_path / "home").acquire()
        assert KeyLock("verifier", "0xBB", directory=tmp_path / "home").holder() is None
    finally:
        lock.release()
    assert lock.holder() is None


def test_a_daemon_outlives_a_failing_tick_and_is_woken_by_its_watch():
    ticks, asked = [], threading.Event()

    def tick():
        ticks.append(len(ticks))
        if len(ticks) == 1:
            raise ValueError("nobody foresaw it")
        if len(ticks) == 2:
            asked.clear()

    def watch():
        if len(ticks) == 1:
            asked.set()
        return asked.is_set()

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        daemon.run(tick, period_seconds=3600, is_done=lambda: len(ticks) == 2, watch=watch)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert ticks == [0, 1]


def test_what_follows_an_action_is_looked_at_at_once_but_not_without_end():
    ticks, watched = [], []

    def watch():
        watched.append(len(ticks))
        return len(watched) == 2

    daemon.run(
        lambda: ticks.append(len(ticks)),
        period_seconds=3600,
        is_done=lambda: len(ticks) == 8,
        is_at_rest=lambda answer: False,
        watch=watch,
    )
    assert ticks == list(range(8)) and watched[1] == 4


def test_who_is_woken_during_a_tick_looks_again_after_it():
    """The scheduler drops what comes due while a tick is at work."""
    ticks, watched = [], threading.Event()

    def tick():
        ticks.append(len(ticks))
        if len(ticks) == 1:
            assert watched.wait(5)
            time.sleep(0.05)

    def watch():
        is_first = not watched.is_set()
        watched.set()
        return is_first

    daemon.run(tick, period_seconds=3600, is_done=lambda: len(ticks) == 2, watch=watch)
    assert ticks == [0, 1]


def test_a_clock_that_is_set_back_does_not_put_the_daemon_to_sleep(monkeypatch):
    """The scheduler waits for a time of day: it must not wait for one that is an hour away."""
    from apscheduler.schedulers import base

    real, shift, ticks = base.datetime, [timedelta(0)], []

    class Clock(real):
        @classmethod
        def now(cls, zone=None):
            return real.now(zone) + shift[0]

    def tick():
        ticks.append(len(ticks))
        if len(ticks) == 2:
            shift[0] = timedelta(hours=-1)

    monkeypatch.setattr(base, "datetime", Clock)
    monkeypatch.setattr("apscheduler.triggers.interval.datetime", Clock)
    monkeypatch.setattr("apscheduler.executors.base.datetime", Clock)
    monkeypatch.setattr(daemon, "datetime", Clock)
    monkeypatch.setattr(daemon.time, "time", lambda: Clock.now(UTC).timestamp())
    daemon.run(tick, period_seconds=0.05, is_done=lambda: len(ticks) == 5)
    assert len(ticks) == 5


def test_a_signal_before_the_loop_has_begun_is_not_lost(monkeypatch):
    """The scheduler cannot be shut down before it runs: told too early, the daemon would never end."""
    from apscheduler.schedulers.blocking import BlockingScheduler

    begin = BlockingScheduler.start

    def late(scheduler):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        begin(scheduler)

    monkeypatch.setattr(BlockingScheduler, "start", late)
    daemon.run(lambda: None, period_seconds=60)
