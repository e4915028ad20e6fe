# SPDX-License-Identifier: Apache-2.0
"""Transport to one chain: calls, signed transactions, waiting for them, and their errors in our own terms."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.abi import event_abi_to_log_topic
from web3 import Web3
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError

from swarm.chain import artifacts
from swarm.chain.endpoints import Endpoints, Patience, parse_urls
from swarm.chain.faults import translated
from swarm.chain.gas import Estimates, State
from swarm.chain.outbox import Fees, Outbox, Sent
from swarm.chain.snapshot import Block, Mark, Snapshot, key_of
from swarm.errors import FundsError, Reverted, SwarmError
from swarm.protocol.types import Address, TxHash

_BLOCKS_A_QUERY = 10_000  # what public endpoints commonly allow
_CALLS_A_BATCH = 100
_GAS_MARGIN = 1.25  # state moves between estimate and inclusion: a call that now starts from a colder slot needs more


class ChainClient:
    """JSON-RPC to one chain, over one endpoint or several. Every method raises TransientError when none answers.

    With `chain_id` an endpoint of another chain is passed over, where there are several.
    """

    def __init__(
        self,
        rpc_url: str | Sequence[str],
        *,
        chain_id: int | None = None,
        patience: Patience | None = None,
        fees: Fees | None = None,
    ) -> None:
        urls = parse_urls(rpc_url)
        self.rpc_url = ",".join(urls)
        self.endpoints = Endpoints(urls, chain_id=chain_id, patience=patience)
        self.web3 = Web3(self.endpoints)
        # It asks for the chain id twice with every call. Ours is checked at the start and signed into what is sent.
        self.web3.middleware_onion.remove("validation")
        self._outbox = Outbox(self.web3, self.rpc_url, fees)
        self._chain_id: int | None = None
        self._watched: list[str] = []
        self._snapshot = Snapshot(self._latest, self._marks)
        self._looking = threading.local()
        self._gas = Estimates()

    def check(self) -> int:
        """The chain id. Raises TransientError when nobody answers."""
        with self._translated():
            self._chain_id = self.web3.eth.chain_id
            return self._chain_id

    def pending_transactions(self) -> int:
        """Sent by this process and not known to be mined; asks nobody."""
        return self._outbox.pending()

    def now(self) -> int:
        """The chain's time: the latest block's timestamp, in unix seconds."""
        return (self._pinned or self._latest()).time

    def block_number(self) -> int:
        if self._pinned:
            return self._pinned.number
        with self._translated():
            return self.web3.eth.block_number

    def block_hash(self, number: int) -> bytes:
        with self._translated():
            return bytes(self.web3.eth.get_block(number)["hash"])

    def gas_balance(self, address: Address) -> int:
        """Native coin of an account, in wei."""
        with self._translated():
            return self.web3.eth.get_balance(Web3.to_checksum_address(address))

    def gas_price(self) -> int:
        """What a unit of gas costs at present, in wei."""
        with self._translated():
            return self.web3.eth.gas_price

    def contract(self, name: str, address: Address) -> Any:
        return self.web3.eth.contract(address=Web3.to_checksum_address(address), abi=artifacts.abi(name))

    # one look at the chain

    def watch(self, addresses: Sequence[Address]) -> None:
        """Names the contracts whose events tell that something moved."""
        self._watched = [Web3.to_checksum_address(address) for address in addresses]

    @contextmanager
    def snapshot(self) -> Iterator[int]:
        """Inside, this thread reads the state of one block, from memory where no event moved it. Gives chain time.

        Meant for a daemon's look at the chain: what is sent meanwhile is not seen before the next one.
        """
        if not self._watched:  # nothing would tell that what is kept has moved
            yield self.now()
            return
        self._looking.block = self._snapshot.look()
        try:
            yield self._looking.block.time
        finally:
            self._looking.block = None

    @property
    def is_looking(self) -> bool:
        """Whether this thread is inside a snapshot."""
        return self._pinned is not None

    @property
    def reorganisations(self) -> int:
        """How often an event that a snapshot had seen vanished again: what was final may not be so."""
        return self._snapshot.reorganisations

    @property
    def _pinned(self) -> Block | None:
        return getattr(self._looking, "block", None)

    # reading

    def call(self, function: Any, *, sender: Address | None = None) -> Any:
        """Reads a view function at the latest block, inside a snapshot at its block."""
        options = {"from": sender} if sender else {}
        if not self._pinned:
            with self._translated():
                return function.call(options)
        return self._snapshot.read(key_of(function, sender), lambda: self._called_at(function, options))

    def prefetch(self, functions: Iterable[Any]) -> None:
        """Inside a snapshot that lacks the first of these views, reads all that it lacks with one request."""
        missing = []
        for each in functions if self._pinned else ():
            is_held = self._snapshot.holds(key_of(each, None))
            if is_held and not missing:
                return
            missing += [] if is_held else [each]
        for start in range(0, len(missing), _CALLS_A_BATCH):
            part = missing[start : start + _CALLS_A_BATCH]
            with self._translated(), self.web3.batch_requests() as batch:
                for each in part:
                    batch.add(each.call({}, block_identifier=self._pinned.number))
                answers = batch.execute()
            for each, answer in zip(part, answers, strict=True):
                self._snapshot.read(key_of(each, None), lambda answer=answer: answer)

    def all_logs(self, contract: Any, first: int, last: int) -> Iterator[Any]:
        """Every decoded event of a contract in the blocks `first` to `last`, both included, oldest first."""
        events = {bytes(event_abi_to_log_topic(entry)): entry["name"] for entry in contract.events._events}
        for start in range(first, last + 1, _BLOCKS_A_QUERY):
            for entry in self._logs([contract.address], start, min(start + _BLOCKS_A_QUERY - 1, last)):
                if name := events.get(bytes(entry["topics"][0])):
                    yield contract.events[name]().process_log(entry)

    def logs(self, contract: Any, event: str, *, argument_filters: dict | None = None, from_block: int = 0) -> list:
        """Decoded events of one kind since `from_block`."""
        with self._translated():
            return contract.events[event]().get_logs(from_block=from_block, argument_filters=argument_filters or {})

    def rpc(self, method: str, *parameters: Any) -> Any:
        """A raw call: devnet methods only."""
        with self._translated():
            response = self.web3.provider.make_request(method, list(parameters))
        if "error" in response:
            raise SwarmError(f"{method}: {response['error'].get('message')}")
        return response["result"]

    # sending

    def send(
        self, function: Any, account: LocalAccount, *, is_contested: bool = False, after: Any | None = None
    ) -> dict:
        """Signs, sends and waits for a call; returns its receipt. Any thread may send from any account.

        Raises Reverted (before anything is sent, when the call would fail), FundsError (gas), NotMined. A call that
        `is_contested` is also not sent where one that waits to be mined makes it fail. `after` is a call that this one
        needs, an approval for instance: it is sent right before, so that one block can hold both.
        """
        with self._translated():
            before = self._begin(after, account) if after is not None else None
            try:
                sent = self._begin_after(before, function, account, is_contested)
            except BaseException:
                if before:
                    self._outbox.leave(before)
                raise
            for each in (before, sent) if before else (sent,):
                transaction, receipt = self._outbox.finish(each, account)
                if receipt["status"] != 1:
                    self._outbox.leave(sent)
                    raise self._failed(transaction, receipt)
        return receipt

    def _begin(self, function: Any, account: LocalAccount, state: State = State.LATEST) -> Sent:
        return self._outbox.begin(lambda fees: self._prepared(function, account.address, fees, state), account)

    def _begin_after(self, before: Sent | None, function: Any, account: LocalAccount, is_contested: bool) -> Sent:
        if before is None:
            return self._begin(function, account, State.CONTESTED if is_contested else State.LATEST)
        try:
            return self._begin(function, account, State.PENDING)
        except (ContractCustomError, ContractLogicError, Web3RPCError):
            # An endpoint that does not show what waits to be mined, or a call that fails anyway: the next try tells.
            self._outbox.finish(before, account)
            return self._begin(function, account)

    def _failed(self, sent: dict, receipt: dict) -> Reverted:
        """Why a mined call failed, as it is found by calling it again."""
        tx_hash = TxHash("0x" + bytes(receipt["transactionHash"]).hex())
        failed = Reverted(f"transaction {tx_hash} failed and gives no reason")
        try:
            with self._translated():
                self.web3.eth.call({key: sent[key] for key in ("from", "to", "data")}, receipt["blockNumber"])
        except Reverted as error:
            failed = error
        failed.is_mined = True
        return failed

    def send_all(
        self, contract: Any, calls: Sequence[tuple], account: LocalAccount, *, is_contested: bool = False
    ) -> dict:
        """Makes several calls of one contract, each (function, arguments …), in one transaction: all or none."""
        if len(calls) == 1:
            name, *arguments = calls[0]
            return self.send(contract.functions[name](*arguments), account, is_contested=is_contested)
        encoded = [contract.encode_abi(name, args=arguments) for name, *arguments in calls]
        return self.send(contract.functions.multicall(encoded), account, is_contested=is_contested)

    def _prepared(self, function: Any, sender: str, fees: dict, state: State) -> dict:
        gas = int(self._gas.of(function, sender, state) * _GAS_MARGIN)
        balance, cost = self.web3.eth.get_balance(Web3.to_checksum_address(sender)), gas * fees["maxFeePerGas"]
        if balance < cost:
            raise FundsError(f"{sender} has {balance} wei for gas, this needs {cost}", hint="swarm wallet fund")
        if self._chain_id is None:
            self._chain_id = self.web3.eth.chain_id
        # The nonce is the outbox's to choose; named here, so that it is not asked for.
        return function.build_transaction({"from": sender, "nonce": 0, "gas": gas, "chainId": self._chain_id} | fees)

    # asking

    def _translated(self):
        return translated(lambda: self.endpoints.name)

    def _latest(self) -> Block:
        with self._translated():
            block = self.web3.eth.get_block("latest")
        return Block(block["number"], bytes(block["hash"]), block["timestamp"])

    def _logs(self, addresses: list[str], first: int, last: int) -> list:
        with self._translated():
            return self.web3.eth.get_logs({"address": addresses, "fromBlock": first, "toBlock": last})

    def _marks(self, first: int, last: int) -> list[Mark]:
        # Asked at every look: web3 would spend most of an idle daemon's time on fields that nobody reads.
        where = {"address": self._watched, "fromBlock": hex(first), "toBlock": hex(last)}
        return [
            Mark(
                block=int(entry["blockNumber"], 16),
                block_hash=bytes.fromhex(entry["blockHash"][2:]),
                index=int(entry["logIndex"], 16),
                address=Web3.to_checksum_address(entry["address"]),
                names=bytes.fromhex(entry["topics"][1][2:]) if len(entry["topics"]) > 1 else b"",
            )
            for entry in (self._asked("eth_getLogs", where) if self._watched else ())
        ]

    def _asked(self, method: str, *parameters: Any) -> Any:
        """The answer as it is in JSON."""
        with self._translated():
            response = self.web3.provider.make_request(method, list(parameters))
            if "error" in response:
                raise Web3RPCError(str(response["error"]), rpc_response=response)
        return response["result"]

    def _called_at(self, function: Any, options: dict) -> Any:
        with self._translated():
            return function.call(options, block_identifier=self._pinned.number)
