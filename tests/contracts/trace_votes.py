# SPDX-License-Identifier: Apache-2.0
"""What members of a committee may do, and what is known of a job on no chain: the seller's work, members' findings."""

from __future__ import annotations

import random
from dataclasses import dataclass

from commitments import Commitment
from trace_chain import Call, Chain
from trace_people import People
from world import EVIDENCE

from swarm.protocol.commitment import seal as seal_of
from swarm.protocol.commitment import sha256
from swarm.protocol.lifecycle.state import SEED_PATIENCE
from swarm.protocol.types import (
    MATCH,
    MISMATCH,
    UNAVAILABLE,
    UNDELIVERED,
    ZERO_ADDRESS,
    ZERO_DIGEST,
    Ballot,
    BallotStatus,
    Comparison,
    Digest,
    Job,
    JobId,
    Opening,
    SlotId,
)

FAR = 2**40 - 1  # no deadline


@dataclass(frozen=True)
class Move:
    """A call without its time: it makes sense from `ready` on, until `late`."""

    verb: str
    caller: str
    arguments: tuple
    ready: int = 0
    late: int = FAR

    def at(self, time: int) -> Call:
        return Call(self.verb, self.caller, self.arguments, time)


@dataclass(frozen=True)
class Finding:
    """What a committee's member found: an opening with or without its proof, or a word."""

    opening: Opening | None
    proof: tuple[Digest, ...]
    verdict: Digest


class Votes:
    """The members' part of `Moves`."""

    def __init__(self, chain: Chain, people: People, rng: random.Random) -> None:
        self.chain, self.market, self.people, self.rng = chain, chain.market, people, rng
        self._works: dict[JobId, Commitment] = {}
        self._findings: dict[tuple[JobId, int, int], Finding] = {}
        self._truths: dict[tuple[JobId, int], str] = {}

    # ballots

    def draw_committee(self, job: Job) -> Move:
        ballot = self._ballot(job)
        has_seed = self.market.beacon.seed_for(ballot.epoch)[0] != ZERO_DIGEST
        ready = self.rng.choice((0, 0, 0, ballot.deadline + 1)) if has_seed else ballot.deadline + SEED_PATIENCE + 1
        return Move("ballots.draw_committee", self.people.stranger, (job, ballot.round), ready)

    def seal(self, job: Job) -> Move:
        ballot = self._ballot(job)
        seat = self._seat([seat for seat in range(ballot.size) if not ballot.has_sealed(seat)])
        member = self._member(ballot, seat)
        finding = self._find(job, ballot, seat)
        sealed = seal_of(job.job_id, ballot.round, member, finding.verdict, EVIDENCE, _salt(seat))
        sealed = ZERO_DIGEST if self.rng.random() < 0.01 else sealed
        return Move("ballots.seal", member, (job.job_id, ballot.round, seat, sealed), late=ballot.deadline)

    def reveal(self, job: Job) -> Move:
        ballot = self._ballot(job)
        waiting = [seat for seat in range(ballot.size) if ballot.has_sealed(seat) and not ballot.has_revealed(seat)]
        seat = self._seat(waiting)
        finding = self._findings.get((job.job_id, ballot.round, seat)) or self._find(job, ballot, seat)
        member, ready = self._member(ballot, seat), ballot.deadline + 1 if ballot.status == BallotStatus.SEALING else 0
        at, envelope = (ballot.round, seat), (EVIDENCE, _salt(seat))
        if finding.opening is None:
            return Move("ballots.reveal_word", member, (job.job_id, *at, finding.verdict, *envelope), ready)
        proof = (ZERO_DIGEST,) * 2 if self.rng.random() < 0.03 else finding.proof
        return Move("ballots.reveal", member, (job, *at, finding.opening, *envelope, proof), ready)

    def _find(self, job: Job, ballot: Ballot, seat: int) -> Finding:
        """A member's finding: mostly what is the truth of this round, else anything."""
        kinds = ("match", "match", "differs", "differs", "unproved", "unavailable", "odd")
        truth = self._truths.setdefault((job.job_id, ballot.round), self.rng.choice(kinds[:6]))
        kind = truth if self.rng.random() < 0.8 else self.rng.choice(kinds)
        finding = self._of_kind(kind, job, ballot)
        self._findings[job.job_id, ballot.round, seat] = finding
        return finding

    def _of_kind(self, kind: str, job: Job, ballot: Ballot) -> Finding:
        is_opened = ballot.comparison == Comparison.EXACT and ballot.segment < job.segments
        if kind == "unavailable" or not is_opened:
            is_judged = ballot.comparison == Comparison.TOLERANCE and ballot.segment != UNDELIVERED
            differs = MISMATCH if is_judged or self.rng.random() < 0.02 else UNAVAILABLE
            return Finding(None, (), {"match": MATCH, "differs": differs}.get(kind, UNAVAILABLE))
        work = self.work(job.job_id, job.segments)
        if kind in ("match", "unproved"):
            opening, proof = self.opened(job, ballot.segment)
            return Finding(opening, proof if kind == "match" else (), work.leaves[ballot.segment])
        variant = 0 if kind == "differs" else self.rng.randrange(3)
        opening = Opening(*map(Digest, work.other_opening(ballot.segment, variant)))
        return Finding(opening, (), Digest(work.other_leaf(ballot.segment, variant)))

    # what is known off chain

    def work(self, job_id: JobId, segments: int) -> Commitment:
        """What the seller ran: the job's segments, as many as it has now. Every second canary class job is one."""
        known = self._works.get(job_id)
        if known is None or known.segments != segments:
            job = self.market.escrow.jobs[job_id]
            is_canary = job.terms.comparison == Comparison.TOLERANCE and job_id % 2 == 1
            known = Commitment(job_id, segments, 0, range(segments) if is_canary else ())
            self._works[job_id] = known
        return known

    def opened(self, job: Job, segment: int) -> tuple[Opening, tuple[Digest, ...]]:
        work = self.work(job.job_id, job.segments)
        segment = min(segment, job.segments - 1)
        return Opening(*map(Digest, work.opening(segment))), tuple(work.proof(segment))

    def _ballot(self, job: Job) -> Ballot:
        return self.market.ballots.ballot_of(job.job_id, self.market.court.case_of(job.job_id).round)

    def _seat(self, open_seats: list[int]) -> int:
        return self.rng.choice(open_seats) if open_seats else 0

    def _member(self, ballot: Ballot, seat: int) -> str:
        return self._operator(ballot.committee[seat]) if seat < ballot.size else self.people.stranger

    def _operator(self, slot_id: SlotId) -> str:
        operator = self.market.bench.slot_of(slot_id).operator
        return self.people.stranger if operator == ZERO_ADDRESS else operator

    def _seller_or_hand(self, job: Job) -> str:
        operator = self.market.vault.operator_of(job.seller)
        seller = self.people.stranger if job.seller == ZERO_ADDRESS else job.seller
        return operator if operator != ZERO_ADDRESS and self.rng.random() < 0.5 else seller

    def _anybody(self) -> str:
        people = self.people
        return self.rng.choice((people.stranger, people.stranger, *people.buyers, people.judges[5], people.poor))


def _salt(seat: int) -> Digest:
    return sha256(b"salt %d" % seat)
