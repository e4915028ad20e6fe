# SPDX-License-Identifier: Apache-2.0
"""Everybody's tokens in the simulation of `economics.py`."""

from __future__ import annotations

from collections import Counter

from swarm.protocol.parameters import TOKEN


class Books:
    """Double entry over everybody's tokens. The escrow is empty between jobs, nobody is ever in debt."""

    def __init__(self, accounts: list) -> None:
        self.balances = Counter(dict.fromkeys(accounts, 10**9 * TOKEN))
        self.total = sum(self.balances.values())
        self.net: Counter = Counter()
        self.compute: Counter = Counter()

    def move(self, source, target, amount: int) -> None:
        assert 0 <= amount <= self.balances[source], f"{source} cannot pay {amount}"
        for account, change in ((source, -amount), (target, amount)):
            self.balances[account] += change
            self.net[account] += change

    def close_job(self) -> tuple[Counter, Counter]:
        """Checks conservation and returns what the job moved and what computing it cost, by account."""
        assert sum(self.balances.values()) == self.total, "money was made or lost"
        assert self.balances["escrow"] == 0, "a job kept money"
        moved = (self.net, self.compute)
        self.net, self.compute = Counter(), Counter()
        return moved
