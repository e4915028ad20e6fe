# SPDX-License-Identifier: Apache-2.0
"""The escrow's till: takes tokens in, pays them out, keeps the pool and what is to be burned."""

from __future__ import annotations

from dataclasses import replace

from swarm.protocol import money
from swarm.protocol.lifecycle.state import Part, require, verb
from swarm.protocol.types import Address, Amount, Job, JobId, JobStatus

BURN_ADDRESS = Address("0x000000000000000000000000000000000000dEaD")


class Treasury(Part):
    """Invariant: the escrow's tokens = Σ held by live jobs + pool + burnable + credits + bonds + fees earned."""

    def __init__(self, market) -> None:
        super().__init__(market)
        self.pool = 0
        self.burnable = 0
        self.credits: dict[Address, int] = {}
        self.jobs: dict[JobId, Job] = {}

    @verb
    def claim(self, caller: Address, to: Address, *, now: int) -> None:
        """Pays out what could not be delivered to the caller before."""
        amount = self.credits.get(caller, 0)
        require(amount > 0, "NothingToClaim")
        self.credits[caller] = 0
        self.market.token.move(self._address, to, amount)

    @verb
    def burn(self, caller: Address, *, now: int) -> None:
        """Sends what is to be burned to the burn address."""
        amount, self.burnable = self.burnable, 0
        require(amount > 0, "NothingToClaim")
        self.market.token.move(self._address, BURN_ADDRESS, amount)

    @property
    def _address(self) -> Address:
        return self.market.at["JobEscrow"]

    # moves

    def collect(self, payer: Address, amount: int) -> None:
        """Takes a payment or a bond in."""
        self.market.token.move(payer, self._address, amount)

    def pay(self, to: Address, amount: int) -> None:
        """Pays out. A recipient that cannot be paid holds nobody up: the amount waits for its claim."""
        if amount == 0:
            return
        if to in self.market.unpayable:
            self.credits[to] = self.credits.get(to, 0) + amount
        else:
            self.market.token.move(self._address, to, amount)

    def pay_judge(self, owner: Address, amount: int) -> None:
        """Pays fees that a judge has earned. Only the bench calls it."""
        self.pay(self.market.vault.payout_of(owner), amount)

    def take_from_pool(self, wanted: int) -> int:
        """As much of `wanted` as the pool has."""
        taken = min(wanted, self.pool)
        self.pool -= taken
        return taken

    # state

    def require_current(self, job: Job) -> None:
        """`job` is its present state; the contract compares hashes."""
        current = self.jobs.get(job.job_id)
        require(current is not None and current.state() == job.state(), "StaleJob")

    def require_status(self, job: Job, expected: JobStatus) -> None:
        self.require_current(job)
        require(job.status == expected, "WrongStatus")

    def terms_match(self, job: Job) -> bool:
        """Whether a current job comes with its own terms."""
        return self.jobs[job.job_id].terms.values() == job.terms.values()

    def store(self, job: Job) -> None:
        """The next state of a job. Its terms never change, whatever a caller brought beside its state."""
        known = self.jobs.get(job.job_id)
        self.jobs[job.job_id] = job if known is None else replace(job, terms=known.terms)

    def end(self, job: Job, status: JobStatus) -> int:
        """Stores a final state; returns what the job still held."""
        self.store(replace(job, status=status, held=Amount(0)))
        return job.held

    def fee_of(self, job: Job) -> int:
        return self.fee_for(job.price, job.segments)

    def fee_for(self, price: int, segments: int) -> int:
        """F: what one re-execution of one segment is paid."""
        require(segments > 0, "Panic")
        return money.judge_fee(price, segments, self.market.parameters.fee_min)

    def escrow_for(self, price: int, segments: int, parts: int = 1) -> int:
        """What posting takes: price + parts · ceil(1.25 · F)."""
        return price + parts * money.max_levy(self.fee_for(price, segments))

    def min_collateral_for(self, price: int, segments: int) -> int:
        return max(money.bps_up(price, 2_500), 4 * self.fee_for(price, segments))
