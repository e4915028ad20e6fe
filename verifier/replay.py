# SPDX-License-Identifier: Apache-2.0
"""Answers what a judge is asked: re-executes one segment of a submitted job and compares it with what the seller
committed to, or fetches the whole result."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from swarm.errors import IntegrityError, NotFound, TransientError
from swarm.execution.inputs import STATE_LIMITS, InputCache, Inputs, read_spec
from swarm.execution.results import leaves_of, output_cid, read_manifest
from swarm.execution.segments import Execution, Product, Sandbox, StateRefused, execute, opening_of
from swarm.protocol import commitment
from swarm.protocol.types import MATCH, UNAVAILABLE, UNDELIVERED, Digest, Job, Opening
from swarm.storage.cid import DAG_PB, cid_from_digest, digest_of
from swarm.storage.port import Store
from swarm.workloads import exact
from swarm.workloads.result import Manifest
from swarm.workloads.spec import LoraSpec


@dataclass(frozen=True, slots=True)
class Finding:
    """What a judge found. `verdict` is what it says or seals: the leaf it recomputed, or a word, which has no opening.

    `proof` is empty unless our leaf is the seller's own.
    """

    segment: int  # or UNDELIVERED
    verdict: Digest
    opening: Opening | None
    matches: bool
    proof: tuple[Digest, ...]
    evidence_cid: Digest
    wall_seconds: float
    cpu_seconds: float

    def to_json(self) -> dict:
        """The finding as the journal keeps it; bytes as hexadecimal text."""
        return _hexed(asdict(self))

    @classmethod
    def from_json(cls, entry: dict) -> Finding:
        opened = entry["opening"]
        opening = Opening(**{name: _digest(text) for name, text in opened.items()}) if opened else None
        proof = tuple(_digest(text) for text in entry["proof"])
        digests = {name: _digest(entry[name]) for name in ("verdict", "evidence_cid")}
        return cls(**(entry | digests | {"opening": opening, "proof": proof}))


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a re-execution begins. `state` is None where the seller's own output cannot be had as it was committed."""

    manifest: Manifest | None
    state: Path | None
    problem: str = ""


class _NotThere(NotFound):
    """The result as a whole cannot be fetched, so there is nothing to compare with."""


class Replayer:
    """Runs a judge's re-executions on one machine."""

    def __init__(self, store: Store, sandbox: Sandbox, home: Path) -> None:
        self._store, self._sandbox, self._home = store, sandbox, home
        self._cache = InputCache(store, home / "cache")

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
        """Re-executes `segment` from the seller's own previous output.

        Where that output is missing, is not what was committed, or cannot be continued, the segment is re-executed from
        the job's initial state: the same for every judge, never more than one segment, and never an honest seller's
        leaf. So nobody escapes by withholding or by publishing rubbish. Where the result as a whole cannot be fetched
        the finding is UNAVAILABLE. While `is_patient` a missing result is waited for; a missing input, which is the
        buyer's, always is, and is never held against the seller. Raises JobFailed, TransientError.
        """
        spec, inputs, first_state = self._inputs(job)
        try:
            start = self._start(job, segment, first_state, is_patient)
        except _NotThere as error:
            return self._word(job, segment, UNAVAILABLE, str(error))
        workspace = self._home / "replay" / f"{job.job_id}-{segment}"

        def run(state: Path) -> Execution:
            return execute(
                self._sandbox,
                spec,
                inputs,
                first=job.terms.first_segment + segment,
                last=job.terms.first_segment + segment + 1,
                state=state,
                workspace=workspace,
                wall_seconds=wall_seconds,
                on_progress=on_progress,
                stop=stop,
            )

        problem = start.problem
        try:
            execution = run(start.state or inputs.initial_state)
        except StateRefused as error:
            if start.state in (None, inputs.initial_state):
                raise
            problem = f"the state before segment {segment} cannot be continued: {error}"
            execution = run(inputs.initial_state)
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
            evidence_cid=self._evidence(job, segment, spec, start, leaf, problem, product),
            wall_seconds=execution.wall_seconds,
            cpu_seconds=execution.cpu_seconds,
        )

    def fetch(self, job: Job, *, is_patient: bool = False, stop: threading.Event | None = None) -> Finding:
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
            return self._word(job, UNDELIVERED, UNAVAILABLE, str(error))
        except IntegrityError as error:
            return self._word(job, UNDELIVERED, UNAVAILABLE, str(error))
        return self._word(job, UNDELIVERED, MATCH, "")

    def _inputs(self, job: Job) -> tuple[LoraSpec, Inputs, Path]:
        """What the spec names, and the state the job's first segment starts from.

        All of it was there before a seller took the job, so it is no seller's fault when it is gone.
        """
        try:
            spec = read_spec(self._store, job.spec_cid)
            inputs = self._cache.fetch(spec)
            if not any(job.terms.input):
                return spec, inputs, inputs.initial_state
            return spec, inputs, self._cache.entry(cid_from_digest(job.terms.input, DAG_PB), STATE_LIMITS)
        except NotFound as error:
            raise TransientError(f"an input of job {job.job_id} is not there: {error}") from error

    def _start(self, job: Job, segment: int, first_state: Path, is_patient: bool) -> _Start:
        # What the seller published does not change where its first segment starts.
        own = first_state if segment == 0 else None
        try:
            manifest = self._manifest(job, is_patient)
            output_cid(self._store, job, manifest, segment)
            if own:
                return _Start(manifest, own)
            cid = output_cid(self._store, job, manifest, segment - 1)
            return _Start(manifest, self._cache.entry(cid, STATE_LIMITS))
        except _NotThere as error:
            # The root of a single segment is its leaf: what it should be can be told without the result.
            if job.segments > 1:
                raise
            return _Start(None, own, str(error))
        except NotFound as error:
            _wait_if(is_patient, job, error)
            return _Start(None, own, str(error))
        except IntegrityError as error:
            return _Start(None, own, str(error))

    def _manifest(self, job: Job, is_patient: bool) -> Manifest:
        try:
            return read_manifest(self._store, job)
        except NotFound as error:
            _wait_if(is_patient, job, error)
            raise _NotThere(f"the result of job {job.job_id} cannot be fetched: {error}") from error

    def _pass_through(self, cid: str) -> None:
        """Fetches content without keeping it."""
        self._home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._home, prefix="fetched-") as directory:
            self._store.export(cid, Path(directory) / "output", limits=STATE_LIMITS, keep=False)

    def _word(self, job: Job, segment: int, verdict: Digest, problem: str) -> Finding:
        evidence = {
            "version": 1,
            "job_id": job.job_id,
            "segment": None if segment == UNDELIVERED else segment,
            "result_cid": job.result_cid.hex(),
            "fetched": verdict == MATCH,
            "problem": problem,
        }
        return Finding(
            segment=segment,
            verdict=verdict,
            opening=None,
            matches=verdict == MATCH,
            proof=(),
            evidence_cid=self._keep(evidence),
            wall_seconds=0.0,
            cpu_seconds=0.0,
        )

    def _keep(self, evidence: dict) -> Digest:
        return digest_of(self._store.add_bytes(json.dumps(evidence, sort_keys=True).encode()))

    def _evidence(
        self,
        job: Job,
        segment: int,
        spec: LoraSpec,
        start: _Start,
        leaf: Digest,
        problem: str,
        product: Product,
    ) -> Digest:
        """One JSON block anybody can check by re-executing the same segment. It never holds the trace's root before
        the verdict is on chain: only the leaf, which hides it."""
        claimed = leaves_of(start.manifest)[segment] if start.manifest else None
        evidence = {
            "version": 1,
            "job_id": job.job_id,
            "segment": segment,
            "spec_cid": job.spec_cid.hex(),
            "claimed_leaf": claimed.hex() if claimed else None,
            "recomputed_leaf": leaf.hex(),
            "matches": claimed == leaf,
            "problem": problem,
            "engine": spec.engine,
            "sandbox": self._sandbox.runner.name,
            "distance": self._distance(job, segment, start, product) if claimed not in (None, leaf) else None,
        }
        return self._keep(evidence)

    def _distance(self, job: Job, segment: int, start: _Start, product: Product) -> dict | None:
        """How far the seller's output is from ours, in units of one segment's update: for people, not a verdict."""
        if start.manifest is None or start.state is None:
            return None
        try:
            theirs = self._cache.entry(output_cid(self._store, job, start.manifest, segment), STATE_LIMITS)
            found = asdict(exact.distance(start.state, theirs, product.output))
            return {name: value if value < float("inf") else None for name, value in found.items()}
        except (IntegrityError, NotFound):
            return None


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


def _hexed(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _hexed(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hexed(item) for item in value]
    return value


def _digest(text: str) -> Digest:
    return Digest(bytes.fromhex(text))
