# SPDX-License-Identifier: Apache-2.0
"""What a judge is asked, and where an answer may begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from swarm.errors import NotFound
from swarm.execution.inputs import Inputs
from swarm.protocol.types import Job
from swarm.workloads.fields import Spec
from swarm.workloads.result import Manifest


@dataclass(frozen=True, slots=True)
class Start:
    """Where a re-execution begins. `state` is None where the seller's own output cannot be had as it was committed."""

    manifest: Manifest | None
    state: Path | None
    problem: str = ""


class NotThere(NotFound):
    """The result as a whole cannot be fetched, so there is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Question:
    """One segment of one job, and what a re-execution of it needs."""

    job: Job
    segment: int
    spec: Spec
    inputs: Inputs
    first_state: Path | None
    is_patient: bool
    run: dict = field(default_factory=dict)  # what every run is told: its time, whom it tells, what stops it

    @property
    def index(self) -> int:
        """The segment's number in the spec: the job may be a part of it."""
        return self.job.terms.first_segment + self.segment
