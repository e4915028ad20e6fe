# SPDX-License-Identifier: Apache-2.0
"""LoRA fine-tuning, some segments of it: `python -m swarm.jobs.lora`, with $SWARM_INPUTS and $SWARM_OUTPUTS set.

inputs   job.json {"spec": resolved spec, "first_segment": a, "last_segment": b (exclusive), "from_initial": whether
         state/ is the job's initial state whatever a is}, model/, train.jsonl,
         state/ (the output of segment a - 1, or the job's initial state when a = 0)
outputs  segments/0000/{adapter_model,optimizer}.safetensors per segment (published), traces/0000.bin (hidden)

A run that starts at segment a from the output of segment a - 1 gives the same bytes as one that never stopped.
The maths: AdamW (Loshchilov and Hutter 2019, algorithm 2) written out as single fp32 operations, so that one sequence
of roundings is pinned; the loss is the mean over the trained tokens of the whole optimiser step.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from swarm.errors import IntegrityError, JobFailed
from swarm.jobs.program import INPUTS, OUTPUTS, emit, read_job, run
from swarm.protocol.commitment import TRACE_RECORD
from swarm.workloads.dataset import read_dataset
from swarm.workloads.lora.segments import batch_of, learning_rate, power, steps_of


def main() -> None:
    import torch

    from swarm.jobs.chat import ChatEncoder
    from swarm.jobs.model import attach_lora, load_model, load_state, make_deterministic, require_finite, summed_loss

    # What to do.
    job = read_job()
    spec, segments = job["spec"], range(job["first_segment"], job["last_segment"])
    training = spec["training"]
    length = {"max_steps": training["max_steps"], "steps_per_segment": training["steps_per_segment"]}
    batch_size = training["micro_batch_size"] * training["gradient_accumulation_steps"]
    make_deterministic(training["threads"])

    # With what.
    field = spec["datasets"][0]["field_messages"]
    conversations = list(read_dataset(INPUTS / "train.jsonl", field=field))
    encoder = ChatEncoder(INPUTS / "model")
    model, weights = attach_lora(load_model(INPUTS / "model"), training, INPUTS / "state" / "adapter_model.safetensors")
    first = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    second = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    optimizer = load_state(INPUTS / "state" / "optimizer.safetensors", _optimizer_tensors(first, second, 0))
    for name in weights:
        if (optimizer[f"v.{name}"] < 0).any():
            raise IntegrityError(f"optimizer.safetensors: the second moment of {name} is negative")
        first[name].copy_(optimizer[f"m.{name}"])
        second[name].copy_(optimizer[f"v.{name}"])
    # A judge continues from the job's initial state where a seller's own output cannot be continued.
    started_at = 0 if job.get("from_initial") else steps_of(segments[0], **length)[0]
    if int(optimizer["step"]) != started_at:
        raise IntegrityError(f"the state is of step {int(optimizer['step'])}, segment {segments[0]} needs {started_at}")
    emit("loaded", examples=len(conversations), parameters=sum(weight.numel() for weight in weights.values()))

    for segment in segments:
        trace = []
        for step in steps_of(segment, **length):
            began = time.monotonic()
            indices = batch_of(step, examples=len(conversations), batch_size=batch_size, seed=training["seed"])
            batch = [encoder.encode(conversations[index], limit=training["sequence_len"]) for index in indices]
            # The first token of a sequence is never predicted, so it is no target.
            targets = sum(sum(example.trained[1:]) for example in batch)
            if not targets:
                raise JobFailed(f"step {step} has nothing to learn: sequence_len cuts off every answer of its batch")

            # Gradients of the mean loss over the step's targets, one micro-batch at a time.
            loss = torch.zeros(())
            for start in range(0, batch_size, training["micro_batch_size"]):
                part = summed_loss(model, batch[start : start + training["micro_batch_size"]]) / targets
                part.backward()
                loss += part.detach()
            gradients = {name: weight.grad for name, weight in weights.items()}
            norm = torch.linalg.vector_norm(torch.stack([gradient.norm() for gradient in gradients.values()]))
            require_finite(float(loss), "the loss", step)
            require_finite(float(norm), "the gradient norm", step)

            # Clip, then AdamW.
            scale = min(1.0, training["max_grad_norm"] / (float(norm) + 1e-6))
            rate = learning_rate(
                step,
                peak=training["learning_rate"],
                schedule=training["lr_scheduler"],
                warmup_steps=training["warmup_steps"],
                max_steps=training["max_steps"],
            )
            beta1, beta2, epsilon = training["adam_beta1"], training["adam_beta2"], training["adam_epsilon"]
            unbias1, unbias2 = 1.0 - power(beta1, step + 1), 1.0 - power(beta2, step + 1)
            with torch.no_grad():
                for name, weight in weights.items():
                    gradient, m, v = gradients[name].mul_(scale), first[name], second[name]
                    m.mul_(beta1).add_(gradient * (1.0 - beta1))
                    v.mul_(beta2).add_(gradient.square() * (1.0 - beta2))
                    weight.mul_(1.0 - rate * training["weight_decay"])
                    weight.sub_((m / unbias1) / ((v / unbias2).sqrt() + epsilon) * rate)
                    weight.grad = None

            trace.append(TRACE_RECORD.pack(step, float(loss), float(norm), targets))
            tokens = sum(len(example.ids) for example in batch)
            emit(
                "step",
                step=step + 1,
                steps=training["max_steps"],
                segment=segment,
                loss=float(loss),
                tokens_per_second=round(tokens / (time.monotonic() - began), 1),
            )
        write_segment(segment, weights, _optimizer_tensors(first, second, step + 1), b"".join(trace))
        emit("segment", segment=segment)

    usage = resource.getrusage(resource.RUSAGE_SELF)
    steps = sum(len(steps_of(segment, **length)) for segment in segments)
    emit(
        "finished",
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 2),
        steps=steps,
        peak_memory_bytes=usage.ru_maxrss * 1024,
    )


def write_segment(segment: int, weights: dict, optimizer: dict, trace: bytes) -> None:
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
    adapter = {name: weight.detach().contiguous() for name, weight in weights.items()}
    # One metadata key: with more, their order in the file would be random.
    save_file(adapter, partial / "adapter_model.safetensors", metadata={"format": "pt"})
    save_file(optimizer, partial / "optimizer.safetensors")
    for path in partial.iterdir():
        _publishable(path)
    os.replace(partial, states / f"{segment:04}")


def _publishable(path: Path) -> None:
    # safetensors writes files that only their owner can read; the worker may be another user.
    path.chmod(0o644)


def _optimizer_tensors(first: dict, second: dict, step: int) -> dict:
    import torch

    moments = {f"m.{name}": tensor for name, tensor in first.items()}
    moments |= {f"v.{name}": tensor for name, tensor in second.items()}
    return moments | {"step": torch.tensor([step], dtype=torch.int64)}


if __name__ == "__main__":
    run(main)
