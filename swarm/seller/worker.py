# SPDX-License-Identifier: Apache-2.0
"""The worker: observes the chain, plans, acts. The chain is the truth; the journal keeps what the chain cannot."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from eth_account.signers.local import LocalAccount

from swarm.chain import reverts
from swarm.chain.network import Chain
from swarm.disk import sweep
from swarm.errors import Reverted, TransientError
from swarm.execution.inputs import InputCache
from swarm.execution.quota import Quota
from swarm.execution.segments import Sandbox
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol import draw
from swarm.protocol.types import Address, Amount, Digest, Job, JobId, JobStatus
from swarm.seller import plan, report
from swarm.seller.acceptance import Acceptance
from swarm.seller.board import Board
from swarm.seller.candidates import Candidates
from swarm.seller.control import Control, Mode
from swarm.seller.gas import Gauge
from swarm.seller.handback import HandBacks
from swarm.seller.retention import Deliverer
from swarm.seller.runs import KIND, Runs
from swarm.seller.view import Reason, Step, Work
from swarm.storage.port import Store

log = Log("swarm.worker")


class Worker:
    """One seller's worker. `collateral` is what it locks for a job of a given minimum: by default just the minimum.

    `delivery` proves that others can fetch a result before it is submitted; without it, adding to the store is enough.
    """

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
        delivery: Deliverer | None = None,
    ) -> None:
        self._chain, self._sandbox, self._journal = chain, sandbox, journal
        self._account, self._policy, self._home = account, policy, home
        # The account may be the operator of another one, whose stake is at risk and which is paid.
        self._address = seller or Address(account.address)
        self.board, self._control = Board(home), Control(home)
        self._quota = Quota(home, cache_bytes=policy.cache_bytes, disk_bytes=policy.disk_bytes)
        shared = {"chain": chain, "store": store, "cache": InputCache(store, home / "cache")}
        own = {"sandbox": sandbox, "journal": journal, "home": home, "board": self.board, "delivery": delivery}
        self._runs = Runs(**shared, **own)
        self._acceptance = Acceptance(
            **shared,
            quota=self._quota,
            policy=policy,
            memory_bytes=sandbox.memory_bytes,
            collateral=collateral or Amount(0),
            accepts_engine=accepts_engine,
            computes=sandbox.computes,
            seller=self._address,
        )
        own = {"chain": chain, "journal": journal, "runs": self._runs, "board": self.board}
        self._hand_backs = HandBacks(account=account, control=self._control, **own)
        self._totals = report.Totals(journal)
        self._gauge = Gauge(chain, Address(account.address), self._address)
        self._candidates = Candidates(chain, account, self._address, self._acceptance)
        self._final: set[JobId] = set()
        self._reorganisations = 0
        self._drained = False
        self._ends = 0  # runs whose end was noticed
        self._last_rest = ""
        self._wish = self._control.wish()
        self.board.changed(account=account.address, seller=self._address, running=None, **self._wish.facts())

    # loop

    def tick(self) -> plan.Action:
        """Observes, plans and acts once. Transient faults are logged: the next tick tries again."""
        try:
            view = self.observe()
            self._drained = plan.is_drained(view)
            self._show(view)
            action = plan.decide(view)
            if plan.hand_back_is_vain(view):
                self._hand_backs.answer(False, "no job that could be handed back is running")
            self._act(action)
            self._runs.retention.sweep(self._final)
            return action
        except TransientError as error:
            # An outage lasts: it is told once, not at every look.
            if str(error) != self._last_rest:
                log.warning("waiting", reason=str(error))
            self._last_rest = str(error)
            self.board.set(trouble={"at": time.time(), "reason": str(error)})
            return plan.Rest(str(error))

    def watch(self) -> bool:
        """Whether somebody asked for something new, or a run has ended: called several times a second, reads no chain.

        What runs is ended here, so that memory is free long before the next look at the chain.
        """
        wish, request = self._control.wish(), self._control.hand_back_request()
        ends, self._ends = self._ends, self._runs.ends
        is_new = wish != self._wish or request is not None or self._ends != ends
        if wish != self._wish:
            log.info("asked", mode=wish.mode, reason=wish.reason)
            self._wish = wish
            self.board.changed(**wish.facts())
        if wish.mode in (Mode.PAUSE, Mode.STOP) or (request is not None and self._hand_backs.may()):
            self._runs.interrupt()
        return is_new

    def start(self) -> None:
        """Once before the first tick: ends what a killed worker left running and removes what it left half written,
        forgets what was asked of that one."""
        self._sandbox.runner.reap(self._sandbox.owner)
        for folder in (self._home, self._home / "cache"):
            sweep(folder)
        self._control.clear(Mode.STOP)
        self._wish = self._control.wish()
        for job_id, entry in self._journal.items(KIND):
            log.info("work_found", job_id=int(job_id), step=entry["step"])
        if self._wish.mode is not Mode.RUN:
            log.info("asked", mode=self._wish.mode, reason=self._wish.reason)

    def stop(self) -> None:
        """Ends the running sandbox; its job goes on from its last whole segment after a restart."""
        self._runs.stop()
        self._control.clear(Mode.STOP, *([Mode.DRAIN] if self._drained else []))
        self.board.changed(running=None, ended_at=time.time())

    def observe(self) -> plan.View:
        with self._chain.client.snapshot() as now:
            return self._candidates.in_turn(self._observed(now))

    def _observed(self, now: int) -> plan.View:
        chain = self._chain
        # A run that ends now writes its result first: what runs is read before the journal.
        running = self._runs.running
        jobs = [self._noted(job) for job in self._live_jobs()]
        submitted = [job for job in jobs if job.seller == self._address and job.status is JobStatus.SUBMITTED]
        seeds = {epoch: chain.beacon.seed_for(epoch) for epoch in {job.epoch for job in submitted}}
        drawn = [job for job in submitted if not job.audited and draw.is_audited(job, *seeds[job.epoch])]
        active = [job for job in jobs if job.seller == self._address and job.status is JobStatus.RUNNING]
        return plan.View(
            now=now,
            seller=self._address,
            jobs=jobs,
            work={JobId(int(key)): _work(entry) for key, entry in self._journal.items(KIND)},
            running=running,
            refused=self._candidates.refused(now),
            known_seeds=frozenset(epoch for epoch, (seed, _) in seeds.items() if seed),
            drawn=frozenset(job.job_id for job in drawn),
            policy=self._policy,
            reputation=chain.reputation.score_of(self._address) if self._is_filtered(jobs) else 0,
            mode=self._wish.mode,
            blocked=self._blocked(len(active)),
            hands_back=self._control.hand_back_request() is not None,
            done={job.job_id: self._runs.checkpoints(job).count() for job in active},
        )

    @property
    def is_done(self) -> bool:
        """Whether it was told to end, has drained, or the only job it was started for has come to its end."""
        is_over = self._policy.only_job is not None and self._policy.only_job in self._final
        return is_over or self._drained or self._wish.mode is Mode.STOP

    def _blocked(self, unfinished: int) -> Reason | None:
        if not self._policy.is_time(datetime.now()):
            return Reason.SCHEDULE
        return None if self._gauge.runway().carries(unfinished) else Reason.GAS

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
        self._candidates.forget(job.job_id)
        if self._journal.get(KIND, str(job.job_id)):
            self._hand_backs.complete(job)
            self._forget(job)
            log.info("job_final", job_id=job.job_id, status=job.status.name.lower())
        return job

    def _forget(self, job: Job) -> None:
        """The entry goes last, together with the count: who is killed in between finds it and does it all again."""
        entry = self._journal.get(KIND, str(job.job_id)) or {}
        self._runs.checkpoints(job).forget()
        with self._journal.together():
            self._count(job, entry["step"])
            self._journal.delete(KIND, str(job.job_id))

    def _count(self, job: Job, step: str) -> None:
        """A job that somebody else finished was given up here; one that was handed back is somebody else's."""
        if step != Step.HANDED_BACK:
            outcome = job.status.name.lower() if job.seller == self._address else "given_up"
            self._totals.add(self._acceptance.type_of(job), outcome, job.price)

    # actions

    def _act(self, action: plan.Action) -> None:
        escrow = self._chain.escrow
        match action:
            case plan.Submit(job, work):
                self._submit(job, work)
            case plan.NoteHandBack(job):
                self._hand_backs.complete(job)
            case plan.HandBack(job):
                self._hand_backs.make(job)
            case plan.Settle(job):
                if self._sent(escrow.settle, job, "AuditPending", "TooEarly"):
                    log.info("job_settled", job_id=job.job_id, price=job.price)
            case plan.Refund(job):
                if self._sent(escrow.refund, job, "TooEarly"):
                    log.warning("job_late", job_id=job.job_id, collateral=job.collateral)
            case plan.Abort(job, reason):
                # First the note: the job opens again, and whoever is killed now must not take it a second time.
                self._runs.write(Work(job.job_id, Step.FAILED, reason=reason))
                if self._sent(escrow.abort, job):
                    log.warning("job_aborted", job_id=job.job_id, reason=reason)
            case plan.Run(job):
                self._runs.start(job)
                self.watch()  # a pause that was asked for since this was decided
            case plan.Consider(job):
                self._consider(job)
            case plan.Rest(reason):
                if reason.split(":")[0] != self._last_rest:
                    log.info("resting", reason=reason)
        self._last_rest = action.reason.split(":")[0] if isinstance(action, plan.Rest) else ""

    def _consider(self, job: Job) -> None:
        in_use = self._acceptance.cids_of([each for each in (self._runs.job,) if each])
        collateral = self._candidates.take(job, in_use)
        if collateral is None:
            return
        if self._journal.get(KIND, str(job.job_id)) is None:  # else a reorganisation took back the first acceptance
            self._runs.write(Work(job.job_id, Step.ACCEPTED))
        log.info("job_accepted", job_id=job.job_id, price=job.price_at(self._chain.client.now()), collateral=collateral)

    def _submit(self, job: Job, work: Work) -> None:
        result, root = Digest(bytes.fromhex(work.result_cid)), Digest(bytes.fromhex(work.segment_root))
        try:
            self._chain.escrow.submit(self._account, job, result, root)
        except Reverted as error:
            if not reverts.is_refusal(error, "StaleJob", "WrongStatus"):  # else the job has moved: the next look tells
                self._runs.write(replace(work, step=Step.FAILED, reason=str(error)))
            raise TransientError(f"job {job.job_id} could not be submitted: {error}") from error
        log.info("result_submitted", job_id=job.job_id, cid=result)

    def _sent(self, step: Callable[..., object], job: Job, *passing: str) -> bool:
        """Sends a step of a job. False where the job has moved meanwhile, maybe by what a former life sent: the next
        look tells. Raises TransientError for any other refusal."""
        try:
            step(self._account, job)
            return True
        except Reverted as error:
            if not reverts.is_refusal(error, "StaleJob", "WrongStatus", *passing):
                raise TransientError(f"job {job.job_id} is stuck: {error}") from error
            return False

    # what others see

    def _show(self, view: plan.View) -> None:
        runway = self._gauge.runway()
        gas = {"wei": str(runway.wei), "jobs": runway.jobs}
        stake = {"bonded": str(runway.bonded), "at_risk": str(runway.locked)}
        facts = report.facts_of(view, self._totals.read())
        # The time alone changes at every look: it is no news that anybody waits for.
        self.board.set(chain=facts.pop("chain"))
        self.board.changed(**facts, gas=gas, stake=stake)


def _work(entry: dict) -> Work:
    return Work(**(entry | {"step": Step(entry["step"])}))
