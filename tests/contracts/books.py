# SPDX-License-Identifier: Apache-2.0
"""The books of the whole market: after every call each token is with somebody, and each contract holds what it owes."""

from __future__ import annotations

from swarm.protocol import money
from swarm.protocol.types import JobStatus

DEAD = "0x000000000000000000000000000000000000dEaD"
_JOB_WORDS = 17


class Books:
    """Reads all balances in a few requests and compares."""

    def __init__(self, world) -> None:
        self._world = world
        self.others: list[str] = []  # further token holders of a story

    def check(self) -> None:
        """Asserts conservation and solvency (invariants 1, 2, 3, 4)."""
        world, people = self._world, self._people()
        token, vault, escrow = (str(c) for c in (world.token, world.vault, world.escrow))
        holders = [*people, vault, escrow, DEAD, str(world.court), str(world.beacon), token]
        reads = [(token, "totalSupply()", [], [])]
        reads += [(token, "balanceOf(address)", ["address"], [holder]) for holder in holders]
        reads += [(vault, "freeStakeOf(address)", ["address"], [person]) for person in people]
        reads += [
            (vault, "lockedBy(address,address)", ["address", "address"], [person, slasher])
            for person in people
            for slasher in (escrow, str(world.court), str(world.deployer))
        ]
        reads += [(escrow, "creditOf(address)", ["address"], [person]) for person in people]
        reads += [(escrow, name, [], []) for name in ("pool()", "burnable()", "jobCount()")]
        supply, *rest = world.rpc.read_all(reads)
        balances = dict(zip(holders, rest, strict=False))
        rest = rest[len(holders) :]
        n = len(people)
        free, locks, credits = rest[:n], rest[n : 4 * n], rest[4 * n : 5 * n]
        pool, burnable, jobs = rest[5 * n :]

        assert sum(balances.values()) == supply, "tokens were created or lost"
        assert balances[vault] == sum(free) + sum(locks) + self._unbonding(people), "the vault does not hold its stakes"
        held, collateral = self._jobs(jobs)
        assert balances[escrow] == held + pool + burnable + sum(credits), "the escrow does not hold what it owes"
        assert sum(locks[0::3]) == collateral, "locked collateral is not that of live jobs"
        assert balances[str(world.court)] == balances[str(world.beacon)] == 0

    def wealth(self) -> dict[str, int]:
        """What everybody owns by role (wallet, stake, credit), the escrow's pool, and what is to be burned."""
        world, names = self._world, self.names()
        token, vault, escrow = (str(c) for c in (world.token, world.vault, world.escrow))
        wallets = [(token, "balanceOf(address)", ["address"], [who]) for who in names]
        stakes = [(vault, "accountOf(address)", ["address"], [who]) for who in names]
        credits = [(escrow, "creditOf(address)", ["address"], [who]) for who in names]
        owned = world.rpc.read_all(wallets + stakes + credits)
        n = len(names)
        totals = {name: sum(owned[i::n]) for i, name in enumerate(names.values())}
        pool, burned = world.rpc.read_all([(escrow, name, [], []) for name in ("pool()", "burnable()")])
        return totals | {"pool": pool, "burned": burned}

    def gains(self, before: dict[str, int]) -> dict[str, int]:
        """Who has more or less than before; whoever has the same is left out."""
        now = self.wealth()
        return {name: now[name] - before[name] for name in now if now[name] != before[name]}

    def names(self) -> dict[str, str]:
        world = self._world
        people = {str(world.buyer): "buyer", str(world.seller): "seller", str(world.stranger): "stranger"}
        return people | {str(judge): f"judge {i}" for i, judge in enumerate(world.judges)}

    def _people(self) -> list[str]:
        world = self._world
        accounts = [world.deployer, world.buyer, world.seller, world.stranger, *world.judges, *self.others]
        return [str(account) for account in accounts]

    def _unbonding(self, people: list[str]) -> int:
        vault = str(self._world.vault)
        counts = self._world.rpc.read_all([(vault, "unbondingsOf(address)", ["address"], [p]) for p in people])
        reads = [
            (vault, "unbondingOf(address,uint64)", ["address", "uint64"], [person, i])
            for person, count in zip(people, counts, strict=True)
            for i in range(count)
        ]
        return sum(self._world.rpc.read_all(reads)) if reads else 0

    def _jobs(self, count: int) -> tuple[int, int]:
        """What live jobs hold in the escrow, and the collateral of those that have a seller at stake."""
        held = collateral = 0
        for job_id in range(1, count + 1):
            job = self._world.job(job_id)
            status = JobStatus(job["status"])
            if status.is_final:
                continue
            fee = money.judge_fee(job["price"], job["segments"], self._world.params.fee_min)
            held += job["price"] + (0 if job["audited"] else money.max_levy(fee))
            collateral += job["collateral"]
        return held, collateral
