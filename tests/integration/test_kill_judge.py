# SPDX-License-Identifier: Apache-2.0
"""A judge killed at every step of a case: one verdict, one vote that can be opened, no fee lost, nothing left over."""

from __future__ import annotations

import shutil

import pytest

from swarm.protocol.types import BallotStatus, CaseStatus, Comparison, JobStatus
from tests.integration.cases import Cases, Sellers
from tests.integration.dying import Death
from tests.integration.stage import assert_alone, leftovers, stage  # noqa: F401

pytestmark = pytest.mark.timeout(120)
COURT, BALLOTS = "swarm.chain.court:Court", "swarm.chain.ballots:Ballots"
SENDS = ("before", "sent", "after")


def at(name: str, *whens: str, nth: int = 1) -> list[Death]:
    return [Death(name, when, nth) for when in whens or ("before", "after")]


REPLAYING = [
    *at("verifier.replays:Replays.start"),
    *at("swarm.storage.reader:_write", "after"),
    *at("tests.integration.dying:PlayedRunner.run"),
    *at("verifier.replay:opening_of"),
    *at("swarm.journal:Journal.put", nth=2),
    *at("verifier.workspaces:Workspaces.forget", "before"),
]


@pytest.fixture(scope="module")
def sellers(stage):
    return Sellers(stage)


@pytest.fixture
def cases(stage, sellers, tmp_path):
    cases = Cases(stage, sellers, tmp_path)
    stage.first_block = stage.chain.client.block_number()
    yield cases
    for life in stage.lives:
        if not life.has_ended:
            life.kill()
    stage.mine()
    cases.stop()
    for judge in stage.judges.values():
        if judge.log.exists():
            shutil.copyfile(judge.log, tmp_path / f"{judge.name}.log")
        for left in (judge.log, judge.home / "verifier.sqlite", judge.home.parent / "diary"):
            left.unlink(missing_ok=True)
        shutil.rmtree(judge.home / "cache", ignore_errors=True)


def live_again(stage, cases, death, judge, *options) -> None:
    """Its next life; what the last one had sent is mined once this one is there."""
    # What moved the clock until its death may have mined what it had sent.
    is_awaited = death.when == "sent" and stage.waits(judge.account)
    stage.verifier(judge, *options)
    if death.when == "sent":
        if is_awaited:
            stage.until(lambda: judge.events("former_transactions_awaited"), "its next life")
        stage.mine()


def assert_clean(stage, cases, judge, job) -> None:
    """One case, done once: no fee lost, nothing reserved any more, nothing lying about."""
    assert stage.lives[-1].end() == 0
    assert not stage.failed_transactions(judge.account, stage.first_block), "something was sent twice"
    bond = stage.chain.bench.bond(cases.slot_of(judge))
    assert (bond.reserved, bond.cases) == (0, 0)
    penalised = stage.chain.bench.events("JudgePenalised", job.job_id)
    assert cases.slot_of(judge) not in [event["args"]["slotId"] for event in penalised]
    assert not judge.journal("failed", "verifier") and not leftovers(judge)
    assert not judge.events("tick_failed") and not judge.events("refused")


# the drawn judge


@pytest.mark.parametrize("death", [*REPLAYING, *at(f"{COURT}.confirm", *SENDS)], ids=str)
def test_a_drawn_judge_that_is_killed_confirms_once(stage, cases, death):
    job = cases.sold()
    judge = cases.drawn(job)
    stage.verifier(judge, death=death).wait_killed()
    live_again(stage, cases, death, judge)
    cases.move(lambda: stage.job(job.job_id).audited, what="the verdict")
    assert stage.lives[-1].end() == 0
    assert cases.finish(job.job_id) is JobStatus.SETTLED
    assert_clean(stage, cases, judge, job)
    assert len(judge.computed) <= 2, "what was found was searched again"


@pytest.mark.parametrize("death", at(f"{COURT}.deny", *SENDS), ids=str)
def test_a_drawn_judge_that_is_killed_denies_once(stage, cases, death):
    job = cases.sold(is_honest=False)
    judge = cases.drawn(job)
    stage.verifier(judge, death=death).wait_killed()
    live_again(stage, cases, death, judge)
    cases.move(lambda: cases.case(job).status is CaseStatus.VOTING, what="the denial")
    assert stage.lives[-1].end() == 0
    assert cases.finish(job.job_id, *cases.committee(job)) is JobStatus.SLASHED
    assert_clean(stage, cases, judge, job)
    assert len(judge.computed) == 1


@pytest.mark.parametrize("death", at(f"{COURT}.vouch", *SENDS), ids=str)
def test_a_judge_of_a_delivery_that_is_killed_vouches_once(stage, cases, death):
    job = cases.sold(comparison=Comparison.DELIVERY)
    judge = cases.drawn(job)
    stage.verifier(judge, death=death).wait_killed()
    live_again(stage, cases, death, judge)
    cases.move(lambda: stage.job(job.job_id).audited, what="the verdict")
    assert stage.lives[-1].end() == 0
    assert cases.finish(job.job_id) is JobStatus.SETTLED
    assert_clean(stage, cases, judge, job)


# a committee


VOTING = [
    *at("swarm.journal:Journal.put", nth=3),
    *at(f"{BALLOTS}.seal", *SENDS),
    *at(f"{BALLOTS}.reveal", *SENDS),
]


@pytest.mark.parametrize("death", VOTING, ids=str)
def test_a_member_of_a_committee_that_is_killed_votes_once_and_can_open_its_seal(stage, cases, death):
    job, _ = cases.denied(cases.sold(is_honest=False))
    member, *rest = cases.committee(job)
    stage.chain.ballots.draw_committee(stage.bob, job, cases.ballot(job).round)
    cases.move(lambda: _bits(cases.ballot(job).sealed_seats) == 2, *rest, what="two seals")
    stage.verifier(member, death=death).wait_killed()
    live_again(stage, cases, death, member)
    votes = lambda: stage.chain.ballots.events("Revealed", job.job_id)  # noqa: E731
    slot = cases.slot_of(member)
    cases.move(lambda: slot in [vote["args"]["judge"] for vote in votes()], *rest, what="its vote")
    assert stage.lives[-1].end() == 0
    assert cases.finish(job.job_id, *rest) is JobStatus.SLASHED
    assert_clean(stage, cases, member, job)
    assert len(votes()) == 3
    assert len(member.computed) == 1 and len(member.journal("seal", "verifier")) == 1


# what anyone may do


@pytest.mark.parametrize("death", at("swarm.chain.beacon:Beacon.submit", *SENDS), ids=str)
def test_a_judge_killed_while_it_brings_a_seed_brings_it_once(stage, cases, death):
    job, judge = cases.sold(), stage.judges["judith"]
    stage.pass_until(stage.chain.beacon.time_of(job.epoch))
    stage.verifier(judge, death=death)
    cases.move(lambda: stage.lives[-1].has_ended, what="its death")
    stage.lives[-1].wait_killed()
    live_again(stage, cases, death, judge)
    cases.move(lambda: stage.chain.beacon.seed_of(job.epoch), what="the seed")
    assert stage.lives[-1].end() == 0
    assert cases.finish(job.job_id, *cases.others()) is JobStatus.SETTLED
    assert_clean(stage, cases, judge, job)


@pytest.mark.parametrize("death", at(f"{COURT}.replace_judge", *SENDS[1:]), ids=str)
def test_a_judge_killed_while_it_replaces_a_late_one_does_it_once(stage, cases, death):
    job = cases.sold()
    late = cases.drawn(job)
    stage.chain.escrow.open_audit(stage.bob, job)
    stage.pass_until(cases.case(job).deadline + 1)
    judge = cases.others(late)[0]
    stage.verifier(judge, death=death)
    cases.move(lambda: stage.lives[-1].has_ended, what="its death")
    stage.lives[-1].wait_killed()
    live_again(stage, cases, death, judge)
    cases.move(lambda: cases.case(job).replacements == 1, what="the replacement")
    assert stage.lives[-1].end() == 0
    assert cases.finish(job.job_id, *cases.others(late)) is JobStatus.SETTLED
    assert_clean(stage, cases, judge, job)


@pytest.mark.parametrize("death", at(f"{BALLOTS}.draw_committee", *SENDS), ids=str)
def test_a_judge_killed_while_it_draws_a_committee_draws_it_once(stage, cases, death):
    job, judge = cases.denied(cases.sold(is_honest=False))
    members = cases.committee(job)
    # The members have a segment's time to draw themselves; then it is anybody's turn.
    stage.pass_until(max(seen.left_until for seen in cases.in_process(judge).observe().observed))
    stage.verifier(judge, death=death)
    cases.move(lambda: stage.lives[-1].has_ended, what="its death")
    stage.lives[-1].wait_killed()
    live_again(stage, cases, death, judge)
    cases.move(lambda: cases.ballot(job).status is BallotStatus.SEALING, what="the committee")
    assert stage.lives[-1].end() == 0
    assert cases.finish(job.job_id, *members) is JobStatus.SLASHED
    assert_clean(stage, cases, judge, job)


@pytest.mark.parametrize("death", [*at(f"{COURT}.tally", *SENDS[1:]), *at(f"{COURT}.execute", *SENDS)], ids=str)
def test_a_judge_killed_while_it_counts_or_executes_does_it_once(stage, cases, death):
    """For the count one of three stays silent: else whoever reveals last counts as well."""
    job, judge = cases.denied(cases.sold(is_honest=False))
    members = cases.committee(job)
    voters = members[: 2 if "tally" in death.at else 3]
    cases.move(lambda: _bits(cases.ballot(job).sealed_seats) == 3, *members, what="the seals")
    cases.move(lambda: _bits(cases.ballot(job).revealed_seats) == len(voters), *voters, what="the votes")
    if len(voters) == 3:
        cases.move(lambda: cases.case(job).status is CaseStatus.APPEALABLE, *voters, what="the ruling")
    stage.pass_until((cases.case(job).deadline if len(voters) == 3 else cases.ballot(job).deadline) + 1)
    stage.verifier(judge, death=death)
    cases.move(lambda: stage.lives[-1].has_ended, what="its death")
    stage.lives[-1].wait_killed()
    live_again(stage, cases, death, judge)
    assert cases.finish(job.job_id) is JobStatus.SLASHED
    assert_clean(stage, cases, judge, job)


def _bits(mask: int) -> int:
    return bin(mask).count("1")


# money


@pytest.mark.parametrize("death", at("swarm.chain.bench:Bench.collect", *SENDS), ids=str)
def test_a_judge_killed_while_it_collects_is_paid_once(stage, cases, death):
    job = cases.sold()
    judge = cases.drawn(job)
    cases.move(lambda: stage.job(job.job_id).audited, judge, what="the verdict")
    slot, token = cases.slot_of(judge), stage.chain.token
    earned, before = stage.chain.bench.bond(slot).earned, token.balance_of(judge.account.address)
    assert earned
    options = ("--collect-above", "0.001")
    stage.verifier(judge, *options, death=death).wait_killed()
    live_again(stage, cases, death, judge, *options)
    stage.until(lambda: not stage.chain.bench.bond(slot).earned, "the payment")
    assert token.balance_of(judge.account.address) == before + earned
    assert cases.finish(job.job_id) is JobStatus.SETTLED
    assert_clean(stage, cases, judge, job)


def test_a_second_judge_with_the_same_key_or_home_is_refused(stage, cases, tmp_path):
    assert_alone(stage, stage.verifier, stage.judges["judith"], "verifier", tmp_path)
