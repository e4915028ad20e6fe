# SPDX-License-Identifier: Apache-2.0
"""What a worker does next: a pure function of the chain's state, the journal and the clock."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from swarm.protocol.types import ZERO_ADDRESS, Address, Job, JobId, JobStatus

# A submission needs a block or two; work that ends later than this before the deadline is lost work.
SUBMIT_MARGIN_SECONDS = 10


class Step(enum.StrEnum):
    """How far the work on a job has come; kept in the journal before each action that must not be repeated."""

    ACCEPTED = "accepted"
    PUBLISHED = "published"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Work:
    """The journal's entry of one job. Digests are hexadecimal, empty before publishing."""

    job_id: JobId
    step: Step
    result_cid: str = ""
    segment_root: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a seller is willing to do. `only_job` restricts the worker to one job."""

    price_floor: int = 0
    max_run_seconds: int = 72 * 3600
    only_job: JobId | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What was observed. `refused` holds the open jobs this worker has looked at and will not take."""

    now: int
    seller: Address
    jobs: Sequence[Job]
    work: dict[JobId, Work]
    running: JobId | None
    refused: frozenset[JobId]
    known_seeds: frozenset[int]
    drawn: frozenset[JobId]
    policy: Policy
    reputation: int = 0  # the seller's score, basis points


@dataclass(frozen=True, slots=True)
class Submit:
    job: Job
    work: Work


@dataclass(frozen=True, slots=True)
class Settle:
    job: Job


@dataclass(frozen=True, slots=True)
class Abort:
    job: Job
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    job: Job


@dataclass(frozen=True, slots=True)
class Consider:
    """Look at an open job's spec and inputs, and accept it if this machine can do it."""

    job: Job


@dataclass(frozen=True, slots=True)
class Rest:
    reason: str


Action = Submit | Settle | Abort | Run | Consider | Rest


def decide(view: View) -> Action:
    """The next action: what is paid for first, then new work."""
    return (
        submit_due(view) or settle_due(view) or abort_due(view) or run_next(view) or consider_next(view) or rest(view)
    )


def submit_due(view: View) -> Submit | None:
    for job in _mine(view, JobStatus.RUNNING):
        work = view.work.get(job.job_id)
        if work and work.step is Step.PUBLISHED and view.now <= job.deadline:
            return Submit(job, work)
    return None


def settle_due(view: View) -> Settle | None:
    for job in _mine(view, JobStatus.SUBMITTED):
        seed_known = job.epoch in view.known_seeds
        if view.now > job.deadline and seed_known and (job.audited or job.job_id not in view.drawn):
            return Settle(job)
    return None


def abort_due(view: View) -> Abort | None:
    """Giving up in time costs 2 % of the price, missing the deadline 10 %."""
    for job in _mine(view, JobStatus.RUNNING):
        work = view.work.get(job.job_id)
        if work and work.step is Step.FAILED and view.now <= job.deadline:
            return Abort(job, work.reason)
    return None


def run_next(view: View) -> Run | None:
    if view.running is not None:
        return None
    for job in _mine(view, JobStatus.RUNNING):
        work = view.work.get(job.job_id)
        unfinished = work is None or work.step is Step.ACCEPTED
        if unfinished and view.now + SUBMIT_MARGIN_SECONDS < job.deadline:
            return Run(job)
    return None


def consider_next(view: View) -> Consider | None:
    if view.running is not None or _mine(view, JobStatus.RUNNING):
        return None
    offers = [job for job in view.jobs if job.status is JobStatus.OPEN and _wanted(view, job)]
    return Consider(max(offers, key=lambda job: (job.price_at(view.now), -job.job_id))) if offers else None


def rest(view: View) -> Rest:
    if view.running is not None:
        return Rest(f"running job {view.running}")
    waiting = _mine(view, JobStatus.SUBMITTED) + _mine(view, JobStatus.UNDER_AUDIT) + _mine(view, JobStatus.CHALLENGED)
    if waiting:
        return Rest(f"waiting for the audit window of {len(waiting)} job(s)")
    opened = [job for job in view.jobs if job.status is JobStatus.OPEN]
    return Rest(f"{len(opened)} open job(s), none for this worker" if opened else "no open job")


def _mine(view: View, status: JobStatus) -> list[Job]:
    return [job for job in view.jobs if job.seller == view.seller and job.status is status]


def _was_given_up(view: View, job: Job) -> bool:
    """A job it gave up reopens: taking it again would cost the penalty again. One that is open though its work goes on
    lost its acceptance in a reorganisation, and is taken again."""
    work = view.work.get(job.job_id)
    return work is not None and work.step is Step.FAILED


def _wanted(view: View, job: Job) -> bool:
    policy = view.policy
    return (
        job.job_id not in view.refused
        and not _was_given_up(view, job)
        and job.buyer != view.seller
        and job.price_at(view.now) >= policy.price_floor
        and job.terms.seller in (ZERO_ADDRESS, view.seller)
        and job.terms.min_reputation <= view.reputation
        and job.run_seconds <= policy.max_run_seconds
        and view.now < job.deadline
        and policy.only_job in (None, job.job_id)
    )
