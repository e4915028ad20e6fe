# SPDX-License-Identifier: Apache-2.0
"""What a worker does next: a pure function of the chain's state, the journal, what it was asked and the clock."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.turns import mixed
from swarm.protocol.types import Job, JobStatus
from swarm.seller import offers
from swarm.seller.control import Mode
from swarm.seller.policy import Policy
from swarm.seller.view import Reason, Step, View, Work

__all__ = ["Mode", "Policy", "Reason", "Step", "View", "Work", "decide"]

# A submission needs a block or two; work that ends later than this before the deadline is lost work.
SUBMIT_MARGIN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Submit:
    job: Job
    work: Work


@dataclass(frozen=True, slots=True)
class HandBack:
    """Publish what is done of a job and open the rest to another seller."""

    job: Job


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


Action = Submit | HandBack | Settle | Abort | Run | Consider | Rest


def decide(view: View) -> Action:
    """The next action: what is paid for first, then new work."""
    return (
        submit_due(view)
        or hand_back_due(view)
        or settle_due(view)
        or abort_due(view)
        or run_next(view)
        or consider_next(view)
        or rest(view)
    )


def submit_due(view: View) -> Submit | None:
    for job in _mine(view, JobStatus.RUNNING):
        work = view.work.get(job.job_id)
        if work and work.step is Step.PUBLISHED and view.now <= job.deadline:
            return Submit(job, work)
    return None


def hand_back_due(view: View) -> HandBack | None:
    """Once the run has ended where it was."""
    if not view.hands_back or view.running is not None:
        return None
    return next((HandBack(job) for job in _unfinished(view) if view.now <= job.deadline), None)


def hand_back_is_vain(view: View) -> bool:
    """Whether it was asked for and nothing is there that could be. While a run still ends, that is not known."""
    return view.hands_back and view.running is None and hand_back_due(view) is None


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
        if view.now > job.deadline:
            continue
        if work and work.step is Step.FAILED:
            return Abort(job, work.reason)
        is_held = view.running != job.job_id and (work is None or work.step is Step.ACCEPTED)
        if is_held and not _has_time(view, job):
            return Abort(job, "no time is left for it")
    return None


def run_next(view: View) -> Run | None:
    if view.running is not None or view.mode in (Mode.PAUSE, Mode.STOP):
        return None
    return next((Run(job) for job in _unfinished(view) if _has_time(view, job)), None)


def consider_next(view: View) -> Consider | None:
    if offers.blocker(view):
        return None
    wanted = [job for job in offers.open_jobs(view) if offers.refusal(view, job) is None]
    # Among equals each seller begins elsewhere, so that many open jobs do not draw all sellers to one.
    best = max(wanted, key=lambda job: (job.price_at(view.now), mixed(view.seller, str(job.job_id))), default=None)
    return Consider(best) if best else None


def rest(view: View) -> Rest:
    if view.running is not None:
        return Rest(f"running job {view.running}")
    held = _unfinished(view)
    if held and view.mode is Mode.PAUSE:
        done = view.done.get(held[0].job_id, 0)
        left = held[0].deadline - view.now
        return Rest(f"paused in job {held[0].job_id}: {done} of {held[0].segments} segments are done, {left} s left")
    waiting = _mine(view, JobStatus.SUBMITTED) + _mine(view, JobStatus.UNDER_AUDIT) + _mine(view, JobStatus.CHALLENGED)
    if waiting:
        return Rest(f"waiting for the audit window of {len(waiting)} job(s)")
    if view.mode is not Mode.RUN:
        return Rest("paused" if view.mode is Mode.PAUSE else "draining")
    opened = offers.open_jobs(view)
    return Rest(f"{len(opened)} open job(s), none for this worker" if opened else "no open job")


def is_drained(view: View) -> bool:
    """Whether a worker that takes no more has submitted what it took; anyone may settle it later, also its restart."""
    return view.mode is Mode.DRAIN and view.running is None and not _mine(view, JobStatus.RUNNING)


def _mine(view: View, status: JobStatus) -> list[Job]:
    return [job for job in view.jobs if job.seller == view.seller and job.status is status]


def _unfinished(view: View) -> list[Job]:
    """Accepted jobs whose result is neither published nor given up."""
    running = _mine(view, JobStatus.RUNNING)
    return [job for job in running if job.job_id not in view.work or view.work[job.job_id].step is Step.ACCEPTED]


def _has_time(view: View, job: Job) -> bool:
    return view.now + SUBMIT_MARGIN_SECONDS < job.deadline
