# SPDX-License-Identifier: Apache-2.0
"""A sweep's state as values: runs, the tasks they consist of, the jobs posted for them, and what all of it cost.

run       one set of parameters, with an id that follows from them
task      a piece of a run: the steps up to the next rung, or a last evaluation
posting   a job that does some tasks, each in a segment of its own, or one task in segments of its own
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarm.workloads.sweep.metrics import Metrics
from swarm.workloads.sweep.program import Reported
from swarm.workloads.sweep.rungs import EarlyTerminate, pieces_of, rungs_of


@dataclass(frozen=True, slots=True)
class Run:
    """A trial from its first step to its end or its pruning. `number` counts from 0 in the order of proposals."""

    number: int
    id: str
    parameters: Mapping[str, Any]
    max_steps: int


@dataclass(frozen=True, slots=True)
class Task:
    """`rung` counts the pieces of a run. `is_job`: several segments of its own instead of one among others."""

    run: str
    rung: int
    first_step: int
    last_step: int
    start: str | None = None  # CID of the output before
    is_job: bool = False


class Fate(enum.StrEnum):
    """What has become of a posting. CLAIMED: its result is committed and may still be audited."""

    PLANNED = "planned"
    LIVE = "live"
    CLAIMED = "claimed"
    SETTLED = "settled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Found:
    """What a posting's result says of one task. A job of its own publishes no metrics: its evaluation does."""

    output_cid: str
    metrics: Metrics | Reported | None


@dataclass(frozen=True, slots=True)
class Posting:
    """A job for some tasks. `escrow` is the most it can cost, `cost` what it did cost once it is final."""

    number: int
    spec_cid: str  # hex digest
    tasks: tuple[Task, ...]
    escrow: int
    job_id: int | None = None
    fate: Fate = Fate.PLANNED
    reason: str = ""
    cost: int = 0
    seller: str = ""
    found: tuple[Found, ...] = ()

    @property
    def is_live(self) -> bool:
        return self.fate in (Fate.PLANNED, Fate.LIVE)

    @property
    def committed(self) -> int:
        """What it may still cost, or did."""
        return self.cost if self.fate in (Fate.SETTLED, Fate.FAILED) else self.escrow


@dataclass(frozen=True, slots=True)
class Outcome:
    """A task that is done, and where."""

    task: Task
    found: Found
    posting: Posting


@dataclass(frozen=True)
class Ledger:
    """Everything that is known. `evaluate_apart`: trials are jobs of their own, evaluated by a segment afterwards."""

    runs: Sequence[Run]
    postings: Sequence[Posting]
    policy: EarlyTerminate | None = None
    evaluate_apart: bool = False
    max_attempts: int = 3
    piece_steps: int = 0  # the most one segment may take; 0: any number
    forgiven: int = 0  # failures of postings with a lower number were looked at by a person, who went on
    outcomes: Mapping[str, list[Outcome]] = field(init=False)
    attempts: Mapping[tuple[str, int], list[Posting]] = field(init=False)

    def __post_init__(self) -> None:
        attempts: dict[tuple[str, int], list[Posting]] = {}
        for posting in self.postings:
            for task in posting.tasks:
                attempts.setdefault((task.run, task.rung), []).append(posting)
        object.__setattr__(self, "attempts", attempts)
        object.__setattr__(self, "outcomes", {run.id: self._outcomes_of(run) for run in self.runs})

    def rungs(self, run: Run) -> list[tuple[int, int]]:
        """(first step, last step) of each of its tasks."""
        if self.evaluate_apart:
            return [(0, run.max_steps), (run.max_steps, run.max_steps)]
        return pieces_of(rungs_of(self.policy, run.max_steps, run.number), self.piece_steps)

    def is_rung(self, run: Run, piece: int) -> bool:
        """Whether a run is looked at after a piece; a long way between two rungs has several."""
        return self.rungs(run)[piece][1] in rungs_of(self.policy, run.max_steps, run.number)

    def next_task(self, run: Run) -> Task | None:
        """The piece after what is done; None when the run is at its end or failed by itself."""
        done, rungs = self.outcomes[run.id], self.rungs(run)
        if len(done) == len(rungs) or self.failure(run):
            return None
        first, last = rungs[len(done)]
        start = done[-1].found.output_cid if done else None
        return Task(run.id, len(done), first, last, start, is_job=self.evaluate_apart and first < last)

    def failure(self, run: Run) -> str | None:
        """Why a run ended early by itself."""
        done = self.outcomes[run.id]
        return self.failure_of(done[-1]) if done else None

    @staticmethod
    def failure_of(outcome: Outcome) -> str | None:
        metrics = outcome.found.metrics
        return metrics.failure if metrics else None

    def is_posted(self, task: Task) -> bool:
        """Whether a job for this task is under way."""
        return any(posting.is_live and task in posting.tasks for posting in self._tried(task))

    def is_lost(self, task: Task) -> bool:
        """Whether it has been tried as often as it may be."""
        mine = [each for each in self._tried(task) if task in each.tasks and each.number >= self.forgiven]
        failed = [each for each in mine if each.fate is Fate.FAILED]
        return len(failed) >= self.max_attempts

    def was_posted(self, task: Task) -> bool:
        """Whether it was let on once: whoever went on stays let on."""
        return bool(self._tried(task))

    def _tried(self, task: Task) -> Sequence[Posting]:
        return self.attempts.get((task.run, task.rung), ())

    @property
    def live_tasks(self) -> int:
        return sum(len(posting.tasks) for posting in self.postings if posting.is_live)

    @property
    def committed(self) -> int:
        """The most that everything posted so far can cost; the escrows of live jobs count in full."""
        return sum(posting.committed for posting in self.postings)

    @property
    def spent(self) -> int:
        """What final jobs did cost."""
        return sum(posting.cost for posting in self.postings)

    def failures_in_a_row(self) -> int:
        """Failures since the last success, in the order of posting: trials that failed, and jobs of whatever size."""
        row = 0
        for posting in self.postings:
            if posting.is_live or posting.number < self.forgiven:
                continue
            if posting.fate is Fate.FAILED:
                row += 1
                continue
            for found in posting.found:
                row = row + 1 if found.metrics and found.metrics.failure else 0
        return row

    def _outcomes_of(self, run: Run) -> list[Outcome]:
        """A rung counts only if it went on from the output that counts for the rung before: a result that turned out
        to be false takes everything built on it along."""
        done: list[Outcome] = []
        for rung in range(len(self.rungs(run))):
            start = done[-1].found.output_cid if done else None
            found = self._found(run, rung, start)
            if found is None:
                return done
            done.append(found)
        return done

    def _found(self, run: Run, rung: int, start: str | None) -> Outcome | None:
        for posting in self.attempts.get((run.id, rung), ()):
            if posting.fate not in (Fate.CLAIMED, Fate.SETTLED):
                continue
            for task, found in zip(posting.tasks, posting.found, strict=False):
                if (task.run, task.rung, task.start) == (run.id, rung, start):
                    return Outcome(task, found, posting)
        return None
