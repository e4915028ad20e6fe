# SPDX-License-Identifier: Apache-2.0
"""depositWithPermit: a stake without an approval, whoever brings the permit first."""

import pytest
from eth_account import Account

from swarm.protocol.parameters import TOKEN

KEY = b"\x5a" * 32
AMOUNT = 7 * TOKEN
TYPES = {
    "Permit": [
        {"name": "owner", "type": "address"},
        {"name": "spender", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}


@pytest.fixture
def holder(world):
    """Somebody with tokens, a key to sign with, and no approval given to anybody."""
    address = Account.from_key(KEY).address
    world.rpc.call("anvil_impersonateAccount", address)
    world.rpc.call("anvil_setBalance", address, hex(10**20))
    world.books.others.append(address)
    world.send(world.token.faucet, address, 100 * TOKEN, sender=address)
    return address


def permit(world, holder, amount: int = AMOUNT, *, deadline: int | None = None, key: bytes = KEY) -> tuple:
    """What `depositWithPermit` takes after the account."""
    deadline = deadline or world.rpc.now() + 3_600
    domain = {
        "name": "ComputeSwarm Faucet Token",
        "version": "1",
        "chainId": int(world.rpc.call("eth_chainId"), 16),
        "verifyingContract": world.token.address,
    }
    message = {
        "owner": holder,
        "spender": world.vault.address,
        "value": amount,
        "nonce": world.token.nonces(holder),
        "deadline": deadline,
    }
    signed = Account.from_key(key).sign_typed_data(domain, TYPES, message)
    return amount, deadline, signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")


def test_a_permit_replaces_an_approval(world, holder):
    assert world.token.allowance(holder, world.vault) == 0
    world.does(world.vault.depositWithPermit, holder, *permit(world, holder), sender=holder)
    assert world.vault.freeStakeOf(holder) == AMOUNT
    assert world.token.balanceOf(holder) == 100 * TOKEN - AMOUNT
    assert world.token.allowance(holder, world.vault) == 0


def test_a_permit_that_somebody_brought_first_does_not_stop_the_deposit(world, holder):
    """Front-running costs the attacker gas and the holder nothing."""
    amount, deadline, v, r, s = permit(world, holder)
    world.send(world.token.permit, holder, world.vault, amount, deadline, v, r, s, sender=world.stranger)
    world.does(world.vault.depositWithPermit, holder, amount, deadline, v, r, s, sender=holder)
    assert world.vault.freeStakeOf(holder) == AMOUNT


def test_a_permit_is_good_for_one_deposit(world, holder):
    arguments = (holder, *permit(world, holder))
    world.does(world.vault.depositWithPermit, *arguments, sender=holder)
    call = world.vault.depositWithPermit
    values = world.refuses(call, *arguments, sender=holder, error="ERC20InsufficientAllowance")
    assert values[1:] == (0, AMOUNT)


def test_a_stranger_cannot_use_the_permit_for_a_stake_of_its_own(world, holder):
    """The permit is the caller's own: a copy moves nobody else's tokens."""
    poor = world.newcomer("poor")
    arguments = (poor, *permit(world, holder))
    world.refuses(world.vault.depositWithPermit, *arguments, sender=poor, error="ERC20InsufficientAllowance")


def test_a_signature_by_another_key_is_refused(world, holder):
    arguments = (holder, *permit(world, holder, key=b"\x5b" * 32))
    world.refuses(world.vault.depositWithPermit, *arguments, sender=holder, error="ERC20InsufficientAllowance")


def test_a_permit_for_less_is_refused(world, holder):
    _, deadline, v, r, s = permit(world, holder, AMOUNT - 1)
    arguments = (holder, AMOUNT, deadline, v, r, s)
    world.refuses(world.vault.depositWithPermit, *arguments, sender=holder, error="ERC20InsufficientAllowance")


def test_a_permit_past_its_deadline_is_refused(world, holder):
    arguments = (holder, *permit(world, holder, deadline=world.rpc.now() - 1))
    world.refuses(world.vault.depositWithPermit, *arguments, sender=holder, error="ERC20InsufficientAllowance")


def test_an_old_permit_is_enough_where_an_approval_stands(world, holder):
    arguments = (holder, *permit(world, holder))
    world.does(world.vault.depositWithPermit, *arguments, sender=holder)
    world.send(world.token.approve, world.vault, AMOUNT, sender=holder)
    world.does(world.vault.depositWithPermit, *arguments, sender=holder)
    assert world.vault.freeStakeOf(holder) == 2 * AMOUNT


def test_a_permit_may_stake_for_somebody_else(world, holder):
    before = world.vault.freeStakeOf(world.seller)
    world.does(world.vault.depositWithPermit, world.seller, *permit(world, holder), sender=holder)
    assert world.vault.freeStakeOf(world.seller) == before + AMOUNT


def test_a_permit_for_nothing_is_refused(world, holder):
    arguments = (holder, *permit(world, holder, 0))
    world.refuses(world.vault.depositWithPermit, *arguments, sender=holder, error="ZeroAmount")
