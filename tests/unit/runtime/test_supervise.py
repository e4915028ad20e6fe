# SPDX-License-Identifier: Apache-2.0
"""The loop around a job, with a job made of switches."""

from __future__ import annotations

import threading

import pytest

from swarm.runtime.lines import Lines
from swarm.runtime.port import JobRun, Limits, RunEnd
from swarm.runtime.supervise import supervise


class Switched:
    """Work that ends when killed, or after `checks` looks at it."""

    def __init__(self, checks: int | None = None, limit: RunEnd | None = None) -> None:
        self.lines = Lines()
        self.kills = 0
        self._checks = checks
        self._limit = limit

    def has_ended(self) -> bool:
        if self._checks is not None:
            self._checks -= 1
        return self.kills > 0 or (self._checks is not None and self._checks < 0)

    def broken_limit(self) -> RunEnd | None:
        return self._limit

    def kill(self) -> None:
        self.kills += 1


def _run(folder, **limits) -> JobRun:
    return JobRun("any", ("python",), {}, folder, Limits(**limits))


def test_kills_at_the_wall_time(tmp_path):
    work = Switched()
    assert supervise(work, _run(tmp_path, wall_seconds=0.01), on_progress=None, stop=None) is RunEnd.TIMEOUT
    assert work.kills == 1
    assert "longer than" in work.lines.tail()


def test_kills_when_told_to_stop(tmp_path):
    stop, work = threading.Event(), Switched()
    stop.set()
    assert supervise(work, _run(tmp_path), on_progress=None, stop=stop) is RunEnd.STOPPED
    assert work.kills == 1


def test_kills_when_the_output_grows_too_large(tmp_path):
    (tmp_path / "big").write_bytes(bytes(11))
    work = Switched()
    assert supervise(work, _run(tmp_path, output_bytes=10), on_progress=None, stop=None) is RunEnd.OUTPUT
    assert work.kills == 1


def test_kills_when_too_much_is_printed(tmp_path):
    work = Switched()
    work.lines.overflowed = True
    assert supervise(work, _run(tmp_path), on_progress=None, stop=None) is RunEnd.OUTPUT
    assert work.kills == 1


def test_kills_at_a_limit_of_the_sandbox(tmp_path):
    work = Switched(limit=RunEnd.MEMORY)
    assert supervise(work, _run(tmp_path), on_progress=None, stop=None) is RunEnd.MEMORY
    assert work.kills == 1


def test_finds_too_much_output_after_a_quick_end(tmp_path):
    (tmp_path / "big").write_bytes(bytes(11))
    assert supervise(Switched(0), _run(tmp_path, output_bytes=10), on_progress=None, stop=None) is RunEnd.OUTPUT


def test_passes_on_what_a_listener_raises(tmp_path):
    work = Switched()
    work.lines.feed("stdout", b'{"event": "step"}\n')
    with pytest.raises(ZeroDivisionError):
        supervise(work, _run(tmp_path), on_progress=lambda fact: 1 // 0, stop=None)


def test_hands_on_all_progress_of_a_job_that_ends_by_itself(tmp_path):
    work, facts = Switched(2), []
    work.lines.feed("stdout", b'{"n": 1}\n{"n": 2}\n{"n": 3}\n')
    assert supervise(work, _run(tmp_path), on_progress=facts.append, stop=None) is None
    assert (facts, work.kills) == ([{"n": 1}, {"n": 2}, {"n": 3}], 0)
