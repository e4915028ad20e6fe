# SPDX-License-Identifier: Apache-2.0
"""The life of a job, one verb per transition, and what is asked about it: the stories' part of the world."""

from __future__ import annotations

from collections.abc import Container

from brownie import accounts
from commitments import Commitment

from swarm.chain.drand_signer import TestKey
from swarm.protocol import draw, money, types
from swarm.protocol.commitment import seal as seal_of
from swarm.protocol.commitment import sha256
from swarm.protocol.types import (
    MISMATCH,
    NO_STATE,
    UNAVAILABLE,
    BallotStatus,
    Case,
    CaseStatus,
    Comparison,
    Job,
    JobStatus,
    Ruling,
    Terms,
)

KEY = TestKey(0x5EED)
SPEC = b"\x5c" * 32
RESULT = b"\x4e" * 32
EVIDENCE = b"\xe1" * 32
SALT = b"\x07" * 32
_DENIALS = {Comparison.TOLERANCE: MISMATCH, Comparison.DELIVERY: UNAVAILABLE}


class Stages:
    """Needs what `World` has: contracts, people, `does`, `ledger`, `rpc`."""

    # what is known of a job

    def job(self, job_id: int) -> Job:
        """The present job, from its events; every call that changes it compares it with the escrow's hash."""
        return self.ledger.jobs[job_id]

    def with_job(self, job_id: int) -> tuple:
        """The first arguments of calls that take a job: its id and its state."""
        return job_id, self.job(job_id).state()

    def with_terms(self, job_id: int) -> tuple:
        """The first arguments of calls that take a job and its terms."""
        return *self.with_job(job_id), self.job(job_id).terms.values()

    def status(self, job_id: int) -> JobStatus:
        return self.job(job_id).status

    def case(self, job_id: int) -> Case:
        status, comparison, ruling, *rest, denied = self.court.caseOf(job_id)
        return Case(job_id, CaseStatus(status), Comparison(comparison), Ruling(ruling), *rest, bytes(denied))

    def ballot(self, job_id: int, round_: int | None = None) -> types.Ballot:
        """A round of the job's case, by default the present one."""
        round_ = self.case(job_id).round if round_ is None else round_
        status, comparison, *rest = self.ballots.ballotOf(job_id, round_)
        committee = tuple(self.ballots.committeeOf(job_id, round_))
        return types.Ballot(job_id, round_, BallotStatus(status), Comparison(comparison), *rest, committee)

    def slot(self, slot_id: int) -> types.Slot:
        owner, active_from, active_until, strikes, operator, hardware_class, _ = self.bench.slotOf(slot_id)
        return types.Slot(slot_id, owner, active_from, active_until, strikes, operator, hardware_class)

    def bond(self, slot_id: int) -> types.Bond:
        return types.Bond(*(int(value) for value in self.bench.bondOf(slot_id)))

    def name(self, account) -> str:
        return self.books.names()[str(account)]

    def levy(self, job_id: int) -> int:
        """ceil(1.25 · p · F), by the twin."""
        job = self.job(job_id)
        return money.levy(money.judge_fee(job.price, job.segments, self.params.fee_min), job.audit_bps)

    def fee(self, terms: Terms | None = None) -> int:
        """F of a job that is sold at its highest price."""
        terms = terms or self.terms()
        return self.escrow.feeFor(terms.max_price, terms.segments)

    def terms(self) -> Terms:
        from world import Terms as Usual

        return Usual()

    # from posting to submission

    def post(self, terms: Terms | None = None, buyer=None) -> int:
        self.does(self.escrow.post, (terms or self.terms()).values(), sender=buyer or self.buyer)
        return self.escrow.jobCount()

    def least_collateral(self, terms: Terms | None = None) -> int:
        """At the highest price."""
        terms = terms or self.terms()
        return self.escrow.minCollateralFor(terms.max_price, terms.segments)

    def accept(self, job_id: int, collateral: int | None = None, seller=None):
        seller = seller or self.seller
        collateral = collateral or self.least_collateral(self.job(job_id).terms)
        return self.does(self.escrow.accept, *self.with_terms(job_id), seller, collateral, sender=seller)

    def accepted(self, terms: Terms | None = None, collateral: int | None = None, seller=None) -> int:
        job_id = self.post(terms)
        self.accept(job_id, collateral, seller)
        return job_id

    def submitted(
        self,
        terms: Terms | None = None,
        *,
        drawn: bool = True,
        collateral: int | None = None,
        seller=None,
        canaries: Container[int] = (),
    ) -> Commitment:
        """A job handed in with a commitment that the coming seed draws, or does not draw."""
        terms = terms or self.terms()
        # 24 prices bring the audit rate to its floor.
        collateral = collateral or (None if drawn else 24 * terms.max_price)
        return self.submit(self.accepted(terms, collateral, seller), drawn=drawn, canaries=canaries)

    def submit(self, job_id: int, *, drawn: bool = True, canaries: Container[int] = ()) -> Commitment:
        """Submits a running job at a moment whose seed is known to the test key alone."""
        job = self.job(job_id)
        at = self.rpc.now() + 10
        seed = self.seed(self.beacon.epochAt(at + self.params.seed_delay))
        commitment = self.commitment(job_id, seed, drawn, canaries)
        self.rpc.next_at(at)
        self.does(self.escrow.submit, *self.with_job(job_id), RESULT, commitment.root, sender=job.seller)
        return commitment

    def commitment(self, job_id: int, seed: bytes, drawn: bool, canaries: Container[int] = ()) -> Commitment:
        """The first of many executions that this seed draws, or does not draw."""
        job = self.job(job_id)
        for nonce in range(10_000):
            commitment = Commitment(job_id, job.segments, nonce, canaries)
            if draw.is_drawn(seed, job_id, commitment.root, job.audit_bps) == drawn:
                return commitment
        raise AssertionError("no commitment is drawn that way")

    def settle(self, job_id: int, sender=None):
        """Settles for a stranger after the window, or for whoever is named, now."""
        if sender is None:
            self.past_deadline(job_id)
        return self.does(self.escrow.settle, *self.with_job(job_id), sender=sender or self.stranger)

    # the drawn judge

    def audited(self, terms: Terms | None = None, **options: object) -> Commitment:
        """A drawn job whose audit is open: the judge is re-executing."""
        commitment = self.submitted(terms, **options)
        self.bring_seed(self.job(commitment.job_id).epoch)
        self.open_audit(commitment.job_id)
        return commitment

    def open_audit(self, job_id: int):
        return self.does(self.escrow.openAudit, *self.with_terms(job_id), sender=self.stranger)

    def confirm(self, commitment: Commitment):
        job_id, segment = commitment.job_id, self.case(commitment.job_id).segment
        opening, proof = commitment.opening(segment), commitment.proof(segment)
        return self.does(self.court.confirm, *self.with_job(job_id), opening, proof, sender=self.judge_of(job_id))

    def deny(self, commitment: Commitment, verdict: bytes | None = None):
        """Denies with the verdict, by default the one that fits the class."""
        case = self.case(commitment.job_id)
        verdict = verdict or _DENIALS.get(case.comparison) or commitment.other_leaf(case.segment)
        return self.does(self.court.deny, commitment.job_id, verdict, EVIDENCE, sender=self.judge_of(commitment.job_id))

    def denied(self, terms: Terms | None = None, *, verdict: bytes | None = None, **options: object) -> Commitment:
        """A job whose judge denied: a ballot of three waits for its seed."""
        commitment = self.audited(terms, **options)
        self.deny(commitment, verdict)
        return commitment

    def replace_judge(self, job_id: int):
        """The judge has let its time pass."""
        self.past_case_deadline(job_id)
        return self.does(self.court.replaceJudge, *self.with_terms(job_id), sender=self.stranger)

    def collect(self, judge):
        """Pays the judge, or whoever it named, what its slots have earned."""
        slots = range(1, self.bench.slotCount() + 1)
        for slot_id in slots:
            if self.slot(slot_id).owner == str(judge) and self.bond(slot_id).earned:
                self.does(self.bench.collect, slot_id, sender=self.stranger)

    # committees

    def committee(self, terms: Terms | None = None, **options: object) -> Commitment:
        """A denied job whose committee is drawn and re-executing."""
        commitment = self.denied(terms, **options)
        self.draw_committee(commitment.job_id)
        return commitment

    def draw_committee(self, job_id: int):
        """Brings the ballot's seed, unless somebody has, and draws."""
        self.bring_seed(self.ballot(job_id).epoch)
        return self.draw_now(job_id)

    def draw_now(self, job_id: int):
        job, state, terms = self.with_terms(job_id)
        arguments = (job, self.case(job_id).round, state, terms)
        return self.does(self.ballots.drawCommittee, *arguments, sender=self.stranger)

    def seal(self, commitment: Commitment, member, finding: tuple | bytes, salt: bytes = SALT):
        """Seals an opening, or a word."""
        job_id, ballot = commitment.job_id, self.ballot(commitment.job_id)
        word = finding if isinstance(finding, bytes) else commitment.leaf_of(ballot.segment, finding)
        sealed = seal_of(job_id, ballot.round, str(member), word, EVIDENCE, salt)
        return self.does(self.ballots.seal, job_id, ballot.round, self.seat_of(job_id, member), sealed, sender=member)

    def reveal(self, commitment: Commitment, member, finding: tuple | bytes, salt: bytes = SALT):
        """Reveals an opening (with a proof when it is the seller's own), or a word."""
        call, arguments = self.revelation(commitment, member, finding, salt)
        return self.does(call, *arguments, sender=member)

    def revelation(self, commitment: Commitment, member, finding: tuple | bytes, salt: bytes = SALT) -> tuple:
        """The call that reveals, and its arguments."""
        job_id, ballot = commitment.job_id, self.ballot(commitment.job_id)
        place, envelope = (job_id, ballot.round, self.seat_of(job_id, member)), (EVIDENCE, salt)
        if isinstance(finding, bytes):
            return self.ballots.revealWord, (*place, finding, envelope)
        if finding != commitment.opening(ballot.segment):
            return self.ballots.reveal, (*place, NO_STATE, finding, envelope, [])
        proof = commitment.proof(ballot.segment)
        return self.ballots.reveal, (*place, self.job(job_id).state(), finding, envelope, proof)

    def votes(self, commitment: Commitment, findings: list) -> list:
        """All members seal, then all reveal, in the committee's order; None is absent. Returns the members."""
        members = self.members(commitment.job_id)
        present = [(m, finding) for m, finding in zip(members, findings, strict=True) if finding is not None]
        for member, finding in present:
            self.seal(commitment, member, finding)
        if len(present) < len(members):
            self.past_case_deadline(commitment.job_id)
        for member, finding in present:
            self.reveal(commitment, member, finding)
        return members

    def tally(self, job_id: int):
        return self.does(self.court.tally, job_id, sender=self.stranger)

    def execute(self, job_id: int):
        """Carries the ruling out as soon as nobody can appeal any more."""
        self.past_case_deadline(job_id)
        return self.does(self.court.execute, *self.with_job(job_id), sender=self.stranger)

    def ruled(self, commitment: Commitment, findings: list):
        """A whole ballot: votes, tally, execution. Returns what the execution did."""
        self.votes(commitment, findings)
        self.tally(commitment.job_id)
        return self.execute(commitment.job_id)

    def judge_of(self, job_id: int):
        return self.operator_of(self.case(job_id).judge)

    def members(self, job_id: int, round_: int | None = None) -> list:
        return [self.operator_of(slot) for slot in self.ballot(job_id, round_).committee]

    def seat_of(self, job_id: int, member) -> int:
        """The member's seat in the present ballot; the number of its seats for anybody else."""
        members = [str(operator) for operator in self.members(job_id)]
        return members.index(str(member)) if str(member) in members else len(members)

    def operator_of(self, slot_id: int):
        return accounts.at(self.bench.operatorOf(slot_id), force=True)

    # time and randomness

    def travel(self, seconds: int) -> None:
        self.rpc.travel_to(self.rpc.now() + seconds)

    def travel_until(self, timestamp: int) -> None:
        if self.rpc.now() < timestamp:
            self.rpc.travel_to(timestamp)

    def past_deadline(self, job_id: int) -> None:
        """The first second after the job's deadline."""
        self.travel_until(self.job(job_id).deadline + 1)

    def case_deadline(self, job_id: int) -> int:
        """What the case waits for: its judge, its ballot, or an appeal."""
        case = self.case(job_id)
        return self.ballot(job_id).deadline if case.status is CaseStatus.VOTING else case.deadline

    def past_case_deadline(self, job_id: int) -> None:
        self.travel_until(self.case_deadline(job_id) + 1)

    def bring_seed(self, epoch: int) -> bytes:
        """Waits for the epoch's round and brings its signature, unless somebody has."""
        self.travel_until(self.beacon.timeOf(epoch))
        if int.from_bytes(self.beacon.seedOf(epoch)) == 0:
            self.does(self.beacon.submit, epoch, self.signature(epoch), sender=self.stranger)
        return bytes(self.beacon.seedOf(epoch))

    def signature(self, epoch: int) -> tuple[int, int]:
        return KEY.sign(tuple(self.beacon.messagePoint(self.beacon.roundOf(epoch))))

    def seed(self, epoch: int) -> bytes:
        """What the seed will be: the test key knows the future, nobody else does."""
        return sha256(*(word.to_bytes(32, "big") for word in self.signature(epoch)))
