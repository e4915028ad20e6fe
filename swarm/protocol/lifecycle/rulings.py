# SPDX-License-Identifier: Apache-2.0
"""What each ruling does with the money of a job: the twin of `Rulings`.

A job holds price + M until its drawn audit is answered or it ends, M = ceil(1.25 · F). The levy ceil(1.25 · p · F) is
derived.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from swarm.protocol import money
from swarm.protocol.lifecycle.state import COLLATERAL_FEES, HARMED_BPS, RIGHT_BPS, less, require
from swarm.protocol.lifecycle.treasury import Treasury
from swarm.protocol.types import Address, Amount, Job, JobStatus, Ruling, SlotId


@dataclass(slots=True)
class Outcome:
    """A ruling and what it costs whom. Tokens of penalties and bonds are with the escrow already."""

    ruling: Ruling
    answers_draw: bool = True
    harmed_seller: bool = False  # an acquitted seller was accused of false work, not of being out of reach
    first_is_right: bool = False  # right[0] is the drawn judge, paid from the levy as if it had confirmed
    right: list[SlotId] = field(default_factory=list)  # the judges who were right: one fee each
    accusers: list[Address] = field(default_factory=list)  # challengers and appellants who were right: a share, no fee
    penalties: int = 0
    forfeited: int = 0
    bonds: list[tuple[Address, int]] = field(default_factory=list)  # that go back


@dataclass(frozen=True, slots=True)
class Pay:
    """Where judges' fees come from, and what each gets."""

    each: int = 0
    from_pot: int = 0
    from_collateral: int = 0


class Rulings(Treasury):
    """The escrow as the court sees it."""

    def rule(self, job: Job, outcome: Outcome, now: int) -> None:
        """Carries out a ruling. Only the court calls it."""
        is_judged = job.status in (JobStatus.UNDER_AUDIT, JobStatus.CHALLENGED)
        is_canary = outcome.ruling == Ruling.CANARY and job.status == JobStatus.SUBMITTED
        self.require_current(job)
        require(is_judged or is_canary, "WrongStatus")
        match outcome.ruling:
            case Ruling.CONFIRMED:
                self._confirm(job, outcome)
            case Ruling.ACQUITTED:
                self._acquit(job, outcome)
            case Ruling.SLASHED:
                self._slash(job, outcome)
            case Ruling.VOID:
                self._void(job, outcome)
            case Ruling.UNJUDGED:
                self._resume(job, outcome, now)
            case _:
                self._return(job, outcome)
        for payer, bond in outcome.bonds:
            self.pay(payer, bond)

    def _confirm(self, job: Job, outcome: Outcome) -> None:
        """The judge's fee comes out of the levy and the pool; the buyer's own M stands in for what they lack."""
        fee = self.fee_of(job)
        job, returned = self.close_levy(job, fee)
        self._conclude(replace(job, status=JobStatus.SUBMITTED, audited=True))
        self.market.reputation.record_pass(job.seller, job.buyer, job.price)
        self.market.bench.reward(outcome.right, fee, 0)
        self.pay(job.buyer, returned)

    def _acquit(self, job: Job, outcome: Outcome) -> None:
        """The committee is paid by those it overruled, and by the pool where their money does not reach. A seller whose
        files
        came only after the question earns nothing by it: else it would pay to be late."""
        pot = outcome.penalties + outcome.forfeited
        pay = self._pay_for(self.fee_of(job), len(outcome.right), pot, 0)
        rest = pot - pay.from_pot
        to_seller = money.bps_down(rest, HARMED_BPS) if outcome.harmed_seller else 0
        self.pool += rest - to_seller
        returned = 0
        if outcome.answers_draw:
            job, returned = self.close_levy(job, 0)
            self.market.reputation.record_pass(job.seller, job.buyer, job.price)
        self._conclude(replace(job, status=JobStatus.SUBMITTED, audited=job.audited or outcome.answers_draw))
        self.market.bench.reward(outcome.right, pay.each, pay.each)
        self.pay(self.market.vault.payout_of(job.seller), to_seller)
        self.pay(job.buyer, returned)

    def _slash(self, job: Job, outcome: Outcome) -> None:
        """Of the collateral: up to three fees of the judges; of the rest 20 % to the buyer (at most the price), 30 % in
        equal
        shares to all who were right, everything else burned. A judge who denied rightly is paid from the levy."""
        fee, pot = self.fee_of(job), outcome.penalties + outcome.forfeited
        by_levy = 1 if outcome.first_is_right else 0
        pay = self._pay_for(fee, len(outcome.right) - by_levy, pot, job.collateral)
        rest = job.collateral - pay.from_collateral
        sharers = len(outcome.right) + len(outcome.accusers)
        share = money.bps_down(rest, RIGHT_BPS) // sharers
        to_buyer = min(money.bps_down(rest, HARMED_BPS), job.price)
        self.burnable += rest - to_buyer - share * sharers
        to_harmed = self._share_pot(pot - pay.from_pot)
        job, returned = self.close_levy(job, fee * by_levy)
        self._conclude(replace(job, status=JobStatus.SLASHED))
        at = self.market.at["JobEscrow"]
        self.market.vault.slash(job.seller, at, job.collateral, at)
        self.market.reputation.record_fault(job.seller, job.price)
        first = fee if outcome.first_is_right else pay.each
        self.market.bench.reward(outcome.right, first + share, pay.each + share)
        for accuser in outcome.accusers:
            self.pay(self.market.vault.payout_of(accuser), share)
        self.pay(job.buyer, job.price + to_buyer + to_harmed + returned)

    def _void(self, job: Job, outcome: Outcome) -> None:
        """Nobody who spoke loses anything: the payment is split, the odd unit to the buyer, and the pool pays the
        judges."""
        to_seller = job.price // 2
        job, returned = self.close_levy(job, 0)
        self.pool += outcome.penalties + outcome.forfeited
        pay = self._pay_for(self.fee_of(job), len(outcome.right), 0, 0)
        self._conclude(replace(job, status=JobStatus.VOID))
        self.market.vault.unlock(job.seller, self.market.at["JobEscrow"], job.collateral)
        self.market.bench.reward(outcome.right, pay.each, pay.each)
        self.pay(self.market.vault.payout_of(job.seller), to_seller)
        self.pay(job.buyer, job.price - to_seller + returned)

    def _resume(self, job: Job, outcome: Outcome, now: int) -> None:
        """Nobody answered. An audit fails open, after one more window; a challenge is as if it had not been made."""
        self.pool += outcome.penalties + outcome.forfeited
        returned = 0
        if outcome.answers_draw:
            job, returned = self.close_levy(job, 0)
            job = replace(job, audited=True, deadline=now + self.market.parameters.audit_window)
        self._conclude(replace(job, status=JobStatus.SUBMITTED))
        self.pay(job.buyer, returned)

    def _return(self, job: Job, outcome: Outcome) -> None:
        """A canary: everything returns, but the fee of a judge who saw it."""
        fee = self.fee_of(job) if outcome.right else 0
        returned = less(job.held, fee) + self._share_pot(outcome.penalties + outcome.forfeited)
        self._conclude(replace(job, status=JobStatus.REFUNDED))
        self.market.vault.unlock(job.seller, self.market.at["JobEscrow"], job.collateral)
        self.market.bench.reward(outcome.right, fee, 0)
        self.pay(job.buyer, returned)

    def close_levy(self, job: Job, due: int) -> tuple[Job, int]:
        """Closes M, once per job: the levy goes to the pool, and `due` (at most one fee) leaves the pool, or M where
        the pool
        is too small. Returns the job, and what is left of M and of a price that did not rise to its end, for the
        buyer."""
        if job.held == job.price:
            return job, 0
        levy = money.levy(self.fee_of(job), job.audit_bps)
        self.pool += levy
        from_pool = self.take_from_pool(due)
        returned = less(job.held, job.price + levy + due - from_pool)
        return replace(job, held=job.price), returned

    def _pay_for(self, fee: int, judges: int, pot: int, collateral: int) -> Pay:
        """One fee each, or equally what there is: out of the pot, then the collateral, then the pool."""
        if judges == 0:
            return Pay()
        due = fee * judges
        from_pot = min(due, pot)
        from_collateral = min(due - from_pot, COLLATERAL_FEES * fee, collateral)
        paid = from_pot + from_collateral
        paid += self.take_from_pool(due - paid)
        each = paid // judges
        self.pool += paid - each * judges
        return Pay(each, from_pot, from_collateral)

    def _share_pot(self, rest: int) -> int:
        """What is left of what the others lost: 20 % to the harmed side, which is returned, the rest to the pool."""
        to_harmed = money.bps_down(rest, HARMED_BPS)
        self.pool += rest - to_harmed
        return to_harmed

    def _conclude(self, job: Job) -> None:
        """Stores the state a ruling leaves the job in."""
        self.store(job if job.status == JobStatus.SUBMITTED else replace(job, held=Amount(0)))
