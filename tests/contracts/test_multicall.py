# SPDX-License-Identifier: Apache-2.0
"""multicall: several steps of one caller in one transaction, all or none, each as if it came alone."""

import pytest
from gas_jobs import foreseen, together
from world import EVIDENCE, SALT

from swarm.protocol.commitment import seal as seal_of
from swarm.protocol.types import BallotStatus, CaseStatus, JobStatus


@pytest.fixture
def drawn(world):
    """A drawn job whose audit nobody has opened, its judge to be, and the segment."""
    commitment = world.submitted()
    return commitment, *foreseen(world, commitment)


def opens(world, job_id: int) -> tuple:
    return world.court.openAudit, *world.with_terms(job_id)


def confirms(world, commitment, segment: int) -> tuple:
    state = world.job(commitment.job_id).under_audit.state()
    return world.court.confirm, commitment.job_id, state, commitment.opening(segment), commitment.proof(segment)


def refused(world, contract, *calls: tuple, sender, error: str) -> tuple:
    data = [call.encode_input(*arguments) for call, *arguments in calls]
    return world.refuses(contract.multicall, data, sender=sender, error=error)


def test_only_the_judge_that_the_seed_draws_answers_with_its_opening(world, drawn):
    """Who calls moves no draw: anybody else opens the audit for the same judge, and is refused its answer."""
    commitment, judge, segment = drawn
    calls = opens(world, commitment.job_id), confirms(world, commitment, segment)
    for sender in (world.stranger, world.buyer, *(other for other in world.judges if other != judge)):
        refused(world, world.court, *calls, sender=sender, error="NotTheJudge")
    assert world.status(commitment.job_id) is JobStatus.SUBMITTED
    world.open_audit(commitment.job_id)
    assert world.judge_of(commitment.job_id) == judge
    assert world.case(commitment.job_id).segment == segment


def test_no_lock_is_skipped_by_who_opens_and_denies_at_once(world, drawn):
    commitment, judge, segment = drawn
    job_id = commitment.job_id
    denies = (world.court.deny, job_id, commitment.other_leaf(segment), EVIDENCE)
    together(world, world.court, opens(world, job_id), denies, sender=judge)
    case = world.case(job_id)
    assert (case.status, case.round, world.status(job_id)) == (CaseStatus.VOTING, 1, JobStatus.UNDER_AUDIT)
    bond = world.bond(case.judge)
    assert (bond.reserved, bond.cases) == (5 * world.fee(), 1)


def test_whoever_opens_first_only_makes_the_judge_look_again(world, drawn):
    """A front-runner gains nothing: the judge's transaction is refused whole, and its plain answer is taken."""
    commitment, judge, segment = drawn
    calls = opens(world, commitment.job_id), confirms(world, commitment, segment)
    world.open_audit(commitment.job_id)
    stale = world.job(commitment.job_id)
    assert stale.status is JobStatus.UNDER_AUDIT
    refused(world, world.court, *calls, sender=judge, error="StaleJob")
    world.confirm(commitment)
    assert world.job(commitment.job_id).audited


def test_a_refused_step_takes_the_others_back(world, drawn):
    commitment, judge, segment = drawn
    other = (*confirms(world, commitment, segment)[:3], commitment.other_opening(segment), commitment.proof(segment))
    refused(world, world.court, opens(world, commitment.job_id), other, sender=judge, error="OpeningNotCommitted")
    assert world.status(commitment.job_id) is JobStatus.SUBMITTED


def test_a_member_draws_its_committee_and_seals(world):
    commitment = world.denied()
    job_id = commitment.job_id
    world.bring_seed(world.ballot(job_id).epoch)
    draws = (world.ballots.drawCommittee, job_id, 1, *world.with_terms(job_id)[1:])
    committee = world.ballots.drawCommittee.call(*draws[1:])
    member = world.operator_of(committee[1])
    leaf = commitment.other_leaf(world.case(job_id).segment)
    seals = (world.ballots.seal, job_id, 1, 1, seal_of(job_id, 1, str(member), leaf, EVIDENCE, SALT))
    refused(world, world.ballots, draws, seals, sender=world.stranger, error="NotInCommittee")
    together(world, world.ballots, draws, seals, sender=member)
    ballot = world.ballot(job_id)
    assert (ballot.status, ballot.committee, ballot.sealed_seats) == (BallotStatus.SEALING, tuple(committee), 0b010)
    refused(world, world.ballots, draws, seals, sender=member, error="WrongBallotStatus")


def test_the_last_to_reveal_takes_the_tally_and_nobody_before(world):
    commitment = world.committee()
    job_id, opening = commitment.job_id, commitment.other_opening(world.case(commitment.job_id).segment)
    members = world.members(job_id)
    for member in members:
        world.seal(commitment, member, opening)
    tallies = (world.ballots.tally, job_id)
    for member in members[:2]:
        call, arguments = world.revelation(commitment, member, opening)
        refused(world, world.ballots, (call, *arguments), tallies, sender=member, error="DeadlineRunning")
        world.reveal(commitment, member, opening)
    call, arguments = world.revelation(commitment, members[2], opening)
    together(world, world.ballots, (call, *arguments), tallies, sender=members[2])
    assert world.case(job_id).status is CaseStatus.APPEALABLE


def test_the_courts_own_calls_stay_the_courts(world):
    """A batch is no way around who may call."""
    court = world.court.address.lower()
    calls = (world.ballots.callBallot, 1, 1, 0, 0, 3), (world.ballots.close, 1, 1), (world.ballots.cancel, 1, 1)
    for call in calls:
        assert refused(world, world.ballots, call, sender=world.judges[0], error="OnlyTheCourt") == (court,)
