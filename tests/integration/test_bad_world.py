# SPDX-License-Identifier: Apache-2.0
"""A bad world under the daemons: a store that lies, hangs or dies, an engine that dies, a wrong clock, a full disk."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from swarm.protocol.types import JobStatus
from tests.integration.cases import Cases, Sellers
from tests.integration.dying import Play
from tests.integration.faulty import Door
from tests.integration.stage import sally, stage  # noqa: F401
from tests.unit.execution.conftest import SEGMENTS

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def door(stage):
    """Every daemon of the test reaches the store through it."""
    door = Door(stage.gateway.url)
    stage.network = replace(stage.network, gateways=(door.url,), push_to=door.url)
    stage.network.save(stage.directory / "network.json")
    yield door
    stage.network = replace(stage.network, gateways=(stage.gateway.url,), push_to=stage.gateway.url)
    stage.network.save(stage.directory / "network.json")
    door.close()


def status(stage, job_id, wanted=JobStatus.SUBMITTED):
    return lambda: stage.job(job_id).status is wanted


def said(person, event, words=""):
    return lambda: [line for line in person.events(event) if words in line.get("reason", "")]


# the store


@pytest.mark.parametrize("fault", ["lies", "hangs", "dies"])
def test_inputs_that_cannot_be_had_now_are_looked_for_again(stage, sally, door, fault):
    """That a store lies says nothing about the job: refused for good it would be lost to an honest seller."""
    life = stage.worker(sally, play=Play(patches=_IMPATIENT))
    stage.until(said(sally, "resting"), "the worker")
    door.fault = fault
    job_id = stage.post(to=sally)
    event = "job_refused" if fault == "lies" else "waiting"
    stage.until(said(sally, event), "the trouble")
    assert stage.job(job_id).status is JobStatus.OPEN and not sally.computed
    door.fault = None
    stage.pass_time(61)
    stage.until(status(stage, job_id), "the submission")
    assert len(said(sally, event)()) == 1, "an outage is told once"
    assert life.end() == 0 and sally.computed == list(range(SEGMENTS))


@pytest.mark.parametrize("fault", ["hangs", "dies"])
def test_a_result_that_cannot_be_published_now_waits_for_the_store(stage, sally, door, fault):
    life = stage.worker(sally, play=Play(holds_until=sally.home.parent / "go", patches=_IMPATIENT))
    job_id = stage.post(to=sally)
    stage.until(lambda: len(sally.computed) == 1, "the run")
    door.fault = fault
    (sally.home.parent / "go").touch()
    stage.until(said(sally, "waiting_to_publish"), "the trouble")
    assert stage.job(job_id).status is JobStatus.RUNNING
    door.fault = None
    stage.until(status(stage, job_id), "the submission")
    assert life.end() == 0 and sally.computed == list(range(SEGMENTS)), "the work was done twice"


def test_a_judge_whose_store_lies_denies_nobody(stage, tmp_path, door):
    """The bytes are not what their name says, so they are not the seller's: he is not to be blamed for them."""
    cases = Cases(stage, Sellers(stage), tmp_path)
    job = cases.sold()
    judge = cases.drawn(job)
    door.fault = "lies"
    life = stage.verifier(judge, play=Play(patches=_IMPATIENT))
    stage.until(said(judge, "replay_interrupted"), "the trouble")
    assert not judge.journal("finding", "verifier") and not judge.journal("failed", "verifier")
    door.fault = None
    cases.move(lambda: stage.job(job.job_id).audited, what="the verdict")
    assert life.end() == 0 and said(judge, "confirmed")() and not said(judge, "denied")()


_IMPATIENT = {
    "swarm.storage.gateway_client:SOCKET_SECONDS": 0.5,
    "swarm.storage.gateway_client:BLOCK_SECONDS": 1.0,
    "swarm.storage.gateway_client:IMPORT_SECONDS": 1.0,
    "swarm.seller.runs:_PUBLISH_RETRY_SECONDS": 0.2,
}


# the clock


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_daemon_whose_clock_is_wrong_keeps_the_deadlines_of_the_chain(stage, sally, tmp_path, seconds):
    """Ten minutes are more than any window here: whoever went by its own clock would be late, or too early."""
    cases = Cases(stage, Sellers(stage), tmp_path)
    sold = cases.sold()
    judge = cases.drawn(sold)
    judging = stage.verifier(judge, play=Play(clock_seconds=seconds))
    working = stage.worker(sally, play=Play(clock_seconds=seconds))
    cases.move(lambda: stage.job(sold.job_id).audited, what="the verdict")
    assert judging.end() == 0
    job_id = stage.post(to=sally)
    stage.until(status(stage, job_id), "the submission")
    job = stage.job(job_id)
    stage.bring_seed(job.epoch)
    if stage.chain.escrow.is_drawn(job):
        cases.move(lambda: stage.job(job_id).audited, *stage.judges.values(), what="the audit")
    assert not said(sally, "job_settled")(), "it was settled before the window was over"
    stage.pass_until(stage.job(job_id).deadline + 1)
    stage.until(status(stage, job_id, JobStatus.SETTLED), "the settlement")
    assert working.end() == 0
    assert not stage.failed_transactions(sally.account, stage.first_block)


# the disk


@pytest.fixture
def small_disk(sally):
    """The worker's home on a disk of its own, which a test can fill."""
    from tests.integration.conftest import missing

    keys = {path: path.read_bytes() for path in (sally.home / "keystore").iterdir()}
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(sally.home)], capture_output=True)
    if made.returncode:
        missing(f"no small disk can be mounted: {made.stderr.decode().strip()}")
    (sally.home / "keystore").mkdir()
    for path, content in keys.items():
        path.write_bytes(content)
    yield sally.home
    subprocess.run(["umount", "--lazy", str(sally.home)], check=True)


def fill(home) -> None:
    with (home / "filler").open("wb", buffering=0) as filler:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    filler.write(b"x" * size)
            except OSError:
                continue


def test_a_full_disk_is_said_once_loses_nothing_and_is_over_when_there_is_space(stage, sally, small_disk):
    go = sally.home.parent / "go"
    tolerant = {"swarm.runtime.outputs:MIN_FREE_BYTES": 1 << 16}
    life = stage.worker(sally, play=Play(holds_until=go, patches=tolerant))
    job_id = stage.post(to=sally)
    stage.until(lambda: len(sally.computed) == 1, "the first segment")
    fill(small_disk)
    go.touch()
    stage.until(said(sally, "run_interrupted", "is full"), "the word")
    stage.until(lambda: len(said(sally, "run_interrupted")()) >= 3, "more tries")
    stage.pass_time(5)
    assert stage.job(job_id).status is JobStatus.RUNNING and not life.has_ended
    loud = [line for line in sally.events("run_interrupted") if line["level"] != "info"]
    assert len(loud) == 1 and "Traceback" not in sally.log.read_text()
    (small_disk / "filler").unlink()
    stage.until(status(stage, job_id), "the submission")
    assert life.end() == 0 and not sally.events("run_failed") and not sally.events("tick_failed")
    assert sally.computed.count(0) == 1, "a whole segment was lost"
