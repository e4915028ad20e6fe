# SPDX-License-Identifier: Apache-2.0
"""A bad world under the client: real nodes that die, freeze, lag, are of another chain, or let a transaction wait."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from eth_account import Account

from swarm.chain.client import ChainClient
from swarm.chain.devnet import Devnet, fund
from swarm.chain.endpoints import Patience
from swarm.chain.network import Chain
from swarm.chain.outbox import Fees
from swarm.clock import wait_for
from swarm.errors import NotMined, Reverted, TransientError, UsageError
from tests.integration.nodes import Node, Relay

pytestmark = pytest.mark.timeout(120)
HASTY = Patience(answer_seconds=1, slow_seconds=0.8, lag_blocks=3, lag_seconds=1, rest_seconds=1.5)
IMPATIENT = Fees(stuck_seconds=0.4, mined_within_seconds=20)
GWEI = 10**9


@pytest.fixture(scope="module")
def devnet(tmp_path_factory):
    """A chain that mines at once, so that nothing waits for a block."""
    devnet = Devnet(tmp_path_factory.mktemp("chain"))
    try:
        network = devnet.start()
        chain = Chain(network).check()
        mine_at_once(chain.client)
        yield chain
    finally:
        devnet.stop()


@pytest.fixture
def nodes():
    """Starts nodes and relays, ends them all."""
    started = []

    def start(kind, *arguments, **options):
        started.append(kind(*arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.close() if isinstance(each, Relay) else each.kill()


def mine_at_once(client) -> None:
    client.rpc("evm_setIntervalMining", 0)
    client.rpc("evm_setAutomine", True)


@pytest.fixture
def held(devnet):
    """The same chain, mining only when told to."""
    devnet.client.rpc("evm_setAutomine", False)
    yield devnet.client
    mine_at_once(devnet.client)
    devnet.client.rpc("evm_mine")


@pytest.fixture
def sally(devnet):
    account = Account.create()
    devnet.client.rpc("anvil_setBalance", account.address, hex(10**19))
    return account


def seen_through(devnet, *urls, patience=HASTY) -> Chain:
    client = ChainClient(urls, chain_id=devnet.network.chain_id, patience=patience)
    return Chain(devnet.network, client=client)


def approve(chain, account, amount=1):
    """Some call that costs nothing but gas."""
    token = chain.client.contract("FaucetToken", chain.network.token)
    return chain.client.send(token.functions.approve(chain.network.vault, amount), account)


def nonce_of(devnet, account) -> int:
    return devnet.client.web3.eth.get_transaction_count(account.address)


# endpoints


def test_an_endpoint_that_is_killed_is_replaced_and_work_goes_on(devnet, nodes, sally):
    first = nodes(Node, fork=devnet.client.rpc_url)
    chain = seen_through(devnet, first.url, devnet.client.rpc_url)
    assert chain.escrow.job_count() == 0 and chain.client.endpoints.name == first.url
    first.kill()
    assert chain.escrow.job_count() == 0 and chain.client.endpoints.name == devnet.client.rpc_url
    assert approve(chain, sally)["status"] == 1


def test_an_endpoint_that_never_answers_is_passed_over_and_comes_back_after_its_rest(devnet, nodes):
    first, second = nodes(Relay, devnet.client.rpc_url), nodes(Node, fork=devnet.client.rpc_url)
    second.freeze()
    started = time.monotonic()
    chain = seen_through(devnet, second.url, first.url)
    assert chain.escrow.job_count() == 0 and chain.client.endpoints.name == first.url
    assert time.monotonic() - started < 5
    second.thaw()
    time.sleep(HASTY.rest_seconds)
    first.close()
    assert chain.escrow.job_count() == 0 and chain.client.endpoints.name == second.url


def test_an_endpoint_that_stops_following_the_chain_is_left(devnet, nodes):
    stale = nodes(Node, fork=devnet.client.rpc_url)
    chain = seen_through(devnet, stale.url, devnet.client.rpc_url)
    chain.client.now()
    assert chain.client.endpoints.name == stale.url, "it is as good as any while it is at the head"
    devnet.client.rpc("anvil_mine", hex(HASTY.lag_blocks + 1))
    time.sleep(HASTY.lag_seconds + 0.1)
    assert chain.client.block_number() == devnet.client.block_number()
    assert chain.client.endpoints.name == devnet.client.rpc_url


def test_who_takes_over_is_not_behind_what_was_seen(devnet, nodes):
    stale, front = nodes(Node, fork=devnet.client.rpc_url), nodes(Relay, devnet.client.rpc_url)
    devnet.client.rpc("anvil_mine", "0x2")  # within the lag that is allowed, but an older view
    chain = seen_through(devnet, front.url, stale.url, patience=replace(HASTY, lag_seconds=60))
    chain.client.now()
    front.close()
    with pytest.raises(TransientError, match=r"does not answer; .* is 2 block\(s\) behind"):
        chain.escrow.job_count()


def test_an_endpoint_of_another_chain_is_passed_over(devnet, nodes):
    other = nodes(Node, chain_id=5)
    chain = seen_through(devnet, other.url, devnet.client.rpc_url).check()
    assert chain.client.endpoints.name == devnet.client.rpc_url
    with pytest.raises(UsageError, match="serves chain 5, not 31337"):
        seen_through(devnet, other.url, other.url + "/").check()


def test_nobody_answers_and_each_is_named_with_its_reason(devnet):
    chain = seen_through(devnet, "http://127.0.0.1:9/secret-key", "http://127.0.0.1:10")
    with pytest.raises(TransientError) as caught:
        chain.check()
    assert caught.value.exit_code == 8
    assert "127.0.0.1:9 does not answer; http://127.0.0.1:10 does not answer" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_send_whose_answer_is_lost_is_sent_elsewhere_and_happens_once(devnet, nodes, sally):
    relay = nodes(Relay, devnet.client.rpc_url)
    chain = seen_through(devnet, relay.url, devnet.client.rpc_url)
    relay.mute = ("eth_sendRawTransaction",)
    assert approve(chain, sally)["status"] == 1
    assert relay.lost == 1 and nonce_of(devnet, sally) == 1


# transactions


def sends(chain, account, amount=1):
    """In a thread of its own: the receipt, or what it raised."""
    return ThreadPoolExecutor(1).submit(approve, chain, account, amount)


def pending(client, account) -> dict:
    """The account's transactions in the node's pool, by nonce."""
    return client.rpc("txpool_content")["pending"].get(account.address.lower(), {})


def test_a_transaction_below_the_base_fee_is_replaced_and_recognised(devnet, held, sally):
    chain = Chain(devnet.network, fees=IMPATIENT)
    future = sends(chain, sally)
    first = wait_for(lambda: pending(held, sally), timeout_seconds=10, what="the transaction", period_seconds=0.05)
    paid = int(first["0"]["maxFeePerGas"], 16)
    held.rpc("anvil_setNextBlockBaseFeePerGas", hex(10 * paid))
    held.rpc("evm_mine")
    assert not nonce_of(devnet, sally), "the base fee keeps it out"
    wait_for(
        lambda: int(pending(held, sally).get("0", {}).get("maxFeePerGas", "0x0"), 16) > 10 * paid,
        timeout_seconds=10,
        what="the replacement",
    )
    held.rpc("evm_mine")
    receipt = future.result(10)
    assert receipt["status"] == 1 and nonce_of(devnet, sally) == 1
    assert "0x" + bytes(receipt["transactionHash"]).hex() != first["0"]["hash"]


def test_each_replacement_pays_an_eighth_more_and_none_more_than_the_cap(devnet, held, sally):
    held.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    held.rpc("evm_mine")
    chain = Chain(devnet.network, fees=Fees(stuck_seconds=0.2, mined_within_seconds=2.5, cap_wei=4 * GWEI))
    future, seen = sends(chain, sally), []
    while not future.done():
        if found := pending(held, sally):
            seen.append(int(found["0"]["maxFeePerGas"], 16))
        time.sleep(0.05)
    with pytest.raises(NotMined):
        future.result()
    steps = sorted(set(seen))
    assert len(steps) >= 3 and all(8 * after >= 9 * before for before, after in itertools.pairwise(steps))
    assert steps[-1] <= 4 * GWEI
    # Asked for again, the same call is waited for: it does not happen twice.
    again = sends(Chain(devnet.network, fees=IMPATIENT), sally)
    time.sleep(0.3)
    held.rpc("evm_mine")
    assert again.result(10)["status"] == 1 and nonce_of(devnet, sally) == 1


def test_a_transaction_that_was_dropped_is_sent_again(devnet, held, sally):
    future = sends(Chain(devnet.network, fees=IMPATIENT), sally)
    wait_for(lambda: pending(held, sally), timeout_seconds=10, what="the transaction", period_seconds=0.05)
    held.rpc("anvil_dropAllTransactions")
    wait_for(lambda: pending(held, sally), timeout_seconds=10, what="its return", period_seconds=0.05)
    held.rpc("evm_mine")
    assert future.result(10)["status"] == 1 and nonce_of(devnet, sally) == 1


def test_what_a_former_life_left_in_the_queue_does_not_block_it(devnet, held, sally):
    """Signed by a process that is gone, for too little: nonce 0 is stuck, and so is all after it."""
    left = {"to": sally.address, "value": 1, "gas": 21_000, "nonce": 0, "chainId": 31337}
    signed = sally.sign_transaction(left | {"maxFeePerGas": 2 * GWEI, "maxPriorityFeePerGas": 1})
    held.rpc("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
    future = sends(Chain(devnet.network, fees=IMPATIENT), sally)
    wait_for(
        lambda: pending(held, sally)["0"]["value"] == "0x0", timeout_seconds=10, what="its turn", period_seconds=0.05
    )
    held.rpc("evm_mine")
    assert future.result(10)["status"] == 1 and nonce_of(devnet, sally) == 2


@pytest.fixture
def race(devnet):
    """One token that two accounts may take: whoever comes second takes it in vain."""
    people = [Account.create() for _ in range(3)]
    owner, *rivals = people
    for each in people:
        devnet.client.rpc("anvil_setBalance", each.address, hex(10**19))
    token = devnet.client.contract("FaucetToken", devnet.network.token)
    devnet.client.send(token.functions.faucet(owner.address, 1), owner)
    for each in rivals:
        devnet.client.send(token.functions.approve(each.address, 1), owner)
    return [(each, token.functions.transferFrom(owner.address, each.address, 1)) for each in rivals]


def test_a_race_that_is_lost_is_not_entered_and_one_that_never_ends_holds_nobody_up(devnet, race, held, monkeypatch):
    monkeypatch.setattr("swarm.chain.gas._PENDING_HEEDED_SECONDS", 0.5)
    (first, takes), (second, takes_too) = race
    client, thread = Chain(devnet.network).client, ThreadPoolExecutor(2)
    won = thread.submit(client.send, takes, first)
    wait_for(lambda: pending(held, first), timeout_seconds=10, what="the first one", period_seconds=0.05)
    with pytest.raises(Reverted) as seen:
        client.send(takes_too, second, is_contested=True)
    assert not seen.value.is_mined and not pending(held, second)
    time.sleep(0.5)
    late = thread.submit(client.send, takes_too, second, is_contested=True)
    wait_for(lambda: pending(held, second), timeout_seconds=10, what="the second one", period_seconds=0.05)
    held.rpc("evm_mine")
    assert won.result(10)["status"] == 1
    with pytest.raises(Reverted) as paid:
        late.result(10)
    assert paid.value.is_mined


def test_a_nonce_that_somebody_else_used_is_told(devnet, held, sally):
    future = sends(Chain(devnet.network, fees=IMPATIENT), sally)
    wait_for(lambda: pending(held, sally), timeout_seconds=10, what="the transaction", period_seconds=0.05)
    held.rpc("anvil_dropAllTransactions")
    other = {"to": sally.address, "value": 1, "gas": 21_000, "nonce": 0, "chainId": 31337}
    signed = sally.sign_transaction(other | {"maxFeePerGas": 900 * GWEI, "maxPriorityFeePerGas": 900 * GWEI})
    held.rpc("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
    held.rpc("evm_mine")
    with pytest.raises(NotMined, match="took nonce 0"):
        future.result(15)


def test_two_threads_and_two_clients_with_one_account_never_share_a_nonce(devnet, sally):
    chains = [Chain(devnet.network), Chain(devnet.network)]
    begin = threading.Barrier(4)

    def five(number: int) -> list[int]:
        begin.wait()
        return [approve(chains[number % 2], sally, 1 + number)["status"] for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        assert [each for found in pool.map(five, range(4)) for each in found] == [1] * 20
    assert nonce_of(devnet, sally) == 20


def test_gas_above_the_cap_is_waited_out(devnet, sally):
    chain = Chain(devnet.network, fees=Fees(cap_wei=1))
    with pytest.raises(TransientError, match="the cap is 1"):
        approve(chain, sally)
    assert nonce_of(devnet, sally) == 0


def test_a_chain_that_mines_a_block_a_second_needs_no_replacement(devnet, sally):
    """The ordinary case beside all these: one form, one hash."""
    fund(devnet, sally.address, 10)
    assert approve(devnet, sally)["status"] == 1 and nonce_of(devnet, sally) == 1
