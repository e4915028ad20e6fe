# SPDX-License-Identifier: Apache-2.0
"""Reputation: what sellers have done, weighed by price."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.chain.client import ChainClient
from swarm.protocol.types import Address, Amount


@dataclass(frozen=True, slots=True)
class Record:
    """Sums of prices: of jobs whose audit was passed (bounded per payer), slashed jobs, jobs never handed in."""

    passed: Amount
    faults: Amount
    late: Amount


class Reputation:
    def __init__(self, client: ChainClient, address: Address) -> None:
        self.address = address
        self._client = client
        self._functions = client.contract("Reputation", address).functions

    def score_of(self, seller: Address) -> int:
        """Basis points; 0 for a newcomer."""
        return self._client.call(self._functions.scoreOf(seller))

    def record_of(self, seller: Address) -> Record:
        passed, faults, late = self._client.call(self._functions.recordOf(seller))
        return Record(Amount(passed), Amount(faults), Amount(late))
