# SPDX-License-Identifier: Apache-2.0
"""Void: judges who do not agree slash nobody; the payment is split, bonds return, the pool pays what it can."""

from stories import Reckoning, add, appeal, challenge, each, executed, join, leave_only, submitted, tallied, unheard
from world import Terms

from swarm.protocol.parameters import TOKEN
from swarm.protocol.types import CaseStatus, JobStatus, Ruling

APART = ["other", "third", "seller's"]


def denied(world, terms=None):
    """A denied audit, its denier's name, and what everybody owned before the denial."""
    commitment = world.audited(terms)
    before = world.books.wealth()
    world.deny(commitment)
    return commitment, world.name(world.judge_of(commitment.job_id)), before


def test_judges_who_disagree_slash_nobody(world):
    commitment, denier, before = denied(world)
    members = executed(world, commitment, APART)
    gains = world.books.gains(before)
    assert gains == Reckoning(world, commitment.job_id, pool=before["pool"]).void([denier, *members])
    assert all(amount >= 0 for name, amount in gains.items())
    assert world.status(commitment.job_id) is JobStatus.VOID


def test_the_collateral_is_free_again_and_nobody_has_a_strike(world):
    commitment, _, _ = denied(world)
    assert world.vault.lockedBy(world.seller, world.escrow) > 0
    executed(world, commitment, APART)
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    for slot_id in range(1, 7):
        bond = world.bond(slot_id)
        assert (bond.left, bond.reserved, bond.cases) == (world.params.slot_bond, 0, 0)
        assert world.slot(slot_id).strikes == 0


def test_the_odd_unit_of_the_payment_is_the_buyers(world):
    terms = Terms(max_price=10 * TOKEN + 1, segments=7)
    commitment, denier, before = denied(world, terms)
    members = executed(world, commitment, APART)
    gains = world.books.gains(before)
    assert gains["seller"] == 5 * TOKEN
    assert gains == Reckoning(world, commitment.job_id, pool=before["pool"]).void([denier, *members])


def test_a_pool_that_reaches_pays_every_judge_a_whole_fee(world):
    for _ in range(2):  # silent committees have filled the pool
        silent, _ = submitted(world)
        challenge(world, silent.job_id)
        executed(world, silent, [None] * 3)
    commitment, denier, before = denied(world)
    fee, levy = world.fee(), world.levy(commitment.job_id)
    assert before["pool"] + levy > 4 * fee
    members = executed(world, commitment, APART)
    gains = world.books.gains(before)
    assert all(gains[name] == fee for name in (denier, *members))
    assert gains["pool"] == levy - 4 * fee


def test_an_empty_pool_pays_what_the_levy_brought_in_equal_parts(world):
    commitment, denier, before = denied(world)
    levy = world.levy(commitment.job_id)
    assert before["pool"] == 0 and levy < 4 * world.fee()
    members = executed(world, commitment, APART)
    gains = world.books.gains(before)
    assert {gains[name] for name in (denier, *members)} == {levy // 4}


def test_only_the_absent_pay(world):
    """Invariant 14."""
    commitment, denier, before = denied(world)
    members = executed(world, commitment, ["other", None, "seller's"])
    fee = world.fee()
    expected = Reckoning(world, commitment.job_id, pot=fee, pool=before["pool"]).void([denier, members[0], members[2]])
    assert world.books.gains(before) == add(expected, {members[1]: -fee})


def test_one_voice_alone_convicts_nobody(world):
    """Invariant 13: at least two members of one class."""
    commitment, _, _ = denied(world)
    executed(world, commitment, ["other", None, None])
    assert world.status(commitment.job_id) is JobStatus.VOID


def test_a_silent_committee_after_a_denial_is_void_and_pays_its_denier(world):
    """The judge who denied was not proved wrong, the seller not either."""
    commitment, denier, before = denied(world)
    members = executed(world, commitment, [None] * 3)
    fee = world.fee()
    expected = Reckoning(world, commitment.job_id, pot=3 * fee, pool=before["pool"]).void([denier])
    assert world.books.gains(before) == add(expected, each(members, -fee))


def test_a_denial_without_a_committee_is_void_and_cannot_be_appealed(world):
    commitment = world.audited()
    judge = world.case(commitment.job_id).judge
    leave_only(world, {judge, judge % 6 + 1})
    world.travel(1)
    before = world.books.wealth()
    world.deny(commitment)
    denier = world.name(world.judge_of(commitment.job_id))
    unheard(world, commitment.job_id)
    arguments = world.with_job(commitment.job_id)
    world.refuses(world.court.appeal, *arguments, sender=world.seller, error="CaseDeadlinePassed")
    world.execute(commitment.job_id)
    assert world.books.gains(before) == Reckoning(world, commitment.job_id, pool=before["pool"]).void([denier])


def test_every_bond_returns(large):
    """Invariant 16: challengers, and an appeal against Void that seven leave as it was."""
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    join(large, commitment.job_id, large.buyer)
    members = tallied(large, commitment, APART)
    appeal(large, commitment.job_id, large.seller)
    members += executed(large, commitment, ["other"] * 3 + ["third"] * 3 + ["seller's"])
    gains = large.books.gains(before)
    assert gains == Reckoning(large, commitment.job_id).void(members)
    assert "stranger" not in gains


def test_fifteen_who_disagree_undo_a_conviction_and_nobody_who_spoke_pays(large):
    commitment, before = submitted(large)
    challenge(large, commitment.job_id)
    members = tallied(large, commitment, ["other"] * 3)
    appeal(large, commitment.job_id, large.seller)
    members += tallied(large, commitment, ["seller's"] * 7)
    appeal(large, commitment.job_id, large.buyer)
    members += executed(large, commitment, ["other"] * 7 + ["seller's"] * 7 + ["third"])
    assert large.books.gains(before) == Reckoning(large, commitment.job_id).void(members)


def test_a_void_job_is_over(world):
    """Invariant 6."""
    commitment, _, _ = denied(world)
    executed(world, commitment, APART)
    world.past_deadline(commitment.job_id)
    arguments = world.with_job(commitment.job_id)
    for call in (world.escrow.settle, world.escrow.refund):
        world.refuses(call, *arguments, sender=world.buyer, error="WrongStatus")
    challenge_ = (*world.with_terms(commitment.job_id), 0)
    world.refuses(world.court.challenge, *challenge_, sender=world.stranger, error="WrongStatus")
    case = world.case(commitment.job_id)
    assert (case.status, case.ruling) == (CaseStatus.CLOSED, Ruling.VOID)
    assert world.job(commitment.job_id).held == 0


def test_void_leaves_no_mark_on_the_seller(world):
    commitment, _, _ = denied(world)
    executed(world, commitment, APART)
    assert tuple(world.reputation.recordOf(world.seller)) == (0, 0, 0)
