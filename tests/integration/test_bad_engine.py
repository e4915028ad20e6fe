# SPDX-License-Identifier: Apache-2.0
"""A worker and a real Docker engine: the engine vanishes while a job runs, the worker is killed beside a container."""

from __future__ import annotations

from dataclasses import replace

import docker
import pytest

from swarm.buyer.prepare import prepare
from swarm.protocol.types import JobStatus
from swarm.runtime.docker import OWNER_LABEL
from swarm.workloads.spec import parse_spec
from tests.integration.dying import Death, Play
from tests.integration.faulty import SocketDoor
from tests.integration.stage import leftovers, sally, stage  # noqa: F401

pytestmark = pytest.mark.timeout(240)
_PROGRAM = "import os, time; time.sleep(3); open(os.environ['SWARM_OUTPUTS'] + '/x', 'w').write('done')"


@pytest.fixture(scope="module")
def engine(job_image):
    return docker.from_env()


@pytest.fixture
def posted(stage, job_image, sally):
    """A job of three seconds in a container."""
    spec = {"version": 1, "type": "container", "name": "slow", "image": job_image, "determinism": "exact"}
    spec |= {"entrypoint": ["python", "-c", _PROGRAM], "budget": {"max_total": 1}}
    folder = stage.directory / "bob"
    return stage.post(to=sally, prepared=prepare(parse_spec(spec), stage.store, base=folder, cache=folder / "cache"))


def containers(engine, person) -> list:
    label = f"{OWNER_LABEL}=worker-{person.account.address.lower()}"
    return engine.containers.list(all=True, filters={"label": label}, ignore_removed=True)


def submitted(stage, job_id):
    return lambda: stage.job(job_id).status is JobStatus.SUBMITTED


@pytest.mark.parametrize("at", ["_Container.__init__", "_Container.outcome"])
def test_a_killed_worker_leaves_no_container_behind_its_next_life(stage, engine, posted, sally, at):
    death = Death(f"swarm.runtime.docker:{at}", "after" if "init" in at else "before")
    stage.worker(sally, "--sandbox", "docker", death=death, play=Play(is_real=True)).wait_killed(120)
    left = containers(engine, sally)
    assert len(left) == 1, "the test is about a container that is left"
    stage.worker(sally, "--sandbox", "docker", play=Play(is_real=True))
    stage.until(submitted(stage, posted), "the submission", seconds=120)
    assert stage.lives[-1].end() == 0
    assert not containers(engine, sally) and not leftovers(replace(sally, home=sally.home / "store"))


def test_an_engine_that_vanishes_while_a_job_runs_is_waited_for(stage, engine, posted, sally, tmp_path):
    """The job is run again on the engine that came back, and what the old one still held is gone."""
    door = SocketDoor(str(tmp_path / "s"), "/var/run/docker.sock")
    play = Play(is_real=True, environment={"DOCKER_HOST": f"unix://{tmp_path / 's'}"})
    life = stage.worker(sally, "--sandbox", "docker", play=play)
    try:
        stage.until(lambda: containers(engine, sally), "the container", seconds=120)
        door.cut()
        stage.until(lambda: sally.events("run_interrupted"), "the worker to notice", seconds=60)
        assert stage.job(posted).status is JobStatus.RUNNING
        door.mend()
        stage.until(submitted(stage, posted), "the submission", seconds=120)
    finally:
        door.close()
    assert life.end() == 0 and not sally.events("run_failed")
    assert not containers(engine, sally)
