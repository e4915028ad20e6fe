# SPDX-License-Identifier: Apache-2.0
"""JobEscrow: payments and the life of a job. One method per transition."""

from __future__ import annotations

from collections.abc import Iterator

from eth_account.signers.local import LocalAccount
from web3.logs import DISCARD

from swarm.chain.client import ChainClient
from swarm.errors import NotFound
from swarm.protocol.types import Address, Amount, Digest, Epoch, Job, JobId, JobStatus, Terms


class Escrow:
    def __init__(self, client: ChainClient, address: Address) -> None:
        self.address = address
        self._client = client
        self._contract = client.contract("JobEscrow", address)
        self._functions = self._contract.functions

    # posting

    def post(self, account: LocalAccount, terms: Terms) -> tuple[JobId, dict]:
        """Posts a job; the allowance must be there. Returns its id and the receipt."""
        values = (
            terms.spec_cid,
            terms.price,
            terms.segments,
            terms.segment_seconds,
            terms.run_seconds,
            terms.open_seconds,
            terms.hardware_class,
        )
        receipt = self._client.send(self._functions.post(values), account)
        event = self._contract.events.JobPosted().process_receipt(receipt, errors=DISCARD)[0]
        return JobId(event["args"]["jobId"]), receipt

    def cancel(self, account: LocalAccount, job_id: JobId) -> dict:
        return self._client.send(self._functions.cancel(job_id), account)

    # acceptance

    def accept(self, account: LocalAccount, job_id: JobId, collateral: Amount) -> dict:
        return self._client.send(self._functions.accept(job_id, collateral), account)

    def abort(self, account: LocalAccount, job_id: JobId) -> dict:
        return self._client.send(self._functions.abort(job_id), account)

    # submission

    def submit(self, account: LocalAccount, job_id: JobId, result_cid: Digest, segment_root: Digest) -> dict:
        return self._client.send(self._functions.submit(job_id, result_cid, segment_root), account)

    def refund(self, account: LocalAccount, job_id: JobId) -> dict:
        return self._client.send(self._functions.refund(job_id), account)

    # audit and settlement

    def open_audit(self, account: LocalAccount, job_id: JobId) -> dict:
        return self._client.send(self._functions.openAudit(job_id), account)

    def settle(self, account: LocalAccount, job_id: JobId) -> dict:
        return self._client.send(self._functions.settle(job_id), account)

    def claim(self, account: LocalAccount, to: Address) -> dict:
        return self._client.send(self._functions.claim(to), account)

    def burn(self, account: LocalAccount) -> dict:
        """Sends what fees and slashes left to be burned away; anyone may."""
        return self._client.send(self._functions.burn(), account)

    # views

    def job(self, job_id: JobId) -> Job:
        """The job as the chain holds it. Raises NotFound for an id that was never posted."""
        job = self._job(job_id)
        if job.status == JobStatus.NONE:
            raise NotFound(f"there is no job {job_id}", hint="swarm job list shows them")
        return job

    def jobs(self, *, newest_first: bool = True) -> Iterator[Job]:
        count = self.job_count()
        ids = range(count, 0, -1) if newest_first else range(1, count + 1)
        return (self._job(JobId(job_id)) for job_id in ids)

    def job_count(self) -> int:
        return self._client.call(self._functions.jobCount())

    def is_drawn(self, job_id: JobId) -> bool:
        return self._client.call(self._functions.isDrawn(job_id))

    def fee_for(self, price: Amount, segments: int) -> Amount:
        return Amount(self._client.call(self._functions.feeFor(price, segments)))

    def escrow_for(self, price: Amount, segments: int) -> Amount:
        return Amount(self._client.call(self._functions.escrowFor(price, segments)))

    def min_collateral_for(self, price: Amount, segments: int) -> Amount:
        return Amount(self._client.call(self._functions.minCollateralFor(price, segments)))

    def audit_bps_for(self, price: Amount, collateral: Amount) -> int:
        return self._client.call(self._functions.auditBpsFor(price, collateral))

    def credit_of(self, account: Address) -> Amount:
        return Amount(self._client.call(self._functions.creditOf(account)))

    def pool(self) -> Amount:
        return Amount(self._client.call(self._functions.pool()))

    def events(self, name: str, job_id: JobId, *, from_block: int = 0) -> list:
        """The decoded events of one kind that name the job."""
        return self._client.logs(self._contract, name, argument_filters={"jobId": job_id}, from_block=from_block)

    def _job(self, job_id: JobId) -> Job:
        (
            buyer, segments, segment_seconds, run_seconds, hardware_class, seller, status, deadline, audit_bps, epoch,
            price, collateral, open_until, audited, spec_cid, result_cid, segment_root,
        ) = self._client.call(self._functions.jobOf(job_id))  # fmt: skip
        return Job(
            job_id=job_id,
            buyer=Address(buyer),
            segments=segments,
            segment_seconds=segment_seconds,
            run_seconds=run_seconds,
            hardware_class=hardware_class,
            seller=Address(seller),
            status=JobStatus(status),
            deadline=deadline,
            audit_bps=audit_bps,
            epoch=Epoch(epoch),
            price=Amount(price),
            collateral=Amount(collateral),
            open_until=open_until,
            audited=audited,
            spec_cid=Digest(spec_cid),
            result_cid=Digest(result_cid),
            segment_root=Digest(segment_root),
        )
