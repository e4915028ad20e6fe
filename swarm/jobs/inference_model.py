# SPDX-License-Identifier: Apache-2.0
"""What answering and checking share: the model, when an answer ends, what a request becomes as tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from swarm.errors import IntegrityError, JobFailed
from swarm.jobs.program import INPUTS
from swarm.workloads.inference.noise import Sampler
from swarm.workloads.inference.requests import Allowed, Request, read_requests
from swarm.workloads.inference.results import Answer, Refused, result_line
from swarm.workloads.inference.shards import requests_of

DEFAULT_CONTEXT = 2048  # of a model that does not say how long its context is


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request as the model sees it: its index in the file, its tokens, how many tokens its answer may have."""

    index: int
    request: Request
    ids: list[int]
    limit: int


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """A request that no seller can answer, and why; it becomes an inline error."""

    index: int
    request: Request
    reason: Refused


class Responder:
    """The job's model with its tokenizer, sampler and rules. `folder` holds the model, `adapter` the LoRA weights."""

    def __init__(self, spec: dict, folder: Path, adapter: Path | None) -> None:
        from swarm.jobs.chat import ChatEncoder
        from swarm.jobs.model import attach_lora, load_model

        self.spec = spec
        self.encoder = ChatEncoder(folder)
        self.model: Any = load_model(folder)
        if adapter is not None:
            wrapped, _ = attach_lora(self.model, spec["lora"], adapter / "adapter_model.safetensors")
            self.model = wrapped.get_base_model().requires_grad_(False)
        self.context = _context(self.model.config)
        self.stops = _stops(self.model, self.encoder.tokenizer)
        self.vocabulary = int(self.model.get_output_embeddings().weight.shape[0])
        sampling = spec["sampling"]
        self.sampler = Sampler(sampling["temperature"], sampling["seed"])
        self.allowed = Allowed(sampling["max_tokens"], sampling["temperature"], sampling["seed"])

    def prompt(self, index: int, request: Request) -> Prompt | Unanswerable:
        """Tokens of a request, or why it has none."""
        try:
            ids = self.encoder.encode_prompt(request.messages)
        except JobFailed as error:
            return Unanswerable(index, request, Refused("chat_template", str(error)[:300]))
        if len(ids) >= self.context:
            message = f"the prompt has {len(ids)} tokens, the model's context {self.context}"
            return Unanswerable(index, request, Refused("context_length_exceeded", message))
        return Prompt(index, request, ids, min(request.max_tokens, self.context - len(ids)))

    def line(self, prompt: Prompt | Unanswerable, tokens: list[int]) -> bytes:
        """The line of results.jsonl that these tokens give."""
        outcome: Answer | Refused
        if isinstance(prompt, Unanswerable):
            outcome = prompt.reason
        else:
            stopped = bool(tokens) and tokens[-1] in self.stops
            text = self.encoder.tokenizer.decode(
                tokens[:-1] if stopped else tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            outcome = Answer(text, "stop" if stopped else "length", len(prompt.ids), len(tokens))
        return result_line(prompt.index, prompt.request.custom_id, self.spec["model"], outcome)

    def is_whole(self, prompt: Prompt, tokens: list[int]) -> bool:
        """Whether an answer ends where the rule says: at the first stop token, or at its limit."""
        if not tokens or len(tokens) > prompt.limit or not all(0 <= token < self.vocabulary for token in tokens):
            return False
        if any(token in self.stops for token in tokens[:-1]):
            return False
        return tokens[-1] in self.stops or len(tokens) == prompt.limit


def open_responder(spec: dict) -> Responder:
    """The responder of a job that runs: what it needs lies under $SWARM_INPUTS."""
    adapter = INPUTS / "adapter" if spec.get("adapter") else None
    return Responder(spec, INPUTS / "model", adapter)


def shards(responder: Responder, first: int, last: int) -> Iterator[tuple[int, Iterator[Prompt | Unanswerable]]]:
    """(segment, its prompts) in order; the file is read once, one request at a time."""
    spec = responder.spec
    layout = {"requests": spec["requests"], "size": spec["shards"]["size"]}
    stream = enumerate(read_requests(INPUTS / "requests.jsonl", responder.allowed))
    for _ in islice(stream, requests_of(first, **layout).start):
        pass
    for segment in range(first, last):
        wanted = islice(stream, len(requests_of(segment, **layout)))
        yield segment, (responder.prompt(index, request) for index, request in wanted)


def _context(config: Any) -> int:
    found = getattr(config, "max_position_embeddings", None) or DEFAULT_CONTEXT
    if not isinstance(found, int) or found < 2:
        raise IntegrityError(f"the model's context is {str(found)[:40]}")
    return found


def _stops(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer: what the model's folder says, which its CID pins."""
    named = getattr(model.generation_config, "eos_token_id", None)
    stops = {*(named if isinstance(named, list | tuple) else [named]), tokenizer.eos_token_id} - {None}
    if not stops or not all(type(token) is int and token >= 0 for token in stops):
        raise JobFailed("the model names no token that ends an answer")
    return frozenset(stops)
