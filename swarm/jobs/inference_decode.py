# SPDX-License-Identifier: Apache-2.0
"""Answers some prompts together: one prefill, then a token each per forward pass, with a cache of keys and values.

Prompts are padded on the left; padded places are masked and positions count from the first real token. An answer that
has ended leaves the batch. Batching changes sums in their last bits, so it is pinned where bytes must be equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from swarm.protocol.commitment import TRACE_RECORD

if TYPE_CHECKING:
    from swarm.jobs.inference_model import Prompt, Responder


@dataclass
class Decoded:
    """One answer: tokens, their logits, and the trace of what only a run of the model knows."""

    tokens: list[int] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)
    trace: list[bytes] = field(default_factory=list)


def decode(responder: Responder, prompts: Sequence[Prompt]) -> list[Decoded]:
    """Answers in the order of `prompts`."""
    import torch
    from transformers import DynamicCache

    answers = [Decoded() for _ in prompts]
    alive = list(range(len(prompts)))
    width = max(len(prompt.ids) for prompt in prompts)
    ids = torch.tensor([[0] * (width - len(prompt.ids)) + prompt.ids for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in prompts])
    places = (mask.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=responder.model.config)
    while alive:
        found = responder.model(
            input_ids=ids,
            # No mask at all where nothing is padded: the kernels for that case do less.
            attention_mask=None if bool(mask.all()) else mask,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        rows = found.logits[:, -1].float().numpy()
        for row, at in zip(rows, alive, strict=True):
            _choose(responder, prompts[at], answers[at], row)
        kept = [place for place, at in enumerate(alive) if not responder.is_whole(prompts[at], answers[at].tokens)]
        if len(kept) < len(alive):
            alive = [alive[place] for place in kept]
            if not alive:
                break
            index = torch.tensor(kept)
            cache.batch_select_indices(index)
            mask, places = mask[index], places[index]
        ids = torch.tensor([[answers[at].tokens[-1]] for at in alive])
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        places = places[:, -1:] + 1
    return answers


def _choose(responder: Responder, prompt: Prompt, answer: Decoded, logits: np.ndarray) -> None:
    choice = responder.sampler.choose(logits, prompt.index, len(answer.tokens))
    answer.tokens.append(choice.token)
    answer.logits.append(float(logits[choice.token]))
    # None of it can be told from the published output: the runner-up, its score, the least likely token's logit.
    answer.trace.append(TRACE_RECORD.pack(choice.token, choice.runner_up_score, float(logits.min()), choice.runner_up))


def request_record(index: int, prompt_tokens: int, answer_tokens: int) -> bytes:
    """The record that begins a request in the trace: also one without an answer has one."""
    return TRACE_RECORD.pack(index, float(prompt_tokens), 0.0, answer_tokens)
