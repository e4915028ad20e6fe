# SPDX-License-Identifier: Apache-2.0
"""A sweep without a chain: jobs of the plan are done at once by a function that knows every trial's loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from swarm.buyer.sweep import plan
from swarm.buyer.sweep.ledger import Fate, Found, Ledger, Posting, Run, Task
from swarm.workloads.sweep.metrics import Metrics
from swarm.workloads.sweep.search import Sweep, parse_sweep
from tests.unit.workloads.sweep.conftest import SWEEP

TOK = 10**18


def sweep(**changes) -> Sweep:
    return parse_sweep(SWEEP | changes, base=Path())


def found(task: Task, loss: float | None) -> Found:
    failure = None if loss is not None else "the loss is nan"
    metrics = Metrics(task.run, task.last_step, loss, 1, loss, failure)
    return Found(f"cid-{task.run}-{task.rung}", None if task.is_job else metrics)


@dataclass
class World:
    """`loss(number, steps)`: what run `number` shows after so many steps; None: it diverges."""

    sweep: Sweep
    loss: Callable[[int, int], float | None]
    evaluate_apart: bool = False
    is_exhausted: bool = False
    piece_steps: int = 0
    runs: list[Run] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    peak: int = 0
    most_committed: int = 0

    def view(self) -> plan.View:
        budget = self.sweep.budget
        limits = plan.Limits(int(budget.max_total * TOK), int(self.sweep.per_run * TOK), self.sweep.parallel)
        policy = None if self.evaluate_apart else self.sweep.early_terminate
        fixed = (policy, self.evaluate_apart, self.sweep.max_attempts, self.piece_steps)
        ledger = Ledger(self.runs, self.postings, *fixed)
        return plan.View(self.sweep, limits, ledger, self.is_exhausted)

    def decide(self) -> plan.Action:
        return plan.decide(self.view())

    def act(self, action: plan.Action) -> None:
        view = self.view()
        match action:
            case plan.Propose(count):
                steps = self.sweep.template.training.max_steps
                first = len(self.runs)
                self.runs += [Run(at, f"t{at}", {"lora_r": at}, steps) for at in range(first, first + count)]
            case plan.Plan(jobs):
                for tasks in jobs:
                    escrow = sum(plan.share_of(view.limits, task, 27) for task in tasks)
                    self.postings.append(Posting(len(self.postings), f"spec{len(self.postings)}", tasks, escrow))
            case plan.Send(postings):
                for posting in postings:
                    self.postings[posting.number] = replace(posting, job_id=posting.number + 1, fate=Fate.LIVE)
        self.peak = max(self.peak, self.view().ledger.live_tasks)
        self.most_committed = max(self.most_committed, self.view().ledger.committed)

    def finish(self, number: int, fate: Fate = Fate.SETTLED) -> None:
        """A live job comes to its end."""
        posting = self.postings[number]
        if fate is Fate.FAILED:
            self.postings[number] = replace(posting, fate=fate)
            return
        runs = {run.id: run.number for run in self.runs}
        results = tuple(found(task, self.loss(runs[task.run], task.last_step)) for task in posting.tasks)
        self.postings[number] = replace(posting, fate=fate, found=results, cost=posting.escrow)

    def step(self) -> plan.Action:
        """Acts; when the plan rests, the oldest job under way is done."""
        action = self.decide()
        self.act(action)
        if isinstance(action, plan.Rest):
            self.finish(next(posting.number for posting in self.postings if posting.is_live))
        return action

    def play(self) -> plan.Action:
        for _ in range(2000):
            action = self.step()
            if isinstance(action, plan.Finish | plan.Stop):
                return action
        raise AssertionError("the sweep never ends")
