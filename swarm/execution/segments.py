# SPDX-License-Identifier: Apache-2.0
"""Runs segments in a sandbox and opens what they produced."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import IntegrityError, JobFailed, UsageError
from swarm.execution import machine
from swarm.execution.inputs import MAX_OUTPUT_FILES, STATE, Inputs
from swarm.protocol import commitment
from swarm.protocol.hardware import EXACT_CLASS, FOUR_BIT, PRECISIONS
from swarm.protocol.types import Opening
from swarm.runtime.gpus import Gpu
from swarm.runtime.outputs import check_outputs
from swarm.runtime.port import JobRun, Limits, RunEnd, Runner, RunOutcome
from swarm.storage.cid import digest_of
from swarm.storage.port import Store
from swarm.workloads.fields import Spec
from swarm.workloads.registry import workload_of
from swarm.workloads.result import FOREIGN_END, FOREIGN_FILES
from swarm.workloads.spec import canonical_json

MAX_TRACE_BYTES = 1 << 24
_REFUSED_BY_RULE = (JobFailed.exit_code, IntegrityError.exit_code)
_CURE = {
    RunEnd.MEMORY: "lower micro_batch_size or sequence_len, or set gradient_checkpointing",
    RunEnd.TIMEOUT: "raise segment_seconds and run_seconds, or make segments shorter",
}
Progress = Callable[[dict], None]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How this machine runs jobs: the runner, its owner's label, the machine's own limits, the GPU it lends."""

    runner: Runner
    owner: str
    memory_bytes: int = 12 << 30
    cpus: float = 2.0
    pids: int = 512
    output_bytes: int = 8 << 30
    gpu: Gpu | None = None
    has_four_bit: bool = False  # jobs find bitsandbytes

    def gpu_for(self, hardware_class: str) -> str | None:
        """The UUID of the GPU that a job of a class is given. The exact class is a processor's."""
        return self.gpu.uuid if self.gpu and hardware_class != EXACT_CLASS else None

    def computes(self, hardware_class: str) -> bool:
        """Whether this machine has the arithmetic of a class: one that it lacks would end in an abort, which costs."""
        if hardware_class == EXACT_CLASS:
            return "avx2" in machine.facts()["instruction_sets"]
        if hardware_class in FOUR_BIT and not self.has_four_bit:
            return False
        precision = PRECISIONS[hardware_class]
        return precision == "fp32" or (self.gpu is not None and self.gpu.computes(precision))


@dataclass(frozen=True, slots=True)
class Product:
    """One executed segment: its output directory (publishable) and its trace (hidden)."""

    index: int
    output: Path
    trace: Path


@dataclass(frozen=True, slots=True)
class Execution:
    products: tuple[Product, ...]
    wall_seconds: float
    cpu_seconds: float


def execute(
    sandbox: Sandbox,
    spec: Spec,
    inputs: Inputs,
    *,
    first: int,
    last: int,
    state: Path | None,
    workspace: Path,
    wall_seconds: float,
    on_progress: Progress | None = None,
    stop: threading.Event | None = None,
    numeric: Mapping | None = None,
) -> Execution:
    """Runs segments `first` … `last` − 1 in an emptied `workspace`, a chained job's from `state`. `numeric`: what a
    judge that looks closer computes otherwise.

    Raises JobFailed when the program, its limits or its output break the rules, TransientError when the engine is down.
    """
    given = inputs.files | ({STATE: state} if state is not None else {})
    return _run(
        sandbox,
        spec,
        workload_of(spec).program(spec),
        given,
        job=job_json(spec, first, last, from_initial=state == inputs.initial_state, numeric=numeric),
        segments=range(first, last),
        workspace=workspace,
        wall_seconds=wall_seconds,
        on_progress=on_progress,
        stop=stop,
    )


def check_claim(
    sandbox: Sandbox,
    spec: Spec,
    inputs: Inputs,
    *,
    segment: int,
    claim: Path,
    workspace: Path,
    wall_seconds: float,
    on_progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Execution:
    """Runs the workload's checker over a claimed output instead of computing the segment. Raises as `execute`."""
    program = workload_of(spec).checker(spec)
    if program is None:
        raise UsageError(f"jobs of type {spec.type} have no checker")
    return _run(
        sandbox,
        spec,
        program,
        inputs.files | {"claim": claim},
        job=job_json(spec, segment, segment + 1, from_initial=False),
        segments=range(segment, segment + 1),
        workspace=workspace,
        wall_seconds=wall_seconds,
        on_progress=on_progress,
        stop=stop,
    )


def _run(
    sandbox: Sandbox,
    spec: Spec,
    program: tuple[str, ...],
    files: Mapping[str, Path],
    *,
    job: str,
    segments: range,
    workspace: Path,
    wall_seconds: float,
    on_progress: Progress | None,
    stop: threading.Event | None,
) -> Execution:
    is_foreign = workload_of(spec).is_foreign
    shutil.rmtree(workspace, ignore_errors=True)
    outputs = workspace / "outputs"
    outputs.mkdir(parents=True)
    job_file = workspace / "job.json"
    job_file.write_text(job)
    limits = Limits(
        memory_bytes=sandbox.memory_bytes,
        cpus=sandbox.cpus,
        pids=sandbox.pids,
        wall_seconds=wall_seconds,
        output_bytes=sandbox.output_bytes,
        output_files=MAX_OUTPUT_FILES if is_foreign else 8 * len(segments) + 64,
    )
    run = JobRun(
        engine=spec.engine,
        program=program,
        inputs={"job.json": job_file, **files},
        outputs=outputs,
        limits=limits,
        environment=spec.environment,
        owner=sandbox.owner,
        gpu=sandbox.gpu_for(spec.hardware_class),
    )
    outcome = sandbox.runner.run(run, on_progress=on_progress, stop=stop)
    if not (is_foreign and outcome.reason is RunEnd.FAILED):
        raise_unless_ok(outcome)
    check_outputs(outputs, limits)
    if is_foreign:
        _gather(outputs, outcome)
    products = tuple(_product(outputs, index, is_flat=not is_foreign) for index in segments)
    return Execution(products, outcome.wall_seconds, outcome.cpu_seconds)


class StateRefused(JobFailed):
    """The program itself refused the state it was given, or could not continue from it: the same on every machine."""


def job_json(spec: Spec, first: int, last: int, *, from_initial: bool, numeric: Mapping | None = None) -> str:
    """What the program reads: the spec as pinned, and which segments to run from which state."""
    content: Mapping = {
        "spec": json.loads(canonical_json(spec)),
        "first_segment": first,
        "last_segment": last,
        "from_initial": from_initial,
    }
    if numeric:
        content = content | {"numeric": dict(numeric)}
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def raise_unless_ok(outcome: RunOutcome) -> None:
    """Raises JobFailed with the end's reason and the last words of the program."""
    if outcome.reason is RunEnd.OK:
        return
    words = outcome.log_tail.strip().splitlines()
    detail = f": {words[-1][:300]}" if words else ""
    # What our programs refuse by rule, not by accident: a crash or a limit is this machine's matter.
    by_rule = outcome.reason is RunEnd.FAILED and outcome.exit_code in _REFUSED_BY_RULE
    failure = StateRefused if by_rule else JobFailed
    words = f"the job ended with {outcome.reason.name.lower()} (exit code {outcome.exit_code}){detail}"
    raise failure(words, hint=_CURE.get(outcome.reason))


def opening_of(store: Store, product: Product) -> Opening:
    """Opens a product: hashes trace and output, and adds the output directory to the store."""
    return Opening(
        trace_root=commitment.trace_root(product.trace.read_bytes()),
        output_hash=commitment.directory_output_hash(product.output),
        output_cid=digest_of(store.add(product.output)),
    )


def _gather(outputs: Path, outcome: RunOutcome) -> None:
    """Makes a segment of all that a foreign program left; its trace is the digest of what it printed.

    A program that fails by itself is the buyer's matter: its exit code is part of the result, and the seller is paid.
    """
    left = outputs.with_name("left")
    outputs.rename(left)
    segment = outputs / "segments" / "0000"
    segment.mkdir(parents=True)
    left.rename(segment / FOREIGN_FILES)
    (segment / FOREIGN_END).write_text(json.dumps({"exit_code": outcome.exit_code}))
    (outputs / "traces").mkdir()
    (outputs / "traces" / "0000.bin").write_bytes(outcome.stdout_sha256)


def _product(outputs: Path, index: int, *, is_flat: bool = True) -> Product:
    output, trace = outputs / "segments" / f"{index:04d}", outputs / "traces" / f"{index:04d}.bin"
    if not output.is_dir() or not any(output.iterdir()):
        raise JobFailed(f"the program left no output for segment {index}")
    if is_flat and any(entry.is_dir() for entry in output.iterdir()):
        raise JobFailed(f"the program left no flat output directory for segment {index}")
    if not trace.is_file() or trace.stat().st_size > MAX_TRACE_BYTES:
        raise JobFailed(f"the program left no trace, or one that is too large, for segment {index}")
    return Product(index, output, trace)
