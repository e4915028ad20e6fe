# SPDX-License-Identifier: Apache-2.0
"""Runs one accepted job in a thread of its own: from its last whole segment on, to a published result."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from swarm.chain.network import Chain
from swarm.disk import DiskFull, is_full
from swarm.errors import NotFound, SwarmError, TransientError, UsageError, WrongBytes
from swarm.execution.inputs import STATE_LIMITS, InputCache, Inputs, read_spec, result_cid
from swarm.execution.results import Published, leaves_of, publish, read_manifest
from swarm.execution.segments import Product, Sandbox, execute
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol import commitment
from swarm.protocol.types import ZERO_DIGEST, Comparison, Digest, Job, JobId
from swarm.runtime.outputs import require_free_space
from swarm.seller.board import Board
from swarm.seller.checkpoints import Checkpoints
from swarm.seller.plan import SUBMIT_MARGIN_SECONDS
from swarm.seller.retention import Deliverer, Retention
from swarm.seller.view import Step, Work
from swarm.storage.cid import DAG_PB, cid_from_digest, digest_of
from swarm.storage.pinning import PIN_SECONDS
from swarm.storage.port import Store
from swarm.workloads.fields import Spec
from swarm.workloads.registry import workload_of

log = Log("swarm.worker")
KIND = "work"
_PUBLISH_RETRY_SECONDS, _PUBLISH_PATIENCE_SECONDS = 3.0, 30.0
LastOutput = tuple[Digest, Digest, list[Digest]]


class Runs:
    """One job at a time. What it does is in the journal before anybody acts on it."""

    def __init__(
        self,
        *,
        chain: Chain,
        store: Store,
        sandbox: Sandbox,
        journal: Journal,
        cache: InputCache,
        home: Path,
        board: Board,
        delivery: Deliverer | None = None,
    ) -> None:
        self._chain, self._store, self._sandbox, self._journal = chain, store, sandbox, journal
        self._cache, self._home, self._board, self._delivery = cache, home, board, delivery
        self.retention = Retention(journal, store, delivery)
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._chain_ahead: float | None = None  # of this machine's monotonic clock, seconds
        self._phase_seconds: Counter[str] = Counter()
        self._trouble = ""
        self.job: Job | None = None
        self.ends = 0  # runs that came to an end of their own, with a result or without

    @property
    def running(self) -> JobId | None:
        job = self.job
        return job.job_id if job else None

    def start(self, job: Job) -> None:
        self._end.clear()
        if self._journal.get(KIND, str(job.job_id)) is None:  # accepted by a life that could not note it any more
            self.write(Work(job.job_id, Step.ACCEPTED))
        self.job = job
        self._thread = threading.Thread(target=self._run, args=(job,), name=f"job-{job.job_id}")
        self._thread.start()

    def interrupt(self) -> None:
        """Ends the sandbox; whole segments stay and the job goes on from them when it is started again."""
        self._end.set()

    def stop(self) -> None:
        """Interrupts and waits for the end."""
        self.interrupt()
        if self._thread:
            self._thread.join()

    def checkpoints(self, job: Job) -> Checkpoints:
        return Checkpoints(self._journal, self._home / "work" / str(job.job_id), job)

    def write(self, work: Work) -> None:
        self._journal.put(KIND, str(work.job_id), asdict(work))

    def handed_back(self, job: Job, rest: JobId, published: Published) -> None:
        """Notes that `rest` is for somebody else: else it would be the best job in sight, and its start be dropped."""
        self.retention.hold(job.job_id, result_cid(published.result_cid), also=[rest])
        self.write(Work(rest, Step.HANDED_BACK))
        self.write(Work(job.job_id, Step.PUBLISHED, published.result_cid.hex(), published.segment_root.hex()))

    def publish_part(self, job: Job) -> tuple[Published, int, LastOutput]:
        """Publishes the whole segments of a job that does not run: commitment, their number, the last one's opening.

        Raises UsageError where none is done or all are.
        """
        checkpoints = self.checkpoints(job)
        checkpoints.harvest()
        products = checkpoints.kept()
        if not 0 < len(products) < job.segments:
            words = "no segment is done yet" if not products else "all segments are done"
            raise UsageError(f"{words}, so there is no part to hand back")
        published = publish(self._store, job.job_id, products, checkpoints.staging, is_exact=_is_exact(job))
        self._deliver(job, published)
        part = _as_submitted(job, published, len(products))
        manifest = read_manifest(self._store, part)
        last = manifest.segments[-1]
        proof = commitment.merkle_proof(leaves_of(manifest), len(products) - 1)
        return published, len(products), (last.digest, digest_of(last.output_cid), proof)

    def _run(self, job: Job) -> None:
        try:
            self._execute_and_publish(job)
        except TransientError as error:
            self._interrupted(job, str(error))
        except Exception as error:
            # A thread's exception would vanish: the job is given up in time instead of missing its deadline.
            self._failed(job, error)
        finally:
            self.job = None
            self._board.changed(running=None)

    def _interrupted(self, job: Job, reason: str) -> None:
        """It is started again, for as long as there is time; what lasts is told once."""
        (log.warning if reason != self._trouble else log.info)("run_interrupted", job_id=job.job_id, reason=reason)
        self._trouble = reason

    def _failed(self, job: Job, error: Exception) -> None:
        if self._end.is_set():
            log.info("run_paused", job_id=job.job_id, segments_done=self.checkpoints(job).count())
            return
        try:
            if is_full(error):
                raise DiskFull(self._home)
            require_free_space(self._home)  # a program that found the disk full has not failed
            reason = str(error) if isinstance(error, SwarmError) else repr(error)
            self.write(Work(job.job_id, Step.FAILED, reason=reason[:500]))
            self.ends += 1
            log.error("run_failed", job_id=job.job_id, reason=reason)
        except TransientError as full:
            self._interrupted(job, str(full))

    def _execute_and_publish(self, job: Job) -> None:
        checkpoints = self.checkpoints(job)
        checkpoints.harvest()
        done = checkpoints.kept()
        products = done if len(done) == job.segments else (*done, *self._execute(job, checkpoints, done))
        with self._phase("publishing"):
            published = self._publish(job, products, checkpoints)
        self.write(Work(job.job_id, Step.PUBLISHED, published.result_cid.hex(), published.segment_root.hex()))
        self.ends += 1
        log.info("result_published", job_id=job.job_id, cid=published.result_cid)

    def _execute(self, job: Job, checkpoints: Checkpoints, done: tuple[Product, ...]) -> tuple[Product, ...]:
        with self._phase("fetching"), _there_before():
            spec = read_spec(self._store, job.spec_cid)
            inputs = self._cache.fetch(spec)
            state = self._state(job, spec, inputs, done)
        first = job.terms.first_segment + len(done)
        left = self._seconds_left(job)
        sandbox = self._sandbox.runner.name
        log.info("job_started", job_id=job.job_id, segments=job.segments, segments_done=len(done), sandbox=sandbox)
        self._show(job, phase="starting", done=len(done), started_at=time.time())
        # An engine that was away may have come back with what it was running then.
        self._sandbox.runner.reap(self._sandbox.owner)
        try:
            with self._phase("running"):
                execution = execute(
                    self._sandbox,
                    spec,
                    inputs,
                    first=first,
                    last=job.terms.first_segment + job.segments,
                    state=state,
                    workspace=checkpoints.run_folder,
                    wall_seconds=max(left, 1),
                    on_progress=self._listener(job, None if workload_of(spec).is_foreign else checkpoints),
                    stop=self._end,
                )
        except BaseException:
            checkpoints.harvest()
            raise
        log.info(
            "job_executed",
            job_id=job.job_id,
            wall_seconds=round(execution.wall_seconds, 1),
            cpu_seconds=round(execution.cpu_seconds, 1),
        )
        return execution.products

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Counts the time of a part of the work."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self._phase_seconds[name] += time.monotonic() - begin
            self._board.set(phase_seconds={each: round(spent, 1) for each, spent in self._phase_seconds.items()})

    def _listener(self, job: Job, checkpoints: Checkpoints | None) -> Callable[[dict], None]:
        """Writes down what the program says; a buyer's own program has no say in what a whole segment is."""

        def listen(fact: dict) -> None:
            facts = _known(fact)
            if checkpoints and fact.get("event") == "segment" and checkpoints.note(fact.get("segment")):
                facts["done"] = checkpoints.count()
                facts["checkpoint_at"] = time.time()
            log.info("progress", job_id=job.job_id, **{name: facts[name] for name in facts if name in _LOGGED})
            self._show(job, **facts)

        return listen

    def _show(self, job: Job, **facts: object) -> None:
        before = self._board.facts().get("running") or {}
        base = {"job": job.job_id, "segments": job.segments, "parts": job.terms.parts, "deadline": job.deadline}
        shown = (before if before.get("job") == job.job_id else {}) | base | facts
        (self._board.changed if "done" in facts else self._board.set)(running=shown)

    def _state(self, job: Job, spec: Spec, inputs: Inputs, done: tuple[Product, ...]) -> Path | None:
        """Where the next segment starts: a chained job's from the last output, also from that of another seller."""
        if not spec.is_chained:
            return None
        if done:
            return done[-1].output
        if job.terms.input == ZERO_DIGEST:
            return inputs.initial_state
        return self._cache.entry(cid_from_digest(job.terms.input, DAG_PB), STATE_LIMITS)

    def _publish(self, job: Job, products: tuple[Product, ...], checkpoints: Checkpoints) -> Published:
        """Publishes, waiting for a store that is away and until strangers can fetch the result: work that is done is
        never done again for that, and a result that nobody can fetch is never submitted.

        Raises TransientError when the deadline is near, or the worker is told to stop."""
        published, said, wait = None, "", _PUBLISH_RETRY_SECONDS
        while True:
            try:
                options = {"is_exact": _is_exact(job)}
                published = published or publish(self._store, job.job_id, products, checkpoints.staging, **options)
                self._deliver(job, published)
                return published
            except TransientError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("waiting_to_publish", job_id=job.job_id, reason=said)
                    self._show(job, phase="publishing", message=_short(said))
                if self._end.wait(wait) or self._seconds_left(job) <= 0:
                    raise
                wait = min(2 * wait, _PUBLISH_PATIENCE_SECONDS)

    def _deliver(self, job: Job, published: Published) -> None:
        cid = result_cid(published.result_cid)
        self.retention.hold(job.job_id, cid)
        if self._delivery:
            receipt = self._delivery.deliver(cid, seconds=min(PIN_SECONDS, max(self._seconds_left(job), 1.0)))
            facts = {"at": ", ".join(receipt.holders), "through": receipt.through, "blocks": receipt.blocks}
            log.info("result_retrievable", job_id=job.job_id, cid=published.result_cid, **facts)

    def _seconds_left(self, job: Job) -> int:
        """Until the last moment at which a submission still makes sense.

        A chain that falls silent does not keep a result from being published: its clock is taken to go on as it went.
        """
        try:
            now = self._chain.client.now()
            self._chain_ahead = now - time.monotonic()
        except TransientError:
            if self._chain_ahead is None:
                raise
            now = int(self._chain_ahead + time.monotonic())
        return job.deadline - SUBMIT_MARGIN_SECONDS - now


@contextmanager
def _there_before() -> Iterator[None]:
    """This worker held the content when it took the job: that a store lost it, or lies now, passes."""
    try:
        yield
    except (NotFound, WrongBytes) as error:
        raise TransientError(f"what was fetched before is not there now: {error}") from error


def _is_exact(job: Job) -> bool:
    return job.terms.comparison is Comparison.EXACT


def _as_submitted(job: Job, published: Published, segments: int) -> Job:
    return replace(job, segments=segments, result_cid=published.result_cid, segment_root=published.segment_root)


_LOGGED = ("phase", "step", "steps", "segment", "loss", "tokens_per_second", "message", "seconds")


def _known(fact: dict) -> dict:
    """Progress comes out of the sandbox: only known names of plain numbers and short words are passed on."""
    names = ("event", "step", "steps", "segment", "loss", "tokens_per_second", "message", "seconds")
    kept = {name: fact[name] for name in names if isinstance(fact.get(name), (int, float, str))}
    return {("phase" if name == "event" else name): _short(value) for name, value in kept.items()}


def _short(value: object) -> object:
    return value[:200] if isinstance(value, str) else value
