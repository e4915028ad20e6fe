# SPDX-License-Identifier: Apache-2.0
"""What can be asked of a runner at all, and the fake that unit tests use."""

from __future__ import annotations

import threading

import pytest

from swarm.errors import UsageError
from swarm.runtime.environment import environment_of
from swarm.runtime.fake import FakeRunner
from swarm.runtime.port import JobRun, Limits, RunEnd, require_startable


@pytest.mark.parametrize("name", ["memory_bytes", "cpus", "pids", "wall_seconds", "output_bytes", "output_files"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_refuses_a_limit_that_limits_nothing(name, value):
    with pytest.raises(UsageError, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["", "..", "../a", "a/b", "/a", ".hidden", "a b", "a\n"])
def test_refuses_an_input_name_that_leaves_the_inputs(tmp_path, name):
    with pytest.raises(UsageError, match="name of an input"):
        JobRun("process", ("python",), {name: tmp_path}, tmp_path)


def test_refuses_a_run_without_a_program(tmp_path):
    with pytest.raises(UsageError, match="program"):
        JobRun("process", (), {}, tmp_path)


def test_refuses_an_input_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="model is not there"):
        require_startable(JobRun("process", ("python",), {"model": tmp_path / "none"}, tmp_path))


def test_refuses_outputs_that_hold_something(tmp_path):
    (tmp_path / "left").write_text("")
    with pytest.raises(UsageError, match="empty"):
        require_startable(JobRun("process", ("python",), {}, tmp_path))


def test_the_caller_cannot_move_the_directories(tmp_path):
    run = JobRun("process", ("python",), {}, tmp_path, environment={"SWARM_OUTPUTS": "/etc", "SEED": "1"})
    found = environment_of(run, inputs="/inputs", outputs="/outputs", scratch="/tmp")
    assert (found["SWARM_INPUTS"], found["SWARM_OUTPUTS"], found["SEED"]) == ("/inputs", "/outputs", "1")


def test_the_fake_runs_a_callable(tmp_path):
    def program(run, emit):
        (run.outputs / "a").write_text("x")
        emit({"event": "done"})

    facts, fake = [], FakeRunner(program)
    outcome = fake.run(JobRun("any", ("python",), {}, tmp_path), on_progress=facts.append)
    assert (outcome.reason, facts, len(fake.runs)) == (RunEnd.OK, [{"event": "done"}], 1)


def test_the_fake_stops_when_told(tmp_path):
    stop = threading.Event()
    stop.set()
    outcome = FakeRunner(lambda run, emit: RunEnd.OK).run(JobRun("any", ("python",), {}, tmp_path), stop=stop)
    assert outcome.reason is RunEnd.STOPPED
