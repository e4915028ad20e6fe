# SPDX-License-Identifier: Apache-2.0
"""What becomes of an appeal: upheld, overturned, heard by few, by nobody; who pays for whose error."""

from stories import (
    Reckoning,
    add,
    appeal,
    challenge,
    challenged,
    draw_short,
    each,
    executed,
    leave_only,
    submitted,
    tallied,
    vote,
)

from swarm.protocol.types import BallotStatus, JobStatus, Ruling

# outcomes


def test_an_upheld_acquittal_costs_the_appellant_its_bond(large):
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    members = tallied(large, commitment, ["seller's"] * 3)
    appeal(large, commitment.job_id, large.buyer)
    members += executed(large, commitment, ["seller's"] * 7)
    fee = large.fee()
    pot = (5 + 7) * fee  # the challenger's and the appellant's bonds
    gains = Reckoning(large, commitment.job_id, pot=pot, pool=before["pool"], levy_open=False).acquitted(members)
    assert large.books.gains(before) == add(gains, {"stranger": -5 * fee, "buyer": -7 * fee})


def test_an_upheld_conviction_costs_the_seller_its_bond_as_well(large):
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    members = tallied(large, commitment, ["other"] * 3)
    appeal(large, commitment.job_id, large.seller)
    members += executed(large, commitment, ["other"] * 7)
    pot = 7 * large.fee()
    gains = Reckoning(large, commitment.job_id, pot=pot, pool=before["pool"]).slashed(members, ["stranger"])
    assert large.books.gains(before) == add(gains, {"seller": -pot})


def test_a_conviction_that_seven_overturn_returns_the_sellers_bond_and_three_judges_pay(large):
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    wrong = tallied(large, commitment, ["other"] * 3)
    appeal(large, commitment.job_id, large.seller)
    right = executed(large, commitment, ["seller's"] * 7)
    fee = large.fee()
    pot = (15 + 5) * fee  # three judges, and the challenger's bond
    gains = Reckoning(large, commitment.job_id, pot=pot, levy_open=False).acquitted(right)
    assert large.books.gains(before) == add(gains, each(wrong, -5 * fee), {"stranger": -5 * fee})
    assert large.status(commitment.job_id) is JobStatus.SUBMITTED


def test_an_acquittal_that_seven_overturn_makes_its_appellant_an_accuser(large):
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    wrong = tallied(large, commitment, ["seller's"] * 3)
    appeal(large, commitment.job_id, large.buyer)
    right = executed(large, commitment, ["other"] * 7)
    fee = large.fee()
    gains = Reckoning(large, commitment.job_id, pot=15 * fee).slashed(right, ["stranger", "buyer"])
    assert large.books.gains(before) == add(gains, each(wrong, -5 * fee))


def test_fifteen_have_the_last_word(large):
    """3 convict, 7 acquit, 15 convict: who stood against the last ruling pays, who stood for it is paid."""
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    right = tallied(large, commitment, ["other"] * 3)
    appeal(large, commitment.job_id, large.seller)
    wrong = tallied(large, commitment, ["seller's"] * 7)
    appeal(large, commitment.job_id, large.buyer)
    right += executed(large, commitment, ["other"] * 15)
    fee = large.fee()
    pot = (7 * 5 + 7) * fee  # seven judges, and the seller's bond
    gains = Reckoning(large, commitment.job_id, pot=pot).slashed(right, ["stranger", "buyer"])
    assert large.books.gains(before) == add(gains, each(wrong, -5 * fee), {"seller": -7 * fee})


def test_an_audit_that_fifteen_acquit_costs_the_denier_and_every_judge_against_them(large):
    commitment = large.audited()
    before = large.books.wealth()
    large.deny(commitment)
    denier = large.name(large.judge_of(commitment.job_id))
    wrong = tallied(large, commitment, ["other"] * 3)
    appeal(large, commitment.job_id, large.seller)
    wrong += tallied(large, commitment, ["other"] * 7)
    appeal(large, commitment.job_id, large.seller)
    gains_pot = (5 + 15 + 35) * large.fee()
    reckoning = Reckoning(large, commitment.job_id, pot=gains_pot)
    members = tallied(large, commitment, ["seller's"] * 15)
    expected = reckoning.acquitted(members)
    large.execute(commitment.job_id)
    fee = large.fee()
    assert large.books.gains(before) == add(expected, each([denier, *wrong], -5 * fee))
    assert large.job(commitment.job_id).audited


def test_a_seller_who_appeals_into_its_own_conviction_is_no_accuser(large):
    """Void, and then seven convict: the bond returns, since the appeal changed the ruling, but no share."""
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    wrong = tallied(large, commitment, ["third", "seller's", None])
    appeal(large, commitment.job_id, large.seller)
    right = executed(large, commitment, ["other"] * 7)
    fee = large.fee()
    gains = Reckoning(large, commitment.job_id, pot=11 * fee).slashed(right, ["stranger"])
    losses = {wrong[0]: -5 * fee, wrong[1]: -5 * fee, wrong[2]: -fee}
    assert large.books.gains(before) == add(gains, losses)


def test_a_void_ruling_can_become_an_acquittal(large):
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    first = tallied(large, commitment, ["other", "seller's", "third"])
    appeal(large, commitment.job_id, large.seller)
    right = [first[1], *executed(large, commitment, ["seller's"] * 7)]
    fee = large.fee()
    gains = Reckoning(large, commitment.job_id, pot=15 * fee, levy_open=False).acquitted(right)
    losses = {"stranger": -5 * fee, first[0]: -5 * fee, first[2]: -5 * fee}
    assert large.books.gains(before) == add(gains, losses)


# committees that are short, silent, or missing


def test_an_appeal_takes_all_who_are_left_when_the_window_is_over(world):
    """Five of seven are left: they are enough, but only after the time to find more."""
    world.more_judges(2)
    world.travel(1)
    commitment = challenged(world)
    tallied(world, commitment, ["other"] * 3)
    appeal(world, commitment.job_id, world.seller)
    draw_short(world, commitment.job_id)
    assert world.ballot(commitment.job_id).size == 5
    vote(world, commitment, ["seller's"] * 3 + ["other"] * 2)
    world.tally(commitment.job_id)
    assert world.case(commitment.job_id).ruling is Ruling.ACQUITTED


def test_a_short_committee_is_odd_and_who_is_dropped_is_free(world):
    """Four are left: three sit, the fourth has no case."""
    world.more_judges(1)
    world.travel(1)
    commitment = challenged(world)
    tallied(world, commitment, ["other"] * 3)
    first = set(world.ballot(commitment.job_id).committee)
    appeal(world, commitment.job_id, world.seller)
    draw_short(world, commitment.job_id)
    committee = world.ballot(commitment.job_id).committee
    assert len(committee) == 3
    (dropped,) = set(range(1, 8)) - first - set(committee)
    assert world.bond(dropped).cases == world.bond(dropped).reserved == 0


def test_an_appeal_nobody_can_hear_gives_its_bond_back_and_the_ruling_stands(world):
    commitment, before = submitted(world)
    challenge(world, commitment.job_id)
    members = tallied(world, commitment, ["other"] * 3)
    leave_only(world, set(world.ballot(commitment.job_id).committee))
    world.travel(1)
    appeal(world, commitment.job_id, world.seller)
    draw_short(world, commitment.job_id)
    assert world.ballot(commitment.job_id).status is BallotStatus.FAILED
    world.tally(commitment.job_id)
    assert world.case(commitment.job_id).ruling is Ruling.SLASHED
    world.execute(commitment.job_id)
    assert world.books.gains(before) == Reckoning(world, commitment.job_id).slashed(members, ["stranger"])


def test_a_silent_appeal_changes_nothing_but_what_the_silent_pay(large):
    """Principle 2: silence is never better than losing. Seven who do not answer do not save a cheat."""
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    members = tallied(large, commitment, ["other"] * 3)
    appeal(large, commitment.job_id, large.seller)
    silent = executed(large, commitment, [None] * 7)
    fee = large.fee()
    gains = Reckoning(large, commitment.job_id, pot=7 * fee).slashed(members, ["stranger"])
    assert large.books.gains(before) == add(gains, each(silent, -fee))
    assert large.status(commitment.job_id) is JobStatus.SLASHED


def test_a_dropped_challenge_that_nobody_hears_on_appeal_stays_dropped(large):
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    silent = tallied(large, commitment, [None] * 3)
    appeal(large, commitment.job_id, large.stranger)
    silent += executed(large, commitment, [None] * 7)
    fee = large.fee()
    assert large.books.gains(before) == add(each(silent, -fee), {"pool": 10 * fee})
    assert large.status(commitment.job_id) is JobStatus.SUBMITTED


def test_a_dropped_challenge_can_be_heard_on_appeal(large):
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    silent = tallied(large, commitment, [None] * 3)
    appeal(large, commitment.job_id, large.stranger)
    right = executed(large, commitment, ["other"] * 7)
    fee = large.fee()
    gains = Reckoning(large, commitment.job_id, pot=3 * fee).slashed(right, ["stranger", "stranger"])
    assert large.books.gains(before) == add(gains, each(silent, -fee))
