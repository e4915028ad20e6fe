# SPDX-License-Identifier: Apache-2.0
"""tally, appeal, execute: who may, when, and for what bond; from three judges to seven to fifteen."""

from stories import appeal, challenge, challenged, executed, submitted, tallied

from swarm.protocol.types import BallotStatus, CaseStatus, JobStatus

# refusals


def test_appeal_refuses_before_the_committee_is_counted(world):
    commitment = challenged(world)
    arguments = world.with_job(commitment.job_id)
    values = world.refuses(world.court.appeal, *arguments, sender=world.seller, error="WrongCaseStatus")
    assert values == (CaseStatus.APPEALABLE, CaseStatus.VOTING)


def test_appeal_refuses_where_there_is_no_case(world):
    commitment = world.submitted()
    arguments = world.with_job(commitment.job_id)
    world.refuses(world.court.appeal, *arguments, sender=world.seller, error="WrongCaseStatus")


def test_appeal_refuses_after_its_deadline(world):
    commitment = challenged(world)
    tallied(world, commitment, ["other"] * 3)
    deadline = world.case(commitment.job_id).deadline
    world.travel_until(deadline + 1)
    arguments = world.with_job(commitment.job_id)
    values = world.refuses(world.court.appeal, *arguments, sender=world.seller, error="CaseDeadlinePassed")
    assert values == (deadline, deadline + 1)


def test_appeal_is_in_time_in_the_last_second(world):
    commitment = challenged(world)
    tallied(world, commitment, ["other"] * 3)
    assert world.case(commitment.job_id).deadline == world.rpc.now() + world.params.appeal_seconds
    world.rpc.next_at(world.case(commitment.job_id).deadline)
    appeal(world, commitment.job_id, world.seller)
    assert world.case(commitment.job_id).instance == 2


def test_appeal_refuses_an_old_state(world):
    commitment = world.submitted()
    old = world.with_job(commitment.job_id)
    challenge(world, commitment.job_id)
    tallied(world, commitment, ["other"] * 3)
    world.refuses(world.court.appeal, *old, sender=world.seller, error="StaleJob")


def test_appeal_refuses_who_cannot_pay_the_bond(world):
    commitment = challenged(world)
    tallied(world, commitment, ["other"] * 3)
    poor = world.newcomer("poor")
    world.enrich(poor, 7 * world.fee() - 1)
    arguments = world.with_job(commitment.job_id)
    values = world.refuses(world.court.appeal, *arguments, sender=poor, error="ERC20InsufficientBalance")
    assert values[2] == 7 * world.fee()


def test_appeal_refuses_a_fourth_instance(large):
    commitment = challenged(large)
    tallied(large, commitment, ["other"] * 3)
    appeal(large, commitment.job_id, large.seller)
    tallied(large, commitment, ["seller's"] * 7)
    appeal(large, commitment.job_id, large.buyer)
    tallied(large, commitment, ["other"] * 15)
    arguments = large.with_job(commitment.job_id)
    large.refuses(large.court.appeal, *arguments, sender=large.seller, error="FinalInstance")
    large.does(large.court.execute, *arguments, sender=large.stranger)  # nobody waits for an appeal any more
    assert large.status(commitment.job_id) is JobStatus.SLASHED


def test_tally_refuses_before_the_votes_are_in(world):
    commitment = challenged(world)
    call, job_id = world.court.tally, commitment.job_id
    values = world.refuses(call, job_id, sender=world.stranger, error="WrongBallotStatus")
    assert values == (BallotStatus.REVEALING, BallotStatus.DRAWING)
    world.draw_committee(job_id)
    world.refuses(call, job_id, sender=world.stranger, error="DeadlineRunning")


def test_tally_refuses_where_there_is_no_case_and_twice(world):
    commitment = world.submitted()
    world.refuses(world.court.tally, commitment.job_id, sender=world.stranger, error="WrongCaseStatus")
    challenge(world, commitment.job_id)
    tallied(world, commitment, ["other"] * 3)
    world.refuses(world.court.tally, commitment.job_id, sender=world.stranger, error="WrongCaseStatus")


def test_execute_refuses_while_somebody_may_appeal(world):
    commitment = challenged(world)
    tallied(world, commitment, ["other"] * 3)
    deadline = world.case(commitment.job_id).deadline
    world.travel_until(deadline)
    arguments = world.with_job(commitment.job_id)
    values = world.refuses(world.court.execute, *arguments, sender=world.stranger, error="CaseDeadlineRunning")
    assert values == (deadline, deadline)


def test_execute_refuses_before_the_tally_and_twice(world):
    commitment = challenged(world)
    arguments = world.with_job(commitment.job_id)
    world.refuses(world.court.execute, *arguments, sender=world.stranger, error="WrongCaseStatus")
    executed(world, commitment, ["seller's"] * 3)
    arguments = world.with_job(commitment.job_id)
    world.refuses(world.court.execute, *arguments, sender=world.stranger, error="WrongCaseStatus")


def test_execute_refuses_an_old_state(world):
    commitment = world.submitted()
    old = world.with_job(commitment.job_id)
    challenge(world, commitment.job_id)
    tallied(world, commitment, ["other"] * 3)
    world.past_case_deadline(commitment.job_id)
    world.refuses(world.court.execute, *old, sender=world.stranger, error="StaleJob")


def test_no_money_moves_before_a_ruling_is_final(world):
    commitment, before = submitted(world)
    challenge(world, commitment.job_id)
    tallied(world, commitment, ["other"] * 3)
    assert world.books.gains(before) == {"stranger": -5 * world.fee()}
    assert world.status(commitment.job_id) is JobStatus.CHALLENGED


# bonds and committees


def test_an_appeal_bonds_a_fee_for_every_seat_and_calls_seven_then_fifteen_who_are_new(large):
    commitment = challenged(large)
    job_id, fee = commitment.job_id, large.fee()
    first = tallied(large, commitment, ["other"] * 3)
    before = large.books.wealth()
    done = appeal(large, job_id, large.seller)
    assert large.books.gains(before) == {"seller": -7 * fee}
    assert (done.event("Appealed")["bond"], large.ballot(job_id).seats) == (7 * fee, 7)
    second = tallied(large, commitment, ["seller's"] * 7)
    before = large.books.wealth()
    appeal(large, job_id, large.buyer)
    assert large.books.gains(before) == {"buyer": -15 * fee}
    assert large.ballot(job_id).seats == 15
    third = tallied(large, commitment, ["seller's"] * 15)
    assert len({*first, *second, *third}) == 25


def test_the_denier_sits_in_no_committee_of_its_case(large):
    commitment = large.denied()
    job_id = commitment.job_id
    denier = large.name(large.judge_of(job_id))
    members = tallied(large, commitment, ["other"] * 3)
    appeal(large, job_id, large.seller)
    members += tallied(large, commitment, ["seller's"] * 7)
    appeal(large, job_id, large.buyer)
    members += tallied(large, commitment, ["seller's"] * 15)
    assert len(set(members)) == 25 and denier not in members
