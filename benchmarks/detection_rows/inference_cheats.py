# SPDX-License-Identifier: Apache-2.0
"""Known ways of answering falsely, for the tests and the detection table: other weights, other prompts, another
sampler, other tokens. Each takes an honest responder and its prompts and gives the claims a cheat would publish.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swarm.jobs.inference_decode import decode
from swarm.jobs.inference_model import Prompt, Responder
from swarm.jobs.inference_prefill import Prefill
from swarm.workloads.dataset import Message
from swarm.workloads.inference.noise import Choice, Sampler
from swarm.workloads.inference.results import RESULTS_FILE, TOKENS_FILE, Tokens, write_tokens

if TYPE_CHECKING:
    import torch

GROUP = 32


@dataclass(frozen=True, slots=True)
class Claim:
    """What is published of one request."""

    prompt: Prompt
    tokens: list[int]
    logits: list[float]


Cheat = Callable[[Responder, Sequence[Prompt]], list[Claim]]


def answers(responder: Responder, prompts: Sequence[Prompt], *, batch: int = 50) -> list[Claim]:
    """What an honest seller publishes; also how every cheat below gets its tokens."""
    claims: list[Claim] = []
    for start in range(0, len(prompts), batch):
        group = prompts[start : start + batch]
        found = zip(group, decode(responder, group), strict=True)
        claims += [Claim(prompt, answer.tokens, answer.logits) for prompt, answer in found]
    return claims


def write_claims(responder: Responder, claims: Sequence[Claim], folder: Path) -> Path:
    """A shard's output in its published form; returns the folder."""
    folder.mkdir(parents=True)
    lines = (responder.line(claim.prompt, claim.tokens) for claim in claims)
    (folder / RESULTS_FILE).write_bytes(b"".join(lines))
    tokens = tuple(np.array(claim.tokens, np.int32) for claim in claims)
    logits = tuple(np.array(claim.logits, np.float32) for claim in claims)
    write_tokens(folder / TOKENS_FILE, Tokens(tokens, logits))
    return folder


# Other weights.


def with_weights(change: Callable[[Any], Any]) -> Cheat:
    """Answers of a changed copy of the model."""

    def cheat(responder: Responder, prompts: Sequence[Prompt]) -> list[Claim]:
        other = copy.copy(responder)
        other.model = change(copy.deepcopy(responder.model))
        return answers(other, prompts)

    return cheat


def quantised(kind: str) -> Callable[[Any], Any]:
    """Linear layers rounded symmetrically in groups of 32 to int8, int4 or fp8; bf16 rounds every weight."""

    def change(model: Any) -> Any:
        import torch

        head = model.get_output_embeddings()
        for module in model.modules():
            if kind == "bf16" and (weight := getattr(module, "weight", None)) is not None:
                weight.data = weight.data.bfloat16().float()
            elif isinstance(module, torch.nn.Linear) and module is not head:
                module.weight.data = _rounded(module.weight.data, kind)
        return model

    return change


def _rounded(weight: torch.Tensor, kind: str) -> torch.Tensor:
    import torch

    groups = weight.reshape(-1, GROUP)
    largest = {"int8": 127.0, "int4": 7.0, "fp8": 448.0}[kind]
    scale = groups.abs().amax(1, keepdim=True).clamp(min=1e-12) / largest
    scaled = groups / scale
    kept = scaled.to(torch.float8_e4m3fn).float() if kind == "fp8" else scaled.round()
    return (kept * scale).reshape(weight.shape)


def without_last_layers(count: int) -> Callable[[Any], Any]:
    """A smaller model."""

    def change(model: Any) -> Any:
        decoder = model.get_decoder()
        decoder.layers = decoder.layers[: max(1, len(decoder.layers) - count)]
        model.config.num_hidden_layers = len(decoder.layers)
        return model

    return change


def fine_tuned(strength: float = 0.02, rank: int = 8) -> Callable[[Any], Any]:
    """Another model of the same family: q and v moved by a low-rank step of this share of their norm."""

    def change(model: Any) -> Any:
        import torch

        generator = torch.Generator().manual_seed(1)
        for name, module in model.named_modules():
            if name.endswith(("q_proj", "v_proj")):
                outputs, inputs = module.weight.shape
                left = torch.randn(outputs, rank, generator=generator)
                step = left @ torch.randn(rank, inputs, generator=generator)
                module.weight.data += step * (strength * module.weight.data.norm() / step.norm())
        return model

    return change


# Other prompts.


def hidden_system_prompt(responder: Responder, prompts: Sequence[Prompt]) -> list[Claim]:
    """An instruction that nobody asked for."""
    turn = Message("system", "Answer as briefly as you can.", False)
    asked = [[turn, *(m for m in prompt.request.messages if m.role != "system")] for prompt in prompts]
    changed = [
        replace(prompt, ids=responder.encoder.encode_prompt(messages))
        for prompt, messages in zip(prompts, asked, strict=True)
    ]
    return _of_others(responder, prompts, changed)


def half_prompt(responder: Responder, prompts: Sequence[Prompt]) -> list[Claim]:
    """The middle half of every prompt is never read."""
    changed = [
        replace(prompt, ids=prompt.ids[: len(prompt.ids) // 4] + prompt.ids[-(len(prompt.ids) // 4) :])
        for prompt in prompts
    ]
    return _of_others(responder, prompts, changed)


def _of_others(responder: Responder, prompts: Sequence[Prompt], others: Sequence[Prompt]) -> list[Claim]:
    found = zip(prompts, answers(responder, others), strict=True)
    return [Claim(prompt, claim.tokens, claim.logits) for prompt, claim in found]


# Another sampler.


def with_sampler(sampler: Callable[[Sampler], Any]) -> Cheat:
    def cheat(responder: Responder, prompts: Sequence[Prompt]) -> list[Claim]:
        other = copy.copy(responder)
        other.sampler = sampler(responder.sampler)
        return answers(other, prompts)

    return cheat


@dataclass(frozen=True, slots=True)
class Sloppy:
    """Takes the second best token at `share` of the places."""

    inner: Sampler
    share: float

    def choose(self, logits: np.ndarray, request: int, position: int) -> Choice:
        choice = self.inner.choose(logits, request, position)
        word = hashlib.sha256(f"{request}/{position}".encode()).digest()
        if int.from_bytes(word[:4], "big") >= self.share * 2**32:
            return choice
        return Choice(choice.runner_up, choice.runner_up_score, choice.token, choice.score)


# Other tokens.


def truncated(responder: Responder, claims: Sequence[Claim]) -> list[Claim]:
    """Half of every answer, as if the limit were reached."""
    return [
        Claim(claim.prompt, claim.tokens[: (len(claim.tokens) + 1) // 2], claim.logits[: (len(claim.logits) + 1) // 2])
        for claim in claims
    ]


def stopped_early(responder: Responder, claims: Sequence[Claim]) -> list[Claim]:
    """Half of every answer, then a stop token the model did not choose, with an invented logit."""
    stop = min(responder.stops)
    return [
        Claim(
            claim.prompt,
            [*claim.tokens[: len(claim.tokens) // 2], stop],
            [*claim.logits[: len(claim.tokens) // 2], 9.0],
        )
        for claim in claims
    ]


def copied(responder: Responder, claims: Sequence[Claim]) -> list[Claim]:
    """Every request gets its neighbour's answer."""
    others = [*claims[1:], claims[0]]
    return [Claim(claim.prompt, other.tokens, other.logits) for claim, other in zip(claims, others, strict=True)]


def spoofed(responder: Responder, claims: Sequence[Claim]) -> list[Claim]:
    """False tokens with the real model's logits, from one prefill: what a proof of activations would let pass."""
    prefill = Prefill(responder)
    return [Claim(claim.prompt, claim.tokens, prefill.logits(claim.prompt, np.array(claim.tokens))) for claim in claims]
