# SPDX-License-Identifier: Apache-2.0
"""Batch inference, some shards of it: `python -m swarm.jobs.inference`, with $SWARM_INPUTS and $SWARM_OUTPUTS set.

inputs   job.json {"spec": resolved spec, "first_segment": a, "last_segment": b (exclusive)}, model/, requests.jsonl,
         adapter/ (only if the spec names one)
outputs  segments/0000/{results.jsonl,tokens.safetensors} per shard (published), traces/0000.bin (hidden)

A shard depends on nothing but the spec and its inputs, so a run that starts at any shard gives the same bytes.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np

from swarm.jobs.inference_decode import Decoded, decode, request_record
from swarm.jobs.inference_model import Prompt, Responder, Unanswerable, open_responder, shards
from swarm.jobs.program import OUTPUTS, emit, read_job, run
from swarm.workloads.inference.results import RESULTS_FILE, TOKENS_FILE, Tokens, write_tokens


def main() -> None:
    import torch

    from swarm.jobs.model import make_deterministic

    job = read_job()
    spec = job["spec"]
    make_deterministic(spec["threads"])
    responder = open_responder(spec)
    emit("loaded", requests=spec["requests"])
    with torch.inference_mode():
        for segment, prompts in shards(responder, job["first_segment"], job["last_segment"]):
            answer_shard(responder, segment, prompts)
            emit("segment", segment=segment)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    emit(
        "finished",
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 2),
        peak_memory_bytes=usage.ru_maxrss * 1024,
    )


def answer_shard(responder: Responder, segment: int, prompts: Iterator[Prompt | Unanswerable]) -> None:
    """Writes a shard's trace and output; both appear whole or not at all. In memory are a batch and the tokens."""
    traces, outputs = OUTPUTS / "traces", OUTPUTS / "segments"
    for folder in (traces, outputs):
        folder.mkdir(parents=True, exist_ok=True)
    partial_trace, partial = traces / f"{segment:04}.partial", outputs / f"{segment:04}.partial"
    partial.mkdir()
    tokens: list[np.ndarray] = []
    logits: list[np.ndarray] = []
    with partial_trace.open("wb") as trace, (partial / RESULTS_FILE).open("wb") as results:
        for prompt, answer in _answered(responder, segment, prompts):
            results.write(responder.line(prompt, answer.tokens))
            asked = len(prompt.ids) if isinstance(prompt, Prompt) else 0
            trace.write(request_record(prompt.index, asked, len(answer.tokens)) + b"".join(answer.trace))
            tokens.append(np.array(answer.tokens, np.int32))
            logits.append(np.array(answer.logits, np.float32))
    write_tokens(partial / TOKENS_FILE, Tokens(tuple(tokens), tuple(logits)))
    for path in partial.iterdir():
        path.chmod(0o644)  # safetensors writes files that only their owner can read; the worker may be another user
    os.replace(partial_trace, traces / f"{segment:04}.bin")
    os.replace(partial, outputs / f"{segment:04}")


def _answered(
    responder: Responder, segment: int, prompts: Iterator[Prompt | Unanswerable]
) -> Iterator[tuple[Prompt | Unanswerable, Decoded]]:
    """Prompts in order with their answers; `shards.batch` consecutive requests share a forward pass."""
    while group := list(islice(prompts, responder.spec["shards"]["batch"])):
        began = time.monotonic()
        asked = [prompt for prompt in group if isinstance(prompt, Prompt)]
        answers = iter(decode(responder, asked) if asked else ())
        paired = [(prompt, next(answers) if isinstance(prompt, Prompt) else Decoded()) for prompt in group]
        made = sum(len(answer.tokens) for _, answer in paired)
        emit(
            "step",
            step=group[-1].index + 1,
            steps=responder.spec["requests"],
            segment=segment,
            tokens_per_second=round(made / (time.monotonic() - began), 1),
        )
        yield from paired


if __name__ == "__main__":
    run(main)
