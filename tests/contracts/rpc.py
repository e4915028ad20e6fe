# SPDX-License-Identifier: Apache-2.0
"""The chain under test, raw: batched reads, decoded refusals, exact time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import requests
from brownie import web3
from eth_abi import decode
from eth_event import decode_logs, get_topic_map
from eth_utils import keccak

GAS_LIMIT = 10_000_000
READER = "0x" + "52" * 20
# Code that makes the calls its input lists, (address, length, data) each, and returns the answers, (length, data) each.
READER_CODE = "".join(
    (
        "5f5f",  # stack: read write
        "5b3682101560__57",  # loop: to the end unless read < calldatasize
        "8160200135",  # length = calldata[read + 32]
        "80836040018337",  # memory[write:] = calldata[read + 64:][:length]
        "5f5f828486355afa50",  # staticcall(gas, calldata[read], write, length, 0, 0)
        "3d8252",  # memory[write] = returndatasize
        "3d5f836020013e",  # memory[write + 32:] = returndata
        "903d01602001",  # write += 32 + returndatasize
        "910160400190600256",  # read += 64 + length; back to the loop
        "5b5ff3",  # end: return memory[0:write]
    )
)
READER_CODE = "0x" + READER_CODE.replace("__", f"{(len(READER_CODE) - len('5b5ff3')) // 2:02x}")


class Rpc:
    """JSON-RPC to the local chain."""

    def __init__(self) -> None:
        self._url = web3.provider.endpoint_uri
        self._session = requests.Session()
        self._session.trust_env = False

    def call(self, method: str, *params: object) -> object:
        """The result of one request. Raises AssertionError when the chain refuses it."""
        answer = self.raw(method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    def raw(self, method: str, *params: object) -> dict:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        return self._session.post(self._url, json=body, timeout=60).json()

    def read_all(self, reads: list[tuple[str, str, list, list]]) -> list[int]:
        """Many views in one request: (address, signature, argument types, arguments) → first word of each answer."""
        return [answer[0] for answer in self.read_words(reads)]

    def read_words(self, reads: list[tuple[str, str, list, list]]) -> list[list[int]]:
        """The same, all words of each answer."""
        answers = self.read_raw([(to, signature, arguments) for to, signature, _, arguments in reads])
        return [[int.from_bytes(raw[at : at + 32]) for at in range(0, len(raw), 32)] for raw in answers]

    def read_raw(self, reads: list[tuple[str, str, Sequence]]) -> list[bytes]:
        """Many views in one call: (address, signature, arguments) → the bytes of each answer. Arguments are plain
        words."""
        if not reads:
            return []
        data = b"".join(_entry(to, signature, arguments) for to, signature, arguments in reads)
        request = {"to": READER, "data": "0x" + data.hex()}
        answer = bytes.fromhex(self.call("eth_call", request, "latest", {READER: {"code": READER_CODE}})[2:])
        found = []
        at = 0
        for _ in reads:
            length = int.from_bytes(answer[at : at + 32])
            found.append(answer[at + 32 : at + 32 + length])
            at += 32 + length
        return found

    def send(self, sender: str, to: str | None, data: str) -> dict:
        """Mines one transaction and returns its receipt, whatever became of it."""
        request = {"from": sender, "data": data, "gas": hex(GAS_LIMIT)} | ({"to": to} if to else {})
        return self.call("eth_sendTransactionSync", request)

    def now(self) -> int:
        return int(self.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def travel_to(self, timestamp: int) -> None:
        """Mines a block at exactly this time."""
        self.call("evm_setNextBlockTimestamp", hex(timestamp))
        self.call("evm_mine")

    def next_at(self, timestamp: int) -> None:
        """The next transaction will be mined at exactly this time."""
        self.call("evm_setNextBlockTimestamp", hex(timestamp))


def _plain(value: object) -> object:
    """Words as bytes, whichever way the decoder writes them; lists as tuples."""
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, str) and value.startswith("0x") and len(value) == 66:
        return bytes.fromhex(value[2:])
    return bytes(value) if isinstance(value, bytes) else value


def encode_words(*words: int) -> bytes:
    """abi.encode of numbers."""
    return b"".join(word.to_bytes(32, "big") for word in words)


@cache
def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def _entry(to: str, signature: str, arguments: Sequence) -> bytes:
    """One call of the reader's input."""
    numbers = (int(value, 16) if isinstance(value, str) else int(value) for value in arguments)
    data = selector(signature) + encode_words(*numbers)
    return encode_words(int(to, 16), len(data)) + data


@dataclass(frozen=True)
class Refusal:
    """A decoded custom error: its name and the values it carried."""

    name: str
    values: tuple


@dataclass(frozen=True)
class Done:
    """A mined call: the gas it used and the events it emitted, in order, as (name, arguments)."""

    gas_used: int
    events: list[tuple[str, dict]]

    def event(self, name: str) -> dict:
        """The arguments of the only event of this name."""
        found = [arguments for seen, arguments in self.events if seen == name]
        assert len(found) == 1, f"{name}: {len(found)} times in {[seen for seen, _ in self.events]}"
        return found[0]


class Codec:
    """Knows the custom errors and events of all contracts."""

    def __init__(self, *abis: list) -> None:
        self._topics = {topic: entry for abi in abis for topic, entry in get_topic_map(abi).items()}
        self._known = {
            keccak(text=f"{entry['name']}({','.join(types)})")[:4]: (entry["name"], types)
            for abi in abis
            for entry in abi
            if entry["type"] == "error"
            for types in [[item["type"] for item in entry["inputs"]]]
        }

    def done(self, receipt: dict) -> Done:
        decoded = decode_logs(receipt["logs"], self._topics, allow_undecoded=True)
        events = [
            (log["name"], {item["name"]: _plain(item["value"]) for item in log["data"]})
            for log in decoded
            if log["decoded"]
        ]
        return Done(int(receipt["gasUsed"], 16), events)

    def refusal(self, data: str) -> Refusal:
        raw = bytes.fromhex(data[2:])
        name, types = self._known.get(raw[:4], (data[:10], None))
        return Refusal(name, decode(types, raw[4:]) if types is not None else ())
