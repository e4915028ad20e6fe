# SPDX-License-Identifier: Apache-2.0
"""Keys: who may act for an account, who is paid for it, and what a leaked key cannot do."""

import pytest
from stories import challenge, executed, hand_back, submitted
from world import Terms

from swarm.protocol import money
from swarm.protocol.types import JobStatus

NOBODY = "0x" + "0" * 40


@pytest.fixture
def operator(world):
    """The key of the seller's machine; it owns nothing."""
    account = world.newcomer("operator")
    world.send(world.vault.setKeys, account, NOBODY, sender=world.seller)
    return account


@pytest.fixture
def wallet(world):
    """Where the seller wants to be paid."""
    account = world.newcomer("wallet")
    world.books.others.append(str(account))
    world.send(world.vault.setKeys, NOBODY, account, sender=world.seller)
    return account


def accept_arguments(world, job_id: int) -> tuple:
    return (*world.with_terms(job_id), world.seller, world.least_collateral())


# the operator


def test_keys_are_what_their_owner_set_last(world):
    first, second = world.newcomer("first"), world.newcomer("second")
    event = world.send(world.vault.setKeys, first, second, sender=world.seller).event("KeysSet")
    assert (event["operator"].lower(), event["payout"].lower()) == (str(first).lower(), str(second).lower())
    assert (world.vault.operatorOf(world.seller), world.vault.payoutOf(world.seller)) == (first, second)
    world.send(world.vault.setKeys, NOBODY, NOBODY, sender=world.seller)
    assert (world.vault.operatorOf(world.seller), world.vault.payoutOf(world.seller)) == (NOBODY, world.seller)


def test_an_operator_accepts_and_submits_and_the_sellers_stake_is_locked(world, operator):
    job_id = world.post()
    world.does(world.escrow.accept, *accept_arguments(world, job_id), sender=operator)
    assert world.job(job_id).seller.lower() == world.seller.address.lower()
    assert world.vault.lockedBy(world.seller, world.escrow) == world.least_collateral()
    world.does(world.escrow.submit, *world.with_job(job_id), b"\x4e" * 32, b"\x4f" * 32, sender=operator)
    assert world.status(job_id) is JobStatus.SUBMITTED


def test_an_operator_gives_a_job_up_at_the_sellers_cost(world, operator):
    job_id = world.accepted()
    before, penalty = world.books.wealth(), money.bps_up(world.job(job_id).price, 200)
    world.does(world.escrow.abort, *world.with_job(job_id), sender=operator)
    assert world.books.gains(before)["seller"] == -penalty


def test_nobody_else_acts_for_the_seller(world, operator):
    job_id = world.post()
    arguments = accept_arguments(world, job_id)
    for sender in (world.stranger, world.buyer):
        world.refuses(world.escrow.accept, *arguments, sender=sender, error="OnlySeller")
    world.accept(job_id)
    for sender in (world.stranger, world.buyer):
        world.refuses(world.escrow.abort, *world.with_job(job_id), sender=sender, error="OnlySeller")
        arguments = (*world.with_job(job_id), b"\x4e" * 32, b"\x4f" * 32)
        world.refuses(world.escrow.submit, *arguments, sender=sender, error="OnlySeller")


def test_an_operator_that_was_replaced_acts_no_more(world, operator):
    job_id = world.post()
    world.does(world.escrow.accept, *accept_arguments(world, job_id), sender=operator)
    world.send(world.vault.setKeys, world.stranger, NOBODY, sender=world.seller)
    world.refuses(world.escrow.abort, *world.with_job(job_id), sender=operator, error="OnlySeller")
    world.does(world.escrow.abort, *world.with_job(job_id), sender=world.stranger)


def test_an_operator_cannot_touch_the_stake(world, operator):
    """A leaked machine key moves no money: unbonding is of the caller's own stake."""
    world.refuses(world.vault.unbond, 1, sender=operator, error="InsufficientStake")
    world.send(world.vault.unbond, 10, sender=world.seller)
    world.travel(world.params.unbond_delay)
    world.refuses(world.vault.withdraw, 0, operator, sender=operator, error="UnknownUnbonding")


def test_an_operator_cannot_change_the_sellers_keys(world, operator):
    world.send(world.vault.setKeys, operator, operator, sender=operator)
    assert world.vault.payoutOf(world.seller) == world.seller


# the payout address


def test_a_settlement_pays_the_payout_address(world, wallet):
    before = world.books.wealth()
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.settle(commitment.job_id)
    price = Terms().max_price
    gains = world.books.gains(before)
    assert gains["other 0"] == price - price // 100
    assert "seller" not in gains


def test_both_parts_of_a_job_pay_the_payout_address(world, wallet):
    job_id = world.accepted(Terms(parts=2))
    hand_back(world, job_id, 3)
    world.bring_seed(world.job(job_id).epoch)
    price = world.job(job_id).price
    world.settle(job_id)
    assert world.token.balanceOf(wallet) == price - price // 100


def test_a_split_payment_and_a_losing_bond_go_to_the_payout_address(world, wallet):
    commitment, before = submitted(world)
    challenge(world, commitment.job_id)
    executed(world, commitment, ["other", "third", "seller's"])
    assert world.books.gains(before)["other 0"] == Terms().max_price // 2
    commitment, before = submitted(world)
    challenge(world, commitment.job_id)
    executed(world, commitment, ["seller's"] * 3)
    assert world.books.gains(before)["other 0"] == 2 * world.fee() // 5  # of 5 F, 3 F are the judges'


def test_collateral_stays_the_sellers(world, wallet):
    """What is unlocked is stake again; the payout address is for what is earned."""
    free = world.vault.freeStakeOf(world.seller)
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.settle(commitment.job_id)
    assert world.vault.freeStakeOf(world.seller) == free


# judges


def test_a_judges_fee_goes_to_its_payout_address(world):
    commitment = world.audited()
    judge, wallet = world.judge_of(commitment.job_id), world.newcomer("wallet")
    world.books.others.append(str(wallet))
    world.send(world.vault.setKeys, NOBODY, wallet, sender=judge)
    before = world.books.wealth()
    world.confirm(commitment)
    world.collect(judge)
    gains = world.books.gains(before)
    assert gains["other 0"] == world.fee() and world.name(judge) not in gains


def test_every_member_of_a_committee_is_paid_where_it_wants(world):
    commitment, _ = submitted(world)
    wallet = world.newcomer("wallet")
    world.books.others.append(str(wallet))
    for judge in world.judges:
        world.send(world.vault.setKeys, NOBODY, wallet, sender=judge)
    challenge(world, commitment.job_id)
    executed(world, commitment, ["seller's"] * 3)
    for judge in world.judges:
        world.collect(judge)
    assert world.token.balanceOf(wallet) == 3 * world.fee()


def test_an_accusers_share_goes_to_its_payout_address_and_its_bond_to_itself(world):
    wallet = world.newcomer("wallet")
    world.books.others.append(str(wallet))
    world.send(world.vault.setKeys, NOBODY, wallet, sender=world.stranger)
    commitment, before = submitted(world)
    challenge(world, commitment.job_id)
    executed(world, commitment, ["other"] * 3)
    collateral, fee = world.least_collateral(), world.fee()
    gains = world.books.gains(before)
    assert gains["other 0"] == (collateral - 3 * fee) * 3 // 10 // 4
    assert "stranger" not in gains


def test_a_slots_operator_judges_and_its_owner_is_paid(world):
    """One key for the machine, another for the money."""
    machine, owner = world.newcomer("machine"), world.newcomer("owner", 1_000 * 10**18)
    world.judges.append(owner)
    slot_id = world.seat(owner, hardware_class=2, operator=machine)
    for judge in world.judges[:5]:
        world.seat(judge, hardware_class=2)
    world.travel(1)
    commitment = world.audited(Terms(hardware_class=2))
    while world.case(commitment.job_id).judge != slot_id:
        world.confirm(commitment)
        assert world.escrow.jobCount() < 40, "the slot was never drawn"
        commitment = world.audited(Terms(hardware_class=2))
    segment, before = world.case(commitment.job_id).segment, world.books.wealth()
    arguments = (*world.with_job(commitment.job_id), commitment.opening(segment), commitment.proof(segment))
    world.refuses(world.court.confirm, *arguments, sender=owner, error="NotTheJudge")
    world.does(world.court.confirm, *arguments, sender=machine)
    assert world.books.gains(before)[world.name(owner)] == world.fee()
