# SPDX-License-Identifier: Apache-2.0
"""Reads the whole state of the contracts in one request, and compares it with the twin's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eth_utils import keccak
from rpc import Rpc, encode_words

from swarm.protocol.lifecycle import Market
from swarm.protocol.lifecycle.treasury import BURN_ADDRESS
from swarm.protocol.types import Ballot, BallotStatus, Bond, Case, Job, JobId, Slot, SlotId


def number(value: object) -> int:
    """Any word of the twin as the number the chain keeps."""
    if isinstance(value, bytes):
        return int.from_bytes(value.ljust(32, b"\0"))
    return int(value, 16) if isinstance(value, str) else int(value)


def words(*values: object) -> bytes:
    return encode_words(*map(number, values))


def array(values: Sequence[object]) -> bytes:
    """abi.encode of one array of words."""
    return words(32, len(values), *values)


def slot_words(slot: Slot, position: int) -> bytes:
    keys = (slot.strikes, slot.operator, slot.hardware_class, position)
    return words(slot.owner, slot.active_from, slot.active_until, *keys)


def bond_words(bond: Bond) -> bytes:
    return words(bond.left, bond.reserved, bond.cases, bond.earned)


def case_words(case: Case) -> bytes:
    return words(*(getattr(case, name) for name in Case.__dataclass_fields__ if name != "job_id"))


def ballot_words(ballot: Ballot) -> bytes:
    apart = ("job_id", "round", "committee")
    return words(*(getattr(ballot, name) for name in Ballot.__dataclass_fields__ if name not in apart))


def job_hash(job: Job) -> bytes:
    return keccak(words(*job.state()))


Read = tuple[str, str, tuple, bytes]  # contract, signature, arguments, what the twin expects


class Reader:
    """Knows what every view of the contracts should answer."""

    def __init__(self, market: Market, contracts: dict, rpc: Rpc) -> None:
        self.market, self._rpc = market, rpc
        self._addresses = {name: contract.address for name, contract in contracts.items()}

    def differences(self, actors: Sequence[str]) -> list[str]:
        """What the contracts say otherwise than the twin."""
        reads = list(self._reads(actors))
        answers = self._rpc.read_raw(
            [(self._addresses[contract], signature, arguments) for contract, signature, arguments, _ in reads]
        )
        return [
            f"{contract}.{signature}{arguments}: {_told(got)}, the twin {_told(expected)}"
            for (contract, signature, arguments, expected), got in zip(reads, answers, strict=True)
            if got != expected
        ]

    def _reads(self, actors: Sequence[str]) -> Iterator[Read]:
        yield from self._of_money(actors)
        yield from self._of_bench()
        for job_id in self.market.escrow.jobs:
            yield from self._of_job(job_id)

    def _of_money(self, actors: Sequence[str]) -> Iterator[Read]:
        market, at, account = self.market, self.market.at, "(address)"
        for holder in (*actors, at["StakeVault"], at["JobEscrow"], BURN_ADDRESS):
            yield "token", "balanceOf" + account, (holder,), words(market.token.balance_of(holder))
        for actor in actors:
            book, count = market.vault.account_of(actor), market.vault.unbonding_counts.get(actor, 0)
            yield "vault", "accountOf" + account, (actor,), words(book.stake, book.locked)
            yield "vault", "operatorOf" + account, (actor,), words(market.vault.operator_of(actor))
            yield "vault", "payoutOf" + account, (actor,), words(market.vault.payout_of(actor))
            yield "vault", "unbondingsOf" + account, (actor,), words(count)
            for slasher in (at["JobEscrow"], at["JudgeBench"]):
                lock, who = market.vault.lock_of(actor, slasher), (actor, slasher)
                yield "vault", "lockedBy(address,address)", who, words(lock.amount)
                yield "vault", "isAuthorised(address,address)", who, words(lock.authorised)
            yield "escrow", "creditOf" + account, (actor,), words(market.escrow.credits.get(actor, 0))
            record = market.reputation.record_of(actor)
            yield "reputation", "recordOf" + account, (actor,), words(record.passed, record.faults, record.late)
            yield "reputation", "scoreOf" + account, (actor,), words(market.reputation.score_of(actor))
        for (actor, index), unbonding in market.vault.unbondings.items():
            yield "vault", "unbondingOf(address,uint64)", (actor, index), words(*unbonding)
        yield "escrow", "pool()", (), words(market.escrow.pool)
        yield "escrow", "burnable()", (), words(market.escrow.burnable)
        yield "escrow", "jobCount()", (), words(market.escrow.job_count)

    def _of_bench(self) -> Iterator[Read]:
        bench = self.market.bench
        yield "bench", "slotCount()", (), words(bench.slot_count)
        for hardware_class, seats in bench.seats.items():
            yield "bench", "ownersOf(uint16)", (hardware_class,), words(seats.owners)
        for slot_id in map(SlotId, range(1, bench.slot_count + 1)):
            slot, bond = bench.slot_of(slot_id), bench.bond_of(slot_id)
            yield "bench", "slotOf(uint32)", (slot_id,), slot_words(slot, bench.positions.get(slot_id, 0))
            yield "bench", "bondOf(uint32)", (slot_id,), bond_words(bond)

    def _of_job(self, job_id: JobId) -> Iterator[Read]:
        court, one = self.market.court, (job_id,)
        yield "escrow", "stateOf(uint64)", one, job_hash(self.market.escrow.jobs[job_id])
        case = court.case_of(job_id)
        yield "court", "caseOf(uint64)", one, case_words(case)
        if case.round == 0:
            return
        yield "court", "challengersOf(uint64)", one, array(court.challengers.get(job_id, ()))
        for round_ in range(1, case.round + 1):
            yield from self._of_ballot(self.market.ballots.ballot_of(job_id, round_))

    def _of_ballot(self, ballot: Ballot) -> Iterator[Read]:
        at, ballots = (ballot.job_id, ballot.round), self.market.ballots
        yield "ballots", "ballotOf(uint64,uint8)", at, ballot_words(ballot)
        if ballot.status in (BallotStatus.NONE, BallotStatus.DRAWING, BallotStatus.FAILED):
            return
        yield "ballots", "committeeOf(uint64,uint8)", at, array(ballot.committee)
        yield "ballots", "verdictOf(uint64,uint8)", at, words(ballots.verdict_of(*at))
        for seat in range(ballot.size):
            yield "ballots", "findingOf(uint64,uint8,uint8)", (*at, seat), words(ballots.finding_of(*at, seat))


def _told(answer: bytes) -> str:
    return " ".join(hex(int.from_bytes(answer[at : at + 32])) for at in range(0, len(answer), 32)) or "nothing"
