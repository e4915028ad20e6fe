# SPDX-License-Identifier: Apache-2.0
"""Answers what a judge is asked: re-executes one segment of a submitted job and compares it with what the seller
committed to, checks a claim within bounds, or fetches the whole result."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from swarm.errors import IntegrityError, NotFound, TransientError
from swarm.execution.inputs import STATE_LIMITS
from swarm.execution.quota import Quota
from swarm.execution.results import leaves_of, output_cid, read_manifest
from swarm.execution.segments import Execution, Product, Sandbox, StateRefused, check_claim, execute, opening_of
from swarm.protocol import commitment
from swarm.protocol.types import MATCH, MISMATCH, UNAVAILABLE, UNDELIVERED, Comparison, Digest, Job
from swarm.storage.cid import digest_of
from swarm.storage.port import Store
from swarm.workloads.fields import Spec
from swarm.workloads.registry import workload_of
from swarm.workloads.result import Manifest
from swarm.workloads.verification import Verification
from swarm.workloads.workload import Assessment, Fact, LooksCloser, Zone
from verifier.closer import ReplayCloser, Sides
from verifier.evidence import finite, leaf_evidence, word_evidence
from verifier.finding import Finding
from verifier.materials import Materials
from verifier.memory import Memory
from verifier.question import NotThere, Question, Start
from verifier.workspaces import Workspaces


class Replayer:
    """Runs a judge's re-executions on one machine."""

    def __init__(self, store: Store, sandbox: Sandbox, home: Path, *, cache_bytes: int | None = None) -> None:
        self._store, self._sandbox, self.workspaces = store, sandbox, Workspaces(home)
        self._materials = Materials(store, self.workspaces, Quota(home, cache_bytes=cache_bytes))
        self._memory = Memory(home / "learned.json")

    def replay(
        self,
        job: Job,
        segment: int,
        *,
        wall_seconds: float,
        is_patient: bool = False,
        on_progress: Callable[[dict], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Finding:
        """Answers for one segment in the way its job is verified. While `is_patient` a missing result is waited for;
        a missing input, which is the buyer's, always is, and is never held against the seller. Where the result as a
        whole cannot be fetched the finding is UNAVAILABLE. Raises JobFailed, TransientError.
        """
        if job.terms.comparison is Comparison.DELIVERY:
            return self.fetch(job, segment=segment, is_patient=is_patient, stop=stop)
        run = {"wall_seconds": wall_seconds, "on_progress": on_progress, "stop": stop}
        try:
            spec, inputs, first_state = self._materials.inputs(job)
            question = Question(job, segment, spec, inputs, first_state, is_patient, run)
            return self._recomputed(question) if spec.verification is Verification.EXACT else self._bounded(question)
        except NotThere as error:
            return self._word(job, segment, UNAVAILABLE, str(error))

    def _recomputed(self, question: Question) -> Finding:
        """Exact class: recomputes the leaf from the seller's own previous output.

        Where that output is missing, is not what was committed, or cannot be continued, the segment is re-executed from
        the job's initial state: the same for every judge, never more than one segment, and never an honest seller's
        leaf. So nobody escapes by withholding or by publishing rubbish.
        """
        job, segment, inputs = question.job, question.segment, question.inputs
        start = self._start(question)
        problem = start.problem
        try:
            execution = self._execute(question, start.state or inputs.initial_state)
        except StateRefused as error:
            if start.state in (None, inputs.initial_state):
                raise
            problem = f"the state before segment {segment} cannot be continued: {error}"
            execution = self._execute(question, inputs.initial_state)
        product = execution.products[-1]
        opening = opening_of(self._store, product)
        leaf = commitment.opened_leaf(job.job_id, segment, opening)
        proof = _proof(job, segment, start.manifest, leaf)
        return Finding(
            segment=segment,
            verdict=leaf,
            opening=opening,
            matches=proof is not None,
            proof=tuple(proof or ()),
            evidence_cid=self._evidence(question, start, leaf, problem, product),
            wall_seconds=execution.wall_seconds,
            cpu_seconds=execution.cpu_seconds,
        )

    def _bounded(self, question: Question) -> Finding:
        """Tolerance and proof: fetches the claim and says whether it lies within the certified bounds.

        A state that was committed but cannot be continued, or files that are not what was committed, are a mismatch:
        no honest seller could have gone on from there.
        """
        job, segment, spec = question.job, question.segment, question.spec
        workload = workload_of(spec)
        try:
            before, theirs = self._sides(question)
            execution = self._checked(question, before, theirs)
            ours = execution.products[-1].output
            assessment = workload.assess(spec, question.index, before=before, theirs=theirs, ours=ours)
            if assessment.zone is Zone.ESCALATE and isinstance(workload, LooksCloser):
                closer = self._closer(question, (before, theirs), execution)
                closest = workload.look_closer(spec, question.index, closer)
                assessment = Assessment(closest.zone, {**assessment.facts, **closest.facts})
        except StateRefused as error:
            return self._word(job, segment, MISMATCH, f"the seller's files cannot be continued: {error}")
        except IntegrityError as error:
            return self._word(job, segment, MISMATCH, str(error))
        except NotFound as error:
            _wait_if(question.is_patient, job, error)
            return self._word(job, segment, UNAVAILABLE, str(error))
        verdict = MISMATCH if assessment.zone is Zone.REJECT else MATCH
        facts = {"zone": assessment.zone.value, **assessment.facts}
        return self._word(job, segment, verdict, "", spec=spec, facts=facts, execution=execution)

    def _sides(self, question: Question) -> tuple[Path | None, Path]:
        """The seller's state before the segment (of a chained job), and its output."""
        manifest = self._manifest(question.job, question.is_patient)
        theirs = self._materials.output(question.job, output_cid(self._store, question.job, manifest, question.segment))
        before = self._start(question).state
        if question.spec.is_chained and before is None:
            raise IntegrityError(f"the output before segment {question.segment} is not what was committed")
        return before, theirs

    def _closer(self, question: Question, sides: Sides, execution: Execution) -> ReplayCloser:
        first = question.job.terms.first_segment
        at = {segment + first: replace(question, segment=segment) for segment in range(question.job.segments)}

        def run(segment: int, before: Path | None, name: str, numeric: dict) -> Execution:
            return self._execute(at[segment], before, name=name, numeric=numeric)

        known = {(question.index, ()): execution}
        whole = range(first, first + question.job.segments)
        seen = {question.index: sides}
        return ReplayCloser(whole, lambda segment: self._sides(at[segment]), run, self._memory, known, seen)

    def _checked(self, question: Question, before: Path | None, theirs: Path) -> Execution:
        """What the comparison needs of ours: the segment again, or what the workload's checker leaves."""
        if question.spec.verification is not Verification.PROOF:
            return self._execute(question, before)
        workspace = self.workspaces.of(question.job, question.segment)
        arguments = (self._sandbox, question.spec, question.inputs)
        return check_claim(*arguments, segment=question.index, claim=theirs, workspace=workspace, **question.run)

    def _execute(
        self, question: Question, state: Path | None, *, name: str = "", numeric: dict | None = None
    ) -> Execution:
        return execute(
            self._sandbox,
            question.spec,
            question.inputs,
            first=question.index,
            last=question.index + 1,
            state=state,
            workspace=self.workspaces.of(question.job, question.segment, name),
            numeric=numeric,
            **question.run,
        )

    def fetch(
        self,
        job: Job,
        *,
        segment: int = UNDELIVERED,
        is_patient: bool = False,
        stop: threading.Event | None = None,
    ) -> Finding:
        """Fetches the whole result: MATCH when every output is there and is what was committed, else UNAVAILABLE.

        While `is_patient` a missing result is waited for. Raises TransientError.
        """
        try:
            manifest = read_manifest(self._store, job)
            for cid in sorted({output_cid(self._store, job, manifest, index) for index in range(job.segments)}):
                if stop is not None and stop.is_set():
                    raise TransientError("this judge is stopping")
                self._pass_through(cid)
        except NotFound as error:
            _wait_if(is_patient, job, error)
            return self._word(job, segment, UNAVAILABLE, str(error))
        except IntegrityError as error:
            return self._word(job, segment, UNAVAILABLE, str(error))
        return self._word(job, segment, MATCH, "")

    def _start(self, question: Question) -> Start:
        job, segment, is_patient = question.job, question.segment, question.is_patient
        # What the seller published does not change where its first segment starts, nor any that starts from the spec.
        is_free = segment == 0 or not question.spec.is_chained
        own = question.first_state if is_free else None
        try:
            manifest = self._manifest(job, is_patient)
            output_cid(self._store, job, manifest, segment)
            if is_free:
                return Start(manifest, own)
            cid = output_cid(self._store, job, manifest, segment - 1)
            return Start(manifest, self._materials.output(job, cid))
        except NotThere as error:
            # The root of a single segment is its leaf: what it should be can be told without the result.
            if job.segments > 1:
                raise
            return Start(None, own, str(error))
        except NotFound as error:
            _wait_if(is_patient, job, error)
            return Start(None, own, str(error))
        except IntegrityError as error:
            return Start(None, own, str(error))

    def _manifest(self, job: Job, is_patient: bool) -> Manifest:
        try:
            return read_manifest(self._store, job)
        except NotFound as error:
            _wait_if(is_patient, job, error)
            raise NotThere(f"the result of job {job.job_id} cannot be fetched: {error}") from error

    def _pass_through(self, cid: str) -> None:
        """Fetches content without keeping it."""
        with self.workspaces.passing() as folder:
            self._store.export(cid, folder / "output", limits=STATE_LIMITS, keep=False)

    def _word(
        self,
        job: Job,
        segment: int,
        verdict: Digest,
        problem: str,
        *,
        spec: Spec | None = None,
        facts: Mapping[str, Fact] | None = None,
        execution: Execution | None = None,
    ) -> Finding:
        evidence = word_evidence(job, segment, verdict, problem, self._sandbox, spec=spec, facts=facts)
        return Finding(
            segment=segment,
            verdict=verdict,
            opening=None,
            matches=verdict == MATCH,
            proof=(),
            evidence_cid=self._keep(evidence),
            wall_seconds=execution.wall_seconds if execution else 0.0,
            cpu_seconds=execution.cpu_seconds if execution else 0.0,
        )

    def _keep(self, evidence: dict) -> Digest:
        return digest_of(self._store.add_bytes(json.dumps(evidence, sort_keys=True).encode()))

    def _evidence(self, question: Question, start: Start, leaf: Digest, problem: str, product: Product) -> Digest:
        """One JSON block anybody can check by re-executing the same segment. It never holds the trace's root before
        the verdict is on chain: only the leaf, which hides it."""
        job, segment = question.job, question.segment
        claimed = leaves_of(start.manifest)[segment] if start.manifest else None
        distance = self._distance(question, start, product) if claimed not in (None, leaf) else None
        return self._keep(leaf_evidence(job, segment, claimed, leaf, problem, self._sandbox, question.spec, distance))

    def _distance(self, question: Question, start: Start, product: Product) -> dict | None:
        """How far the seller's output is from ours, in the terms of the workload: for people, not a verdict."""
        job, spec = question.job, question.spec
        if start.manifest is None or (spec.is_chained and start.state is None):
            return None
        try:
            theirs = self._materials.output(job, output_cid(self._store, job, start.manifest, question.segment))
        except (IntegrityError, NotFound):
            return None
        sides = {"before": start.state, "theirs": theirs, "ours": product.output}
        return finite(workload_of(spec).assess(spec, question.index, **sides).facts)


def _wait_if(is_patient: bool, job: Job, error: NotFound) -> None:
    if is_patient:
        raise TransientError(f"the result of job {job.job_id} is not there yet: {error}") from error


def _proof(job: Job, segment: int, manifest: Manifest | None, leaf: Digest) -> list[Digest] | None:
    """The Merkle proof of our leaf if it is the seller's own, else None."""
    if job.segments == 1:
        # The root is the leaf: it can be confirmed whatever was published.
        return [] if leaf == job.segment_root else None
    if manifest is None:
        return None
    leaves = leaves_of(manifest)
    return commitment.merkle_proof(leaves, segment) if leaves[segment] == leaf else None
