# SPDX-License-Identifier: Apache-2.0
"""The worker: observes the chain, plans, acts. The chain is the truth; the journal keeps what the chain cannot."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from eth_account.signers.local import LocalAccount

from swarm.chain import reverts
from swarm.chain.network import Chain
from swarm.errors import (
    FundsError,
    IntegrityError,
    JobFailed,
    NotFound,
    Reverted,
    SwarmError,
    TransientError,
    UsageError,
)
from swarm.execution.inputs import STATE_LIMITS, InputCache, Inputs, read_spec
from swarm.execution.results import Published, publish
from swarm.execution.segments import Execution, Sandbox, execute
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol.hardware import class_number
from swarm.protocol.types import ZERO_DIGEST, Address, Amount, Digest, Job, JobId, JobStatus
from swarm.seller import plan
from swarm.seller.plan import Step, Work
from swarm.storage.cid import DAG_PB, cid_from_digest
from swarm.storage.port import Store
from swarm.workloads.fields import Spec

log = Log("swarm.worker")
KIND = "work"
_LOOK_AGAIN_SECONDS = 60
_PUBLISH_RETRY_SECONDS = 3
_PASSING = ("StaleJob", "NotEnoughJudges", "InsufficientStake", "NotAuthorised")


class Worker:
    """One seller's worker. `collateral` is what it locks for a job of a given minimum: by default just the minimum."""

    def __init__(
        self,
        *,
        chain: Chain,
        store: Store,
        sandbox: Sandbox,
        journal: Journal,
        account: LocalAccount,
        home: Path,
        policy: plan.Policy,
        collateral: Amount | None = None,
        accepts_engine: Callable[[str], bool] = lambda engine: True,
        seller: Address | None = None,
    ) -> None:
        self._chain, self._store, self._sandbox, self._journal = chain, store, sandbox, journal
        self._account, self._home, self._policy, self._collateral = account, home, policy, collateral
        self._accepts_engine = accepts_engine
        # The account may be the operator of another one, whose stake is at risk and which is paid.
        self._address = seller or Address(account.address)
        self._cache = InputCache(store, home / "cache")
        self._refused: dict[JobId, float] = {}
        self._final: set[JobId] = set()
        self._reorganisations = 0
        self._last_rest = ""
        self._run: threading.Thread | None = None
        self._running: JobId | None = None
        self._stop_run = threading.Event()

    # loop

    def tick(self) -> plan.Action:
        """Observes, plans and acts once. Transient faults are logged: the next tick tries again."""
        try:
            action = plan.decide(self.observe())
            self._act(action)
            return action
        except TransientError as error:
            log.warning("waiting", reason=str(error))
            return plan.Rest(str(error))

    def start(self) -> None:
        """Once before the first tick: ends what a killed worker left running."""
        self._sandbox.runner.reap(self._sandbox.owner)
        for job_id, entry in self._journal.items(KIND):
            log.info("work_found", job_id=int(job_id), step=entry["step"])

    def stop(self) -> None:
        """Ends the running sandbox; its job is run again after a restart."""
        self._stop_run.set()
        if self._run:
            self._run.join()

    def observe(self) -> plan.View:
        with self._chain.client.snapshot() as now:
            return self._observed(now)

    def _observed(self, now: int) -> plan.View:
        chain = self._chain
        jobs = [self._noted(job) for job in self._live_jobs()]
        seeds = {job.epoch for job in jobs if job.epoch and chain.beacon.seed_of(job.epoch)}
        waiting = [job for job in jobs if job.status is JobStatus.SUBMITTED and job.epoch in seeds]
        mine = [job for job in waiting if job.seller == self._address and not job.audited]
        return plan.View(
            now=now,
            seller=self._address,
            jobs=jobs,
            work={JobId(int(key)): _work(entry) for key, entry in self._journal.items(KIND)},
            running=self._running,
            refused=frozenset(job_id for job_id, until in self._refused.items() if now < until),
            known_seeds=frozenset(seeds),
            drawn=frozenset(job.job_id for job in mine if chain.escrow.is_drawn(job)),
            policy=self._policy,
            reputation=chain.reputation.score_of(self._address) if self._is_filtered(jobs) else 0,
        )

    @property
    def is_done(self) -> bool:
        """Whether the only job this worker was started for has come to its end."""
        return self._policy.only_job is not None and self._policy.only_job in self._final

    def _is_filtered(self, jobs: list[Job]) -> bool:
        return any(job.status is JobStatus.OPEN and job.terms.min_reputation for job in jobs)

    def _live_jobs(self) -> list[Job]:
        escrow, gone = self._chain.escrow, self._chain.client.reorganisations
        if gone != self._reorganisations:  # what was final may have been taken back
            self._reorganisations, self._final = gone, set()
        wanted = (JobId(job_id) for job_id in range(1, escrow.job_count() + 1))
        return [escrow.job(job_id) for job_id in wanted if job_id not in self._final]

    def _noted(self, job: Job) -> Job:
        if not job.status.is_final:
            return job
        self._final.add(job.job_id)
        if self._journal.get(KIND, str(job.job_id)):
            self._journal.delete(KIND, str(job.job_id))
            shutil.rmtree(self._workspace(job.job_id), ignore_errors=True)
            log.info("job_final", job_id=job.job_id, status=job.status.name.lower())
        return job

    # actions

    def _act(self, action: plan.Action) -> None:
        match action:
            case plan.Submit(job, work):
                self._submit(job, work)
            case plan.Settle(job):
                self._settle(job)
            case plan.Abort(job, reason):
                self._chain.escrow.abort(self._account, job)
                log.warning("job_aborted", job_id=job.job_id, reason=reason)
            case plan.Run(job):
                self._start_run(job)
            case plan.Consider(job):
                self._consider(job)
            case plan.Rest(reason):
                if reason != self._last_rest:
                    log.info("resting", reason=reason)
                self._last_rest = reason

    def _consider(self, job: Job) -> None:
        try:
            spec = read_spec(self._store, job.spec_cid)
            self._check_fits(job, spec)
            log.info("fetching_inputs", job_id=job.job_id, type=spec.type)
            self._cache.fetch(spec)
            collateral = self._affordable_collateral(job)
            self._chain.escrow.accept(self._account, job, collateral, self._address)
        except TransientError:
            raise
        except (Reverted, UsageError, IntegrityError, JobFailed) as error:
            self._refuse(job, error)
            return
        if self._journal.get(KIND, str(job.job_id)) is None:  # else a reorganisation took back the first acceptance
            self._write(Work(job.job_id, Step.ACCEPTED))
        log.info("job_accepted", job_id=job.job_id, price=job.price_at(self._chain.client.now()), collateral=collateral)

    def _refuse(self, job: Job, error: SwarmError) -> None:
        """Not taken: for good when the job is wrong, for a while when stake, judges or content may still come."""
        passing = isinstance(error, FundsError | NotFound) or reverts.is_refusal(error, *_PASSING)
        self._refused[job.job_id] = self._chain.client.now() + _LOOK_AGAIN_SECONDS if passing else math.inf
        log.warning("job_refused", job_id=job.job_id, reason=str(error))

    def _check_fits(self, job: Job, spec: Spec) -> None:
        """The posted terms must say what the spec says, and this machine must be able to run it."""
        end = job.terms.first_segment + job.segments
        if end != spec.segments or job.segment_seconds != spec.segment_seconds:
            raise UsageError("the posted segments are not the spec's")
        if job.hardware_class != class_number(spec.hardware_class):
            raise UsageError("the posted hardware class is not the spec's")
        if job.terms.comparison is not spec.verification.comparison:
            raise UsageError("the posted way of comparing is not the spec's")
        if not self._accepts_engine(spec.engine):
            raise UsageError(f"this worker does not run engine {spec.engine}")

    def _affordable_collateral(self, job: Job) -> Amount:
        # The price may have risen by the time the acceptance is mined.
        least = self._chain.escrow.min_collateral_for(job.terms.max_price, job.segments)
        collateral = Amount(max(least, self._collateral or 0))
        free = self._chain.vault.stake_of(self._address).free
        if free < collateral:
            raise FundsError(f"the job needs {collateral} of free stake, {free} is there", hint="swarm stake deposit")
        return collateral

    def _start_run(self, job: Job) -> None:
        self._running = job.job_id
        self._run = threading.Thread(target=self._run_job, args=(job,), name=f"job-{job.job_id}")
        self._run.start()

    def _run_job(self, job: Job) -> None:
        try:
            self._execute_and_publish(job)
        except TransientError as error:
            log.warning("run_interrupted", job_id=job.job_id, reason=str(error))
        except SwarmError as error:
            if not self._stop_run.is_set():
                log.error("run_failed", job_id=job.job_id, reason=str(error))
                self._write(Work(job.job_id, Step.FAILED, reason=str(error)[:500]))
        except Exception as error:
            # A thread's exception would vanish: the job is given up in time instead of missing its deadline.
            log.error("run_failed", job_id=job.job_id, reason=repr(error))
            self._write(Work(job.job_id, Step.FAILED, reason=repr(error)[:500]))
        finally:
            self._running = None

    def _execute_and_publish(self, job: Job) -> None:
        spec = read_spec(self._store, job.spec_cid)
        inputs = self._cache.fetch(spec)
        workspace = self._workspace(job.job_id)
        left = job.deadline - self._chain.client.now() - plan.SUBMIT_MARGIN_SECONDS
        log.info("job_started", job_id=job.job_id, segments=job.segments, sandbox=self._sandbox.runner.name)
        first = job.terms.first_segment
        execution = execute(
            self._sandbox,
            spec,
            inputs,
            first=first,
            last=first + job.segments,
            state=self._first_state(job, inputs),
            workspace=workspace,
            wall_seconds=left,
            on_progress=lambda fact: log.info("progress", job_id=job.job_id, **_known(fact)),
            stop=self._stop_run,
        )
        log.info(
            "job_executed",
            job_id=job.job_id,
            wall_seconds=round(execution.wall_seconds, 1),
            cpu_seconds=round(execution.cpu_seconds, 1),
        )
        published = self._publish(job, execution, workspace)
        self._write(Work(job.job_id, Step.PUBLISHED, published.result_cid.hex(), published.segment_root.hex()))
        log.info("result_published", job_id=job.job_id, cid=published.result_cid)

    def _first_state(self, job: Job, inputs: Inputs) -> Path | None:
        """Where the first segment starts: a job that was handed back goes on from the last output."""
        if job.terms.input == ZERO_DIGEST:
            return inputs.initial_state
        return self._cache.entry(cid_from_digest(job.terms.input, DAG_PB), STATE_LIMITS)

    def _publish(self, job: Job, execution: Execution, workspace: Path) -> Published:
        """Publishes, waiting for a store that is away: work that is done is never done again for that."""
        while True:
            try:
                return publish(self._store, job.job_id, execution.products, workspace / "staging")
            except TransientError as error:
                log.warning("waiting_to_publish", job_id=job.job_id, reason=str(error))
                if self._stop_run.wait(_PUBLISH_RETRY_SECONDS) or self._chain.client.now() > job.deadline:
                    raise

    def _submit(self, job: Job, work: Work) -> None:
        result, root = Digest(bytes.fromhex(work.result_cid)), Digest(bytes.fromhex(work.segment_root))
        try:
            self._chain.escrow.submit(self._account, job, result, root)
        except Reverted as error:
            if not reverts.is_refusal(error, "StaleJob", "WrongStatus"):  # else the job has moved: the next look tells
                self._write(replace(work, step=Step.FAILED, reason=str(error)))
            raise TransientError(f"job {job.job_id} could not be submitted: {error}") from error
        log.info("result_submitted", job_id=job.job_id, cid=result)

    def _settle(self, job: Job) -> None:
        try:
            self._chain.escrow.settle(self._account, job)
            log.info("job_settled", job_id=job.job_id, price=job.price)
        except Reverted as error:
            if not reverts.is_refusal(error, "StaleJob", "WrongStatus", "AuditPending", "TooEarly"):
                raise TransientError(f"job {job.job_id} could not be settled: {error}") from error

    # journal

    def _write(self, work: Work) -> None:
        self._journal.put(KIND, str(work.job_id), asdict(work))

    def _workspace(self, job_id: JobId) -> Path:
        return self._home / "work" / str(job_id)


def _work(entry: dict) -> Work:
    return Work(**(entry | {"step": Step(entry["step"])}))


def _known(fact: dict) -> dict:
    """Progress comes out of the sandbox: only known names of plain numbers and short words are passed on."""
    names = ("event", "step", "steps", "segment", "loss", "tokens_per_second", "message", "seconds")
    kept = {name: fact[name] for name in names if isinstance(fact.get(name), (int, float, str))}
    return {("phase" if name == "event" else name): _short(value) for name, value in kept.items()}


def _short(value: object) -> object:
    return value[:200] if isinstance(value, str) else value
