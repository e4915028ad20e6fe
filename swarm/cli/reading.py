# SPDX-License-Identifier: Apache-2.0
"""A job as people read it: state, money, audit, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.protocol.types import ZERO_DIGEST, Job, JobId, JobStatus
from swarm.units import format_amount

if TYPE_CHECKING:
    from swarm.chain.network import Chain


def job_facts(chain: Chain, job_id: JobId) -> dict:
    """Everything `swarm job show` prints, in its order. Raises NotFound."""
    from swarm.execution.inputs import result_cid, spec_cid

    job = chain.escrow.job(job_id)
    now = chain.client.now()
    return {
        "job": job.job_id,
        "state": state_of(chain, job).name.lower().replace("_", " "),
        "next": what_next(job, now, state_of(chain, job)),
        "price_tok": format_amount(job.price_at(now)),
        "escrow_tok": format_amount(job.held),
        "buyer": job.buyer,
        "seller": job.seller if int(job.seller, 16) else None,
        "collateral_tok": format_amount(job.collateral),
        "audit_rate": f"{job.audit_bps / 100:g} %" if job.audit_bps else "set at acceptance",
        "audited": job.audited,
        "segments": job.segments,
        "deadline": job.deadline,
        "spec_cid": spec_cid(job.spec_cid),
        "result_cid": None if job.result_cid == ZERO_DIGEST else result_cid(job.result_cid),
    }


def state_of(chain: Chain, job: Job) -> JobStatus:
    """The job's status; an audit whose judge has denied is challenged."""
    denied = job.status is JobStatus.UNDER_AUDIT and chain.court.case(job.job_id).instance > 0
    return JobStatus.CHALLENGED if denied else job.status


def what_next(job: Job, now: int, state: JobStatus) -> str:
    """One clause: what the job waits for, and until when."""
    left = job.deadline - now
    match state:
        case JobStatus.OPEN if left >= 0:
            return f"a seller may accept for {left} s"
        case JobStatus.OPEN:
            return "nobody accepted: swarm job refund returns everything"
        case JobStatus.RUNNING if left >= 0:
            return f"the seller must submit within {left} s"
        case JobStatus.RUNNING:
            return "the seller is late: swarm job refund returns the payment and half of its penalty"
        case JobStatus.SUBMITTED if left >= 0:
            return f"audit window, {left} s left"
        case JobStatus.SUBMITTED:
            return "swarm job settle pays the seller, unless it is drawn for an audit"
        case JobStatus.UNDER_AUDIT:
            return "a judge re-executes one segment: verifier show tells who"
        case JobStatus.CHALLENGED:
            return "a committee re-executes the segment: verifier show tells who"
        case _:
            return "final"
