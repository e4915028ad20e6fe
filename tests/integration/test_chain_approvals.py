# SPDX-License-Identifier: Apache-2.0
"""A call that needs an approval is sent right behind it: one block holds both, and nothing is lost where one fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from web3.exceptions import ContractLogicError

from swarm.chain.devnet import fund
from swarm.chain.gas import Estimates, State
from swarm.chain.network import Chain
from swarm.clock import wait_for
from swarm.errors import FundsError, Reverted
from swarm.protocol.types import Address, Amount
from tests.integration.test_chain_faults import devnet, held, nonce_of, pending, sally  # noqa: F401

pytestmark = pytest.mark.timeout(120)
STAKE = Amount(10**18)


@pytest.fixture
def chain(devnet, sally):
    fund(devnet, sally.address, STAKE)
    return Chain(devnet.network).check()


def approval(chain, account, amount=STAKE):
    return chain.token.approval(account, chain.network.vault, amount)


def free_stake(chain, account) -> int:
    return chain.vault.stake_of(Address(account.address)).free


def test_one_block_holds_an_approval_and_what_spends_it(chain, held, sally):
    call = approval(chain, sally)
    with ThreadPoolExecutor(1) as pool:
        deposit = pool.submit(chain.vault.deposit, sally, STAKE, after=call)
        wait_for(lambda: len(pending(held, sally)) == 2, timeout_seconds=20, what="both", period_seconds=0.05)
        held.rpc("evm_mine")
        receipt = deposit.result(20)
    assert receipt["status"] == 1 and free_stake(chain, sally) == STAKE
    assert nonce_of(chain, sally) == 2 and not chain.client.pending_transactions()


def test_an_endpoint_that_does_not_show_what_waits_is_given_the_second_call_after_the_first(chain, sally, monkeypatch):
    plain = Estimates.of

    def blind(estimates, function, sender, state):
        if state is State.PENDING:
            raise ContractLogicError("execution reverted")
        return plain(estimates, function, sender, state)

    monkeypatch.setattr(Estimates, "of", blind)
    chain.vault.deposit(sally, STAKE, after=approval(chain, sally))
    assert free_stake(chain, sally) == STAKE and not chain.client.pending_transactions()


def test_a_second_call_that_fails_says_why_and_the_approval_can_be_used_again(chain, sally):
    with pytest.raises(Reverted):
        chain.vault.deposit(sally, Amount(2 * STAKE), after=approval(chain, sally))
    assert nonce_of(chain, sally) == 1 and not chain.client.pending_transactions()
    assert approval(chain, sally) is None, "that much is approved already"
    chain.vault.deposit(sally, STAKE)
    assert free_stake(chain, sally) == STAKE


def test_a_first_call_that_fails_once_it_is_mined_is_what_is_told(chain, held, sally):
    """Two transfers of all there is, and then a third: the first one that fails is told, the rest is not waited for."""
    transfer = chain.client.contract("FaucetToken", chain.network.token).functions.transfer
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(chain.client.send, transfer(chain.network.vault, STAKE), sally)
        wait_for(lambda: pending(held, sally), timeout_seconds=20, what="the first", period_seconds=0.05)
        second = pool.submit(chain.client.send, approval(chain, sally), sally, after=transfer(sally.address, STAKE))
        wait_for(lambda: len(pending(held, sally)) == 3, timeout_seconds=20, what="all", period_seconds=0.05)
        held.rpc("evm_mine")
        assert first.result(20)["status"] == 1
        with pytest.raises(Reverted, match="holds 0 TOK") as raised:
            second.result(20)
    assert raised.value.is_mined


def test_too_few_tokens_are_told_before_anything_is_sent(chain, sally):
    with pytest.raises(FundsError, match="holds 1 TOK"):
        approval(chain, sally, Amount(STAKE + 1))
    assert nonce_of(chain, sally) == 0
