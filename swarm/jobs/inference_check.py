# SPDX-License-Identifier: Apache-2.0
"""Checks a shard somebody claims to have answered: `python -m swarm.jobs.inference_check` (class *proof*).

inputs   as swarm.jobs.inference, and claim/ (the seller's output of the segment)
outputs  segments/0000/verification.json, traces/0000.bin (a record per request: index, margin, logit error, tokens)

Every line is written again from the claimed tokens and must be the same bytes, so text, counts, order, errors and the
end of each answer are right or the claim is rejected; then every token must be the pinned draw of the pinned model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from swarm.errors import IntegrityError, NotFound
from swarm.jobs.inference_model import Prompt, Responder, Unanswerable, open_responder, shards
from swarm.jobs.inference_prefill import Prefill
from swarm.jobs.program import INPUTS, OUTPUTS, emit, read_job, run
from swarm.protocol.commitment import TRACE_RECORD
from swarm.workloads.inference.margins import Answered, assess, is_hopeless, measured
from swarm.workloads.inference.results import (
    FILES,
    RESULTS_FILE,
    TOKENS_FILE,
    VERIFICATION_FILE,
    Tokens,
    read_tokens,
)
from swarm.workloads.inference.shards import requests_of
from swarm.workloads.workload import Zone

_EMPTY = Answered(np.empty(0), np.empty(0))


def main() -> None:
    import torch

    from swarm.jobs.model import make_deterministic

    job = read_job()
    spec, segment = job["spec"], job["first_segment"]
    make_deterministic(spec["threads"])
    responder = open_responder(spec)
    emit("loaded", requests=spec["requests"])
    with torch.inference_mode():
        _, prompts = next(shards(responder, segment, segment + 1))
        found, trace = check(responder, segment, prompts, INPUTS / "claim")
    write(segment, found, trace)
    emit("segment", segment=segment, message=found["problem"] or "every line is right")


def check(
    responder: Responder, segment: int, prompts: Iterator[Prompt | Unanswerable], claim: Path
) -> tuple[dict, list[bytes]]:
    """(what verification.json says, trace). One that breaks the form or a bound for good is not measured on."""
    answers: list[Answered] = []
    trace: list[bytes] = []
    problem, closer = "", 0
    prefill = Prefill(responder)
    try:
        for index, prompt, tokens, logits in _formed(responder, segment, prompts, claim):
            answer, looked = _look(prefill, prompt, tokens, logits)
            answers.append(answer)
            closer += looked
            one = measured([answer])
            trace.append(TRACE_RECORD.pack(index, one.mean_margin, one.mean_logit_error, one.tokens))
            emit("step", step=index + 1, steps=responder.spec["requests"], segment=segment)
            if is_hopeless(one):
                break
    except (IntegrityError, NotFound, OSError) as error:
        problem = str(error)[:300]
    return {"version": 1, "problem": problem, "looked_closer": closer, **asdict(measured(answers))}, trace


def write(segment: int, found: dict, trace: list[bytes]) -> None:
    traces, partial = OUTPUTS / "traces", OUTPUTS / "segments" / f"{segment:04}.partial"
    traces.mkdir(parents=True, exist_ok=True)
    partial.mkdir(parents=True)
    (traces / f"{segment:04}.bin").write_bytes(b"".join(trace) or TRACE_RECORD.pack(0, 0.0, 0.0, 0))
    (partial / VERIFICATION_FILE).write_text(json.dumps(found, sort_keys=True), "utf-8")
    os.replace(partial, partial.with_suffix(""))


def _look(
    prefill: Prefill, prompt: Prompt | Unanswerable, tokens: np.ndarray, logits: np.ndarray
) -> tuple[Answered, bool]:
    """An answer's figures. Near a bound it is measured again in fp64: what is left then is the seller's own."""
    if not isinstance(prompt, Prompt):
        return _EMPTY, False
    answer = prefill.measure(prompt, tokens, logits)
    if assess(measured([answer])).zone is not Zone.ESCALATE:
        return answer, False
    return prefill.measure(prompt, tokens, logits, precise=True), True


def _formed(
    responder: Responder, segment: int, prompts: Iterator[Prompt | Unanswerable], claim: Path
) -> Iterator[tuple[int, Prompt | Unanswerable, np.ndarray, np.ndarray]]:
    """Each request with its claimed tokens, once its line is right. Raises IntegrityError at the first that is not."""
    claimed = _claimed(responder, segment, claim)
    with (claim / RESULTS_FILE).open("rb") as file:
        for prompt, tokens, logits in zip(prompts, claimed.tokens, claimed.logits, strict=True):
            ids = [int(token) for token in tokens]
            if isinstance(prompt, Prompt) and not responder.is_whole(prompt, ids):
                raise IntegrityError(f"request {prompt.index}: its answer does not end where it should")
            if not isinstance(prompt, Prompt) and ids:
                raise IntegrityError(f"request {prompt.index}: it has tokens, but can have no answer")
            line = responder.line(prompt, ids)
            if file.readline(len(line) + 1) != line:
                raise IntegrityError(f"request {prompt.index}: its line is not what its tokens give")
            yield prompt.index, prompt, tokens, logits
        if file.read(1):
            raise IntegrityError(f"{RESULTS_FILE} goes on after the last request")


def _claimed(responder: Responder, segment: int, claim: Path) -> Tokens:
    found = {path.name for path in claim.iterdir() if path.is_file() and not path.is_symlink()}
    if found != FILES or len(list(claim.iterdir())) != len(FILES):
        raise IntegrityError(f"the claim does not hold {' and '.join(sorted(FILES))} and nothing else")
    spec = responder.spec
    shard = requests_of(segment, requests=spec["requests"], size=spec["shards"]["size"])
    return read_tokens(claim / TOKENS_FILE, requests=len(shard), max_tokens=spec["sampling"]["max_tokens"])


if __name__ == "__main__":
    run(main)
