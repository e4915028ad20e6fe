# SPDX-License-Identifier: Apache-2.0
"""The court's files: what is stored of a case, and what every part of the court needs to read it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from swarm.protocol.lifecycle.state import WRONG_FEES, Part, require, seats_of
from swarm.protocol.types import NOT_DENIED, Address, Case, CaseStatus, Comparison, Job, JobId, Ruling, SlotId


@dataclass(frozen=True, slots=True)
class Appeal:
    """Who took a case to this round, against which ruling."""

    appellant: Address
    against: Ruling


@dataclass(frozen=True, slots=True)
class Word:
    """A judge whose word for a segment closed the drawn audit: liable should a challenge prove it wrong."""

    judge: SlotId
    segment: int


NO_WORD = Word(SlotId(0), 0)


class CaseFile(Part):
    """Cases by job: a job may have several, one after the other; rounds run on."""

    def __init__(self, market) -> None:
        super().__init__(market)
        self.cases: dict[JobId, Case] = {}
        self.words: dict[JobId, Word] = {}
        self.challengers: dict[JobId, tuple[Address, ...]] = {}
        self.appeals: dict[tuple[JobId, int], Appeal] = {}
        self.late: dict[tuple[JobId, int], SlotId] = {}

    def case_of(self, job_id: JobId) -> Case:
        nothing = (CaseStatus.NONE, Comparison.EXACT, Ruling.NONE, False, 0, 0, 0, 0, 0, 0, 0, SlotId(0))
        return self.cases.get(job_id) or Case(job_id, *nothing)

    def store(self, case: Case) -> None:
        self.cases[case.job_id] = case

    def begin(self, job_id: JobId, comparison: Comparison, *, answers_draw: bool) -> Case:
        """A new case of the job, not stored yet."""
        case = self.case_of(job_id)
        is_first = case.status == CaseStatus.NONE
        require(is_first or case.status == CaseStatus.CLOSED, "CaseAlreadyOpen")
        round_ = 0 if is_first else case.round + 1
        return replace(
            case,
            comparison=comparison,
            ruling=Ruling.NONE,
            answers_draw=answers_draw,
            round=round_,
            first_round=round_ + 1,
            instance=0,
            replacements=0,
            judge=SlotId(0),
            denied=NOT_DENIED,
        )

    def call_ballot(self, case: Case, now: int) -> None:
        """Takes the case to the next committee."""
        instance = case.instance + 1
        case = replace(case, status=CaseStatus.VOTING, instance=instance, round=case.round + 1)
        self.store(case)
        called = (case.job_id, case.round, case.comparison, case.segment, seats_of(instance))
        self.market.ballots.call_ballot(*called, now)

    def judges_of(self, job_id: JobId) -> tuple[list[SlotId], int]:
        """The drawn judge after those who were late, or the judge whose word a challenge questions; and the number of
        the case's
        first ballot."""
        case = self.case_of(job_id)
        late = [self.late.get((job_id, number), SlotId(0)) for number in range(case.replacements)]
        return [*late, case.judge if case.answers_draw else self.words.get(job_id, NO_WORD).judge], case.first_round

    def word_for(self, case: Case) -> Word:
        """Whose word stands for the seller, if anybody's."""
        is_confirmed = case.ruling == Ruling.CONFIRMED
        return Word(case.judge, case.segment) if is_confirmed else self.words.get(case.job_id, NO_WORD)

    def require_terms(self, job: Job) -> None:
        """`job` is its present state and comes with its own terms."""
        self.market.escrow.require_current(job)
        require(self.market.escrow.terms_match(job), "TermsDiffer")

    def require_before_seed(self, case: Case, now: int) -> None:
        """Nobody can know yet who will sit in the committee."""
        epoch = self.market.ballots.ballot_of(case.job_id, case.round).epoch
        require(now <= self.market.beacon.time_of(epoch) - 1, "CaseDeadlinePassed")

    def fee_of(self, job: Job) -> int:
        return self.market.escrow.fee_of(job)


def challenge_bond(fee: int) -> int:
    """What a challenger bonds: five fees."""
    return WRONG_FEES * fee


def appeal_bond(instance: int, fee: int) -> int:
    """What an appeal from this instance bonds: a fee for every seat of the next committee."""
    return seats_of(instance + 1) * fee
