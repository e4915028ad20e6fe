# SPDX-License-Identifier: Apache-2.0
"""Tokens that return nothing, have six decimals, keep a fee, or call their recipients (threats 41, 42, 43)."""

from dataclasses import replace

import pytest
from brownie import FeeOnTransferToken, HookActor, HookToken, NoReturnToken, SixDecimalsToken
from world import Terms, World, parameters

from swarm.protocol.types import JobStatus

ACCEPT, REVERT, BURN_GAS, REENTER = range(4)
WEALTH = 20_000 * 10**18


@pytest.fixture(scope="session")
def silent_market(market):
    return World(NoReturnToken).open_market()


@pytest.fixture(scope="session")
def small_market(market):
    """A stablecoin's scale: every amount in millionths."""
    unit = 10**6
    params = replace(
        parameters(), slot_bond=500 * unit, min_price=unit // 10, fee_min=unit // 50, reputation_unit=100 * unit
    )
    return World(SixDecimalsToken, params).open_market(20_000 * 10**6)


@pytest.fixture(scope="session")
def greedy_market(market):
    """Everybody has tokens that keep one per cent of each transfer; nobody can have a stake."""
    world = World(FeeOnTransferToken)
    for account in (world.buyer, world.seller):
        world.send(world.token.faucet, account, WEALTH, sender=account)
        world.send(world.token.approve, world.escrow, WEALTH, sender=account)
        world.send(world.token.approve, world.vault, WEALTH, sender=account)
    return world


@pytest.fixture(scope="session")
def hook_market(market):
    """The buyer's role is played by a contract that is called whenever it is paid."""
    world = World(HookToken).open_market()
    world.actor = world.deploy(HookActor)
    world.books.others.append(world.actor.address)
    world.send(world.token.faucet, world.actor, WEALTH, sender=world.buyer)
    return world


@pytest.fixture(params=["returns nothing", "six decimals"])
def plain_market(request, silent_market, small_market):
    world = {"returns nothing": silent_market, "six decimals": small_market}[request.param]
    with world.kept():
        yield world


@pytest.fixture
def hooked(hook_market):
    with hook_market.kept():
        acts(hook_market, hook_market.token.approve, hook_market.escrow, WEALTH)
        acts(hook_market, hook_market.token.setHook, True)
        yield hook_market


def acts(world, call, *arguments):
    """The actor makes a call."""
    data = call.encode_input(*arguments)
    return world.does(world.actor.act, call._address, data, sender=world.stranger)


def mood(world, which: int, call=None, *arguments) -> None:
    target, data = (call._address, call.encode_input(*arguments)) if call else (world.token.address, "0x")
    world.send(world.actor.setMood, which, target, data, sender=world.stranger)


def settleable(world) -> int:
    """The actor's job, submitted and not drawn, whose settlement pays the actor what the audit did not cost."""
    acts(world, world.escrow.post, Terms().values())
    job_id = world.escrow.jobCount()
    world.accept(job_id, 24 * Terms().max_price)
    world.submit(job_id, drawn=False)
    world.bring_seed(world.job(job_id).epoch)
    world.past_deadline(job_id)
    return job_id


def test_a_whole_audited_job_works_with_a_plain_token_of_another_make(plain_market):
    world = plain_market
    unit = world.params.slot_bond // 500
    commitment = world.audited(Terms(max_price=100 * unit))
    world.confirm(commitment)
    world.settle(commitment.job_id)
    assert world.status(commitment.job_id) is JobStatus.SETTLED
    world.does(world.vault.unbond, unit, sender=world.seller)
    world.travel(world.params.unbond_delay)
    world.does(world.vault.withdraw, 0, world.seller, sender=world.seller)


def test_a_cheat_is_slashed_in_a_plain_token_of_another_make(plain_market):
    world = plain_market
    commitment = world.committee(Terms(max_price=world.params.slot_bond // 5))
    world.ruled(commitment, [commitment.other_opening(world.case(commitment.job_id).segment)] * 3)
    world.does(world.escrow.burn, sender=world.stranger)
    assert world.status(commitment.job_id) is JobStatus.SLASHED


def test_a_token_without_permits_is_deposited_by_its_allowance(plain_market):
    """A permit that fails, or that the token does not know, is no reason to refuse: the transfer decides."""
    world = plain_market
    before = world.vault.freeStakeOf(world.buyer)
    arguments = (world.buyer, 1_000, 0, 27, bytes(32), bytes(32))
    world.does(world.vault.depositWithPermit, *arguments, sender=world.buyer)
    assert world.vault.freeStakeOf(world.buyer) - before == 1_000


def test_a_token_that_keeps_a_fee_is_refused(greedy_market):
    world = greedy_market
    values = world.refuses(world.vault.deposit, world.seller, 1_000, sender=world.seller, error="PartialTransfer")
    assert values == (1_000, 990)
    world.refuses(world.escrow.post, Terms().values(), sender=world.buyer, error="PartialTransfer")


def test_a_recipient_that_reverts_is_credited_and_holds_up_nobody(hooked):
    world = hooked
    job_id = settleable(world)
    mood(world, REVERT)
    before = world.books.wealth()

    done = world.settle(job_id)

    returned = done.event("JobSettled")["returned"]
    assert world.escrow.creditOf(world.actor) == returned > 0
    assert done.event("Credited")["amount"] == returned
    assert world.books.gains(before)["seller"] == Terms().max_price * 99 // 100


def test_a_recipient_that_burns_all_gas_is_credited_and_holds_up_nobody(hooked):
    world = hooked
    job_id = settleable(world)
    mood(world, BURN_GAS)
    done = world.settle(job_id)
    assert world.escrow.creditOf(world.actor) == done.event("JobSettled")["returned"] > 0
    assert world.status(job_id) is JobStatus.SETTLED


def test_what_was_credited_is_claimed_once_by_its_owner(hooked):
    world = hooked
    job_id = settleable(world)
    mood(world, REVERT)
    world.settle(job_id)
    credit = world.escrow.creditOf(world.actor)
    world.refuses(world.escrow.claim, world.stranger, sender=world.stranger, error="NothingToClaim")
    before = world.token.balanceOf(world.stranger)
    acts(world, world.escrow.claim, world.stranger)
    assert world.token.balanceOf(world.stranger) - before == credit
    data = world.escrow.claim.encode_input(world.stranger)
    world.refuses(world.actor.act, world.escrow, data, sender=world.stranger, error="NothingToClaim")


@pytest.mark.parametrize("verb", ["settle", "cancel", "refund", "burn", "claim", "post"])
def test_a_recipient_cannot_call_back_into_the_escrow(hooked, verb):
    world = hooked
    job_id = settleable(world)
    acts(world, world.escrow.post, Terms().values())
    own = world.with_job(world.escrow.jobCount())
    arguments = {"burn": (), "claim": (world.actor,), "post": (Terms().values(),), "settle": world.with_job(job_id)}
    call = getattr(world.escrow, verb)
    mood(world, REENTER, call, *arguments.get(verb, own))
    world.settle(job_id)
    assert world.actor.reentered() is False
    assert world.escrow.creditOf(world.actor) == 0


def test_a_recipient_cannot_call_back_into_the_vault_while_it_withdraws(hooked):
    world = hooked
    acts(world, world.token.approve, world.vault, WEALTH)
    acts(world, world.vault.deposit, world.actor, 100)
    acts(world, world.vault.unbond, 60)
    acts(world, world.vault.unbond, 40)
    world.travel(world.params.unbond_delay)
    mood(world, REENTER, world.vault.withdraw, 1, world.actor)
    acts(world, world.vault.withdraw, 0, world.actor)
    assert world.actor.reentered() is False
    mood(world, ACCEPT)
    acts(world, world.vault.withdraw, 1, world.actor)
