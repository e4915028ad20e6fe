# SPDX-License-Identifier: Apache-2.0
"""The account book: deposit, unbond, withdraw, authorise, lock, unlock, slash."""

import pytest
from world import ZERO

AMOUNT = 10**18


@pytest.fixture
def slasher(world):
    """An account that plays a slasher, authorised by the stranger, who has a stake."""
    world.send(world.vault.deposit, world.stranger, 10 * AMOUNT, sender=world.stranger)
    world.send(world.vault.authorise, world.deployer, sender=world.stranger)
    return world.deployer


def test_deposit_refuses_nothing(world):
    world.refuses(world.vault.deposit, world.buyer, 0, sender=world.buyer, error="ZeroAmount")


def test_deposit_refuses_what_the_depositor_does_not_have(world):
    world.refuses(world.vault.deposit, world.deployer, 1, sender=world.deployer, error="ERC20InsufficientAllowance")


def test_deposit_for_another_credits_the_other_and_touches_none_of_its_unbondings(world):
    world.does(world.vault.deposit, world.stranger, 5 * AMOUNT, sender=world.stranger)
    world.does(world.vault.unbond, 2 * AMOUNT, sender=world.stranger)
    before = world.vault.unbondingOf(world.stranger, 0)
    world.travel(60)

    done = world.does(world.vault.deposit, world.stranger, 3 * AMOUNT, sender=world.buyer)

    assert done.event("Deposited") == {"account": world.stranger, "from": world.buyer, "amount": 3 * AMOUNT}
    assert world.vault.unbondingOf(world.stranger, 0) == before
    assert world.vault.freeStakeOf(world.stranger) == 6 * AMOUNT


def test_unbond_refuses_nothing(world):
    world.refuses(world.vault.unbond, 0, sender=world.seller, error="ZeroAmount")


def test_unbond_refuses_more_than_is_free(world):
    free = world.vault.freeStakeOf(world.seller)
    values = world.refuses(world.vault.unbond, free + 1, sender=world.seller, error="InsufficientStake")
    assert values == (free + 1, free)


def test_unbond_refuses_locked_stake(world, slasher):
    world.does(world.vault.lock, world.stranger, 4 * AMOUNT, sender=slasher)
    values = world.refuses(world.vault.unbond, 7 * AMOUNT, sender=world.stranger, error="InsufficientStake")
    assert values == (7 * AMOUNT, 6 * AMOUNT)


def test_withdraw_refuses_before_the_delay_is_over(world):
    world.does(world.vault.unbond, AMOUNT, sender=world.seller)
    ready_at = world.vault.unbondingOf(world.seller, 0)[1]
    world.travel_until(ready_at - 1)
    values = world.refuses(world.vault.withdraw, 0, world.seller, sender=world.seller, error="NotReady")
    assert values == (ready_at, ready_at - 1)


def test_withdraw_refuses_an_unknown_unbonding(world):
    world.refuses(world.vault.withdraw, 7, world.seller, sender=world.seller, error="UnknownUnbonding")


def test_withdraw_pays_once_at_the_end_of_the_delay_to_whom_it_is_told(world):
    world.does(world.vault.unbond, AMOUNT, sender=world.seller)
    world.travel_until(world.vault.unbondingOf(world.seller, 0)[1])
    before = world.token.balanceOf(world.stranger)

    world.does(world.vault.withdraw, 0, world.stranger, sender=world.seller)

    assert world.token.balanceOf(world.stranger) - before == AMOUNT
    world.refuses(world.vault.withdraw, 0, world.stranger, sender=world.seller, error="UnknownUnbonding")


def test_a_later_unbonding_restarts_no_earlier_clock(world):
    """Regression seen elsewhere: an entry whose timer restarts when another is merged into it."""
    world.does(world.vault.unbond, AMOUNT, sender=world.seller)
    first = world.vault.unbondingOf(world.seller, 0)
    world.travel(600)
    world.does(world.vault.unbond, 2 * AMOUNT, sender=world.seller)
    assert world.vault.unbondingOf(world.seller, 0) == first
    assert world.vault.unbondingOf(world.seller, 1)[1] > first[1]


def test_lock_refuses_a_slasher_nobody_authorised(world):
    values = world.refuses(world.vault.lock, world.seller, 1, sender=world.stranger, error="NotAuthorised")
    assert values == (world.seller.address.lower(), world.stranger.address.lower())


def test_lock_refuses_more_than_is_free(world, slasher):
    world.does(world.vault.lock, world.stranger, 6 * AMOUNT, sender=slasher)
    values = world.refuses(world.vault.lock, world.stranger, 5 * AMOUNT, sender=slasher, error="InsufficientStake")
    assert values == (5 * AMOUNT, 4 * AMOUNT)


def test_unlock_and_slash_refuse_more_than_the_caller_locked(world, slasher):
    """Another slasher's lock on the same account is out of reach (33: nothing is locked twice)."""
    world.does(world.vault.lock, world.stranger, AMOUNT, sender=slasher)
    world.refuses(world.vault.unlock, world.stranger, AMOUNT + 1, sender=slasher, error="InsufficientLock")
    world.refuses(world.vault.slash, world.stranger, AMOUNT + 1, slasher, sender=slasher, error="InsufficientLock")
    world.refuses(world.vault.slash, world.stranger, 1, world.buyer, sender=world.buyer, error="InsufficientLock")


def test_slash_sends_locked_stake_where_the_slasher_says(world, slasher):
    world.does(world.vault.lock, world.stranger, 4 * AMOUNT, sender=slasher)
    before = world.token.balanceOf(world.buyer)
    world.does(world.vault.slash, world.stranger, AMOUNT, world.buyer, sender=slasher)
    assert world.token.balanceOf(world.buyer) - before == AMOUNT
    stake, locked = world.vault.accountOf(world.stranger)
    assert (int(stake), int(locked)) == (9 * AMOUNT, 3 * AMOUNT)


def test_revoke_refuses_while_something_is_locked(world, slasher):
    world.does(world.vault.lock, world.stranger, AMOUNT, sender=slasher)
    values = world.refuses(world.vault.revoke, slasher, sender=world.stranger, error="StillLocked")
    assert values == (AMOUNT,)


def test_revoke_ends_the_authorisation(world, slasher):
    world.does(world.vault.revoke, slasher, sender=world.stranger)
    assert not world.vault.isAuthorised(world.stranger, slasher)
    world.refuses(world.vault.lock, world.stranger, 1, sender=slasher, error="NotAuthorised")


def test_withdraw_refuses_the_zero_address(world):
    world.does(world.vault.unbond, AMOUNT, sender=world.seller)
    world.travel_until(world.vault.unbondingOf(world.seller, 0)[1])
    world.refuses(world.vault.withdraw, 0, ZERO, sender=world.seller, error="ERC20InvalidReceiver")
