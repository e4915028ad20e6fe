# SPDX-License-Identifier: Apache-2.0
"""LoRA fine-tuning, some segments of it: `python -m swarm.jobs.lora`, with $SWARM_INPUTS and $SWARM_OUTPUTS set.

inputs   job.json {"spec": resolved spec, "first_segment": a, "last_segment": b (exclusive), "from_initial": whether
         state/ is the job's initial state whatever a is}, model/, train.jsonl,
         state/ (the output of segment a - 1, or the job's initial state when a = 0), heldout.jsonl, maybe
outputs  segments/0000/{adapter_model,optimizer}.safetensors per segment (published), traces/0000.bin (hidden);
         metrics.json beside the last segment's tensors where the spec wants a validation loss

A run that starts at segment a from the output of segment a - 1 gives the same bytes as one that never stopped. The
maths is in swarm.jobs.training. Where a job is compared within bounds its traces are published too, as trace.bin in the
segment's output: nobody has to prove by a secret that it computed, and a judge compares the losses. A judge that looks
closer adds "numeric" to job.json: what it computes otherwise than the seller (swarm.jobs.numeric).
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path

from swarm.errors import IntegrityError
from swarm.jobs.program import INPUTS, OUTPUTS, emit, read_job, run
from swarm.jobs.training import Trainer, numeric_of
from swarm.jobs.validation import heldout_of, measure
from swarm.workloads.dataset import Format
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE, TRACE_FILE
from swarm.workloads.lora.metrics import METRICS_FILE
from swarm.workloads.lora.segments import is_held_out, steps_of


def main() -> None:
    # What to do.
    job = read_job()
    spec, segments = job["spec"], range(job["first_segment"], job["last_segment"])
    training = spec["training"]
    length = {"max_steps": training["max_steps"], "steps_per_segment": training["steps_per_segment"]}
    is_exact = spec["verification"] == "exact"

    # With what.
    def held_out(index: int) -> bool:
        return is_held_out(index, share=spec["val_set_size"], seed=training["seed"])

    trainer = Trainer(
        training,
        model=INPUTS / "model",
        data=INPUTS / "train.jsonl",
        state=INPUTS / "state",
        format_=Format.of(spec["datasets"][0]),
        keep=lambda index: not held_out(index),
        exact=is_exact,
        numeric=numeric_of(job),
    )
    # A judge continues from the job's initial state where a seller's own output cannot be continued.
    started_at = 0 if job.get("from_initial") else steps_of(segments[0], **length)[0]
    if trainer.steps != started_at:
        raise IntegrityError(f"the state is of step {trainer.steps}, segment {segments[0]} needs {started_at}")
    heldout = heldout_of(spec, trainer, held_out)
    parameters = sum(weight.numel() for weight in trainer.weights.values())
    emit("loaded", examples=len(trainer.conversations), parameters=parameters)

    cut = 0
    for segment in segments:
        trace = []
        for step in steps_of(segment, **length):
            began, had = time.monotonic(), (trainer.has_checkpoints, trainer.has_split)
            record = trainer.step(step)
            if had != (trainer.has_checkpoints, trainer.has_split):
                emit(
                    "out_of_memory",
                    step=step + 1,
                    gradient_checkpointing=True,
                    micro_batch_size=trainer.micro_batch_size,
                )
            cut += record.cut
            trace.append(record.packed())
            emit(
                "step",
                step=step + 1,
                steps=training["max_steps"],
                segment=segment,
                loss=record.loss,
                tokens_per_second=round(record.tokens / (time.monotonic() - began), 1),
                cut=cut,
            )
        is_last = trainer.steps == training["max_steps"]
        metrics = measure(trainer, heldout) if heldout is not None and is_last else None
        write_segment(segment, *trainer.state(), b"".join(trace), publish_trace=not is_exact, metrics=metrics)
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


def write_segment(
    segment: int, adapter: dict, optimizer: dict, trace: bytes, *, publish_trace: bool, metrics: dict | None = None
) -> None:
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
    if metrics:
        (partial / METRICS_FILE).write_text(json.dumps(metrics, sort_keys=True), "utf-8")
    for path in partial.iterdir():
        _publishable(path)
    os.replace(partial, states / f"{segment:04}")


def _publishable(path: Path) -> None:
    # safetensors writes files that only their owner can read; the worker may be another user.
    path.chmod(0o644)


if __name__ == "__main__":
    run(main)
