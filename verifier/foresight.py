# SPDX-License-Identifier: Apache-2.0
"""Who will be drawn, before anybody draws: such a judge works first and draws with its answer, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from typing import TypeVar

from swarm.chain.network import Chain
from swarm.errors import Reverted
from swarm.protocol import draw
from swarm.protocol.types import (
    NOT_DENIED,
    Ballot,
    BallotStatus,
    Case,
    CaseStatus,
    Digest,
    Job,
    Ruling,
    SlotId,
)

TIME_FACTOR = 3  # of the court and its ballots: a judge has three times a segment's time
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A case and its ballot as they are, or as the answer of a judge that will be drawn makes them.

    Until `left_until` (chain time) everybody else leaves opening or drawing to whom the seed will draw.
    """

    case: Case
    ballot: Ballot | None
    left_until: int = 0


class Foresight:
    """Asks the contracts whom they would draw now. A slot that takes other cases meanwhile may lose its turn: the next
    look tells."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._judge_min, self._seal_min = chain.court.judge_min_seconds(), chain.ballots.seal_min_seconds()

    def of_case(self, job: Job, case: Case, seed: Digest, now: int, mine: Set[SlotId]) -> Foreseen:
        """A drawn job whose audit nobody has opened."""
        judge = _asked(self._chain.escrow.judge_to_be, job)
        if not judge:
            return Foreseen(case, None)
        if judge not in mine:
            return Foreseen(case, None, self._left_until(job, job.epoch))
        round_ = 0 if case.status is CaseStatus.NONE else case.round + 1
        opened = replace(
            case,
            status=CaseStatus.JUDGING,
            comparison=job.terms.comparison,
            ruling=Ruling.NONE,
            answers_draw=True,
            round=round_,
            first_round=round_ + 1,
            instance=0,
            replacements=0,
            segment=draw.drawn_segment(seed, job.job_id, job.segment_root, job.segments),
            deadline=now + max(self._judge_min, TIME_FACTOR * job.segment_seconds),
            judge=judge,
            denied=NOT_DENIED,
        )
        return Foreseen(opened, None, self._left_until(job, job.epoch))

    def of_ballot(self, job: Job, case: Case, ballot: Ballot, now: int, mine: Set[SlotId]) -> Foreseen:
        """A committee whose seed is known."""
        committee = _asked(self._chain.ballots.committee_to_be, job, ballot.round)
        if not committee or len(committee) < ballot.seats:
            return Foreseen(case, ballot)
        left_until = self._left_until(job, ballot.epoch)
        if not mine & set(committee):
            return Foreseen(case, ballot, left_until)
        deadline = now + max(self._seal_min, TIME_FACTOR * job.segment_seconds)
        drawn = replace(
            ballot, status=BallotStatus.SEALING, size=len(committee), deadline=deadline, committee=committee
        )
        return Foreseen(case, drawn, left_until)

    def _left_until(self, job: Job, epoch) -> int:
        """A segment's time after the seed's."""
        return self._chain.beacon.time_of(epoch) + job.segment_seconds


def _asked(question: Callable[..., Found], *about: object) -> Found | None:
    """The answer, or nothing where somebody has drawn meanwhile."""
    try:
        return question(*about)
    except Reverted:
        return None
