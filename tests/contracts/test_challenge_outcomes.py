# SPDX-License-Identifier: Apache-2.0
"""What becomes of a challenge: shares, losing bonds, overturned confirmations, and nobody who answers."""

from stories import (
    Reckoning,
    add,
    challenge,
    confirmed,
    each,
    executed,
    join,
    leave_only,
    unheard,
)

from swarm.protocol.types import UNAVAILABLE, JobStatus, Ruling


def bond(world) -> int:
    return 5 * world.fee()


# what becomes of it


def test_a_challenger_who_was_right_has_its_share_and_its_bond(world):
    commitment = world.submitted(drawn=False, collateral=world.least_collateral())
    before = world.books.wealth()
    challenge(world, commitment.job_id)
    members = executed(world, commitment, ["other"] * 3)
    assert world.books.gains(before) == Reckoning(world, commitment.job_id).slashed(members, ["stranger"])
    assert world.status(commitment.job_id) is JobStatus.SLASHED


def test_several_challengers_share_equally_and_no_accuser_gets_more_than_half(world):
    """Principle 7: everybody who was right, never "first wins"."""
    commitment = world.submitted(drawn=False, collateral=997 * 10**18 + 1)
    before = world.books.wealth()
    challenge(world, commitment.job_id)
    join(world, commitment.job_id, world.judges[0])
    join(world, commitment.job_id, world.stranger)
    members = executed(world, commitment, ["other"] * 3)
    accusers = ["stranger", "judge 0", "stranger"]
    expected = Reckoning(world, commitment.job_id).slashed(members, accusers)
    assert world.books.gains(before) == expected
    assert 2 * expected["stranger"] <= -expected["seller"]
    assert world.court.challengersOf(commitment.job_id) == ()


def test_losing_bonds_pay_the_committee_then_a_fifth_to_the_seller_and_the_rest_to_the_pool(world):
    commitment = world.submitted(drawn=False, collateral=world.least_collateral())
    before = world.books.wealth()
    challenge(world, commitment.job_id)
    join(world, commitment.job_id, world.buyer)
    members = executed(world, commitment, ["seller's"] * 3)
    rest = 2 * bond(world) - 3 * world.fee()
    expected = {"stranger": -bond(world), "buyer": -bond(world), "seller": rest // 5, "pool": rest - rest // 5}
    assert world.books.gains(before) == add(expected, each(members, world.fee()))
    assert world.status(commitment.job_id) is JobStatus.SUBMITTED


def test_a_challenge_that_lost_leaves_the_job_as_it_was(world):
    """Windows never shorten, and the levy is closed once: by the settlement."""
    commitment = world.submitted(drawn=False, collateral=world.least_collateral())
    job = world.job(commitment.job_id)
    world.bring_seed(job.epoch)
    challenge(world, commitment.job_id)
    executed(world, commitment, ["seller's"] * 3)
    assert world.job(commitment.job_id) == job
    before, levy = world.books.wealth(), world.levy(commitment.job_id)
    world.settle(commitment.job_id)
    fee = job.price // 100
    gains = {"seller": job.price - fee, "buyer": job.held - job.price - levy, "burned": fee // 2}
    assert world.books.gains(before) == gains | {"pool": fee // 2 + levy}


def test_a_challenge_does_not_answer_the_draw(world):
    """A friend's challenge of a good segment must not save a drawn job from its judge."""
    commitment = world.submitted(drawn=True)
    challenge(world, commitment.job_id)
    executed(world, commitment, ["seller's"] * 3)
    job = world.job(commitment.job_id)
    world.bring_seed(job.epoch)
    assert not job.audited
    world.past_deadline(commitment.job_id)
    arguments = world.with_job(commitment.job_id)
    world.refuses(world.escrow.settle, *arguments, sender=world.buyer, error="AuditPending")
    world.open_audit(commitment.job_id)
    assert world.case(commitment.job_id).answers_draw
    world.confirm(commitment)
    world.settle(commitment.job_id)


def test_rounds_of_a_later_case_have_numbers_of_their_own(world):
    """No seal and no draw is used twice."""
    commitment = world.submitted(drawn=True)
    challenge(world, commitment.job_id)
    executed(world, commitment, ["seller's"] * 3)
    first = world.case(commitment.job_id)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.open_audit(commitment.job_id)
    world.deny(commitment)
    second = world.case(commitment.job_id)
    assert (first.first_round, first.round) == (1, 1)
    assert (second.first_round, second.round) == (3, 3)


# a challenge of what a judge confirmed


def test_a_challenge_overturns_a_confirmation_and_costs_the_judge_ten_fees_and_its_seat(world):
    commitment = confirmed(world)
    job_id = commitment.job_id
    case, judge = world.case(job_id), world.name(world.operator_of(world.case(job_id).judge))
    before, left = world.books.wealth(), world.bond(case.judge).left
    challenge(world, job_id, case.segment)
    members = executed(world, commitment, ["other"] * 3)
    reckoning = Reckoning(world, job_id, pot=10 * world.fee(), pool=before["pool"], levy_open=False)
    expected = add(reckoning.slashed(members, ["stranger"]), {judge: -10 * world.fee()})
    assert world.books.gains(before) == expected
    assert not world.slot(case.judge).is_active
    assert world.bond(case.judge).left == left - 10 * world.fee()
    assert judge not in members


def test_a_judge_answers_only_for_the_segment_it_confirmed(world):
    commitment = confirmed(world)
    job_id = commitment.job_id
    case = world.case(job_id)
    before = world.books.wealth()
    challenge(world, job_id, (case.segment + 1) % 5)
    members = executed(world, commitment, ["other"] * 3)
    reckoning = Reckoning(world, job_id, pool=before["pool"], levy_open=False)
    assert world.books.gains(before) == reckoning.slashed(members, ["stranger"])
    assert world.slot(case.judge).is_active


def test_files_that_vanish_after_a_confirmation_do_not_prove_the_judge_wrong(world):
    commitment = confirmed(world)
    case = world.case(commitment.job_id)
    challenge(world, commitment.job_id, case.segment)
    executed(world, commitment, [UNAVAILABLE] * 3)
    assert world.status(commitment.job_id) is JobStatus.SLASHED
    assert world.slot(case.judge).is_active
    assert world.bond(case.judge).left == world.params.slot_bond


def test_a_confirmation_that_a_committee_upholds_costs_its_judge_nothing(world):
    commitment = confirmed(world)
    case = world.case(commitment.job_id)
    challenge(world, commitment.job_id, case.segment)
    executed(world, commitment, ["seller's"] * 3)
    assert world.slot(case.judge).is_active
    assert world.bond(case.judge).left == world.params.slot_bond
    world.settle(commitment.job_id)


def test_the_judge_whose_word_is_in_question_is_not_drawn_to_judge_it(world):
    """Four seats are left and three are wanted: only without its exclusion could it be among them."""
    commitment = confirmed(world)
    case = world.case(commitment.job_id)
    others = [slot for slot in range(1, 7) if slot != case.judge][:3]
    leave_only(world, {case.judge, *others})
    world.travel(1)
    challenge(world, commitment.job_id, case.segment)
    world.draw_committee(commitment.job_id)
    assert sorted(world.ballot(commitment.job_id).committee) == others


# nobody answers


def test_a_challenge_without_a_committee_is_dropped_and_bonds_return(world):
    """Principle 5: missing judges fail open; it is as if nobody had challenged."""
    commitment = world.submitted(drawn=False, collateral=world.least_collateral())
    job, before = world.job(commitment.job_id), world.books.wealth()
    leave_only(world, {1, 2})
    world.travel(1)
    challenge(world, commitment.job_id)
    join(world, commitment.job_id, world.buyer)
    unheard(world, commitment.job_id)
    assert world.case(commitment.job_id).ruling is Ruling.UNJUDGED
    arguments = world.with_job(commitment.job_id)
    world.refuses(world.court.appeal, *arguments, sender=world.stranger, error="CaseDeadlinePassed")
    world.execute(commitment.job_id)
    assert world.books.gains(before) == {}
    assert world.job(commitment.job_id) == job
    assert world.bond(1) == world.bond(2)
    assert world.bond(1).cases == 0


def test_a_silent_committee_drops_the_challenge_and_pays_for_its_silence(world):
    commitment = world.submitted(drawn=False, collateral=world.least_collateral())
    job, before = world.job(commitment.job_id), world.books.wealth()
    challenge(world, commitment.job_id)
    members = executed(world, commitment, [None] * 3)
    assert world.case(commitment.job_id).ruling is Ruling.UNJUDGED
    assert world.books.gains(before) == each(members, -world.fee()) | {"pool": 3 * world.fee()}
    assert world.job(commitment.job_id) == job


def test_a_challenge_judges_disagree_about_is_void_and_no_bond_is_lost(world):
    """Invariants 14 and 16."""
    commitment = world.submitted(drawn=False, collateral=world.least_collateral())
    before = world.books.wealth()
    challenge(world, commitment.job_id)
    members = executed(world, commitment, ["other", "third", "seller's"])
    assert world.books.gains(before) == Reckoning(world, commitment.job_id).void(members)
    assert world.status(commitment.job_id) is JobStatus.VOID
