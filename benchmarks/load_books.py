# SPDX-License-Identifier: Apache-2.0
"""Where every token is after a load run, and what its transactions cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from eth_utils import keccak

from swarm.chain import artifacts
from swarm.chain.network import Chain
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


def gas_by_call(chain: Chain, first: int, last: int) -> dict[str, list[int]]:
    """Gas of every transaction to our contracts in these blocks, by the call's name; reverted ones by themselves."""
    contracts, names, found = (
        ("vault", "beacon", "bench", "ballots", "court", "escrow"),
        _selectors(),
        defaultdict(list),
    )
    ours = {getattr(chain.network, contract).lower(): contract for contract in contracts}
    for number in range(first, last + 1):
        block = chain.client.rpc("eth_getBlockByNumber", hex(number), True)
        sent = {each["hash"]: each for each in block["transactions"] if (each.get("to") or "").lower() in ours}
        if not sent:
            continue
        for receipt in chain.client.rpc("eth_getBlockReceipts", hex(number)):
            if transaction := sent.get(receipt["transactionHash"]):
                call = f"{ours[transaction['to'].lower()]}.{names.get(transaction['input'][:10], '?')}"
                found[call if receipt["status"] == "0x1" else f"{call}, reverted"].append(int(receipt["gasUsed"], 16))
    return dict(found)


def _selectors() -> dict[str, str]:
    selectors = {}
    for contract in artifacts.CONTRACTS:
        for entry in artifacts.abi(contract):
            if entry["type"] == "function":
                types = ",".join(artifacts.canonical(item) for item in entry["inputs"])
                selectors["0x" + keccak(text=f"{entry['name']}({types})")[:4].hex()] = entry["name"]
    return selectors
