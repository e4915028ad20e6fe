# SPDX-License-Identifier: Apache-2.0
"""A job's present state from the events of its life.

The escrow stores only the hash of a job's state; its events carry what changed. Whoever folds them holds the state, and
the stored hash proves it: an event that was missed or invented gives another hash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from swarm.protocol.types import (
    ZERO_ADDRESS,
    Address,
    Amount,
    Digest,
    Epoch,
    Job,
    JobId,
    JobStatus,
    Terms,
)

Arguments = Mapping[str, Any]


def posted(terms_hash: Digest, arguments: Arguments) -> Job:
    """The job as `JobPosted` announces it; `terms_hash` is keccak256 of the encoded terms, which is not stdlib."""
    values = arguments["terms"]
    terms = Terms.from_values(tuple(values.values()) if isinstance(values, Mapping) else values)
    return Job(
        job_id=JobId(arguments["jobId"]),
        terms=terms,
        terms_hash=terms_hash,
        buyer=Address(arguments["buyer"]),
        status=JobStatus.OPEN,
        audited=False,
        segments=terms.segments,
        open_until=arguments["openUntil"],
        deadline=arguments["openUntil"],
        held=Amount(arguments["held"]),
    )


def apply(job: Job, event: str, arguments: Arguments) -> Job:
    """The job after one of its events; events that do not change it leave it as it is."""
    change = _CHANGES.get(event)
    return change(job, arguments) if change else job


def _ended(status: JobStatus) -> Callable[[Job, Arguments], Job]:
    return lambda job, _: replace(job, status=status, held=Amount(0))


def _accepted(job: Job, arguments: Arguments) -> Job:
    return replace(
        job,
        status=JobStatus.RUNNING,
        seller=Address(arguments["seller"]),
        price=Amount(arguments["price"]),
        collateral=Amount(arguments["collateral"]),
        audit_bps=arguments["auditBps"],
        deadline=arguments["deadline"],
    )


def _aborted(job: Job, arguments: Arguments) -> Job:
    if not arguments["reopened"]:
        return replace(job, status=JobStatus.REFUNDED, held=Amount(0))
    return replace(
        job,
        status=JobStatus.OPEN,
        deadline=job.open_until,
        seller=ZERO_ADDRESS,
        price=Amount(0),
        collateral=Amount(0),
        audit_bps=0,
    )


def _handed_back(job: Job, arguments: Arguments) -> Job:
    price, held = Amount(arguments["price"]), Amount(arguments["held"])
    return replace(job, segments=arguments["segments"], price=price, held=held)


def _submitted(job: Job, arguments: Arguments) -> Job:
    return replace(
        job,
        status=JobStatus.SUBMITTED,
        deadline=arguments["deadline"],
        epoch=Epoch(arguments["epoch"]),
        result_cid=Digest(bytes(arguments["resultCid"])),
        segment_root=Digest(bytes(arguments["segmentRoot"])),
    )


def _ruled(job: Job, arguments: Arguments) -> Job:
    return replace(
        job,
        status=JobStatus(arguments["status"]),
        audited=arguments["audited"],
        held=Amount(arguments["held"]),
        deadline=arguments["deadline"],
    )


_CHANGES: dict[str, Callable[[Job, Arguments], Job]] = {
    "JobCancelled": _ended(JobStatus.REFUNDED),
    "JobRefunded": _ended(JobStatus.REFUNDED),
    "JobSettled": _ended(JobStatus.SETTLED),
    "JobAccepted": _accepted,
    "JobAborted": _aborted,
    "JobHandedBack": _handed_back,
    "JobSubmitted": _submitted,
    "AuditOpened": lambda job, _: replace(job, status=JobStatus.UNDER_AUDIT),
    "JobChallenged": lambda job, _: replace(job, status=JobStatus.CHALLENGED),
    "JobRuled": _ruled,
}
