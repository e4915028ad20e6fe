# SPDX-License-Identifier: Apache-2.0
"""What a worker tells of itself: a view as plain facts for `status`, `why` and the metrics."""

from __future__ import annotations

import time

from swarm.journal import Journal
from swarm.protocol.types import JobStatus
from swarm.seller import offers
from swarm.seller.view import View

_KIND = "totals"


class Totals:
    """What a home has earned since it was made, and how its jobs ended, by type and outcome."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def read(self) -> dict:
        return self._journal.get(_KIND, "all") or {"earned": "0", "jobs": {}}

    def add(self, type_: str, outcome: str, price: int) -> None:
        totals, name = self.read(), f"{type_} {outcome}"
        earned = int(totals["earned"]) + (price if outcome == "settled" else 0)
        jobs = totals["jobs"] | {name: totals["jobs"].get(name, 0) + 1}
        self._journal.put(_KIND, "all", {"earned": str(earned), "jobs": jobs})


def facts_of(view: View, totals: dict) -> dict:
    """The facts of one look at the chain; amounts are text, because JSON numbers lose digits."""
    mine = [job for job in view.jobs if job.seller == view.seller]
    stopped = offers.blocker(view)
    return {
        "chain": {"at": time.time(), "time": view.now},
        "jobs": {
            status.name.lower(): sum(job.status is status for job in mine)
            for status in (JobStatus.RUNNING, JobStatus.SUBMITTED, JobStatus.UNDER_AUDIT, JobStatus.CHALLENGED)
        },
        "at_risk": str(sum(job.collateral for job in mine)),
        "unpaid": str(sum(job.price for job in mine if job.status is not JobStatus.RUNNING)),
        "held": _held(view),
        "open_jobs": len(offers.open_jobs(view)),
        "not_taken": {reason.name.lower(): count for reason, count in offers.tally(view).items()},
        "blocked": stopped.name.lower() if stopped else None,
        "totals": totals,
        "trouble": None,
    }


def _held(view: View) -> dict | None:
    """A job that is accepted and does not run: paused, or waiting for its start."""
    for job in view.jobs:
        if job.seller == view.seller and job.status is JobStatus.RUNNING and job.job_id != view.running:
            done = view.done.get(job.job_id, 0)
            return {"job": job.job_id, "done": done, "segments": job.segments, "deadline": job.deadline}
    return None
