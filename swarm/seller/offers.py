# SPDX-License-Identifier: Apache-2.0
"""Which open jobs a worker would take, and why not the others: pure, and the source of `swarm worker why`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from swarm.protocol.types import ZERO_ADDRESS, Job, JobStatus
from swarm.seller.control import Mode
from swarm.seller.view import Reason, Step, View

# What a person can do about a reason, in one clause.
REMEDIES = {
    Reason.PAUSED: "swarm worker resume",
    Reason.DRAINING: "start it again once it has ended",
    Reason.BUSY: "it looks again when the job ends",
    Reason.SCHEDULE: "change --hours",
    Reason.GAS: "send gas to the account: swarm wallet show",
    Reason.DISK: "raise --disk-gib or --cache-gib, or free some space",
    Reason.ONLY_JOB: "start it without --job",
    Reason.PRICE: "lower --floor",
    Reason.TOO_LONG: "raise --max-job",
    Reason.REPUTATION: "finish jobs that ask for none first",
    Reason.TYPE: "widen --types",
    Reason.IMAGE: "widen --images, or build the image: python3 scripts/build_image.py",
    Reason.HARDWARE: "widen --classes, or the class needs a processor, a GPU or bitsandbytes: swarm doctor",
    Reason.MEMORY: "raise --memory-gib if the machine has it",
    Reason.STAKE: "swarm stake deposit",
    Reason.JUDGES: "wait for judges to register",
    Reason.TURN: "it takes it in some seconds if nobody has: fewer lost races",
    Reason.INPUTS: "the buyer's content is out of reach; it is tried again",
}


def blocker(view: View) -> Reason | None:
    """Why no job at all is taken now, whatever it offers."""
    if view.mode is Mode.PAUSE:
        return Reason.PAUSED
    if view.mode in (Mode.DRAIN, Mode.STOP):
        return Reason.DRAINING
    runs = any(job.seller == view.seller and job.status is JobStatus.RUNNING for job in view.jobs)
    return Reason.BUSY if runs or view.running is not None else view.blocked


def refusal(view: View, job: Job) -> Reason | None:
    """Why this open job is not taken, by its own terms; None for one that may be."""
    return next((reason for reason, holds in _RULES if holds(view, job)), None) or view.refused.get(job.job_id)


def tally(view: View) -> Counter[Reason]:
    """Open jobs by the reason for which they are not taken; where nothing else stands in the way, by the blocker."""
    stopped = blocker(view)
    found = (refusal(view, job) or stopped for job in open_jobs(view))
    return Counter(reason for reason in found if reason)


def open_jobs(view: View) -> list[Job]:
    return [job for job in view.jobs if job.status is JobStatus.OPEN]


def _was_given_up(view: View, job: Job) -> bool:
    """A job it gave up reopens: taking it again would cost the penalty again. One that is open though its work goes on
    lost its acceptance in a reorganisation, and is taken again."""
    work = view.work.get(job.job_id)
    return work is not None and work.step in (Step.FAILED, Step.HANDED_BACK)


_RULES: tuple[tuple[Reason, Callable[[View, Job], bool]], ...] = (
    (Reason.ONLY_JOB, lambda view, job: view.policy.only_job not in (None, job.job_id)),
    (Reason.OWN, lambda view, job: job.buyer == view.seller),
    (Reason.GIVEN_UP, lambda view, job: _was_given_up(view, job)),
    (Reason.EXPIRED, lambda view, job: view.now >= job.deadline),
    (Reason.NAMED, lambda view, job: job.terms.seller not in (ZERO_ADDRESS, view.seller)),
    (Reason.REPUTATION, lambda view, job: job.terms.min_reputation > view.reputation),
    (Reason.HARDWARE, lambda view, job: not view.policy.computes(job.hardware_class)),
    (Reason.TOO_LONG, lambda view, job: job.run_seconds > view.policy.max_run_seconds),
    (Reason.PRICE, lambda view, job: job.price_at(view.now) < view.policy.price_floor),
)
