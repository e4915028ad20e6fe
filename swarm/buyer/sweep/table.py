# SPDX-License-Identifier: Apache-2.0
"""A sweep's results as rows: what `swarm sweep top` shows and what is exported as CSV and JSON.

Every row names the job, segment and output CID its metric was read from, so that anybody can read it again.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from swarm.buyer.sweep.ledger import Fate, Ledger, Outcome, Run
from swarm.buyer.sweep.plan import View, on_the_way
from swarm.workloads.sweep.metrics import NAMES
from swarm.workloads.sweep.search import Metric


def rows(view: View) -> list[dict[str, Any]]:
    """One row a run: those that went farthest first, the best of them on top; then the others by number."""
    ledger, on = view.ledger, on_the_way(view)
    entries = [(run, measured(ledger, run), state_of(ledger, run, on)) for run in ledger.runs]
    metric = view.sweep.metric
    entries.sort(key=lambda entry: _order(entry[0], entry[1], metric))
    shown = (metric.name,) if view.sweep.program else NAMES
    return [_row(rank, *entry, shown) for rank, entry in enumerate(entries, 1)]


def best(view: View, count: int = 1) -> list[tuple[Run, Outcome]]:
    """The best runs with their last measured outcome: of those that went farthest."""
    metric = view.sweep.metric
    ends = [(run, measured(view.ledger, run)) for run in view.ledger.runs]
    found = [(run, at) for run, at in ends if at and metric.score(at.found.metrics) is not None]
    found.sort(key=lambda entry: _order(entry[0], entry[1], metric))
    return found[:count]


def measured(ledger: Ledger, run: Run) -> Outcome | None:
    """A run's last outcome that has metrics."""
    done = [at for at in ledger.outcomes[run.id] if at.found.metrics]
    return done[-1] if done else None


def state_of(ledger: Ledger, run: Run, on: set[tuple[str, int]]) -> str:
    """done, diverged, running, waiting, pruned, failed."""
    if ledger.failure(run) is not None:
        return "diverged"
    task = ledger.next_task(run)
    if task is None:
        return "done"
    if ledger.is_posted(task):
        return "running"
    if ledger.is_lost(task):
        return "failed"
    return "waiting" if task.rung == 0 or ledger.evaluate_apart or (run.id, task.rung) in on else "pruned"


def to_csv(table: list[dict[str, Any]]) -> str:
    """With a header, one column a parameter."""
    names = list(dict.fromkeys(name for row in table for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in table)
    return text.getvalue()


def to_json(table: list[dict[str, Any]]) -> str:
    return json.dumps(table, indent=1) + "\n"


def progress(view: View) -> list[tuple[int, float]]:
    """(run number, best metric so far) over the runs that have one, in order of number."""
    metric, lowest, found = view.sweep.metric, float("inf"), []
    for run in view.ledger.runs:
        at = measured(view.ledger, run)
        score = metric.score(at.found.metrics) if at else None
        if score is not None:
            lowest = min(lowest, score)
            found.append((run.number, -lowest if metric.goal == "maximize" else lowest))
    return found


def counts(view: View) -> dict[str, int]:
    """How many runs are in which state."""
    on = on_the_way(view)
    states = [state_of(view.ledger, run, on) for run in view.ledger.runs]
    return {state: states.count(state) for state in ("done", "running", "waiting", "pruned", "diverged", "failed")}


def _order(run: Run, at: Outcome | None, metric: Metric) -> tuple:
    score = metric.score(at.found.metrics) if at else None
    if at is None or score is None:
        return (1, 0, 0.0, run.number)
    return (0, -at.task.last_step, score, run.number)


def _row(rank: int, run: Run, at: Outcome | None, state: str, shown: tuple[str, ...]) -> dict[str, Any]:
    metrics = at.found.metrics if at else None
    row: dict[str, Any] = {
        "rank": rank,
        "run": run.id,
        "state": state,
        **{name: metrics.value(name) if metrics else None for name in shown},
        "steps": metrics.step if metrics else 0,
        "max_steps": run.max_steps,
        "job": at.posting.job_id if at else None,
        "segment": at.posting.tasks.index(at.task) if at else None,
        "seller": at.posting.seller if at else None,
        "output_cid": at.found.output_cid if at else None,
        "is_settled": bool(at and at.posting.fate is Fate.SETTLED),
    }
    # A program may call a parameter what the table calls a column.
    own = {f"parameters.{name}" if name in row else name: value for name, value in sorted(run.parameters.items())}
    return row | own


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value
