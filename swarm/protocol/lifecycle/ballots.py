# SPDX-License-Identifier: Apache-2.0
"""Committees: drawn, sealed, revealed, counted. The twin of `Ballots`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from swarm.protocol.commitment import merkle_depth, merkle_verify, opened_leaf
from swarm.protocol.commitment import seal as seal_of
from swarm.protocol.lifecycle.bench import Walk
from swarm.protocol.lifecycle.state import LEAST_SEATS, SEED_PATIENCE, WRONG_FEES, Part, require, verb, window_for
from swarm.protocol.lifecycle.verdicts import can_say
from swarm.protocol.types import (
    MATCH,
    UNDELIVERED,
    ZERO_DIGEST,
    Address,
    Ballot,
    BallotStatus,
    Comparison,
    Digest,
    Epoch,
    Job,
    JobId,
    Opening,
    SlotId,
)


class Ballots(Part):
    """Votes of committees; a ballot's bits and seats count from 0."""

    def __init__(self, market) -> None:
        super().__init__(market)
        self.ballots: dict[tuple[JobId, int], Ballot] = {}
        self.findings: dict[tuple[JobId, int, int], Digest] = {}  # a member's seal, its verdict once revealed
        self.probes: dict[tuple[JobId, int], int] = {}

    def ballot_of(self, job_id: JobId, round_: int) -> Ballot:
        nothing = Ballot(job_id, round_, BallotStatus.NONE, Comparison.EXACT, 0, 0, 0, 0, 0, 0, 0, 0, Epoch(0), ())
        return self.ballots.get((job_id, round_), nothing)

    def _store(self, ballot: Ballot) -> None:
        self.ballots[ballot.job_id, ballot.round] = replace(ballot, size=len(ballot.committee))

    # the court's

    def call_ballot(
        self, job_id: JobId, round_: int, comparison: Comparison, segment: int, seats: int, now: int
    ) -> None:
        """Calls a committee, which a seed that nobody can know yet will draw."""
        parameters, beacon = self.market.parameters, self.market.beacon
        epoch = beacon.epoch_at(now + parameters.seed_delay)
        deadline = beacon.time_of(epoch) + parameters.draw_window
        asked = (BallotStatus.DRAWING, comparison, segment, seats)
        self._store(Ballot(job_id, round_, *asked, 0, 0, 0, 0, now, deadline, epoch, ()))

    def cancel(self, job_id: JobId, round_: int) -> None:
        """Gives up a committee that is not drawn yet."""
        ballot = self.ballot_of(job_id, round_)
        require(ballot.status == BallotStatus.DRAWING, "WrongBallotStatus")
        self._store(replace(ballot, status=BallotStatus.FAILED))

    def close(self, job_id: JobId, round_: int, now: int) -> tuple[Digest, bool, bool]:
        """Ends a ballot whose votes are in or whose time is over: its verdict, whether anybody came, whether it
        failed."""
        ballot = self.ballot_of(job_id, round_)
        if ballot.status == BallotStatus.FAILED:
            return ZERO_DIGEST, False, True
        ballot = self._end_sealing(ballot, now)
        require(ballot.status == BallotStatus.REVEALING, "WrongBallotStatus")
        require(now > ballot.deadline or ballot.sealed_seats == ballot.revealed_seats, "DeadlineRunning")
        self._store(replace(ballot, status=BallotStatus.COUNTED))
        return self.verdict_of(job_id, round_), ballot.revealed_seats != 0, False

    def release(self, job_id: JobId, round_: int, fee: int, winner: Digest, now: int) -> tuple[list[SlotId], int]:
        """Frees a committee: absent members lose one fee, overruled ones five. Returns who was right, and what they
        lost."""
        ballot, bench = self.ballot_of(job_id, round_), self.market.bench
        right: list[SlotId] = []
        penalties = 0
        verdicts = self._verdicts_of(ballot)
        for seat in range(ballot.size):
            self.findings.pop((job_id, round_, seat), None)
        for member, verdict in zip(ballot.committee, verdicts, strict=True):
            if verdict == ZERO_DIGEST:
                penalties += bench.penalise(member, fee, fee, is_late=True, now=now)
            elif winner not in (ZERO_DIGEST, verdict):
                penalties += bench.penalise(member, fee, WRONG_FEES * fee, is_late=False, now=now)
            else:
                right.append(member)
                bench.dismiss(member, fee)
        return right, penalties

    # drawing

    @verb
    def draw_committee(self, caller: Address, job: Job, round_: int, *, now: int) -> tuple[SlotId, ...]:
        """Draws the committee once its seed is known, again where seats stayed empty. Too late without one, the ballot
        fails."""
        ballot, escrow = self.ballot_of(job.job_id, round_), self.market.escrow
        seed, _ = self.market.beacon.seed_for(ballot.epoch)
        has_seed = seed != ZERO_DIGEST
        is_over = now > ballot.deadline + (0 if has_seed else SEED_PATIENCE)
        require(ballot.status == BallotStatus.DRAWING, "WrongBallotStatus")
        require(has_seed or is_over, "SeedNotKnown")
        escrow.require_current(job)
        require(escrow.terms_match(job), "StaleDocket")
        fee = escrow.fee_of(job)
        if has_seed:
            ballot = self._fill(ballot, job, seed, fee)
        size = len(ballot.committee)
        is_short = is_over and ballot.seats > LEAST_SEATS and size >= LEAST_SEATS
        if size == ballot.seats or is_short:
            if size % 2 == 0:
                ballot = self._drop_last(ballot, fee)
            deadline = now + window_for(self.market.parameters.seal_min_seconds, job.segment_seconds)
            ballot = replace(ballot, status=BallotStatus.SEALING, since=0, epoch=Epoch(0), deadline=deadline)
        elif is_over:
            while ballot.committee:
                ballot = self._drop_last(ballot, fee)
            ballot = replace(ballot, status=BallotStatus.FAILED)
        self._store(ballot)
        return ballot.committee

    def _fill(self, ballot: Ballot, job: Job, seed: Digest, fee: int) -> Ballot:
        at = (ballot.job_id, ballot.round)
        walk = Walk(
            *at,
            since=ballot.since,
            hardware_class=job.hardware_class,
            fee=fee,
            buyer=job.buyer,
            seller=job.seller,
            seed=seed,
            probe=self.probes.get(at, 0),
            wanted=ballot.seats - len(ballot.committee),
        )
        found, probe = self.market.bench.draw(walk, self._taken(*at))
        if len(found) < walk.wanted:
            self.probes[at] = probe
        return replace(ballot, committee=(*ballot.committee, *found))

    def _taken(self, job_id: JobId, round_: int) -> Sequence[SlotId]:
        """Everybody drawn for this case so far: its judges, and the committees of its rounds."""
        judges, first_round = self.market.court.judges_of(job_id)
        require(round_ >= first_round, "Panic")
        committees = (self.ballot_of(job_id, earlier).committee for earlier in range(first_round, round_ + 1))
        return [*judges, *(member for committee in committees for member in committee)]

    def _drop_last(self, ballot: Ballot, fee: int) -> Ballot:
        self.market.bench.dismiss(ballot.committee[-1], fee)
        return replace(ballot, committee=ballot.committee[:-1])

    # sealing and revealing

    @verb
    def seal(self, caller: Address, job_id: JobId, round_: int, seat: int, seal_: Digest, *, now: int) -> None:
        """Seals a member's verdict. With the last seal revealing begins."""
        ballot = self.ballot_of(job_id, round_)
        require(ballot.status == BallotStatus.SEALING, "WrongBallotStatus")
        require(now <= ballot.deadline, "DeadlinePassed")
        self._require_member(caller, ballot, seat)
        require(not ballot.has_sealed(seat), "AlreadySealed")
        require(seal_ != ZERO_DIGEST, "EmptySeal")
        ballot = replace(ballot, sealed_seats=ballot.sealed_seats | 1 << seat)
        self.findings[job_id, round_, seat] = seal_
        if ballot.sealed_seats == (1 << ballot.size) - 1:
            deadline = now + self.market.parameters.reveal_seconds
            ballot = replace(ballot, status=BallotStatus.REVEALING, deadline=deadline)
        self._store(ballot)

    @verb
    def reveal(
        self,
        caller: Address,
        job: Job,
        round_: int,
        seat: int,
        opening: Opening,
        evidence_cid: Digest,
        salt: Digest,
        proof: Sequence[Digest],
        *,
        now: int,
    ) -> None:
        """Reveals a re-execution by its preimage: with a proof that it is the seller's it acquits, without one it
        convicts."""
        ballot = self.ballot_of(job.job_id, round_)
        require(ballot.comparison == Comparison.EXACT, "WrongComparison")
        require(ballot.segment != UNDELIVERED, "WrongSegment")
        found = opened_leaf(job.job_id, ballot.segment, opening)
        # A conviction asks nothing of the job.
        acquits = len(proof) > 0 or found == job.segment_root
        if acquits:
            self.market.escrow.require_current(job)
        if acquits and self._is_sellers(found, ballot.segment, job, proof):
            ballot = replace(ballot, proved_seats=ballot.proved_seats | 1 << seat)
        self._reveal(caller, ballot, seat, found, evidence_cid, salt, now)

    @verb
    def reveal_word(
        self,
        caller: Address,
        job_id: JobId,
        round_: int,
        seat: int,
        verdict: Digest,
        evidence_cid: Digest,
        salt: Digest,
        *,
        now: int,
    ) -> None:
        """Reveals a sealed verdict that is a word."""
        ballot = self.ballot_of(job_id, round_)
        require(can_say(verdict, ballot.comparison, ballot.segment), "WrongVerdict")
        self._reveal(caller, ballot, seat, verdict, evidence_cid, salt, now)

    def _reveal(
        self,
        caller: Address,
        ballot: Ballot,
        seat: int,
        verdict: Digest,
        evidence_cid: Digest,
        salt: Digest,
        now: int,
    ) -> None:
        at = (ballot.job_id, ballot.round, seat)
        ballot = self._end_sealing(ballot, now)
        require(ballot.status == BallotStatus.REVEALING, "WrongBallotStatus")
        require(now <= ballot.deadline, "DeadlinePassed")
        require(ballot.has_sealed(seat), "NotSealed")
        require(not ballot.has_revealed(seat), "AlreadyRevealed")
        sealed = seal_of(ballot.job_id, ballot.round, caller, verdict, evidence_cid, salt)
        require(self.findings[at] == sealed, "SealMismatch")
        self.findings[at] = verdict
        self._store(replace(ballot, revealed_seats=ballot.revealed_seats | 1 << seat))

    def _is_sellers(self, found: Digest, segment: int, job: Job, proof: Sequence[Digest]) -> bool:
        if not proof:
            return found == job.segment_root and job.segments == 1
        require(len(proof) == merkle_depth(job.segments), "WrongProofLength")
        require(merkle_verify(job.segment_root, found, segment, job.segments, proof), "WrongOpening")
        return True

    def _end_sealing(self, ballot: Ballot, now: int) -> Ballot:
        """Sealing ends by itself at its deadline; the time to reveal counts from there."""
        if ballot.status != BallotStatus.SEALING:
            return ballot
        require(now > ballot.deadline, "DeadlineRunning")
        deadline = ballot.deadline + self.market.parameters.reveal_seconds
        return replace(ballot, status=BallotStatus.REVEALING, deadline=deadline)

    def _require_member(self, caller: Address, ballot: Ballot, seat: int) -> None:
        require(seat < ballot.size, "NotInCommittee")
        require(self.market.bench.slot_of(ballot.committee[seat]).operator == caller, "NotInCommittee")

    # views

    def finding_of(self, job_id: JobId, round_: int, seat: int) -> Digest:
        return self.findings.get((job_id, round_, seat), ZERO_DIGEST)

    def verdict_of(self, job_id: JobId, round_: int) -> Digest:
        """Of at least two members and more than half of the seats, as far as revealed; zero without one."""
        ballot = self.ballot_of(job_id, round_)
        verdicts = self._verdicts_of(ballot)
        for verdict in verdicts:
            if verdict != ZERO_DIGEST and verdicts.count(verdict) >= 2 and 2 * verdicts.count(verdict) > ballot.size:
                return verdict
        return ZERO_DIGEST

    def _verdicts_of(self, ballot: Ballot) -> list[Digest]:
        """What each seat's finding counts as, zero for one not revealed. A leaf that anybody proved to be the seller's
        own is a
        match, whoever found it."""
        findings = [self.finding_of(ballot.job_id, ballot.round, seat) for seat in range(ballot.size)]
        proved = {found for seat, found in enumerate(findings) if ballot.proved_seats >> seat & 1}
        sellers = proved - {ZERO_DIGEST}  # forgotten when the case is closed
        counted = [MATCH if found in sellers else found for found in findings]
        return [found if ballot.has_revealed(seat) else ZERO_DIGEST for seat, found in enumerate(counted)]
