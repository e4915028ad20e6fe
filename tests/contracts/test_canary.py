# SPDX-License-Identifier: Apache-2.0
"""Canaries: results that are false on purpose, to see whether judges look."""

import pytest
from commitments import Commitment
from eth_utils import keccak
from stories import challenge, executed, submit_as
from world import Terms

from swarm.protocol.types import MATCH, UNAVAILABLE, BallotStatus, CaseStatus, Comparison, JobStatus, Ruling

CANARY = keccak(text="ComputeSwarm canary")
TOLERANCE = Terms(comparison=Comparison.TOLERANCE)
EVIDENCE = b"\xe1" * 32


class Canary(Commitment):
    """Its outputs are marked; the trace roots hide the mark."""

    def opening(self, segment: int) -> tuple[bytes, bytes, bytes]:
        trace, _, cid = super().opening(segment)
        return trace, CANARY, cid


def audited(world, make=Canary, terms=TOLERANCE):
    """A drawn job of the class of words whose judge is at work."""
    job_id = world.accepted(terms)
    commitment, _ = submit_as(world, job_id, lambda nonce: make(job_id, terms.segments, nonce))
    world.bring_seed(world.job(job_id).epoch)
    world.open_audit(job_id)
    return commitment


def vouched(world, make=Canary):
    """Its segment and the judge whose word is false."""
    commitment = audited(world, make)
    case, job_id = world.case(commitment.job_id), commitment.job_id
    world.does(world.court.vouch, *world.with_job(job_id), EVIDENCE, sender=world.judge_of(job_id))
    return commitment, case


def opened(world, commitment, segment: int) -> tuple:
    return (*world.with_job(commitment.job_id), commitment.opening(segment), commitment.proof(segment))


def expose(world, commitment, segment: int):
    return world.does(world.court.exposeCanary, *opened(world, commitment, segment), sender=world.buyer)


def refuses(world, commitment, segment: int, error: str, sender=None) -> tuple:
    arguments = opened(world, commitment, segment)
    return world.refuses(world.court.exposeCanary, *arguments, sender=sender or world.buyer, error=error)


# refusals


def test_only_the_buyer_exposes(world):
    commitment, case = vouched(world)
    for sender in (world.seller, world.stranger):
        refuses(world, commitment, case.segment, "NotACanary", sender)


def test_a_segment_without_the_mark_is_no_canary(world):
    """A buyer cannot take a judge's bond with an ordinary job."""
    commitment, case = vouched(world, Commitment)
    refuses(world, commitment, case.segment, "NotACanary")


def test_a_mark_that_is_not_in_the_commitment_counts_nothing(world):
    commitment, case = vouched(world, Commitment)
    trace, _, cid = commitment.opening(case.segment)
    arguments = (*world.with_job(commitment.job_id), (trace, CANARY, cid), commitment.proof(case.segment))
    world.refuses(world.court.exposeCanary, *arguments, sender=world.buyer, error="OpeningNotCommitted")


def test_a_mark_in_a_segment_nobody_judged_counts_nothing(world):
    commitment, case = vouched(world)
    refuses(world, commitment, (case.segment + 1) % 5, "OpeningNotCommitted")


def test_a_proof_of_another_depth_is_refused(world):
    commitment, case = vouched(world)
    *rest, proof = opened(world, commitment, case.segment)
    for wrong in (proof[:-1], [*proof, bytes(32)]):
        world.refuses(world.court.exposeCanary, *rest, wrong, sender=world.buyer, error="OpeningNotCommitted")


@pytest.mark.parametrize("comparison", [Comparison.EXACT, Comparison.DELIVERY])
def test_other_classes_have_no_canaries(world, comparison):
    commitment = audited(world, terms=Terms(comparison=comparison))
    segment = world.case(commitment.job_id).segment
    assert refuses(world, commitment, segment, "NotForComparison") == (comparison,)


def test_it_cannot_be_exposed_before_the_judge_has_spoken(world):
    commitment = audited(world)
    refuses(world, commitment, world.case(commitment.job_id).segment, "NotACanary")


def test_it_cannot_be_exposed_once_others_work_on_the_denial(world):
    commitment = audited(world)
    world.deny(commitment)
    time = world.beacon.timeOf(world.ballot(commitment.job_id).epoch)
    world.travel_until(time)
    values = refuses(world, commitment, world.case(commitment.job_id).segment, "CaseDeadlinePassed")
    assert values == (time - 1, time)


def test_it_cannot_be_exposed_under_a_challenge(world):
    commitment, case = vouched(world)
    challenge(world, commitment.job_id, case.segment)
    refuses(world, commitment, case.segment, "NotACanary")


def test_it_cannot_be_exposed_after_the_settlement_or_twice(world):
    commitment, case = vouched(world)
    with world.kept():
        world.settle(commitment.job_id)
        refuses(world, commitment, case.segment, "NotACanary")
    expose(world, commitment, case.segment)
    refuses(world, commitment, case.segment, "NotACanary")


def test_it_cannot_be_exposed_with_an_old_state(world):
    commitment, case = vouched(world)
    job, state, *opening = opened(world, commitment, case.segment)
    richer = (*state[:7], state[7] + 1, *state[8:])
    world.refuses(world.court.exposeCanary, job, richer, *opening, sender=world.buyer, error="StaleJob")


def test_a_challenge_alone_leaves_nothing_to_expose(world):
    job_id = world.accepted(TOLERANCE)
    commitment, _ = submit_as(world, job_id, lambda nonce: Canary(job_id, 5, nonce))
    challenge(world, job_id)
    executed(world, commitment, [MATCH] * 3)
    refuses(world, commitment, 0, "NotACanary")


# what it does


def test_a_judge_who_vouched_for_it_loses_ten_fees_and_the_buyer_has_everything_back(world):
    commitment, case = vouched(world)
    job_id, judge = commitment.job_id, world.name(world.operator_of(case.judge))
    before, held, fee = world.books.wealth(), world.job(job_id).held, world.fee()
    expose(world, commitment, case.segment)
    assert world.books.gains(before) == {judge: -10 * fee, "buyer": held + 2 * fee, "pool": 8 * fee}
    assert not world.slot(case.judge).is_active
    assert world.status(job_id) is JobStatus.REFUNDED
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    assert tuple(world.reputation.recordOf(world.seller))[1:] == (0, 0)


def test_a_judge_who_saw_it_is_paid_and_loses_nothing(world):
    commitment = audited(world)
    job_id, case = commitment.job_id, world.case(commitment.job_id)
    judge, before, held = world.name(world.judge_of(job_id)), world.books.wealth(), world.job(job_id).held
    world.deny(commitment)
    expose(world, commitment, case.segment)
    assert world.books.gains(before) == {judge: world.fee(), "buyer": held - world.fee()}
    assert world.bond(case.judge).cases == world.bond(case.judge).reserved == 0
    assert world.slot(case.judge).is_active
    assert (world.case(job_id).status, world.case(job_id).ruling) == (CaseStatus.CLOSED, Ruling.CANARY)


def test_a_judge_who_only_could_not_fetch_it_is_not_paid(world):
    commitment = audited(world)
    segment, before = world.case(commitment.job_id).segment, world.books.wealth()
    held = world.job(commitment.job_id).held
    world.deny(commitment, UNAVAILABLE)
    expose(world, commitment, segment)
    assert world.books.gains(before) == {"buyer": held}


def test_no_committee_is_drawn_for_a_canary_that_was_exposed(world):
    """Judges drawn for a closed case could never be released."""
    commitment = audited(world)
    segment, job_id = world.case(commitment.job_id).segment, commitment.job_id
    world.deny(commitment)
    expose(world, commitment, segment)
    world.bring_seed(world.ballot(job_id).epoch)
    job, state, terms = world.with_terms(job_id)
    arguments = (job, 1, state, terms)
    values = world.refuses(world.ballots.drawCommittee, *arguments, sender=world.stranger, error="WrongBallotStatus")
    assert values == (BallotStatus.DRAWING, BallotStatus.FAILED)
    world.refuses(world.court.tally, job_id, sender=world.stranger, error="WrongCaseStatus")


def test_an_acquittal_does_not_hide_a_canary(world):
    """Three more judges vouched for it: the buyer may still show the first one's word false."""
    commitment, case = vouched(world)
    challenge(world, commitment.job_id, case.segment)
    executed(world, commitment, [MATCH] * 3)
    judge, before = world.name(world.operator_of(case.judge)), world.books.wealth()
    expose(world, commitment, case.segment)
    assert world.books.gains(before)[judge] == -10 * world.fee()


def test_what_live_cases_reserve_is_not_taken_twice(world):
    """A slot with 500 and a live case that reserves 120 has 380 to lose: ten fees of this job and no more."""
    commitment, case = vouched(world)
    while world.case(world.audited().job_id).judge != case.judge:
        assert world.escrow.jobCount() < 40, "the judge was never drawn again"
    reserved = world.bond(case.judge).reserved
    expose(world, commitment, case.segment)
    bond = world.bond(case.judge)
    assert bond.left == world.params.slot_bond - 10 * world.fee()
    assert bond.reserved == reserved == 5 * world.fee() <= bond.left
