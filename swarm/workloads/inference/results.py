# SPDX-License-Identifier: Apache-2.0
"""The files of a shard's output: what the buyer reads, and the tokens that a judge checks.

    results.jsonl       a line per request, in order, in the shape of OpenAI's batch output; errors inline
    tokens.safetensors  counts int32 (requests,), tokens int32 (n,), logits fp32 (n,): of each token its own logit

A line is a pure function of a request and its tokens, so a judge writes it again and compares the bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from swarm.errors import IntegrityError
from swarm.workloads.tensors import TensorInfo, read_header

RESULTS_FILE = "results.jsonl"
TOKENS_FILE = "tokens.safetensors"
VERIFICATION_FILE = "verification.json"
FILES = {RESULTS_FILE, TOKENS_FILE}


@dataclass(frozen=True, slots=True)
class Refused:
    """Why one request has no answer; the others have theirs."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A request's text and how it came about; `finish_reason` is stop or length."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


def result_line(index: int, custom_id: str, model: str, outcome: Answer | Refused) -> bytes:
    """One line; `index` is the request's place in the file. It holds no time: the same run gives the same bytes."""
    name = f"request-{index:07d}"
    line: dict = {"id": name, "custom_id": custom_id, "response": None, "error": None}
    if isinstance(outcome, Refused):
        line["error"] = {"code": outcome.code, "message": outcome.message}
    else:
        line["response"] = {"status_code": 200, "request_id": name, "body": _completion(name, model, outcome)}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _completion(name: str, model: str, answer: Answer) -> dict:
    return {
        "id": name,
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer.text},
                "finish_reason": answer.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        },
    }


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a seller says it chose: per request the tokens and, of the same length, their logits."""

    tokens: tuple[np.ndarray, ...]
    logits: tuple[np.ndarray, ...]


def write_tokens(path: Path, claimed: Tokens) -> None:
    counts = np.array([len(tokens) for tokens in claimed.tokens], np.int32)
    arrays = {
        "counts": counts,
        "logits": np.concatenate([np.empty(0, np.float32), *claimed.logits]).astype(np.float32),
        "tokens": np.concatenate([np.empty(0, np.int32), *claimed.tokens]).astype(np.int32),
    }
    save_file(arrays, path)


def read_tokens(path: Path, *, requests: int, max_tokens: int) -> Tokens:
    """A stranger's file, bounded by its header before a byte of it is loaded. Raises IntegrityError, NotFound."""
    header = read_header(path)
    total = header["tokens"].shape[0] if "tokens" in header and len(header["tokens"].shape) == 1 else -1
    expected = {
        "counts": TensorInfo("I32", (requests,)),
        "logits": TensorInfo("F32", (total,)),
        "tokens": TensorInfo("I32", (total,)),
    }
    if header != expected or not 0 <= total <= requests * max_tokens:
        raise IntegrityError(f"{path.name} does not hold the tokens of {requests} requests")
    try:
        arrays = load_file(path)
    except (SafetensorError, KeyError, ValueError) as error:
        raise IntegrityError(f"{path.name}: not readable as safetensors") from error
    counts = arrays["counts"]
    if (counts < 0).any() or (counts > max_tokens).any() or int(counts.sum()) != total:
        raise IntegrityError(f"{path.name}: the counts of tokens are wrong")
    if not np.isfinite(arrays["logits"]).all() or (arrays["tokens"] < 0).any():
        raise IntegrityError(f"{path.name}: a logit is not finite or a token is negative")
    ends = np.cumsum(counts)[:-1]
    return Tokens(tuple(np.split(arrays["tokens"], ends)), tuple(np.split(arrays["logits"], ends)))
