# SPDX-License-Identifier: Apache-2.0
"""challenge and joinChallenge: who may, when, and for what bond."""

import pytest
from stories import (
    appeal,
    challenge,
    challenged,
    join,
    tallied,
)
from world import Terms

from swarm.protocol.types import UNDELIVERED, CaseStatus, Comparison, JobStatus


def bond(world) -> int:
    return 5 * world.fee()


# who may challenge, and when


def test_challenge_refuses_a_job_nobody_has_handed_in(world):
    for job_id in (world.post(), world.accepted()):
        arguments = (*world.with_terms(job_id), 0)
        values = world.refuses(world.court.challenge, *arguments, sender=world.stranger, error="WrongStatus")
        assert values == (JobStatus.SUBMITTED, world.status(job_id))


def test_challenge_refuses_a_settled_job(world):
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.settle(commitment.job_id, sender=world.buyer)
    arguments = (*world.with_terms(commitment.job_id), 0)
    world.refuses(world.court.challenge, *arguments, sender=world.stranger, error="WrongStatus")


def test_challenge_refuses_after_the_audit_window(world):
    commitment = world.submitted()
    deadline = world.job(commitment.job_id).deadline
    world.past_deadline(commitment.job_id)
    arguments = (*world.with_terms(commitment.job_id), 0)
    values = world.refuses(world.court.challenge, *arguments, sender=world.stranger, error="TooLate")
    assert values == (deadline, deadline + 1)


def test_challenge_is_in_time_in_the_last_second_of_the_window(world):
    commitment = world.submitted()
    world.rpc.next_at(world.job(commitment.job_id).deadline)
    challenge(world, commitment.job_id)
    assert world.status(commitment.job_id) is JobStatus.CHALLENGED


def test_challenge_refuses_the_seller(world):
    commitment = world.submitted()
    arguments = (*world.with_terms(commitment.job_id), 0)
    world.refuses(world.court.challenge, *arguments, sender=world.seller, error="SellerChallenges")


@pytest.mark.parametrize("segment", [5, 6, UNDELIVERED - 1])
def test_challenge_refuses_a_segment_the_job_does_not_have(world, segment):
    commitment = world.submitted()
    arguments = (*world.with_terms(commitment.job_id), segment)
    values = world.refuses(world.court.challenge, *arguments, sender=world.stranger, error="NoSuchSegment")
    assert values == (segment,)


def test_challenge_refuses_a_segment_nobody_could_compare(world):
    """Delivery class: only a result that cannot be fetched is a fault."""
    commitment = world.submitted(Terms(comparison=Comparison.DELIVERY))
    arguments = (*world.with_terms(commitment.job_id), 0)
    world.refuses(world.court.challenge, *arguments, sender=world.stranger, error="NoSuchSegment")


def test_challenge_refuses_an_old_state_and_other_terms(world):
    job_id = world.accepted()
    old = world.job(job_id).state()
    world.submit(job_id)
    job, state, terms = world.with_terms(job_id)
    world.refuses(world.court.challenge, job, old, terms, 0, sender=world.stranger, error="StaleJob")
    other = Terms(segments=6).values()
    world.refuses(world.court.challenge, job, state, other, 0, sender=world.stranger, error="TermsDiffer")


def test_challenge_refuses_while_a_judge_or_a_committee_is_at_work(world):
    commitment = world.audited()
    arguments = (*world.with_terms(commitment.job_id), 0)
    world.refuses(world.court.challenge, *arguments, sender=world.stranger, error="CaseAlreadyOpen")
    world.deny(commitment)
    arguments = (*world.with_terms(commitment.job_id), 0)
    world.refuses(world.court.challenge, *arguments, sender=world.stranger, error="CaseAlreadyOpen")


def test_challenge_refuses_a_second_challenge(world):
    commitment = challenged(world)
    arguments = (*world.with_terms(commitment.job_id), 1)
    world.refuses(world.court.challenge, *arguments, sender=world.buyer, error="CaseAlreadyOpen")


def test_challenge_refuses_who_cannot_pay_the_bond(world):
    commitment = world.submitted()
    poor = world.newcomer("poor")
    world.enrich(poor, bond(world) - 1)
    arguments = (*world.with_terms(commitment.job_id), 0)
    values = world.refuses(world.court.challenge, *arguments, sender=poor, error="ERC20InsufficientBalance")
    assert values[1:] == (bond(world) - 1, bond(world))


# what a challenge does


def test_a_challenge_bonds_five_fees_and_calls_three_judges(world):
    commitment = world.submitted()
    before = world.books.wealth()
    done = challenge(world, commitment.job_id, 2)
    assert world.books.gains(before) == {"stranger": -bond(world)}
    event = done.event("Challenged")
    assert (event["jobId"], event["segment"], event["bond"]) == (commitment.job_id, 2, bond(world))
    case, ballot = world.case(commitment.job_id), world.ballot(commitment.job_id)
    assert (case.status, case.segment, case.instance, case.judge) == (CaseStatus.VOTING, 2, 1, 0)
    assert (ballot.segment, ballot.seats) == (2, 3)
    assert not case.answers_draw
    assert world.court.challengersOf(commitment.job_id) == (world.stranger.address,)


def test_a_challenged_job_waits_with_its_settlement_and_its_audit(world):
    """Invariant 11: never settled while challenged."""
    commitment = world.submitted(drawn=True)
    challenge(world, commitment.job_id)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.past_deadline(commitment.job_id)
    for sender in (world.stranger, world.buyer):
        arguments = world.with_job(commitment.job_id)
        values = world.refuses(world.escrow.settle, *arguments, sender=sender, error="WrongStatus")
        assert values == (JobStatus.SUBMITTED, JobStatus.CHALLENGED)
    arguments = world.with_terms(commitment.job_id)
    world.refuses(world.escrow.openAudit, *arguments, sender=world.stranger, error="WrongStatus")


def test_the_buyer_may_challenge(world):
    commitment = world.submitted()
    before = world.books.wealth()
    challenge(world, commitment.job_id, by=world.buyer)
    assert world.books.gains(before) == {"buyer": -bond(world)}


# joining


def test_join_refuses_where_nobody_challenged(world):
    commitment = world.submitted()
    arguments = world.with_job(commitment.job_id)
    values = world.refuses(world.court.joinChallenge, *arguments, sender=world.stranger, error="WrongCaseStatus")
    assert values == (CaseStatus.VOTING, CaseStatus.NONE)


def test_join_refuses_a_drawn_audit(world):
    commitment = world.denied()
    arguments = world.with_job(commitment.job_id)
    world.refuses(world.court.joinChallenge, *arguments, sender=world.stranger, error="NotAChallenge")


def test_join_refuses_an_appeal(world):
    """Whoever joins an appeal would know what three judges think."""
    world.more_judges(4)
    commitment = challenged(world)
    tallied(world, commitment, ["seller's"] * 3)
    appeal(world, commitment.job_id)
    arguments = world.with_job(commitment.job_id)
    world.refuses(world.court.joinChallenge, *arguments, sender=world.buyer, error="NotAChallenge")


def test_join_refuses_from_the_seeds_second_on(world):
    commitment = challenged(world)
    time = world.beacon.timeOf(world.ballot(commitment.job_id).epoch)
    world.travel_until(time)
    arguments = world.with_job(commitment.job_id)
    values = world.refuses(world.court.joinChallenge, *arguments, sender=world.buyer, error="CaseDeadlinePassed")
    assert values == (time - 1, time)


def test_join_is_in_time_in_the_last_second_before_the_seed(world):
    commitment = challenged(world)
    world.rpc.next_at(world.beacon.timeOf(world.ballot(commitment.job_id).epoch) - 1)
    join(world, commitment.job_id, world.buyer)
    assert world.court.challengersOf(commitment.job_id) == (world.stranger.address, world.buyer.address)


def test_join_refuses_the_ninth_challenger(world):
    """Regression: an unbounded list of contributors."""
    commitment = challenged(world)
    for _ in range(7):
        join(world, commitment.job_id, world.buyer)
    arguments = world.with_job(commitment.job_id)
    values = world.refuses(world.court.joinChallenge, *arguments, sender=world.buyer, error="TooManyChallengers")
    assert values == (8,)


def test_join_refuses_the_seller(world):
    commitment = challenged(world)
    arguments = world.with_job(commitment.job_id)
    world.refuses(world.court.joinChallenge, *arguments, sender=world.seller, error="SellerChallenges")


def test_join_refuses_an_old_state(world):
    commitment = world.submitted()
    old = world.with_job(commitment.job_id)
    challenge(world, commitment.job_id)
    world.refuses(world.court.joinChallenge, *old, sender=world.buyer, error="StaleJob")


def test_joining_takes_the_same_bond(world):
    commitment = challenged(world)
    before = world.books.wealth()
    join(world, commitment.job_id, world.buyer)
    assert world.books.gains(before) == {"buyer": -bond(world)}
