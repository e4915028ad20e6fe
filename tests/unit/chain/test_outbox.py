# SPDX-License-Identifier: Apache-2.0
"""Fees and nonces without a chain; what needs one is in tests/integration/test_chain_faults.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from eth_account import Account
from web3.exceptions import TransactionNotFound, Web3RPCError

from swarm.chain.outbox import Fees, Outbox, Sent
from swarm.errors import NotMined, TransientError

SALLY = Account.create()
CALL = {"from": SALLY.address, "to": "0x" + "11" * 20, "data": "0x", "gas": 21_000, "chainId": 1, "value": 0}
QUICK = Fees(stuck_seconds=0.05, mined_within_seconds=1.5, cap_wei=400)


class Eth:
    """A node's eth module; `refusals` are said to the next sends, one each."""

    max_priority_fee = 10

    def __init__(self) -> None:
        self.base, self.mined, self.pending = 50, 0, 0
        self.sent: list[bytes] = []
        self.refusals: list[str | Exception] = []
        self.receipts: dict[bytes, dict] = {}
        self.mines = True

    def get_block(self, _: str) -> dict:
        return {"baseFeePerGas": self.base}

    def get_transaction_count(self, _: str, which: str) -> int:
        return self.mined if which == "latest" else max(self.mined, self.pending)

    def send_raw_transaction(self, raw: bytes) -> None:
        if self.refusals:
            refusal = self.refusals.pop(0)
            raise refusal if isinstance(refusal, Exception) else Web3RPCError(refusal)
        self.sent.append(raw)
        if self.mines:
            self.mine(raw)

    def mine(self, raw: bytes) -> None:
        from eth_utils import keccak

        self.mined += 1
        self.receipts[keccak(raw)] = {"status": 1}

    def get_transaction_receipt(self, tx_hash: bytes) -> dict:
        if tx_hash not in self.receipts:
            raise TransactionNotFound("not found")
        return self.receipts[tx_hash]


@pytest.fixture
def eth() -> Eth:
    return Eth()


@pytest.fixture
def outbox(eth, request) -> Outbox:
    return Outbox(SimpleNamespace(eth=eth), request.node.name, QUICK)


def send(outbox) -> tuple[dict, dict]:
    return outbox.send(lambda fees: CALL | fees, SALLY)


def test_refuses_to_pay_more_than_the_cap(outbox, eth):
    eth.base = 401
    with pytest.raises(TransientError, match="the cap is 400"):
        send(outbox)
    assert not eth.sent


def test_gives_up_after_three_nonces_that_somebody_else_took(outbox, eth):
    eth.refusals = ["nonce too low"] * 3
    with pytest.raises(TransientError, match="three nonces"):
        send(outbox)


def test_takes_another_nonce_where_the_first_is_taken(outbox, eth):
    eth.refusals = ["replacement transaction underpriced"]
    assert send(outbox)[1]["status"] == 1


def test_an_endpoint_that_knows_it_already_has_taken_it(outbox, eth):
    eth.refusals, eth.mines = ["already known"], False
    with pytest.raises(NotMined):
        send(outbox)
    assert outbox.pending() == 1


def test_what_did_not_get_out_is_sent_again(outbox, eth):
    eth.refusals = [TransientError("nobody answers"), ConnectionError("reset")]
    assert send(outbox)[1]["status"] == 1 and len(eth.sent) == 1
    assert outbox.pending() == 0


def test_fees_are_twice_the_base_fee_and_the_usual_tip_within_the_cap(outbox, eth):
    assert outbox._fees_now() == {"maxFeePerGas": 110, "maxPriorityFeePerGas": 10}
    eth.base = 300
    assert outbox._fees_now() == {"maxFeePerGas": 400, "maxPriorityFeePerGas": 10}


def test_a_raise_is_an_eighth_or_what_is_usual_now_and_never_above_the_cap(outbox, eth):
    assert outbox._raised({"maxFeePerGas": 200, "maxPriorityFeePerGas": 9}) == {
        "maxFeePerGas": 225,
        "maxPriorityFeePerGas": 11,
    }
    eth.base = 150
    assert outbox._raised({"maxFeePerGas": 200, "maxPriorityFeePerGas": 9})["maxFeePerGas"] == 310
    assert outbox._raised({"maxFeePerGas": 390, "maxPriorityFeePerGas": 9}) is None


def test_a_nonce_follows_our_own_that_an_endpoint_has_not_heard_of(outbox):
    own = outbox._account(SALLY.address)
    own.open = {0: Sent({"nonce": 0}), 1: Sent({"nonce": 1})}
    assert outbox._next_nonce(SALLY.address, own) == 2


def test_the_nonce_of_what_was_given_up_and_is_known_nowhere_is_used_again(outbox):
    own = outbox._account(SALLY.address)
    own.open = {0: Sent({"nonce": 0}, is_watched=False)}
    assert outbox._next_nonce(SALLY.address, own) == 0
