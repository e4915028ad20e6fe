# SPDX-License-Identifier: Apache-2.0
"""LoRA fine-tuning, some segments of it: `python -m swarm.jobs.lora`, with $SWARM_INPUTS and $SWARM_OUTPUTS set.

inputs   job.json {"spec": resolved spec, "first_segment": a, "last_segment": b (exclusive), "from_initial": whether
         state/ is the job's initial state whatever a is}, model/, train.jsonl,
         state/ (the output of segment a - 1, or the job's initial state when a = 0)
outputs  segments/0000/{adapter_model,optimizer}.safetensors per segment (published), traces/0000.bin (hidden)

A run that starts at segment a from the output of segment a - 1 gives the same bytes as one that never stopped. The
maths is in swarm.jobs.training. Where a job is compared within bounds its traces are published too, as trace.bin in the
segment's output: nobody has to prove by a secret that it computed, and a judge compares the losses. A judge that looks
closer adds "numeric" to job.json: what it computes otherwise than the seller (swarm.jobs.numeric).
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from swarm.errors import IntegrityError
from swarm.jobs.program import INPUTS, OUTPUTS, emit, read_job, run
from swarm.jobs.training import Trainer, numeric_of
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE, TRACE_FILE
from swarm.workloads.lora.segments import steps_of


def main() -> None:
    # What to do.
    job = read_job()
    spec, segments = job["spec"], range(job["first_segment"], job["last_segment"])
    training = spec["training"]
    length = {"max_steps": training["max_steps"], "steps_per_segment": training["steps_per_segment"]}
    is_exact = spec["verification"] == "exact"

    # With what.
    trainer = Trainer(
        training,
        model=INPUTS / "model",
        data=INPUTS / "train.jsonl",
        state=INPUTS / "state",
        field=spec["datasets"][0]["field_messages"],
        exact=is_exact,
        numeric=numeric_of(job),
    )
    # A judge continues from the job's initial state where a seller's own output cannot be continued.
    started_at = 0 if job.get("from_initial") else steps_of(segments[0], **length)[0]
    if trainer.steps != started_at:
        raise IntegrityError(f"the state is of step {trainer.steps}, segment {segments[0]} needs {started_at}")
    parameters = sum(weight.numel() for weight in trainer.weights.values())
    emit("loaded", examples=len(trainer.conversations), parameters=parameters)

    for segment in segments:
        trace = []
        for step in steps_of(segment, **length):
            began, had_split = time.monotonic(), trainer.has_split
            record = trainer.step(step)
            if trainer.has_split and not had_split:
                emit("split", step=step + 1, micro_batch_size=trainer.micro_batch_size)
            trace.append(record.packed())
            emit(
                "step",
                step=step + 1,
                steps=training["max_steps"],
                segment=segment,
                loss=record.loss,
                tokens_per_second=round(record.tokens / (time.monotonic() - began), 1),
            )
        write_segment(segment, *trainer.state(), b"".join(trace), publish_trace=not is_exact)
        emit("segment", segment=segment)

    usage = resource.getrusage(resource.RUSAGE_SELF)
    emit(
        "finished",
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 2),
        steps=sum(len(steps_of(segment, **length)) for segment in segments),
        peak_memory_bytes=usage.ru_maxrss * 1024,
        device=trainer.device,
        micro_batch_size=trainer.micro_batch_size,
    )


def write_segment(segment: int, adapter: dict, optimizer: dict, trace: bytes, *, publish_trace: bool) -> None:
    """Writes a segment's trace and state; both appear whole or not at all."""
    from safetensors.torch import save_file

    traces, states = OUTPUTS / "traces", OUTPUTS / "segments"
    for folder in (traces, states):
        folder.mkdir(parents=True, exist_ok=True)
    partial = traces / f"{segment:04}.partial"
    partial.write_bytes(trace)
    os.replace(partial, traces / f"{segment:04}.bin")
    partial = states / f"{segment:04}.partial"
    partial.mkdir()
    # One metadata key: with more, their order in the file would be random.
    save_file(adapter, partial / ADAPTER_FILE, metadata={"format": "pt"})
    save_file(optimizer, partial / OPTIMIZER_FILE)
    if publish_trace:
        (partial / TRACE_FILE).write_bytes(trace)
    for path in partial.iterdir():
        _publishable(path)
    os.replace(partial, states / f"{segment:04}")


def _publishable(path: Path) -> None:
    # safetensors writes files that only their owner can read; the worker may be another user.
    path.chmod(0o644)


if __name__ == "__main__":
    run(main)
