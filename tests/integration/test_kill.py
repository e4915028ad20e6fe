# SPDX-License-Identifier: Apache-2.0
"""A worker killed at every step of a job: its next life ends the job once, pays nothing twice, and leaves nothing."""

from __future__ import annotations

import pytest

from swarm.protocol.types import JobStatus
from swarm.seller.control import Control, Mode
from swarm.units import parse_amount
from tests.integration.dying import Death, Play
from tests.integration.stage import STAKE, assert_alone, leftovers, sally, stage  # noqa: F401
from tests.unit.execution.conftest import SEGMENTS

pytestmark = pytest.mark.timeout(120)
ESCROW, RUNS, CHECKPOINTS = (
    "swarm.chain.escrow:Escrow",
    "swarm.seller.runs:Runs",
    "swarm.seller.checkpoints:Checkpoints",
)


def at(name: str, *whens: str, nth: int = 1) -> list[Death]:
    return [Death(name, when, nth) for when in whens or ("before", "after")]


WORKING = [
    *at("swarm.execution.inputs:InputCache.entry", "before"),
    *at("swarm.storage.reader:_write", "after"),
    *at(f"{ESCROW}.accept", "before", "sent", "after"),
    *at(f"{RUNS}.write", "after"),
    *at(f"{RUNS}.start"),
    *at("tests.integration.dying:PlayedRunner.run"),
    *at(f"{CHECKPOINTS}.note", nth=2),
    *at(f"{CHECKPOINTS}.note", "after", nth=SEGMENTS),
    *at("swarm.seller.runs:publish"),
    *at("swarm.execution.results:opening_of", "after", nth=2),
    *at("swarm.storage.embedded:EmbeddedStore.push", nth=SEGMENTS + 1),
    *at(f"{RUNS}.write", nth=2),
    *at(f"{ESCROW}.submit", "before", "sent", "after"),
]
ENDING = [
    *at(f"{ESCROW}.settle", "before", "sent", "after"),
    *at(f"{CHECKPOINTS}.forget"),
    *at("swarm.seller.report:Totals.add", "after"),
    *at("swarm.journal:Journal.delete", "after", nth=2),
]


def submitted(stage, job_id):
    return lambda: stage.job(job_id).status is JobStatus.SUBMITTED


def let_the_window_pass(stage, job_id, tmp_path) -> None:
    """Whatever is drawn is confirmed."""
    stage.until(submitted(stage, job_id), "the submission")
    job = stage.job(job_id)
    stage.bring_seed(job.epoch)
    if stage.chain.escrow.is_drawn(job):
        judges = [stage.judge_of(name, tmp_path / name) for name in stage.judges]
        stage.judge_until(lambda: stage.job(job_id).audited, judges, "the audit")
    stage.pass_until(stage.job(job_id).deadline + 1)


def settled(stage, job_id):
    return lambda: stage.job(job_id).status is JobStatus.SETTLED


def forgotten(person, job_id):
    return lambda: str(job_id) not in person.journal("work")


def assert_clean(stage, person, job_id, *, is_failed=False, **counts) -> None:
    """Each step happened once, nothing stays locked, nothing lies about."""
    stage.until(forgotten(person, job_id), "the journal")
    assert stage.lives[-1].end() == 0
    for event in ("JobAccepted", "JobSubmitted", "JobSettled"):
        assert stage.count(event, job_id) == counts.get(event, 1), event
    assert not stage.failed_transactions(person.account, stage.first_block), "something was sent twice"
    assert stage.chain.vault.stake_of(person.account.address).locked == 0
    assert not leftovers(person) and not person.journal("segments")
    assert not person.events("tick_failed") and bool(person.events("run_failed")) <= is_failed


@pytest.mark.parametrize("death", WORKING, ids=str)
def test_a_worker_killed_at_work_submits_once_and_is_paid(stage, sally, tmp_path, death):
    job_id = stage.post(to=sally)
    stage.worker(sally, death=death).wait_killed()
    stage.worker(sally)
    if death.when == "sent":
        stage.until(lambda: sally.events("former_transactions_awaited") or sally.events("resting"), "its next life")
        stage.mine()
    let_the_window_pass(stage, job_id, tmp_path)
    stage.until(settled(stage, job_id), "the settlement")
    assert_clean(stage, sally, job_id)
    assert len(sally.computed) <= SEGMENTS + 1 and set(sally.computed) == set(range(SEGMENTS)), (
        "whole segments were lost"
    )
    assert sally.journal("totals")["all"]["jobs"] == {"lora settled": 1}


@pytest.mark.parametrize("death", ENDING, ids=str)
def test_a_worker_killed_at_the_end_counts_and_forgets_the_job_once(stage, sally, tmp_path, death):
    job_id = stage.post(to=sally)
    first = stage.worker(sally, death=death)
    let_the_window_pass(stage, job_id, tmp_path)
    first.wait_killed()
    stage.worker(sally)
    if death.when == "sent":
        stage.until(lambda: sally.events("former_transactions_awaited"), "its next life")
        stage.mine()
    stage.until(settled(stage, job_id), "the settlement")
    assert_clean(stage, sally, job_id)
    assert sally.computed == list(range(SEGMENTS))
    assert sally.journal("totals")["all"]["jobs"] == {"lora settled": 1}


# handing back


HANDING_BACK = [
    *at(f"{RUNS}.publish_part"),
    *at(f"{RUNS}.write", "before", "after", nth=2),
    *at(f"{ESCROW}.hand_back", "before", "sent", "after"),
    *at("swarm.seller.control:Control.answered_hand_back"),
]


@pytest.mark.parametrize("death", HANDING_BACK, ids=str)
def test_a_worker_killed_while_it_hands_back_does_it_once_and_leaves_the_rest(stage, sally, tmp_path, death):
    """Without a note it would take the rest, which somebody else was to do: it is the best job in sight."""
    job_id = stage.post(parts=2)
    play = Play(holds_after=1)
    first = stage.worker(sally, death=death, play=play)
    stage.until(lambda: len(sally.computed) == 2, "two segments")
    Control(sally.home).ask(Mode.DRAIN)
    Control(sally.home).ask_hand_back()
    first.wait_killed()
    stage.worker(sally, play=play)
    if death.when == "sent":
        stage.until(lambda: sally.events("former_transactions_awaited"), "its next life")
        stage.mine()
    stage.until(submitted(stage, job_id), "the hand-back")
    rest = stage.chain.escrow.events("JobHandedBack", job_id)[0]["args"]["rest"]
    stage.until(lambda: Control(sally.home).hand_back_request() is None, "the answer")
    assert sally.journal("work")[str(rest)]["step"] == "handed_back"
    assert stage.lives[-1].end_of_itself() == 0, "it has drained"
    stage.worker(sally, play=play)
    let_the_window_pass(stage, job_id, tmp_path)
    stage.until(settled(stage, job_id), "the settlement")
    assert stage.job(rest).status is JobStatus.OPEN, "it took what it had handed back"
    assert_clean(stage, sally, job_id)
    assert sally.computed == [0, 1] and stage.count("JobHandedBack", job_id) == 1


# pausing, giving up, being late


@pytest.mark.parametrize("death", [*at(f"{RUNS}.interrupt"), *at(f"{CHECKPOINTS}.harvest", nth=2)], ids=str)
def test_a_worker_killed_while_it_pauses_stays_paused_and_goes_on_when_told(stage, sally, tmp_path, death):
    job_id = stage.post(to=sally)
    first = stage.worker(sally, death=death, play=Play(holds_after=1))
    stage.until(lambda: len(sally.computed) == 2, "two segments")
    Control(sally.home).ask(Mode.PAUSE)
    first.wait_killed()
    stage.worker(sally)
    stage.until(lambda: any("paused" in line["reason"] for line in sally.events("resting")), "the pause")
    assert stage.job(job_id).status is JobStatus.RUNNING and sally.computed == [0, 1]
    Control(sally.home).ask(Mode.RUN)
    let_the_window_pass(stage, job_id, tmp_path)
    stage.until(settled(stage, job_id), "the settlement")
    assert_clean(stage, sally, job_id)
    assert sally.computed == [0, 1, 2, 3]


ABORTING = [*at(f"{RUNS}.write", nth=2), *at(f"{ESCROW}.abort", "before", "sent", "after")]


@pytest.mark.parametrize("death", ABORTING, ids=str)
def test_a_worker_killed_while_it_gives_up_pays_the_penalty_once_and_does_not_take_it_again(stage, sally, death):
    job_id = stage.post(to=sally)
    play = Play(fails=True)
    stage.worker(sally, death=death, play=play).wait_killed()
    stage.worker(sally, play=play)
    if death.when == "sent":
        stage.until(lambda: sally.events("former_transactions_awaited"), "its next life")
        stage.mine()
    stage.until(lambda: stage.count("JobAborted", job_id) == 1, "the abort")
    stage.until(lambda: any("none for this worker" in line["reason"] for line in sally.events("resting")), "its rest")
    assert stage.job(job_id).status is JobStatus.OPEN
    stage.chain.escrow.cancel(stage.bob, stage.job(job_id))
    assert_clean(stage, sally, job_id, JobSubmitted=0, JobSettled=0, is_failed=True)
    assert stage.chain.vault.stake_of(sally.account.address).stake < parse_amount(STAKE)


LATE = [*at(f"{ESCROW}.refund", "before", "sent", "after")]


@pytest.mark.parametrize("death", LATE, ids=str)
def test_collateral_of_a_missed_deadline_is_freed_whoever_is_killed_on_the_way(stage, sally, death):
    job_id = stage.post(to=sally)
    stage.worker(sally, death=Death(f"{CHECKPOINTS}.note")).wait_killed()
    stage.pass_until(stage.job(job_id).deadline + 1)
    stage.worker(sally, death=death).wait_killed()
    stage.worker(sally)
    if death.when == "sent":
        stage.until(lambda: sally.events("former_transactions_awaited"), "its next life")
        stage.mine()
    stage.until(lambda: stage.job(job_id).status is JobStatus.REFUNDED, "the refund")
    assert_clean(stage, sally, job_id, JobSubmitted=0, JobSettled=0)


def test_a_second_worker_with_the_same_key_or_home_is_refused(stage, sally, tmp_path):
    assert_alone(stage, stage.worker, sally, "worker", tmp_path)
