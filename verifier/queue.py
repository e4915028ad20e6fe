# SPDX-License-Identifier: Apache-2.0
"""What a judge owes, the next deadline first, and which deadlines are at risk."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from swarm.log import Log
from swarm.protocol.types import UNDELIVERED, JobId
from verifier import plan
from verifier.view import Key, Observed, View

log = Log("verifier")
# Publishing evidence and a transaction or two after the re-execution.
MARGIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing owed. `needed_seconds` is what is still to be done by the segment's declared time."""

    job_id: JobId
    round: int
    owes: str  # replay, verdict, seal, reveal
    segment: int | None
    seller: str
    deadline: int
    left_seconds: int
    needed_seconds: int
    fee: int  # token units, 0 where it is not known

    @property
    def is_at_risk(self) -> bool:
        return self.left_seconds < self.needed_seconds + MARGIN_SECONDS

    @property
    def key(self) -> Key:
        return self.job_id, self.round


def duties(view: View) -> list[Duty]:
    """Everything this judge still owes, by deadline. A re-execution that fails is not owed any more."""
    found = [_duty(view, item, owes) for item in view.observed if (owes := plan.owed(view, item))]
    return sorted(found, key=lambda duty: (duty.deadline, duty.job_id))


def _duty(view: View, item: Observed, owes: str) -> Duty:
    is_fetch = item.segment == UNDELIVERED
    return Duty(
        job_id=item.job.job_id,
        round=item.case.round,
        owes=owes,
        segment=None if is_fetch else item.segment,
        seller=item.job.seller,
        deadline=item.deadline,
        left_seconds=item.deadline - view.now,
        needed_seconds=item.job.segment_seconds if owes == "replay" else 0,
        fee=item.fee,
    )


class Watch:
    """What a service owes at present and what it has said since its start, for its log and metrics."""

    def __init__(self) -> None:
        self.duties: list[Duty] = []
        self.said: Counter[str] = Counter()
        self.seen_at: float | None = None  # unix seconds of this machine
        self._warned: set[Key] = set()

    def look(self, view: View) -> None:
        """Says once of each case that its deadline may be missed, while there is time to do something about it."""
        self.duties, self.seen_at = duties(view), time.time()
        for duty in self.duties:
            if duty.is_at_risk and duty.key not in self._warned:
                self._warned.add(duty.key)
                facts = {"owes": duty.owes, "left_seconds": duty.left_seconds, "needed_seconds": duty.needed_seconds}
                log.warning("deadline_at_risk", job_id=duty.job_id, round=duty.round, **facts)
