# SPDX-License-Identifier: Apache-2.0
"""Results that cannot be fetched: challenged, denied, convicted, or published late."""

import pytest
from stories import Reckoning, add, challenge, challenged, each, executed, join, submitted, vote
from world import Terms

from swarm.protocol.types import MATCH, MISMATCH, UNAVAILABLE, UNDELIVERED, Comparison, JobStatus, Ruling

CLASSES = list(Comparison)


@pytest.mark.parametrize("comparison", CLASSES)
def test_anyone_may_ask_whether_a_result_of_any_class_is_there(world, comparison):
    commitment = challenged(world, Terms(comparison=comparison), segment=UNDELIVERED)
    assert world.ballot(commitment.job_id).segment == world.case(commitment.job_id).segment == UNDELIVERED


@pytest.mark.parametrize("comparison", CLASSES)
def test_members_may_say_only_that_it_is_there_or_not(world, comparison):
    commitment = challenged(world, Terms(comparison=comparison), segment=UNDELIVERED)
    world.draw_committee(commitment.job_id)
    members = world.members(commitment.job_id)
    for member, word in zip(members, (MISMATCH, b"\x99" * 32, MATCH), strict=True):
        world.seal(commitment, member, word)
    for member, word in zip(members[:2], (MISMATCH, b"\x99" * 32), strict=True):
        call, arguments = world.revelation(commitment, member, word)
        assert world.refuses(call, *arguments, sender=member, error="WrongVerdict") == (word,)
    world.reveal(commitment, members[2], MATCH)


def test_a_re_execution_does_not_answer_whether_a_result_is_there(world):
    commitment = challenged(world, segment=UNDELIVERED)
    world.draw_committee(commitment.job_id)
    members = world.members(commitment.job_id)
    for member in members:
        world.seal(commitment, member, MATCH)
    place, envelope = (commitment.job_id, 1, 0), (b"\xe1" * 32, b"\x07" * 32)
    arguments = (*place, world.job(commitment.job_id).state(), commitment.opening(0), envelope, commitment.proof(0))
    values = world.refuses(world.ballots.reveal, *arguments, sender=members[0], error="WrongSegment")
    assert values == (UNDELIVERED,)


def test_a_committee_that_cannot_fetch_the_result_slashes(world):
    commitment, before = submitted(world)
    challenge(world, commitment.job_id, UNDELIVERED)
    members = executed(world, commitment, [UNAVAILABLE] * 3)
    assert world.books.gains(before) == Reckoning(world, commitment.job_id).slashed(members, ["stranger"])
    assert world.status(commitment.job_id) is JobStatus.SLASHED


def test_two_of_three_are_enough_and_the_third_pays_five_fees(world):
    commitment, before = submitted(world)
    challenge(world, commitment.job_id, UNDELIVERED)
    members = executed(world, commitment, [UNAVAILABLE, MATCH, UNAVAILABLE])
    reckoning = Reckoning(world, commitment.job_id, pot=5 * world.fee())
    expected = reckoning.slashed([members[0], members[2]], ["stranger"])
    assert world.books.gains(before) == add(expected, {members[1]: -5 * world.fee()})


def test_one_against_one_and_one_absent_is_void(world):
    commitment, before = submitted(world)
    challenge(world, commitment.job_id, UNDELIVERED)
    members = executed(world, commitment, [UNAVAILABLE, MATCH, None])
    expected = Reckoning(world, commitment.job_id, pot=world.fee()).void(members[:2])
    assert world.books.gains(before) == add(expected, {members[2]: -world.fee()})


def test_publishing_after_a_challenge_earns_the_seller_nothing(world):
    """The challengers pay the committee, no more; the harmed side's fifth is not for who may have been late."""
    commitment, before = submitted(world)
    challenge(world, commitment.job_id, UNDELIVERED)
    join(world, commitment.job_id, world.buyer)
    members = executed(world, commitment, [MATCH] * 3)
    fee = world.fee()
    expected = {"stranger": -3 * fee, "buyer": -3 * fee, "pool": 3 * fee}
    assert world.books.gains(before) == add(expected, each(members, fee))
    assert world.status(commitment.job_id) is JobStatus.SUBMITTED


def test_withholding_until_the_first_denial_costs_the_judge_one_fee_and_a_strike(world):
    """It could not fetch, and told so; the seller published before the committee looked."""
    commitment = world.audited()
    job_id, slot = commitment.job_id, world.case(commitment.job_id).judge
    denier, before = world.name(world.judge_of(job_id)), world.books.wealth()
    world.deny(commitment, UNAVAILABLE)
    members = executed(world, commitment, ["seller's"] * 3)
    reckoning = Reckoning(world, job_id, pot=world.fee(), pool=before["pool"], seller_harmed=False)
    assert world.books.gains(before) == add(reckoning.acquitted(members), {denier: -world.fee()})
    assert world.slot(slot).strikes == 1 and world.slot(slot).is_active
    assert world.job(job_id).audited


def test_a_false_denial_of_the_content_costs_five_fees_and_no_strike(world):
    commitment = world.audited()
    job_id, slot = commitment.job_id, world.case(commitment.job_id).judge
    denier, before = world.name(world.judge_of(job_id)), world.books.wealth()
    world.deny(commitment)
    members = executed(world, commitment, ["seller's"] * 3)
    fee = world.fee()
    expected = Reckoning(world, job_id, pot=5 * fee, pool=before["pool"]).acquitted(members)
    assert world.books.gains(before) == add(expected, {denier: -5 * fee})
    assert world.slot(slot).strikes == 0


def test_a_withholding_seller_is_slashed_by_those_who_could_not_fetch_either(world):
    commitment = world.audited()
    job_id, denier = commitment.job_id, world.name(world.judge_of(commitment.job_id))
    before = world.books.wealth()
    world.deny(commitment, UNAVAILABLE)
    members = executed(world, commitment, [UNAVAILABLE] * 3)
    expected = Reckoning(world, job_id, pool=before["pool"]).slashed(members, first=denier)
    assert world.books.gains(before) == expected


def test_a_judge_who_could_not_fetch_what_others_find_false_gains_and_loses_nothing(world):
    commitment = world.audited()
    job_id, denier = commitment.job_id, world.name(world.judge_of(commitment.job_id))
    before = world.books.wealth()
    world.deny(commitment, UNAVAILABLE)
    members = executed(world, commitment, ["other"] * 3)
    gains = world.books.gains(before)
    assert denier not in gains
    assert gains == Reckoning(world, job_id, pool=before["pool"]).slashed(members)


def test_in_the_exact_class_a_member_cannot_acquit_by_word(world):
    commitment = world.committee()
    member = world.members(commitment.job_id)[0]
    world.seal(commitment, member, MATCH)
    world.past_case_deadline(commitment.job_id)
    call, arguments = world.revelation(commitment, member, MATCH)
    world.refuses(call, *arguments, sender=member, error="WrongVerdict")


@pytest.mark.parametrize("words", [[UNAVAILABLE] * 3, [MATCH] * 3])
def test_the_delivery_class_knows_only_whether_the_result_is_there(world, words):
    commitment = world.denied(Terms(comparison=Comparison.DELIVERY))
    world.draw_committee(commitment.job_id)
    vote(world, commitment, words)
    world.tally(commitment.job_id)
    expected = Ruling.SLASHED if words[0] == UNAVAILABLE else Ruling.ACQUITTED
    assert world.case(commitment.job_id).ruling is expected


def test_the_delivery_class_knows_no_mismatch(world):
    commitment = world.committee(Terms(comparison=Comparison.DELIVERY))
    member = world.members(commitment.job_id)[0]
    world.seal(commitment, member, MISMATCH)
    world.past_case_deadline(commitment.job_id)
    call, arguments = world.revelation(commitment, member, MISMATCH)
    world.refuses(call, *arguments, sender=member, error="WrongVerdict")
