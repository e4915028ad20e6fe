# SPDX-License-Identifier: Apache-2.0
"""Transport to one chain: calls, signed transactions, waiting for them, and their errors in our own terms."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from eth_account.signers.local import LocalAccount
from eth_utils.abi import event_abi_to_log_topic
from web3 import HTTPProvider, Web3
from web3.exceptions import (
    ContractCustomError,
    ContractLogicError,
    TimeExhausted,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)

from swarm.chain import artifacts, reverts
from swarm.errors import FundsError, NotMined, Reverted, SwarmError, TransientError, UsageError
from swarm.protocol.types import Address, TxHash

_BAD_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)
_BLOCKS_A_QUERY = 10_000  # what public endpoints commonly allow
_GAS_MARGIN = 1.25  # state moves between estimate and inclusion: a call that now starts from a colder slot needs more


class ChainClient:
    """JSON-RPC to one endpoint. Every method raises TransientError when the endpoint does not answer."""

    def __init__(self, rpc_url: str, *, timeout_seconds: float = 10, mined_within_seconds: float = 90) -> None:
        self.rpc_url = rpc_url
        self._mined_within = mined_within_seconds
        self.web3 = Web3(HTTPProvider(rpc_url, request_kwargs={"timeout": timeout_seconds}))
        self._sending = threading.Lock()

    def check(self) -> int:
        """The chain id. Raises TransientError when nobody answers."""
        with _translated(self.rpc_url):
            return self.web3.eth.chain_id

    def now(self) -> int:
        """The chain's time: the latest block's timestamp, in unix seconds."""
        with _translated(self.rpc_url):
            return self.web3.eth.get_block("latest")["timestamp"]

    def gas_balance(self, address: Address) -> int:
        """Native coin of an account, in wei."""
        with _translated(self.rpc_url):
            return self.web3.eth.get_balance(Web3.to_checksum_address(address))

    def gas_price(self) -> int:
        """What a unit of gas costs at present, in wei."""
        with _translated(self.rpc_url):
            return self.web3.eth.gas_price

    def contract(self, name: str, address: Address) -> Any:
        return self.web3.eth.contract(address=Web3.to_checksum_address(address), abi=artifacts.abi(name))

    def call(self, function: Any, *, sender: Address | None = None) -> Any:
        """Reads a view function at the latest block."""
        with _translated(self.rpc_url):
            return function.call({"from": sender} if sender else {})

    def send(self, function: Any, account: LocalAccount) -> dict:
        """Signs, sends and waits for a call; returns its receipt.

        Raises Reverted (before anything is sent, when the call would fail), FundsError (gas), NotMined.
        """
        with self._sending, _translated(self.rpc_url):
            transaction = self._prepared(function, account.address)
            signed = account.sign_transaction(transaction)
            tx_hash = self.web3.eth.send_raw_transaction(signed.raw_transaction)
        return self._receipt(tx_hash, transaction)

    def block_number(self) -> int:
        with _translated(self.rpc_url):
            return self.web3.eth.block_number

    def all_logs(self, contract: Any, first: int, last: int) -> Iterator[Any]:
        """Every decoded event of a contract in the blocks `first` to `last`, both included, oldest first."""
        events = {bytes(event_abi_to_log_topic(entry)): entry["name"] for entry in contract.events._events}
        for start in range(first, last + 1, _BLOCKS_A_QUERY):
            window = {"fromBlock": start, "toBlock": min(start + _BLOCKS_A_QUERY - 1, last)}
            with _translated(self.rpc_url):
                entries = self.web3.eth.get_logs({"address": contract.address, **window})
            for entry in entries:
                if name := events.get(bytes(entry["topics"][0])):
                    yield contract.events[name]().process_log(entry)

    def rpc(self, method: str, *parameters: Any) -> Any:
        """A raw call: devnet methods only."""
        with _translated(self.rpc_url):
            response = self.web3.provider.make_request(method, list(parameters))
        if "error" in response:
            raise SwarmError(f"{method}: {response['error'].get('message')}")
        return response["result"]

    def _prepared(self, function: Any, sender: str) -> dict:
        eth = self.web3.eth
        base_fee = eth.get_block("latest").get("baseFeePerGas", 0)
        tip = eth.max_priority_fee if base_fee else 0
        gas = int(function.estimate_gas({"from": sender}) * _GAS_MARGIN)
        fees = {"maxFeePerGas": 2 * base_fee + tip, "maxPriorityFeePerGas": tip}
        self._check_gas(sender, gas * fees["maxFeePerGas"])
        nonce = eth.get_transaction_count(Web3.to_checksum_address(sender), "pending")
        return function.build_transaction({"from": sender, "nonce": nonce, "gas": gas, "chainId": eth.chain_id} | fees)

    def _check_gas(self, sender: str, cost: int) -> None:
        balance = self.web3.eth.get_balance(Web3.to_checksum_address(sender))
        if balance < cost:
            raise FundsError(f"{sender} has {balance} wei for gas, this needs {cost}", hint="swarm wallet fund")

    def _receipt(self, tx_hash: bytes, transaction: dict) -> dict:
        with _translated(self.rpc_url):
            receipt = self.web3.eth.wait_for_transaction_receipt(tx_hash, timeout=self._mined_within, poll_latency=0.25)
            if receipt["status"] == 1:
                return dict(receipt)
            again = {key: transaction[key] for key in ("from", "to", "data")}
            self.web3.eth.call(again, receipt["blockNumber"])
        raise Reverted(f"transaction {TxHash('0x' + bytes(tx_hash).hex())} failed and gives no reason")

    def logs(self, contract: Any, event: str, *, argument_filters: dict | None = None, from_block: int = 0) -> list:
        """Decoded events of one kind since `from_block`."""
        with _translated(self.rpc_url):
            return contract.events[event]().get_logs(from_block=from_block, argument_filters=argument_filters or {})


@contextmanager
def _translated(rpc_url: str):
    """Turns web3's and requests' exceptions into ours."""
    try:
        yield
    except (ContractCustomError, ContractLogicError) as error:
        raise reverts.from_data(_revert_data(error)) from error
    except TimeExhausted as error:
        raise NotMined("the transaction was sent and is not mined yet", hint="watch it, then try again") from error
    except TransactionNotFound as error:
        raise NotMined("the transaction is not known to the endpoint yet", hint="try again") from error
    except _BAD_ADDRESS as error:
        raise UsageError(f"{rpc_url!r} is not an RPC address", hint="write it like http://127.0.0.1:8545") from error
    except (requests.exceptions.RequestException, ConnectionError) as error:
        raise TransientError(f"the chain at {rpc_url} does not answer", hint="is it up?") from error
    except Web3RPCError as error:
        raise _rpc_error(error, rpc_url) from error
    except Web3Exception as error:
        raise TransientError(f"the chain at {rpc_url} answers oddly: {str(error)[:200]}") from error


def _rpc_error(error: Web3RPCError, rpc_url: str) -> Exception:
    text = str(getattr(error, "message", error)).lower()
    if "insufficient funds" in text:
        return FundsError("too little gas for this transaction", hint="swarm wallet fund")
    data = _revert_data(error)
    if data:
        return reverts.from_data(data)
    if "nonce" in text or "underpriced" in text or "already known" in text:
        return TransientError(f"the chain refused the transaction: {text[:120]}", hint="another process uses this key?")
    return TransientError(f"the chain at {rpc_url} refused: {text[:200]}")


def _revert_data(error: Exception) -> bytes:
    candidates: list[Any] = [getattr(error, "data", None)]
    response = getattr(error, "rpc_response", None)
    if isinstance(response, dict):
        candidates.append((response.get("error") or {}).get("data"))
    for data in candidates:
        if isinstance(data, dict):
            data = data.get("data")
        if isinstance(data, str) and data.startswith("0x"):
            return bytes.fromhex(data[2:])
        if isinstance(data, bytes):
            return data
    return b""
