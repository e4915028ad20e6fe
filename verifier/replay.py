# SPDX-License-Identifier: Apache-2.0
"""Re-executes one segment of a submitted job and compares it with what the seller committed to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from swarm.errors import IntegrityError, NotFound, TransientError
from swarm.execution.inputs import STATE_LIMITS, InputCache, Inputs, read_spec
from swarm.execution.results import leaves_of, output_cid, read_manifest
from swarm.execution.segments import Execution, Product, Sandbox, StateRefused, execute, opening_of
from swarm.protocol import commitment
from swarm.protocol.types import Digest, Job, Opening
from swarm.storage.cid import digest_of
from swarm.storage.port import Store
from swarm.workloads import exact
from swarm.workloads.result import Manifest
from swarm.workloads.spec import LoraSpec


@dataclass(frozen=True, slots=True)
class Finding:
    """What a re-execution found. `proof` is empty unless our leaf is the seller's own."""

    segment: int
    opening: Opening
    leaf: Digest
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
        opening = Opening(**{name: _digest(text) for name, text in entry["opening"].items()})
        proof = tuple(_digest(text) for text in entry["proof"])
        digests = {name: _digest(entry[name]) for name in ("leaf", "evidence_cid")}
        return cls(**(entry | digests | {"opening": opening, "proof": proof}))


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
        leaf. So nobody escapes by withholding or by publishing rubbish. While `is_patient` a missing result is waited
        for. Raises JobFailed, TransientError.
        """
        spec = read_spec(self._store, job.spec_cid)
        inputs = self._cache.fetch(spec)
        manifest, state, problem = self._starting_state(job, segment, inputs, is_patient)
        workspace = self._home / "replay" / f"{job.job_id}-{segment}"

        def run(start: Path) -> Execution:
            return execute(
                self._sandbox,
                spec,
                inputs,
                first=segment,
                last=segment + 1,
                state=start,
                workspace=workspace,
                wall_seconds=wall_seconds,
                on_progress=on_progress,
                stop=stop,
            )

        try:
            execution = run(state or inputs.initial_state)
        except StateRefused as error:
            if state in (None, inputs.initial_state):
                raise
            problem = f"the seller's output of segment {segment - 1} cannot be continued: {error}"
            execution = run(inputs.initial_state)
        opening = opening_of(self._store, execution.products[-1])
        leaf = commitment.opened_leaf(job.job_id, segment, opening)
        proof = _proof(job, segment, manifest, leaf)
        evidence = self._evidence(job, segment, spec, manifest, opening, leaf, problem, execution.products[-1], state)
        return Finding(
            segment=segment,
            opening=opening,
            leaf=leaf,
            matches=proof is not None,
            proof=tuple(proof or ()),
            evidence_cid=evidence,
            wall_seconds=execution.wall_seconds,
            cpu_seconds=execution.cpu_seconds,
        )

    def _starting_state(
        self, job: Job, segment: int, inputs: Inputs, is_patient: bool
    ) -> tuple[Manifest | None, Path | None, str]:
        try:
            manifest = read_manifest(self._store, job)
            output_cid(self._store, job, manifest, segment)
            if segment == 0:
                return manifest, inputs.initial_state, ""
            cid = output_cid(self._store, job, manifest, segment - 1)
            return manifest, self._cache.entry(cid, STATE_LIMITS), ""
        except NotFound as error:
            if is_patient:
                raise TransientError(f"the result of job {job.job_id} is not there yet: {error}") from error
            return None, None, str(error)
        except IntegrityError as error:
            return None, None, str(error)

    def _evidence(
        self,
        job: Job,
        segment: int,
        spec: LoraSpec,
        manifest: Manifest | None,
        opening: Opening,
        leaf: Digest,
        problem: str,
        product: Product,
        state: Path | None,
    ) -> Digest:
        """One JSON block anybody can check by re-executing the same segment. It never holds the trace's root before
        the verdict is on chain: only the leaf, which hides it."""
        claimed = leaves_of(manifest)[segment] if manifest else None
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
            "distance": self._distance(job, segment, manifest, product, state) if claimed not in (None, leaf) else None,
        }
        return digest_of(self._store.add_bytes(json.dumps(evidence, sort_keys=True).encode()))

    def _distance(
        self, job: Job, segment: int, manifest: Manifest | None, product: Product, state: Path | None
    ) -> dict | None:
        """How far the seller's output is from ours, in units of one segment's update: for people, not a verdict."""
        if manifest is None or state is None:
            return None
        try:
            theirs = self._cache.entry(output_cid(self._store, job, manifest, segment), STATE_LIMITS)
            found = asdict(exact.distance(state, theirs, product.output))
            return {name: value if value < float("inf") else None for name, value in found.items()}
        except (IntegrityError, NotFound):
            return None


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
