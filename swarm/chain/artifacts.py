# SPDX-License-Identifier: Apache-2.0
"""The contracts' committed ABIs and bytecode. scripts/export_abi.py writes them, a test compares."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

CONTRACTS = (
    "StakeVault",
    "Beacon",
    "JudgeBench",
    "Ballots",
    "AuditCourt",
    "Reputation",
    "JobEscrow",
    "FaucetToken",
)


@cache
def artifact(contract: str) -> dict:
    """`{"abi": …, "bytecode": "0x…"}` of a contract by its Solidity name."""
    return json.loads(resources.files("swarm.chain.abi").joinpath(f"{contract}.json").read_text())


def abi(contract: str) -> list[dict]:
    return artifact(contract)["abi"]


def entries(kind: str) -> dict[str, dict]:
    """All ABI entries of a kind ("error" or "event") over all contracts, by signature."""
    found = {}
    for contract in CONTRACTS:
        for entry in abi(contract):
            if entry["type"] == kind:
                types = ",".join(canonical(item) for item in entry["inputs"])
                found[f"{entry['name']}({types})"] = entry
    return found


def canonical(item: dict) -> str:
    """The type of an argument as a signature writes it; a struct as its parts in parentheses."""
    if not item["type"].startswith("tuple"):
        return item["type"]
    inner = ",".join(canonical(part) for part in item["components"])
    return f"({inner}){item['type'][5:]}"
