# SPDX-License-Identifier: Apache-2.0
"""What a sweep does next: a pure function of its ledger. The loop in controller.py does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swarm.buyer.sweep.ledger import Fate, Ledger, Posting, Run, Task
from swarm.workloads.sweep.rungs import going_on
from swarm.workloads.sweep.search import Metric, Sweep

BPS = 10_000
EVALUATION_BPS = 500  # of a run's budget, for the evaluation of a run that is a job of its own


@dataclass(frozen=True, slots=True)
class Limits:
    """The sweep's own, in the token's smallest unit."""

    max_total: int
    per_run: int
    parallel: int


@dataclass(frozen=True, slots=True)
class View:
    """What is known. `is_exhausted`: nobody can propose another run."""

    sweep: Sweep
    limits: Limits
    ledger: Ledger
    is_exhausted: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Post what was planned and is not known to be on chain."""

    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask for so many new runs."""

    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Write down jobs for these tasks; one list is one job."""

    jobs: tuple[tuple[Task, ...], ...]


@dataclass(frozen=True, slots=True)
class Rest:
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left to do."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more may be spent, although something is left to do."""

    reason: str


Action = Send | Propose | Plan | Rest | Finish | Stop


def decide(view: View) -> Action:
    """The next action: what was begun first, then what may go on, then new runs."""
    return (
        send_due(view)
        or stop_due(view)
        or canary_due(view)
        or plan_next(view)
        or propose_next(view)
        or rest_or_finish(view)
    )


def send_due(view: View) -> Send | None:
    planned = tuple(posting for posting in view.ledger.postings if posting.fate is Fate.PLANNED)
    return Send(planned) if planned else None


def stop_due(view: View) -> Action | None:
    """Failures in a row end the spending; jobs under way are waited for."""
    row, most = view.ledger.failures_in_a_row(), view.sweep.abort_if.consecutive_failures
    if row < most:
        return None
    if view.ledger.live_tasks:
        return Rest(f"{row} failures in a row: waiting for the jobs under way")
    return Stop(f"{row} failures in a row (abort_if.consecutive_failures: {most})")


def canary_due(view: View) -> Action | None:
    """Nothing fans out until one canary has succeeded."""
    canary, runs = view.sweep.canary, view.ledger.runs
    if not canary or has_success(view.ledger):
        return None
    if len(runs) < min(canary, view.sweep.run_cap) and not view.is_exhausted:
        return None
    due = [task for task in due_tasks(view) if task.rung == 0]
    if due:
        return _planned(view, due)
    if view.ledger.live_tasks:
        return Rest(f"waiting for one of {len(runs)} canary run(s) to succeed")
    return Stop(f"no canary of {len(runs)} succeeded")


def plan_next(view: View) -> Action | None:
    due = due_tasks(view)
    return _planned(view, due) if due else None


def propose_next(view: View) -> Propose | None:
    """As many new runs as there are places and money for."""
    ledger, cap = view.ledger, view.sweep.run_cap
    if view.is_exhausted or len(ledger.runs) >= cap:
        return None
    most = cap
    if view.sweep.canary and not has_success(ledger):
        most = min(cap, view.sweep.canary)
    places = view.limits.parallel - ledger.live_tasks
    affordable = (view.limits.max_total - ledger.committed) // view.limits.per_run
    count = min(most - len(ledger.runs), places, affordable)
    return Propose(count) if count > 0 else None


def rest_or_finish(view: View) -> Action:
    ledger = view.ledger
    if ledger.live_tasks:
        return Rest(f"{ledger.live_tasks} trial(s) under way")
    if claimed := sum(posting.fate is Fate.CLAIMED for posting in ledger.postings):
        return Rest(f"waiting for {claimed} job(s) to be settled")
    waiting = [task for task in wanted_tasks(view) if not ledger.is_lost(task)]
    runs_left = not view.is_exhausted and len(ledger.runs) < view.sweep.run_cap
    if waiting or runs_left:
        return Stop("budget.max_total is spent")
    return Finish(f"{len(ledger.runs)} run(s)")


def due_tasks(view: View) -> list[Task]:
    """Tasks that may be posted now, within the free places; the money is looked at when they are made into jobs."""
    free = view.limits.parallel - view.ledger.live_tasks
    due = [task for task in wanted_tasks(view) if not view.ledger.is_lost(task) and not view.ledger.is_posted(task)]
    # What went farthest first: it is worth most.
    due.sort(key=lambda task: -task.rung)
    return due[: max(0, free)]


def wanted_tasks(view: View) -> list[Task]:
    """The next task of every run that may go on."""
    ledger = view.ledger
    on = on_the_way(view)
    found = []
    for run in ledger.runs:
        task = ledger.next_task(run)
        if task and (task.rung == 0 or ledger.evaluate_apart or ledger.was_posted(task) or (run.id, task.rung) in on):
            found.append(task)
    return found


def on_the_way(view: View) -> set[tuple[str, int]]:
    """(run, rung) for every rung that a run was let on to. Recomputable from the committed metrics alone."""
    ledger, policy = view.ledger, view.sweep.early_terminate
    if policy is None or ledger.evaluate_apart:
        return {(run.id, rung) for run in ledger.runs for rung in range(len(ledger.rungs(run)))}
    on: set[tuple[str, int]] = set()
    brackets: dict[int, list[Run]] = {}
    for run in ledger.runs:
        brackets.setdefault(run.number % policy.brackets if policy.type == "hyperband" else 0, []).append(run)
    is_last = view.is_exhausted or len(ledger.runs) >= view.sweep.run_cap
    for runs in brackets.values():
        on |= _within_bracket(view, runs, is_last)
    return on


def _within_bracket(view: View, runs: Sequence[Run], is_closed: bool) -> set[tuple[str, int]]:
    """Rung by rung; a rung is closed when nobody can come to it any more, so that at least its best goes on."""
    ledger, policy = view.ledger, view.sweep.early_terminate
    assert policy is not None
    on: set[tuple[str, int]] = set()
    here = list(runs)
    for rung in range(max((len(ledger.rungs(run)) for run in runs), default=0) - 1):
        losses = {run.id: loss_at(ledger, run, rung, view.sweep.metric) for run in here}
        done = {run: loss for run, loss in losses.items() if loss is not _UNKNOWN}
        is_closed = is_closed and len(done) == len(here)
        # Between two rungs whoever has not failed goes on.
        is_rung = {run.id for run in here if rung < len(ledger.rungs(run)) and ledger.is_rung(run, rung)}
        ahead = going_on(policy, {run: done[run] for run in done if run in is_rung}, is_closed=is_closed)
        ahead |= {run for run, loss in done.items() if loss is not None and run not in is_rung}
        ahead |= {run.id for run in here if ledger.attempts.get((run.id, rung + 1))}
        on |= {(run, rung + 1) for run in ahead}
        here = [run for run in here if run.id in ahead and len(ledger.rungs(run)) > rung + 1]
    return on


_UNKNOWN: float = float("-inf")  # no loss is this: not there yet, as against None, failed


def loss_at(ledger: Ledger, run: Run, rung: int, metric: Metric) -> float | None:
    """The metric after a rung, the lower the better; None for a run that failed or was lost there, _UNKNOWN before."""
    done = ledger.outcomes[run.id]
    if rung < len(done):
        return metric.score(done[rung].found.metrics)
    task = ledger.next_task(run)
    if task is None or (task.rung == rung and ledger.is_lost(task)):
        return None
    return _UNKNOWN


def has_success(ledger: Ledger) -> bool:
    """Whether any run has a committed result that is none of a failure."""
    return any(done and ledger.failure_of(done[-1]) is None for done in ledger.outcomes.values())


def share_of(limits: Limits, task: Task, max_steps: int) -> int:
    """What a task may cost at most: its part of the run's steps. All tasks of a run stay within `per_run`."""
    evaluation = limits.per_run * EVALUATION_BPS // BPS
    if task.first_step == task.last_step:
        return evaluation
    if task.is_job:
        return limits.per_run - evaluation
    return limits.per_run * (task.last_step - task.first_step) // max_steps


def _planned(view: View, tasks: Sequence[Task]) -> Action:
    """Jobs of up to `per_job` tasks, as far as the money goes."""
    left = view.limits.max_total - view.ledger.committed
    steps = {run.id: run.max_steps for run in view.ledger.runs}
    jobs: list[tuple[Task, ...]] = []
    batch: list[Task] = []
    for task in tasks:
        left -= share_of(view.limits, task, steps[task.run])
        if left < 0:
            break
        if task.is_job:
            jobs.append((task,))
            continue
        batch.append(task)
        # A container job is one segment.
        if view.sweep.program or len(batch) == view.sweep.per_job:
            jobs.append(tuple(batch))
            batch = []
    jobs += [tuple(batch)] if batch else []
    if jobs:
        return Plan(tuple(jobs))
    return Rest("waiting for escrows to return") if view.ledger.live_tasks else rest_or_finish(view)
