# SPDX-License-Identifier: Apache-2.0
"""The loop of a sweep: observes its jobs, plans, acts. What was decided is written down before it is done, so a
controller that is killed at any point goes on where it was, without running a finished trial again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from eth_account.signers.local import LocalAccount

from swarm.buyer.sweep import plan
from swarm.buyer.sweep.book import SweepBook, fated
from swarm.buyer.sweep.costs import cost_of
from swarm.buyer.sweep.ledger import Fate, Ledger, Posting, Task
from swarm.buyer.sweep.posting import draft, jobs_on_chain, offered, send
from swarm.buyer.sweep.prepare import limits_of_sweep
from swarm.buyer.sweep.proposals import propose
from swarm.buyer.sweep.results import read_found
from swarm.chain.network import Chain
from swarm.errors import IntegrityError, NotFound, Reverted, TransientError
from swarm.log import Log
from swarm.protocol.types import Job, JobId, JobStatus
from swarm.storage.port import Store

log = Log("swarm.sweep")
_SELLER_SETTLES_SECONDS = 120
_BLOCKS = ("latest", "pending")
_FAILED = {JobStatus.REFUNDED: "refunded", JobStatus.SLASHED: "the result was false", JobStatus.VOID: "void"}


class Controller:
    """One sweep on the buyer's machine. `tell` is called with a line for people after every change."""

    def __init__(
        self,
        *,
        chain: Chain,
        store: Store,
        account: LocalAccount,
        book: SweepBook,
        home: Path,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._chain, self._store, self._account, self._book = chain, store, account, book
        self._cache, self._tell = home / "cache", tell
        self._header = book.header
        self._limits = limits_of_sweep(self._header.sweep)
        self._is_exhausted = False
        self._last = ""

    def run(self, stop: threading.Event, *, period_seconds: float = 1.0) -> plan.Finish | plan.Stop | None:
        """Ticks until the sweep ends, or `stop` is set: then None. Raises FundsError, Reverted."""
        while not stop.is_set():
            try:
                action = self.tick()
            except TransientError as error:
                self._say(f"waiting: {error}")
                action = plan.Rest("")
            if isinstance(action, plan.Finish | plan.Stop):
                return action
            if isinstance(action, plan.Rest):
                stop.wait(period_seconds)
        return None

    def tick(self) -> plan.Action:
        """Observes, plans and acts once."""
        self.observe()
        action = plan.decide(self.view())
        self._act(action)
        return action

    def view(self) -> plan.View:
        return plan.View(self._header.sweep, self._limits, self._book.ledger(), self._is_exhausted)

    # observing

    def observe(self) -> None:
        """What has become of the jobs that are not final yet."""
        for posting in self._book.postings():
            if posting.job_id is None or posting.fate in (Fate.SETTLED, Fate.FAILED):
                continue
            seen = self._observed(posting, self._chain.escrow.job(JobId(posting.job_id)))
            if seen != posting:
                self._book.write(seen)
                self._say_fate(seen)

    def _observed(self, posting: Posting, job: Job) -> Posting:
        if job.status in _FAILED:
            return fated(posting, Fate.FAILED, reason=_FAILED[job.status], cost=cost_of(self._chain, job))
        if job.status in (JobStatus.OPEN, JobStatus.RUNNING):
            self._refund_late(job)
            return replace(posting, seller=job.seller)
        self._settle_over(job)
        if not posting.found:
            posting = self._claimed(posting, job)
        if job.status is JobStatus.SETTLED and posting.found:
            return fated(posting, Fate.SETTLED, cost=cost_of(self._chain, job))
        return posting

    def _claimed(self, posting: Posting, job: Job) -> Posting:
        try:
            return fated(
                posting,
                Fate.CLAIMED,
                found=read_found(self._store, job, posting, self._header.sweep),
                seller=job.seller,
            )
        except (NotFound, TransientError) as error:
            self._say(f"job {job.job_id}: its result cannot be fetched yet ({error})")
        except IntegrityError as error:
            # Nothing is decided by it. Settled all the same, it is lost money, and its trials are run again.
            self._say(f"job {job.job_id}: {error}; swarm job challenge {job.job_id} disputes it")
            if job.status is JobStatus.SETTLED:
                return fated(posting, Fate.FAILED, reason=str(error)[:300], cost=cost_of(self._chain, job))
        return posting

    def _refund_late(self, job: Job) -> None:
        """A job nobody took, or whose seller is late, is ended, so that its trials can be posted again."""
        if self._chain.client.now() <= job.deadline:
            return
        try:
            self._chain.escrow.refund(self._account, job)
        except Reverted as error:
            log.info("refund_refused", job_id=job.job_id, reason=str(error))

    def _settle_over(self, job: Job) -> None:
        """Sellers settle their jobs; one that has gone would keep the sweep waiting. Never before the audit window is
        over, which a buyer could: that would forgo the audit."""
        if job.status is not JobStatus.SUBMITTED or self._chain.client.now() <= job.deadline + _SELLER_SETTLES_SECONDS:
            return
        try:
            self._chain.escrow.settle(self._account, job)
        except Reverted as error:
            log.info("settlement_refused", job_id=job.job_id, reason=str(error))

    # acting

    def _act(self, action: plan.Action) -> None:
        match action:
            case plan.Send(postings):
                self._send(postings)
            case plan.Propose(count):
                self._propose(count)
            case plan.Plan(jobs):
                self._plan(jobs)
            case plan.Rest(reason):
                self._say(reason)
            case plan.Finish(reason):
                self._book.write_end("finish", reason)
            case plan.Stop(reason):
                self._book.write_end("stop", reason)

    def _propose(self, count: int) -> None:
        ledger = self._book.ledger()
        examples = self._header.facts.get("examples")
        found = propose(self._header.sweep, self._book.known(ledger), count, examples)
        self._book.add_runs(found)
        # A sampler that finds nothing new has used its space up.
        self._is_exhausted = len(found) < count

    def _plan(self, jobs: tuple[tuple[Task, ...], ...]) -> None:
        ledger = self._book.ledger()
        for at, tasks in enumerate(jobs, len(ledger.postings)):
            self._book.write(draft(self._header, self._limits, ledger, tasks, at, self._store, self._cache))

    def _send(self, postings: tuple[Posting, ...]) -> None:
        """Adopts what an earlier life of this controller sent already, and sends the rest."""
        self._require_nothing_pending()
        there = jobs_on_chain(self._chain, self._account.address, self._header)
        missing = []
        for posting in postings:
            if job := there.get(posting.spec_cid):
                self._live(replace(posting, job_id=int(job.job_id)))
            else:
                missing.append((posting, offered(self._header, posting, self._store)))
        for posting in send(self._chain, self._account, missing):
            self._live(posting)

    def _require_nothing_pending(self) -> None:
        """A transaction on its way may be ours: looking for its job now would miss it, and post it twice."""
        counts = [self._chain.client.rpc("eth_getTransactionCount", self._account.address, at) for at in _BLOCKS]
        if counts[0] != counts[1]:
            raise TransientError("a transaction of this account is not mined yet")

    def _live(self, posting: Posting) -> None:
        self._book.write(fated(posting, Fate.LIVE))
        self._say(f"job {posting.job_id}: {_words(posting)} posted")

    # telling

    def _say_fate(self, posting: Posting) -> None:
        if posting.fate is Fate.CLAIMED:
            metric = self._header.sweep.metric
            sound = [at.metrics for at in posting.found if metric.score(at.metrics) is not None]
            best = min(sound, key=metric.score, default=None)
            shown = f", best {best.value(metric.name):.6g}" if best else ""
            self._say(f"job {posting.job_id}: {_words(posting)} done{shown}")
        elif posting.fate is Fate.FAILED:
            self._say(f"job {posting.job_id}: failed ({posting.reason}); its trials are posted again")
        elif posting.fate is Fate.SETTLED:
            self._say(f"job {posting.job_id}: settled")

    def _say(self, line: str) -> None:
        if line and line != self._last:
            self._tell(line)
            self._last = line


def _words(posting: Posting) -> str:
    count = len(posting.tasks)
    return f"{count} trial{'s' if count > 1 else ''}"


def live_jobs(ledger: Ledger) -> list[int]:
    """The numbers of the jobs that are under way."""
    return [posting.job_id for posting in ledger.postings if posting.is_live and posting.job_id is not None]
