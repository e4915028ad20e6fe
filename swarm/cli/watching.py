# SPDX-License-Identifier: Apache-2.0
"""Following a job: a line per change, until it is final. The exit code tells how it ended."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from swarm.cli.reading import state_of, what_next
from swarm.errors import SwarmError, TransientError
from swarm.protocol.types import Job, JobId, JobStatus

if TYPE_CHECKING:
    from swarm.cli.common import Context

_POLL_SECONDS = 1.0
_EXIT = {JobStatus.SETTLED: 0, JobStatus.SLASHED: 13, JobStatus.VOID: 10}


def watch_job(context: Context, job_id: JobId, timeout: int | None) -> None:
    """Prints every change; exits with the code of the job's end. Raises TransientError after `timeout` seconds."""
    end = time.monotonic() + timeout if timeout else None
    last: Job | None = None
    while True:
        try:
            job = context.chain.escrow.job(job_id)
            if last is None or (job.status, job.audited) != (last.status, last.audited):
                _tell(context, job)
            last = job
        except TransientError as error:
            context.screen.note(f"waiting: {error}")
        if last is not None and last.status.is_final:
            raise click.exceptions.Exit(_code(context, last))
        if end and time.monotonic() > end:
            raise TransientError(f"job {job_id} is not final after {timeout} s", hint="it goes on; watch it again")
        time.sleep(_POLL_SECONDS)


def _tell(context: Context, job: Job) -> None:
    status = state_of(context.chain, job)
    state = status.name.lower().replace("_", " ")
    following = what_next(job, context.chain.client.now(), status)
    if context.screen.mode == "json":
        click.echo(json.dumps({"job": job.job_id, "state": state, "audited": job.audited, "next": following}))
    else:
        audited = " (audited)" if job.audited else ""
        click.echo(f"job {job.job_id}  {state}{audited}  {following}")


def _code(context: Context, job: Job) -> int:
    if job.status is not JobStatus.REFUNDED:
        return _EXIT[job.status]
    try:
        cancelled = bool(context.chain.escrow.events("JobCancelled", job.job_id, from_block=_first_block(context)))
    except SwarmError:
        cancelled = False
    return 11 if cancelled else 12


def _first_block(context: Context) -> int:
    return context.network.deployment_block
