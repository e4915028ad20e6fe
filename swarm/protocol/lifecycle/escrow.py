# SPDX-License-Identifier: Apache-2.0
"""Buyers' payments and the life of a job: the twin of `JobEscrow`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from swarm.protocol import money
from swarm.protocol.commitment import leaf, merkle_depth, merkle_verify
from swarm.protocol.draw import is_drawn
from swarm.protocol.lifecycle.rulings import Rulings
from swarm.protocol.lifecycle.state import MAX_PARTS, MAX_SECONDS, Refused, require, verb
from swarm.protocol.types import (
    ZERO_ADDRESS,
    ZERO_DIGEST,
    Address,
    Amount,
    Digest,
    Job,
    JobId,
    JobStatus,
    SlotId,
    Terms,
)


@dataclass(frozen=True, slots=True)
class DonePart:
    """What a seller hands in of a job it hands back, its last leaf opened as far as the next seller needs it."""

    result_cid: Digest
    segment_root: Digest
    done: int
    last_digest: Digest
    last_output_cid: Digest
    proof: tuple[Digest, ...]


class Escrow(Rulings):
    """A job's verbs. Each takes the job as its caller knows it, its terms included."""

    def __init__(self, market) -> None:
        super().__init__(market)
        self.job_count = 0

    # posting

    @verb
    def post(self, caller: Address, terms: Terms, *, now: int) -> JobId:
        """Posts a job; moves the most the buyer can ever pay into escrow."""
        self._require_valid(terms)
        held = self.escrow_for(terms.max_price, terms.segments, terms.parts)
        job_id = self._open(terms, caller, held, now)
        self.collect(caller, held)
        return job_id

    @verb
    def post_many(self, caller: Address, terms: Terms, spec_cids: Sequence[Digest], *, now: int) -> JobId:
        """Posts the same terms once for each spec, in one transfer: a sweep. Ids run on from the first."""
        self._require_valid(terms)
        require(len(spec_cids) > 0, "NothingPosted")
        held = self.escrow_for(terms.max_price, terms.segments, terms.parts)
        first = JobId(self.job_count + 1)
        for spec_cid in spec_cids:
            require(spec_cid != ZERO_DIGEST, "EmptyCid")
            self._open(replace(terms, spec_cid=spec_cid), caller, held, now)
        self.collect(caller, held * len(spec_cids))
        return first

    @verb
    def cancel(self, caller: Address, job: Job, *, now: int) -> None:
        """Takes an open job back; everything returns to the buyer."""
        self.require_status(job, JobStatus.OPEN)
        require(caller == job.buyer, "OnlyBuyer")
        self.pay(job.buyer, self.end(job, JobStatus.REFUNDED))

    def _open(self, terms: Terms, buyer: Address, held: int, now: int) -> JobId:
        self.job_count += 1
        job_id, open_until = JobId(self.job_count), now + terms.open_seconds
        self.store(
            Job(
                job_id=job_id,
                terms=terms,
                terms_hash=self.market.hash_terms(terms),
                buyer=buyer,
                status=JobStatus.OPEN,
                audited=False,
                segments=terms.segments,
                open_until=open_until,
                deadline=open_until,
                held=Amount(held),
            )
        )
        return job_id

    def _require_valid(self, terms: Terms) -> None:
        parameters, start_price = self.market.parameters, terms.start_price or terms.max_price
        require(terms.spec_cid != ZERO_DIGEST, "EmptyCid")
        require(start_price >= parameters.min_price, "PriceTooLow")
        require(terms.max_price >= start_price, "PriceFalls")
        require(0 < terms.segments <= parameters.max_segments, "SegmentsOutOfRange")
        require(0 < terms.parts <= MAX_PARTS, "PartsOutOfRange")
        require(0 < terms.segment_seconds <= parameters.max_segment_seconds, "SecondsOutOfRange")
        require(0 < terms.run_seconds <= parameters.max_run_seconds, "SecondsOutOfRange")
        require(0 < terms.open_seconds <= MAX_SECONDS, "SecondsOutOfRange")

    # acceptance

    @verb
    def accept(self, caller: Address, job: Job, seller: Address, collateral: int, *, now: int) -> None:
        """Accepts at the present price, locking `collateral` of the seller's stake; the audit rate follows from it."""
        self.require_status(job, JobStatus.OPEN)
        require(self.terms_match(job), "StaleTerms")
        require(now <= job.deadline, "TooLate")
        self._require_welcome(caller, job, seller)
        price = job.terms.price_at(job.open_until, now)
        require(collateral >= self.min_collateral_for(price, job.segments), "CollateralTooLow")
        fee = self.fee_for(price, job.segments)
        require(self.market.bench.can_judge(job.hardware_class, job.buyer, seller, fee), "NotEnoughJudges")
        accepted = replace(
            job,
            seller=seller,
            status=JobStatus.RUNNING,
            price=price,
            collateral=Amount(collateral),
            audit_bps=money.audit_bps(price, collateral),
            deadline=now + job.run_seconds,
        )
        self.store(accepted)
        self.market.vault.lock(seller, self._address, collateral)

    @verb
    def abort(self, caller: Address, job: Job, *, now: int) -> None:
        """Gives a running job up in time, for 2 % of the price; it opens again while its time to open lasts."""
        self._require_running(caller, job, now)
        penalty, held = money.bps_up(job.price, money.ABORT_BPS), 0
        if job.open_until > now:
            self.store(
                replace(
                    job,
                    status=JobStatus.OPEN,
                    deadline=job.open_until,
                    seller=ZERO_ADDRESS,
                    price=Amount(0),
                    collateral=Amount(0),
                    audit_bps=0,
                )
            )
        else:
            held = self.end(job, JobStatus.REFUNDED)
        self._penalise(job, penalty, held)

    def _require_welcome(self, caller: Address, job: Job, seller: Address) -> None:
        self._require_acts_for(caller, seller)
        require(seller != job.buyer, "SellerIsBuyer")
        require(job.terms.seller in (ZERO_ADDRESS, seller), "OnlySeller")
        score = self.market.reputation.score_of(seller)
        require(job.terms.min_reputation == 0 or score >= job.terms.min_reputation, "ReputationTooLow")

    def _penalise(self, job: Job, penalty: int, held: int) -> None:
        """Takes `penalty` out of the collateral: half with what was held to the buyer, half (and the odd unit) to be
        burned."""
        self.burnable += penalty - penalty // 2
        self.market.vault.slash(job.seller, self._address, penalty, self._address)
        self.market.vault.unlock(job.seller, self._address, job.collateral - penalty)
        self.pay(job.buyer, held + penalty // 2)

    # submission

    @verb
    def submit(self, caller: Address, job: Job, result_cid: Digest, segment_root: Digest, *, now: int) -> None:
        """Commits to the result. Fixes the epoch whose seed, unknown now, decides whether the job is audited."""
        self._require_running(caller, job, now)
        self._submit(job, result_cid, segment_root, now)

    @verb
    def hand_back(self, caller: Address, job: Job, part: DonePart, *, now: int) -> JobId:
        """Splits a running job after its first segments: they are submitted, the others open again as a job of their
        own."""
        self._require_running(caller, job, now)
        require(self.terms_match(job), "StaleTerms")
        require(job.terms.parts > 1, "PartsOutOfRange")
        require(0 < part.done < job.segments, "SegmentsOutOfRange")
        require(self._is_last(job.job_id, part), "WrongOutput")
        rest = self._rest_of(job.terms, part)
        rest_held = self.escrow_for(rest.max_price, rest.segments, rest.parts)
        rest_id = self._open(rest, job.buyer, rest_held, now)
        done = replace(
            job,
            price=Amount(job.price * part.done // job.segments),
            held=Amount(job.held - rest_held),
            segments=part.done,
        )
        self._submit(done, part.result_cid, part.segment_root, now)
        return rest_id

    @verb
    def refund(self, caller: Address, job: Job, *, now: int) -> None:
        """Ends a job nobody accepted, or whose seller is late: a tenth of the price is the penalty."""
        is_late = job.status == JobStatus.RUNNING
        self.require_status(job, JobStatus.RUNNING if is_late else JobStatus.OPEN)
        require(now > job.deadline, "TooEarly")
        held = self.end(job, JobStatus.REFUNDED)
        if not is_late:
            self.pay(job.buyer, held)
            return
        self._penalise(job, money.bps_up(job.price, money.LATE_BPS), held)
        self.market.reputation.record_late(job.seller, job.price)

    def _submit(self, job: Job, result_cid: Digest, segment_root: Digest, now: int) -> None:
        require(result_cid != ZERO_DIGEST, "EmptyCid")
        require(segment_root != ZERO_DIGEST, "EmptyRoot")
        parameters = self.market.parameters
        submitted = replace(
            job,
            status=JobStatus.SUBMITTED,
            deadline=now + parameters.audit_window,
            epoch=self.market.beacon.epoch_at(now + parameters.seed_delay),
            result_cid=result_cid,
            segment_root=segment_root,
        )
        self.store(submitted)

    def _rest_of(self, terms: Terms, part: DonePart) -> Terms:
        """What another seller goes on with. Rounded down: both parts together never ask for more than the job holds."""
        left, start_price = terms.segments - part.done, terms.start_price or terms.max_price
        require(terms.first_segment + part.done < 2**16, "Panic")
        return replace(
            terms,
            input=part.last_output_cid,
            start_price=Amount(start_price * left // terms.segments),
            max_price=Amount(terms.max_price * left // terms.segments),
            first_segment=terms.first_segment + part.done,
            segments=left,
            parts=terms.parts - 1,
        )

    def _is_last(self, job_id: JobId, part: DonePart) -> bool:
        """The output is the one the part's last leaf commits to."""
        index = part.done - 1
        last = leaf(job_id, index, part.last_digest, part.last_output_cid)
        has_depth = len(part.proof) == merkle_depth(part.done)
        return has_depth and merkle_verify(part.segment_root, last, index, part.done, part.proof)

    # audit and settlement

    def draw_of(self, job: Job) -> tuple[bool, Digest]:
        """Whether the job is drawn, and the seed that says so. Refused while it is unknown."""
        require(job.segment_root != ZERO_DIGEST, "WrongStatus")
        seed, is_fallback = self.market.beacon.seed_for(job.epoch)
        require(seed != ZERO_DIGEST, "AwaitingSeed")
        # A seed that judges made may be biased by one of them, so it draws twice as often.
        rate = 2 * job.audit_bps if is_fallback else job.audit_bps
        return is_drawn(seed, job.job_id, job.segment_root, rate), seed

    @verb
    def open_audit(self, caller: Address, job: Job, *, now: int) -> SlotId:
        """Opens the audit of a drawn job; returns the judge that was drawn."""
        self.require_status(job, JobStatus.SUBMITTED)
        require(self.terms_match(job), "StaleTerms")
        require(not job.audited, "CaseAlreadyOpen")
        drawn, seed = self.draw_of(job)
        require(drawn, "NotDrawn")
        self.store(replace(job, status=JobStatus.UNDER_AUDIT))
        return self.market.court.open(job, seed, now)

    def challenged(self, job: Job, challenger: Address, bond: int, now: int) -> None:
        """Marks a submitted job as challenged and collects the bond. Only the court calls it."""
        self.require_status(job, JobStatus.SUBMITTED)
        require(now <= job.deadline, "TooLate")
        self.store(replace(job, status=JobStatus.CHALLENGED))
        self.collect(challenger, bond)

    @verb
    def settle(self, caller: Address, job: Job, *, now: int) -> None:
        """Pays the seller once the job was not drawn or its audit is answered; the buyer need not wait for the
        window."""
        self.require_status(job, JobStatus.SUBMITTED)
        if not job.audited:
            drawn, _ = self.draw_of(job)
            require(not drawn, "AuditPending")
        require(caller == job.buyer or now > job.deadline, "TooEarly")
        fee = money.bps_up(job.price, money.FEE_BPS)
        job, returned = self.close_levy(job, 0)
        self.burnable += fee // 2
        self.pool += fee - fee // 2
        self.end(job, JobStatus.SETTLED)
        self.market.vault.unlock(job.seller, self._address, job.collateral)
        self.pay(self.market.vault.payout_of(job.seller), job.price - fee)
        self.pay(job.buyer, returned)

    def is_drawn(self, job: Job) -> bool | None:
        """Whether the seed draws the job; None while nobody can know."""
        try:
            return self.draw_of(job)[0]
        except Refused:
            return None

    # who and when

    def _require_running(self, caller: Address, job: Job, now: int) -> None:
        self.require_status(job, JobStatus.RUNNING)
        self._require_acts_for(caller, job.seller)
        require(now <= job.deadline, "TooLate")

    def _require_acts_for(self, caller: Address, seller: Address) -> None:
        require(caller in (seller, self.market.vault.operator_of(seller)), "OnlySeller")
