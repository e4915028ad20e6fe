# SPDX-License-Identifier: Apache-2.0
"""The books of the whole market: after every call each token is with somebody, and each contract holds what it owes."""

from __future__ import annotations

from swarm.protocol.types import JobStatus

DEAD = "0x000000000000000000000000000000000000dEaD"
_STAKED = (JobStatus.RUNNING, JobStatus.SUBMITTED, JobStatus.UNDER_AUDIT, JobStatus.CHALLENGED)


class Books:
    """Reads all balances in a few requests and compares."""

    def __init__(self, world) -> None:
        self._world = world
        self.others: list[str] = []  # further token holders of a story

    def check(self) -> None:
        """Asserts conservation and solvency (invariants 1, 2, 3, 4)."""
        world, people = self._world, self._people()
        token, vault, escrow, bench = (str(c) for c in (world.token, world.vault, world.escrow, world.bench))
        penniless = [str(c) for c in (world.bench, world.ballots, world.court, world.beacon, world.reputation)]
        slashers = (escrow, bench, str(world.deployer))
        holders = [*people, vault, escrow, DEAD, token, *penniless]
        reads = [(token, "totalSupply()", [], [])]
        reads += [(token, "balanceOf(address)", ["address"], [holder]) for holder in holders]
        reads += [(vault, "freeStakeOf(address)", ["address"], [person]) for person in people]
        reads += [
            (vault, "lockedBy(address,address)", ["address", "address"], [person, slasher])
            for slasher in slashers
            for person in people
        ]
        reads += [(escrow, "creditOf(address)", ["address"], [person]) for person in people]
        reads += [(escrow, name, [], []) for name in ("pool()", "burnable()", "jobCount()")]
        reads += [(bench, "slotCount()", [], [])]
        supply, *rest = world.rpc.read_all(reads)
        balances = dict(zip(holders, rest, strict=False))
        rest = rest[len(holders) :]
        n = len(people)
        free, by_escrow, by_bench, by_deployer, credits = (rest[i * n : (i + 1) * n] for i in range(5))
        pool, burnable, jobs, slots = rest[5 * n :]

        assert sum(balances.values()) == supply, "tokens were created or lost"
        locked = sum(by_escrow) + sum(by_bench) + sum(by_deployer)
        assert balances[vault] == sum(free) + locked + self._unbonding(people), "the vault does not hold its stakes"
        live = [world.job(job_id) for job_id in range(1, jobs + 1)]
        bonds = sum(world.ledger.bonds.get(job.job_id, 0) for job in live)
        slot_bonds, earned = self._slots_of(people, slots)
        owed = sum(job.held for job in live) + pool + burnable + sum(credits) + bonds + sum(earned.values())
        assert balances[escrow] == owed, "the escrow does not hold what it owes"
        assert all(job.held == 0 for job in live if job.status.is_final), "a job that has ended holds tokens"
        collateral = sum(job.collateral for job in live if job.status in _STAKED)
        assert sum(by_escrow) == collateral, "locked collateral is not that of live jobs"
        assert dict(zip(people, by_bench, strict=True)) == slot_bonds, "a slot's bond is not locked"
        assert all(balances[contract] == 0 for contract in penniless)

    def wealth(self) -> dict[str, int]:
        """What everybody owns by role (wallet, stake, credit, fees earned), the escrow's pool, and what is to be
        burned."""
        world, names = self._world, self.names()
        token, vault, escrow = (str(c) for c in (world.token, world.vault, world.escrow))
        wallets = [(token, "balanceOf(address)", ["address"], [who]) for who in names]
        stakes = [(vault, "accountOf(address)", ["address"], [who]) for who in names]
        credits = [(escrow, "creditOf(address)", ["address"], [who]) for who in names]
        owned = world.rpc.read_all(wallets + stakes + credits)
        n = len(names)
        bench = str(world.bench)
        pool, burned, slots = world.rpc.read_all(
            [(escrow, "pool()", [], []), (escrow, "burnable()", [], []), (bench, "slotCount()", [], [])]
        )
        _, earned = self._slots_of(list(names), slots)
        totals = {name: sum(owned[i::n]) + earned[who] for i, (who, name) in enumerate(names.items())}
        return totals | {"pool": pool, "burned": burned}

    def gains(self, before: dict[str, int]) -> dict[str, int]:
        """Who has more or less than before; whoever has the same is left out."""
        now = self.wealth()
        return {name: now[name] - before.get(name, 0) for name in now if now[name] != before.get(name, 0)}

    def names(self) -> dict[str, str]:
        world = self._world
        people = {str(world.buyer): "buyer", str(world.seller): "seller", str(world.stranger): "stranger"}
        people |= {str(judge): f"judge {i}" for i, judge in enumerate(world.judges)}
        return people | {str(other): f"other {i}" for i, other in enumerate(self.others)}

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
        return sum(self._world.rpc.read_all(reads))

    def _slots_of(self, people: list[str], slots: int) -> tuple[dict[str, int], dict[str, int]]:
        """What is left of the bonds of everybody's slots, and what they have earned. Asserts that none promises more
        than it has."""
        bench, ids = str(self._world.bench), range(1, slots + 1)
        reads = [(bench, "bondOf(uint32)", ["uint32"], [slot_id]) for slot_id in ids]
        reads += [(bench, "ownerOf(uint32)", ["uint32"], [slot_id]) for slot_id in ids]
        answers = self._world.rpc.read_words(reads)
        bonds, fees = dict.fromkeys(people, 0), dict.fromkeys(people, 0)
        owners = {int(person, 16): person for person in people}
        for (left, reserved, cases, earned), (owner,) in zip(answers[:slots], answers[slots:], strict=True):
            assert reserved <= left and (cases > 0) == (reserved > 0), "a slot promises what it does not have"
            if owner:
                bonds[owners[owner]] += left
                fees[owners[owner]] += earned
        return bonds, fees
