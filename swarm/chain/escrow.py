# SPDX-License-Identifier: Apache-2.0
"""JobEscrow: payments and the life of a job. One method per transition; whoever moves a job brings its state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eth_account.signers.local import LocalAccount
from web3.logs import DISCARD

from swarm.chain.client import ChainClient
from swarm.chain.jobs import JobBook
from swarm.chain.token import Approval
from swarm.protocol.types import Address, Amount, Digest, Job, JobId, SlotId, Terms


class Escrow:
    """`first_block` is the block of the deployment: no event lies before it."""

    def __init__(self, client: ChainClient, address: Address, first_block: int = 0) -> None:
        self.address = address
        self._client = client
        self._contract = client.contract("JobEscrow", address)
        self._functions = self._contract.functions
        self._book = JobBook(client, self._contract, first_block)

    # posting

    def post(self, account: LocalAccount, terms: Terms, *, after: Approval | None = None) -> tuple[JobId, dict]:
        """Posts a job; the allowance must be there, or come with `after`. Returns its id and the receipt."""
        receipt = self._client.send(self._functions.post(terms.values()), account, after=after)
        return self._posted(receipt)[0], receipt

    def post_many(
        self, account: LocalAccount, terms: Terms, spec_cids: Sequence[Digest], *, after: Approval | None = None
    ) -> tuple[list[JobId], dict]:
        """Posts the same terms once for each spec, in one transfer. Returns the ids and the receipt."""
        receipt = self._client.send(self._functions.postMany(terms.values(), list(spec_cids)), account, after=after)
        return self._posted(receipt), receipt

    def cancel(self, account: LocalAccount, job: Job) -> dict:
        return self._client.send(self._functions.cancel(job.job_id, job.state()), account)

    # acceptance

    def accept(self, account: LocalAccount, job: Job, collateral: Amount, seller: Address | None = None) -> dict:
        """Accepts for `seller`, whose operator the account may be; by default for the account itself."""
        seller = seller or Address(account.address)
        call = self._functions.accept(job.job_id, job.state(), job.terms.values(), seller, collateral)
        return self._client.send(call, account, is_contested=True)

    def abort(self, account: LocalAccount, job: Job) -> dict:
        return self._client.send(self._functions.abort(job.job_id, job.state()), account)

    # submission

    def submit(self, account: LocalAccount, job: Job, result_cid: Digest, segment_root: Digest) -> dict:
        return self._client.send(self._functions.submit(job.job_id, job.state(), result_cid, segment_root), account)

    def hand_back(
        self,
        account: LocalAccount,
        job: Job,
        part: tuple[Digest, Digest, int],
        last: tuple[Digest, Digest, Sequence[Digest]],
    ) -> tuple[JobId, dict]:
        """Splits a running job. `part` is result CID, segment root and segments done; `last` is D, output CID and proof
        of the last of them. Returns the id under which the rest is open."""
        digest, output_cid, proof = last
        call = self._functions.handBack(
            job.job_id, job.state(), job.terms.values(), part, (digest, output_cid, list(proof))
        )
        receipt = self._client.send(call, account)
        return self._posted(receipt)[0], receipt

    def refund(self, account: LocalAccount, job: Job) -> dict:
        return self._client.send(self._functions.refund(job.job_id, job.state()), account)

    # audit and settlement

    def open_audit(self, account: LocalAccount, job: Job) -> dict:
        call = self._functions.openAudit(job.job_id, job.state(), job.terms.values())
        return self._client.send(call, account, is_contested=True)

    def judge_to_be(self, job: Job) -> SlotId:
        """Whom `open_audit` would draw now, 0 for nobody. Raises Reverted where nothing is to be opened."""
        call = self._functions.openAudit(job.job_id, job.state(), job.terms.values())
        return SlotId(self._client.call(call))

    def settle(self, account: LocalAccount, job: Job) -> dict:
        return self._client.send(self._functions.settle(job.job_id, job.state()), account)

    def claim(self, account: LocalAccount, to: Address) -> dict:
        return self._client.send(self._functions.claim(to), account)

    def burn(self, account: LocalAccount) -> dict:
        """Sends what fees and slashes left to be burned away; anyone may."""
        return self._client.send(self._functions.burn(), account)

    # views

    def job(self, job_id: JobId) -> Job:
        """The job as the chain proves it. Raises NotFound for an id that was never posted."""
        return self._book.job(job_id)

    def jobs(self, *, newest_first: bool = True) -> Iterator[Job]:
        count = self.job_count()
        ids = range(count, 0, -1) if newest_first else range(1, count + 1)
        return (self.job(JobId(job_id)) for job_id in ids)

    def job_count(self) -> int:
        return self._client.call(self._functions.jobCount())

    def is_drawn(self, job: Job) -> bool:
        return self._client.call(self._functions.isDrawn(job.job_id, job.state()))

    def fee_for(self, price: Amount, segments: int) -> Amount:
        return Amount(self._client.call(self._functions.feeFor(price, segments)))

    def escrow_for(self, price: Amount, segments: int, parts: int = 1) -> Amount:
        return Amount(self._client.call(self._functions.escrowFor(price, segments, parts)))

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

    def _posted(self, receipt: dict) -> list[JobId]:
        events = self._contract.events.JobPosted().process_receipt(receipt, errors=DISCARD)
        return [JobId(event["args"]["jobId"]) for event in events]
