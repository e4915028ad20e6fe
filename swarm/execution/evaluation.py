# SPDX-License-Identifier: Apache-2.0
"""Measures a model with or without an adapter on held-out data, in the same sandbox that runs jobs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm import hostile_json
from swarm.errors import JobFailed
from swarm.execution.segments import Sandbox, raise_unless_ok
from swarm.runtime.outputs import check_outputs
from swarm.runtime.port import JobRun, Limits
from swarm.workloads.lora.spec import LoraSpec

PROGRAM = ("python", "-m", "swarm.jobs.evaluate")
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`loss` is the mean over `tokens` trained tokens, in nats."""

    loss: float
    tokens: int
    answers: tuple[str, ...]


def evaluate(
    sandbox: Sandbox,
    spec: LoraSpec,
    *,
    model: Path,
    heldout: Path,
    adapter: Path | None,
    prompts: Sequence[str],
    max_new_tokens: int,
    workspace: Path,
    wall_seconds: float = 1800,
    on_progress: Callable[[dict], None] | None = None,
) -> Evaluation:
    """Runs the evaluation program. Raises JobFailed when it fails or leaves no sound answer."""
    shutil.rmtree(workspace, ignore_errors=True)
    outputs = workspace / "outputs"
    outputs.mkdir(parents=True)
    job = workspace / "job.json"
    training = spec.model_dump(mode="json")["training"]
    content = {"prompts": list(prompts), "max_new_tokens": max_new_tokens, "adapter": adapter is not None}
    job.write_text(json.dumps(content | {"training": training}))
    inputs = {"job.json": job, "model": model, "heldout.jsonl": heldout}
    limits = Limits(
        memory_bytes=sandbox.memory_bytes,
        cpus=sandbox.cpus,
        pids=sandbox.pids,
        wall_seconds=wall_seconds,
        output_bytes=_MAX_BYTES,
        output_files=16,
    )
    run = JobRun(
        engine=spec.engine,
        program=PROGRAM,
        inputs=inputs | ({"adapter": adapter} if adapter else {}),
        outputs=outputs,
        limits=limits,
        environment={},
        owner=sandbox.owner,
    )
    raise_unless_ok(sandbox.runner.run(run, on_progress=on_progress))
    check_outputs(outputs, limits)
    return _read(outputs / "evaluation.json", len(prompts))


def _read(path: Path, answers: int) -> Evaluation:
    try:
        found = hostile_json.parse(path.read_bytes())
        evaluation = Evaluation(float(found["loss"]), int(found["tokens"]), tuple(map(str, found["answers"])))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobFailed(f"the evaluation left no sound answer: {error}") from error
    if len(evaluation.answers) != answers:
        raise JobFailed(f"the evaluation answered {len(evaluation.answers)} of {answers} prompts")
    return evaluation
