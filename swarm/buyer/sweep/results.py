# SPDX-License-Identifier: Apache-2.0
"""What a submitted job says of its trials, checked against the chain's commitment before a sweep decides by it."""

from __future__ import annotations

from swarm.buyer.sweep.ledger import Found, Posting, Task
from swarm.errors import IntegrityError, NoSuchName
from swarm.execution.results import output_cid, read_manifest
from swarm.protocol.types import Job
from swarm.storage.port import Store
from swarm.workloads.result import FOREIGN_END, FOREIGN_FILES
from swarm.workloads.sweep import program
from swarm.workloads.sweep.metrics import MAX_METRICS_BYTES, METRICS_FILE, Metrics
from swarm.workloads.sweep.program import Reported
from swarm.workloads.sweep.search import Sweep


def read_found(store: Store, job: Job, posting: Posting, sweep: Sweep) -> tuple[Found, ...]:
    """One entry per task. Raises IntegrityError when the result is not what was committed or not of these tasks,
    NotFound and TransientError while it cannot be had."""
    manifest = read_manifest(store, job)
    if sweep.program:
        cid = output_cid(store, job, manifest, 0)
        return (Found(cid, _reported(store, cid, posting.tasks[0], sweep)),)
    if posting.tasks[0].is_job:
        return (Found(output_cid(store, job, manifest, job.segments - 1), None),)
    found = []
    for at, task in enumerate(posting.tasks):
        cid = output_cid(store, job, manifest, at)
        data = store.read(store.resolve(cid, METRICS_FILE), limit=MAX_METRICS_BYTES)
        found.append(Found(cid, _of_task(Metrics.parse(data), task)))
    return tuple(found)


def _reported(store: Store, cid: str, task: Task, sweep: Sweep) -> Reported:
    end = store.read(store.resolve(cid, FOREIGN_END), limit=MAX_METRICS_BYTES)
    try:
        place = store.resolve(cid, f"{FOREIGN_FILES}/{program.METRICS_FILE}")
        metrics = store.read(place, limit=program.MAX_METRICS_BYTES)
    except (NoSuchName, IntegrityError):
        # Not there, no file, or too large: what a program leaves is the trial's own matter.
        metrics = None
    return program.reported(task.run, task.last_step, sweep.metric.name, end=end, metrics=metrics)


def _of_task(metrics: Metrics, task: Task) -> Metrics:
    is_whole = metrics.failure is not None or (metrics.step == task.last_step and metrics.eval_loss is not None)
    if metrics.trial != task.run or not is_whole:
        raise IntegrityError(f"the metrics of trial {task.run} are of trial {metrics.trial}, step {metrics.step}")
    return metrics
