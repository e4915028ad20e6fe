# SPDX-License-Identifier: Apache-2.0
"""Chooses the next call of a trace: mostly what brings a job on, often enough what must be refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from trace_chain import Call, Chain
from trace_moves import Moves
from trace_people import COMMON, RARE, People
from trace_votes import FAR, Move

from swarm.protocol.types import (
    UNDELIVERED,
    ZERO_DIGEST,
    Ballot,
    BallotStatus,
    CaseStatus,
    Comparison,
    Job,
    JobStatus,
)

LIVE_JOBS = 2
WRONG = 0.18  # share of calls that are spoiled on purpose
Weighted = list[tuple[float, Callable[[], Move]]]


class Player:
    """One trace's source of calls; its twin must have played all calls it gave before it gives the next."""

    def __init__(self, chain: Chain, people: People, rng: random.Random, now: int) -> None:
        self._market, self._people, self._rng, self._now = chain.market, people, rng, now
        self._moves = Moves(chain, people, rng)
        # In some traces nobody hurries.
        self._lazy = rng.random() < 0.15
        self._known: list[Job] = []  # every state of every job seen so far

    def next_call(self) -> Call:
        """The next call, at or after the time of the last."""
        self._known += [job for job in self._market.escrow.jobs.values() if job not in self._known[-8:]]
        rng = self._rng
        is_wrong = rng.random() < WRONG
        move = self._any_move() if is_wrong and rng.random() < 0.5 else self._sensible()
        if is_wrong:
            move = self._spoiled(move)
        call = move.at(self._time_for(move, is_wrong))
        self._now = call.at
        return call

    def _time_for(self, move: Move, is_wrong: bool) -> int:
        soon = self._now + self._rng.choice((0, 1, 1, 7, 40))
        if is_wrong and self._rng.random() < 0.4:
            # On the edge, on either side.
            edges = [edge for edge in (move.ready - 1, move.ready, move.late, move.late + 1) if edge < FAR]
            return max(self._now, self._rng.choice([*edges, soon]))
        return max(soon, move.ready)

    def _pick(self, weighted: Weighted) -> Move:
        weights = [weight for weight, _ in weighted]
        return self._rng.choices([make for _, make in weighted], weights)[0]()

    # what makes sense

    def _sensible(self) -> Move:
        rng, moves = self._rng, self._moves
        live = [job for job in self._market.escrow.jobs.values() if not job.status.is_final]
        if not live or (len(live) < LIVE_JOBS and rng.random() < 0.06):
            return moves.post()
        if rng.random() < 0.08:
            return moves.aside(self._now)
        # Mostly one job at a time, so that a trace gets far.
        furthest = max(live, key=lambda job: (job.status, -job.job_id))
        return self._pick(self._steps(furthest if rng.random() < 0.85 else rng.choice(live)))

    def _steps(self, job: Job) -> Weighted:
        match job.status:
            case JobStatus.OPEN:
                return self._of_open(job)
            case JobStatus.RUNNING:
                return self._of_running(job)
            case JobStatus.SUBMITTED:
                return self._of_submitted(job)
            case _:
                return self._of_case(job)

    def _of_open(self, job: Job) -> Weighted:
        moves, has_time = self._moves, self._now <= job.deadline
        return [
            (88 if has_time else 1, lambda: moves.accept(job, self._now)),
            (5, lambda: moves.cancel(job)),
            (4, lambda: moves.refund(job)),
        ]

    def _of_running(self, job: Job) -> Weighted:
        moves = self._moves
        hand_back = 25 if job.terms.parts > 1 and job.segments > 1 else 2
        if self._now > job.deadline:
            return [(9, lambda: moves.refund(job)), (1, lambda: moves.submit(job)), (1, lambda: moves.abort(job))]
        return [
            (72, lambda: moves.submit(job)),
            (hand_back, lambda: moves.hand_back(job)),
            (6, lambda: moves.abort(job)),
            (5, lambda: moves.refund(job)),
        ]

    def _of_submitted(self, job: Job) -> Weighted:
        moves, court = self._moves, self._market.court
        drawn = self._market.escrow.is_drawn(job)
        word = court.word_for(court.case_of(job.job_id))
        canary = 45 if word.judge != 0 and job.terms.comparison == Comparison.TOLERANCE and job.job_id % 2 else 0
        challenge = 40 if self._now <= job.deadline else 1
        if job.audited:
            return [
                (40, lambda: moves.settle(job)),
                (challenge, lambda: moves.challenge(job)),
                (canary, lambda: moves.expose_canary(job)),
            ]
        steps = [(challenge / 2, lambda: moves.challenge(job))]
        if drawn is None:
            return [*steps, (60, lambda: moves.bring_seed(job.epoch))]
        if drawn:
            return [*steps, (80, lambda: moves.open_audit(job)), (5, lambda: moves.settle(job))]
        return [*steps, (50, lambda: moves.settle(job)), (5, lambda: moves.open_audit(job))]

    def _of_case(self, job: Job) -> Weighted:
        moves, case = self._moves, self._market.court.case_of(job.job_id)
        if case.status == CaseStatus.JUDGING:
            if case.judge == 0:
                return [(60, lambda: moves.volunteer(job)), (40, lambda: moves.replace_judge(job))]
            return [
                (40, lambda: moves.confirm(job)),
                (60, lambda: moves.deny(job)),
                (2_000 if self._lazy else 9, lambda: moves.replace_judge(job)),
            ]
        if case.status == CaseStatus.APPEALABLE:
            can_appeal = case.instance < 3 and self._now <= case.deadline
            return [(55 if can_appeal else 1, lambda: moves.appeal(job)), (50, lambda: moves.execute(job))]
        return self._of_ballot(job, self._market.ballots.ballot_of(job.job_id, case.round))

    def _of_ballot(self, job: Job, ballot: Ballot) -> Weighted:
        moves, case = self._moves, self._market.court.case_of(job.job_id)
        match ballot.status:
            case BallotStatus.DRAWING:
                if self._market.beacon.seed_for(ballot.epoch)[0] != ZERO_DIGEST:
                    return [(1, lambda: moves.draw_committee(job))]
                join = 0 if case.answers_draw else 30
                canary = 30 if case.answers_draw and case.comparison == Comparison.TOLERANCE and job.job_id % 2 else 1
                return [
                    (60, lambda: moves.bring_seed(ballot.epoch)),
                    (join, lambda: moves.join_challenge(job)),
                    (canary, lambda: moves.expose_canary(job)),
                    (2, lambda: moves.draw_committee(job)),
                ]
            case BallotStatus.SEALING if self._now <= ballot.deadline:
                late = 60 if self._lazy else 3
                return [(90, lambda: moves.seal(job)), (late, lambda: moves.reveal(job)), (2, lambda: moves.tally(job))]
            case BallotStatus.SEALING | BallotStatus.REVEALING if ballot.sealed_seats != ballot.revealed_seats:
                reveals = self._market.parameters.reveal_seconds if ballot.status == BallotStatus.SEALING else 0
                is_late = self._lazy or self._now > ballot.deadline + reveals
                return [(90, lambda: moves.reveal(job)), (200 if is_late else 3, lambda: moves.tally(job))]
            case _:
                return [(1, lambda: moves.tally(job))]

    # what does not

    def _any_move(self) -> Move:
        """Any verb on any job, whatever its state."""
        jobs = list(self._market.escrow.jobs.values())
        if not jobs:
            return self._moves.aside(self._now)
        moves, job = self._moves, self._rng.choice(jobs)
        makers = (
            *(moves.cancel, moves.abort, moves.submit, moves.hand_back, moves.refund, moves.open_audit, moves.settle),
            *(moves.confirm, moves.deny, moves.replace_judge, moves.volunteer, moves.challenge, moves.join_challenge),
            *(moves.expose_canary, moves.appeal, moves.tally, moves.execute),
            *(moves.draw_committee, moves.seal, moves.reveal),
            lambda job: moves.accept(job, self._now),
            lambda job: moves.bring_seed(job.epoch),
        )
        return self._rng.choice(makers)(job)

    def _spoiled(self, move: Move) -> Move:
        """The same move with one thing wrong, or nothing but its time."""
        spoil = self._rng.choice((self._with_caller, self._with_stale_job, self._with_terms, self._with_number, None))
        return spoil(move) if spoil else move

    def _with_caller(self, move: Move) -> Move:
        return replace(move, caller=self._rng.choice(self._people.everybody()))

    def _with_stale_job(self, move: Move) -> Move:
        """An earlier state of a job, or another job's."""
        if not self._known or not move.arguments or not isinstance(move.arguments[0], Job):
            return self._with_caller(move)
        own = [job for job in self._known if job.job_id == move.arguments[0].job_id]
        stale = self._rng.choice(own if self._rng.random() < 0.6 else self._known)
        return replace(move, arguments=(stale, *move.arguments[1:]))

    def _with_terms(self, move: Move) -> Move:
        """A job that comes with other terms than its own."""
        if not move.arguments or not isinstance(move.arguments[0], Job):
            return self._with_number(move)
        job = move.arguments[0]
        other = RARE if job.terms.hardware_class == COMMON else COMMON
        job = replace(job, terms=replace(job.terms, hardware_class=other))
        return replace(move, arguments=(job, *move.arguments[1:]))

    def _with_number(self, move: Move) -> Move:
        """Another number, digest or proof among the arguments."""
        arguments = list(move.arguments)
        spoilt = [i for i, value in enumerate(arguments) if isinstance(value, int | bytes | tuple)]
        if not spoilt or move.verb in ("beacon.submit", "beacon.store_fallback", "escrow.post_many"):
            return self._with_caller(move)
        i = self._rng.choice(spoilt)
        value = arguments[i]
        if isinstance(value, bytes):
            arguments[i] = self._rng.choice((ZERO_DIGEST, bytes(31) + b"\x01", bytes(31) + b"\x02", b"\x77" * 32))
        elif isinstance(value, tuple):
            arguments[i] = self._rng.choice(((), value[:-1], (*value, ZERO_DIGEST), tuple(reversed(value))))
        else:
            arguments[i] = max(0, value + self._rng.choice((-1, 1, 1))) if value != UNDELIVERED else 0
        return replace(move, arguments=tuple(arguments))
