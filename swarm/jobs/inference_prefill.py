# SPDX-License-Identifier: Apache-2.0
"""Measures claimed tokens against the model: one forward pass over prompt and answer instead of one per token."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from swarm.workloads.inference.margins import Answered

if TYPE_CHECKING:
    from swarm.jobs.inference_model import Prompt, Responder

# Logits of so many places are in memory at a time; a longer answer is read in pieces, with a cache.
PIECE = 256


class Prefill:
    """A judge's look at answers: in fp32, or closer in fp64, where its own rounding is nothing."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._precise: Any = None

    def measure(self, prompt: Prompt, tokens: np.ndarray, logits: np.ndarray, *, precise: bool = False) -> Answered:
        """Of each token how far it falls short of the best one, and how far its claimed logit is from ours."""
        margins, errors = np.empty(len(tokens)), np.empty(len(tokens))
        sampler = self._responder.sampler
        for place, row in enumerate(self._rows(prompt, tokens, self._model(precise))):
            token = int(tokens[place])
            best = sampler.choose(row, prompt.index, place)
            own = best.score if token == best.token else sampler.score(row, prompt.index, place, token)
            margins[place] = best.score - own
            errors[place] = abs(float(logits[place]) - float(row[token]))
        return Answered(margins, errors)

    def logits(self, prompt: Prompt, tokens: np.ndarray) -> list[float]:
        """The model's own logit of each token."""
        rows = self._rows(prompt, tokens, self._model(False))
        return [float(row[token]) for row, token in zip(rows, tokens, strict=True)]

    def _rows(self, prompt: Prompt, tokens: np.ndarray, model: Any):
        """The logits that each token was chosen from, in order."""
        import torch
        from transformers import DynamicCache

        # The last token is chosen, never read.
        ids = torch.tensor([prompt.ids + [int(token) for token in tokens[:-1]]])
        cache = DynamicCache(config=model.config) if len(tokens) > PIECE else None
        begin = 0
        for done in range(0, len(tokens), PIECE):
            count = min(PIECE, len(tokens) - done)
            end = len(prompt.ids) + done + count - 1
            found = model(
                input_ids=ids[:, begin:end],
                past_key_values=cache,
                use_cache=cache is not None,
                logits_to_keep=count,
            )
            yield from found.logits[0].numpy()
            begin = end

    def _model(self, precise: bool) -> Any:
        if not precise:
            return self._responder.model
        if self._precise is None:
            self._precise = copy.deepcopy(self._responder.model).double()
        return self._precise
