# SPDX-License-Identifier: Apache-2.0
"""Rulings: tallied, appealed, carried out."""

from __future__ import annotations

from dataclasses import replace

from swarm.protocol.lifecycle.casefile import Appeal, CaseFile, appeal_bond, challenge_bond
from swarm.protocol.lifecycle.rulings import Outcome
from swarm.protocol.lifecycle.state import FALSE_WORD_FEES, LAST_INSTANCE, WRONG_FEES, require, seats_of, verb
from swarm.protocol.lifecycle.verdicts import print_of, ruling_for
from swarm.protocol.types import (
    UNAVAILABLE,
    UNDELIVERED,
    Address,
    Case,
    CaseStatus,
    Digest,
    Job,
    JobId,
    Ruling,
)


class Execution(CaseFile):
    """From a ballot's end to the money."""

    @verb
    def tally(self, caller: Address, job_id: JobId, *, now: int) -> None:
        """Takes the result of a ballot. One that nobody came to leaves an appealed ruling as it was, and
        drops a challenge."""
        case = self.case_of(job_id)
        require(case.status == CaseStatus.VOTING, "WrongCaseStatus")
        verdict, anybody_came, failed = self.market.ballots.close(job_id, case.round, now)
        is_unheard = not anybody_came and case.instance > 1
        is_dropped = not anybody_came and case.instance == 1 and not case.answers_draw
        if not is_unheard:
            case = replace(case, ruled_round=case.round, ruling=Ruling.UNJUDGED if is_dropped else ruling_for(verdict))
        is_last = failed or is_unheard or case.instance == LAST_INSTANCE
        deadline = now - 1 if is_last else now + self.market.parameters.appeal_seconds
        self.store(replace(case, status=CaseStatus.APPEALABLE, deadline=deadline))

    @verb
    def appeal(self, caller: Address, job: Job, *, now: int) -> None:
        """Takes a tallied case to the next committee, for a bond that pays it. Anyone may."""
        case = self.case_of(job.job_id)
        require(case.status == CaseStatus.APPEALABLE, "WrongCaseStatus")
        require(case.instance < LAST_INSTANCE, "FinalInstance")
        require(now <= case.deadline, "CaseDeadlinePassed")
        self.market.escrow.require_current(job)
        self.appeals[job.job_id, case.round + 1] = Appeal(caller, case.ruling)
        self.call_ballot(case, now)
        self.market.escrow.collect(caller, appeal_bond(case.instance, self.fee_of(job)))

    @verb
    def execute(self, caller: Address, job: Job, *, now: int) -> None:
        """Carries a ruling out once nobody can appeal any more."""
        case, fee = self.case_of(job.job_id), self.fee_of(job)
        require(case.status == CaseStatus.APPEALABLE, "WrongCaseStatus")
        require(now > case.deadline, "CaseDeadlineRunning")
        self.store(replace(case, status=CaseStatus.CLOSED))
        winner = self.market.ballots.verdict_of(job.job_id, case.ruled_round)
        outcome = Outcome(case.ruling, case.answers_draw)
        if case.answers_draw:
            self._judge_denier(case, fee, winner, outcome, now)
        else:
            self._judge_challenge(case, fee, winner, outcome, now)
        for round_ in range(case.first_round, case.round + 1):
            right, penalties = self.market.ballots.release(job.job_id, round_, fee, winner, now)
            outcome.right += right
            outcome.penalties += penalties
            if round_ > case.first_round:
                self._judge_appeal(case, round_, fee, job.seller, outcome)
        self.market.escrow.rule(job, outcome, now)

    def _judge_denier(self, case: Case, fee: int, winner: Digest, outcome: Outcome, now: int) -> None:
        """The judge who denied: overruled it loses five fees, or one where it only could not fetch; right it comes
        first."""
        bench = self.market.bench
        if case.ruling == Ruling.ACQUITTED:
            could_not_fetch = case.denied == print_of(UNAVAILABLE)
            outcome.harmed_seller = not could_not_fetch
            loss = (1 if could_not_fetch else WRONG_FEES) * fee
            outcome.penalties += bench.penalise(case.judge, fee, loss, is_late=could_not_fetch, now=now)
            return
        bench.dismiss(case.judge, fee)
        if case.ruling == Ruling.VOID or case.denied == print_of(winner):
            outcome.first_is_right = True
            outcome.right.append(case.judge)

    def _judge_challenge(self, case: Case, fee: int, winner: Digest, outcome: Outcome, now: int) -> None:
        """Challengers who were wrong lose their bonds, or of them the fees of three judges where the result only came
        late;
        those who were right share in what is taken. A judge whose word for this very segment is proved false loses ten
        fees."""
        bond, challengers = challenge_bond(fee), self.challengers.pop(case.job_id, ())
        outcome.harmed_seller = case.segment != UNDELIVERED
        lost = 0
        if case.ruling == Ruling.ACQUITTED:
            lost = bond if outcome.harmed_seller else seats_of(1) * fee
        outcome.forfeited += lost * len(challengers)
        if lost < bond:
            outcome.bonds += [(challenger, bond - lost) for challenger in challengers]
        if case.ruling != Ruling.SLASHED:
            return
        outcome.accusers += challengers
        word = self.words[case.job_id]
        # Files that vanished afterwards prove nothing about the word.
        if word.judge != 0 and word.segment == case.segment and winner != UNAVAILABLE:
            outcome.penalties += self.market.bench.suspend(word.judge, FALSE_WORD_FEES * fee, now=now)

    def _judge_appeal(self, case: Case, round_: int, fee: int, seller: Address, outcome: Outcome) -> None:
        """An appeal against what became final loses its bond, unless nobody could hear it. One that led to a conviction
        accused
        rightly."""
        appeal, bond = self.appeals[case.job_id, round_], appeal_bond(round_ - case.first_round, fee)
        is_heard = self.market.ballots.ballot_of(case.job_id, round_).revealed_seats != 0
        if is_heard and case.ruling != Ruling.VOID and appeal.against == case.ruling:
            outcome.forfeited += bond
            return
        outcome.bonds.append((appeal.appellant, bond))
        if is_heard and case.ruling == Ruling.SLASHED and appeal.appellant != seller:
            outcome.accusers.append(appeal.appellant)
