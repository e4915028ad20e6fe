# SPDX-License-Identifier: Apache-2.0
"""The court: the drawn judge, challenges, canaries. The twin of `AuditCourt`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from swarm.protocol.commitment import merkle_depth, merkle_verify, opened_leaf
from swarm.protocol.draw import drawn_segment
from swarm.protocol.lifecycle.bench import Walk
from swarm.protocol.lifecycle.casefile import challenge_bond
from swarm.protocol.lifecycle.execution import Execution
from swarm.protocol.lifecycle.rulings import Outcome
from swarm.protocol.lifecycle.state import (
    FALSE_WORD_FEES,
    MAX_CHALLENGERS,
    MAX_REPLACEMENTS,
    require,
    verb,
    window_for,
)
from swarm.protocol.lifecycle.verdicts import CANARY, can_deny, print_of
from swarm.protocol.types import (
    MISMATCH,
    UNDELIVERED,
    Address,
    Case,
    CaseStatus,
    Comparison,
    Digest,
    Job,
    JobId,
    JobStatus,
    Opening,
    Ruling,
    SlotId,
)


class Court(Execution):
    """A case's verbs."""

    # the drawn judge

    def open(self, job: Job, seed: Digest, now: int) -> SlotId:
        """Opens a case on a drawn job and draws its judge. Only the escrow calls it."""
        case = replace(
            self.begin(job.job_id, job.terms.comparison, answers_draw=True),
            status=CaseStatus.JUDGING,
            segment=drawn_segment(seed, job.job_id, job.segment_root, job.segments),
            deadline=now + self._window_for(job),
        )
        self.store(case)
        judge = self._draw_judge(case, job)
        self.store(replace(case, judge=judge))
        return judge

    @verb
    def confirm(self, caller: Address, job: Job, opening: Opening, proof: Sequence[Digest], *, now: int) -> None:
        """Confirms in the exact class: opens the seller's own commitment, which only somebody who ran the segment
        can."""
        case = self._require_judge(caller, job.job_id, now)
        require(case.comparison == Comparison.EXACT, "NotForComparison")
        self._require_committed(case.segment, job, opening, proof)
        self._confirm(case, job, now)

    @verb
    def vouch(self, caller: Address, job: Job, *, now: int) -> None:
        """Confirms in the other classes, by the judge's word."""
        case = self._require_judge(caller, job.job_id, now)
        require(case.comparison != Comparison.EXACT, "NotForComparison")
        self._confirm(case, job, now)

    @verb
    def deny(self, caller: Address, job_id: JobId, verdict: Digest, *, now: int) -> None:
        """Denies: in the exact class with the leaf the segment should have had. Calls a ballot of three."""
        case = self._require_judge(caller, job_id, now)
        require(can_deny(verdict, case.comparison), "UnfitVerdict")
        self.call_ballot(replace(case, denied=print_of(verdict)), now)

    @verb
    def replace_judge(self, caller: Address, job: Job, *, now: int) -> None:
        """Replaces a late judge, who pays one fee. After five any judge may volunteer; when nobody does, the job fails
        open."""
        case = self.case_of(job.job_id)
        require(case.status == CaseStatus.JUDGING, "WrongCaseStatus")
        require(now > case.deadline, "CaseDeadlineRunning")
        self.require_terms(job)
        fee, penalty = self.fee_of(job), 0
        if case.judge != 0:
            penalty = self.market.bench.penalise(case.judge, fee, fee, is_late=True, now=now)
        if case.replacements > MAX_REPLACEMENTS:
            self._rule(case, job, Ruling.UNJUDGED, [], penalty, now)
            return
        is_last = case.replacements == MAX_REPLACEMENTS
        self.late[job.job_id, case.replacements] = case.judge
        case = replace(
            case,
            replacements=case.replacements + 1,
            judge=SlotId(0),
            deadline=now + (2 if is_last else 1) * self._window_for(job),
        )
        self.store(case)
        if not is_last:
            self.store(replace(case, judge=self._draw_judge(case, job)))
        self.market.escrow.pool += penalty

    @verb
    def volunteer(self, caller: Address, job: Job, slot_id: SlotId, *, now: int) -> None:
        """Takes the place of a judge that could not be drawn."""
        case = self.case_of(job.job_id)
        require(case.status == CaseStatus.JUDGING, "WrongCaseStatus")
        require(case.judge == 0, "NoVolunteerWanted")
        require(now <= case.deadline, "CaseDeadlinePassed")
        require(caller == self.market.bench.slot_of(slot_id).operator, "NotTheJudge")
        self.require_terms(job)
        taken, _ = self.judges_of(job.job_id)
        self.market.bench.enlist(slot_id, replace(self._walk_for(case, job), since=now), taken)
        self.store(replace(case, judge=slot_id))

    def _require_judge(self, caller: Address, job_id: JobId, now: int) -> Case:
        """The case waits for its judge's verdict, in time, and the caller speaks for that judge."""
        case = self.case_of(job_id)
        require(case.status == CaseStatus.JUDGING, "WrongCaseStatus")
        require(caller == self.market.bench.slot_of(case.judge).operator, "NotTheJudge")
        require(now <= case.deadline, "CaseDeadlinePassed")
        return case

    def _confirm(self, case: Case, job: Job, now: int) -> None:
        self.market.bench.dismiss(case.judge, self.fee_of(job))
        self._rule(case, job, Ruling.CONFIRMED, [case.judge], 0, now)

    def _draw_judge(self, case: Case, job: Job) -> SlotId:
        """The next judge in the draw's order, 0 where a whole walk finds none."""
        seed, _ = self.market.beacon.seed_for(job.epoch)
        taken, _ = self.judges_of(case.job_id)
        found, _ = self.market.bench.draw(replace(self._walk_for(case, job), seed=seed, wanted=1), taken)
        return found[0] if found else SlotId(0)

    def _walk_for(self, case: Case, job: Job) -> Walk:
        """Of those who were there at the commitment."""
        since, parties = job.deadline - self.market.parameters.audit_window, (job.buyer, job.seller)
        return Walk(case.job_id, case.round, since, job.hardware_class, self.fee_of(job), *parties)

    def _window_for(self, job: Job) -> int:
        return window_for(self.market.parameters.judge_min_seconds, job.segment_seconds)

    # challenge

    @verb
    def challenge(self, caller: Address, job: Job, segment: int, *, now: int) -> None:
        """Forces a ballot on a segment of a submitted job, or with UNDELIVERED on whether its result can be fetched."""
        is_segment = segment < job.segments and job.terms.comparison != Comparison.DELIVERY
        self.require_terms(job)
        require(is_segment or segment == UNDELIVERED, "NoSuchSegment")
        require(caller != job.seller, "SellerChallenges")
        self.words[job.job_id] = self.word_for(self.case_of(job.job_id))
        case = self.begin(job.job_id, job.terms.comparison, answers_draw=False)
        self.call_ballot(replace(case, segment=segment), now)
        self._add_challenger(job.job_id, caller)
        self.market.escrow.challenged(job, caller, challenge_bond(self.fee_of(job)), now)

    @verb
    def join_challenge(self, caller: Address, job: Job, *, now: int) -> None:
        """Joins a challenge before its committee's seed is public; a bond more, a share less."""
        case = self.case_of(job.job_id)
        require(case.status == CaseStatus.VOTING, "WrongCaseStatus")
        require(not case.answers_draw and case.instance == 1, "NotAChallenge")
        self.require_before_seed(case, now)
        require(len(self.challengers.get(job.job_id, ())) < MAX_CHALLENGERS, "TooManyChallengers")
        require(caller != job.seller, "SellerChallenges")
        self.market.escrow.require_current(job)
        self._add_challenger(job.job_id, caller)
        self.market.escrow.collect(caller, challenge_bond(self.fee_of(job)))

    def _add_challenger(self, job_id: JobId, challenger: Address) -> None:
        self.challengers[job_id] = (*self.challengers.get(job_id, ()), challenger)

    # canary

    @verb
    def expose_canary(self, caller: Address, job: Job, opening: Opening, proof: Sequence[Digest], *, now: int) -> None:
        """Shows that the judged segment was false on purpose, inside the commitment. Only the buyer may; everything
        returns."""
        case = self.case_of(job.job_id)
        is_submitted, word = job.status == JobStatus.SUBMITTED, self.word_for(case)
        require(caller == job.buyer and opening.output_hash == CANARY, "NotACanary")
        require(case.comparison == Comparison.TOLERANCE, "NotForComparison")
        self._require_committed(word.segment if is_submitted else case.segment, job, opening, proof)
        bench, fee = self.market.bench, self.fee_of(job)
        right: list[SlotId] = []
        penalty = 0
        if is_submitted:
            require(word.judge != 0, "NotACanary")
            penalty = bench.suspend(word.judge, FALSE_WORD_FEES * fee, now=now)
        else:
            is_denied = case.status == CaseStatus.VOTING and case.answers_draw and case.instance == 1
            require(is_denied, "NotACanary")
            self.require_before_seed(case, now)
            self.market.ballots.cancel(job.job_id, case.round)
            if case.denied == print_of(MISMATCH):
                right = [case.judge]
            bench.dismiss(case.judge, fee)
        self._rule(case, job, Ruling.CANARY, right, penalty, now)

    # ruling

    def _require_committed(self, segment: int, job: Job, opening: Opening, proof: Sequence[Digest]) -> None:
        """The opening leads to the seller's own root."""
        found, segments = opened_leaf(job.job_id, segment, opening), job.segments
        has_depth = len(proof) == merkle_depth(segments)
        is_committed = has_depth and merkle_verify(job.segment_root, found, segment, segments, proof)
        require(is_committed, "OpeningNotCommitted")

    def _rule(self, case: Case, job: Job, ruling: Ruling, right: list[SlotId], penalties: int, now: int) -> None:
        """A ruling without a committee."""
        self.store(replace(case, status=CaseStatus.CLOSED, ruling=ruling))
        outcome = Outcome(ruling, first_is_right=bool(right), right=right, penalties=penalties)
        self.market.escrow.rule(job, outcome, now)
