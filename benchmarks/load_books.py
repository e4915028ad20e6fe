# SPDX-License-Identifier: Apache-2.0
"""Where every token is after a load run, and what its transactions cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eth_utils import keccak

from swarm.chain import artifacts
from swarm.chain.network import Chain
from swarm.errors import TransientError
from swarm.protocol.types import Address


def check_tokens(chain: Chain, people: Sequence[Address]) -> dict[str, int]:
    """Every token's place. Raises AssertionError where one is missing, or a contract owes more or less than it holds.

    Meant for the end, when no job is live: the escrow then holds its pool, what it owes accounts, and what is to burn.
    """
    network, balance = chain.network, chain.token.balance_of
    held = {"people": sum(map(balance, people)), "vault": balance(network.vault), "escrow": balance(network.escrow)}
    assert sum(held.values()) == chain.token.total_supply(), "a token is nowhere"
    assert held["vault"] == sum(chain.vault.stake_of(person).stake for person in people), "the vault's book is wrong"
    contract = chain.client.contract("JobEscrow", network.escrow)
    owed = {
        "pool": chain.escrow.pool(),
        "credits": sum(map(chain.escrow.credit_of, people)),
        "fees earned by judges": sum(chain.bench.bond(slot.slot_id).earned for slot in chain.bench.slots()),
        "to burn": chain.client.call(contract.functions.burnable()),
    }
    assert held["escrow"] == sum(owed.values()), "the escrow's book is wrong"
    return held | owed


class GasBook:
    """Gas of every transaction to our contracts, by the call's name; reverted ones by themselves."""

    def __init__(self, chain: Chain) -> None:
        self._chain, self._next = chain, 0
        self._names = _selectors()
        contracts = ("vault", "beacon", "bench", "ballots", "court", "escrow")
        self._ours = {getattr(chain.network, contract).lower(): contract for contract in contracts}
        self._times: Counter[str] = Counter()
        self._used: Counter[str] = Counter()

    def begin(self) -> None:
        """What was sent before is not counted."""
        self._next = self._chain.client.block_number() + 1

    def read_on(self) -> None:
        """Counts the blocks since the last time. Raises TransientError where one is not whole yet."""
        for number in range(self._next, self._chain.client.block_number()):
            for call, used in self._calls_of(number):
                self._times[call] += 1
                self._used[call] += used
            self._next = number + 1

    @property
    def total(self) -> int:
        return self._used.total()

    def calls(self) -> list[tuple[str, int, float]]:
        """Name, times and mean gas of each call, the dearest altogether first."""
        return [(name, self._times[name], used / self._times[name]) for name, used in self._used.most_common()]

    def _calls_of(self, number: int) -> list[tuple[str, int]]:
        rpc = self._chain.client.rpc
        block = rpc("eth_getBlockByNumber", hex(number), True)
        receipts = rpc("eth_getBlockReceipts", hex(number)) if block and block["transactions"] else []
        if block is None or receipts is None:
            raise TransientError(f"block {number} is not whole yet")
        sent = {each["hash"]: each for each in block["transactions"] if (each.get("to") or "").lower() in self._ours}
        found = [(sent[each["transactionHash"]], each) for each in receipts if each["transactionHash"] in sent]
        return [(self._name(call, receipt["status"] == "0x1"), int(receipt["gasUsed"], 16)) for call, receipt in found]

    def _name(self, transaction: dict, is_good: bool) -> str:
        contract = self._ours[transaction["to"].lower()]
        name = f"{contract}.{self._names.get(transaction['input'][:10], '?')}"
        return name if is_good else f"{name}, reverted"


def _selectors() -> dict[str, str]:
    selectors = {}
    for contract in artifacts.CONTRACTS:
        for entry in artifacts.abi(contract):
            if entry["type"] == "function":
                types = ",".join(artifacts.canonical(item) for item in entry["inputs"])
                selectors["0x" + keccak(text=f"{entry['name']}({types})")[:4].hex()] = entry["name"]
    return selectors
