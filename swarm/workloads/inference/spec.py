# SPDX-License-Identifier: Apache-2.0
"""The spec of a batch inference job: one model, one file of requests, shards of requests as segments.

What changes an answer is here and nothing of it is the seller's: weights, sampling, seed, and (where bytes must be
equal) how many requests share a forward pass.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from swarm.errors import SpecError
from swarm.workloads.fields import (
    GIB,
    MAX_SEGMENTS,
    Identifier,
    Integer,
    ModuleName,
    Need,
    Number,
    Spec,
    Strict,
    Uri,
)
from swarm.workloads.verification import Verification

MAX_SHARD_TOKENS = 1 << 20  # a segment's trace has a record of 16 bytes a token, and at most 16 MiB
MAX_REQUESTS = MAX_SEGMENTS * 4096


def _neutral(value: float, neutral: float, name: str) -> float:
    if value != neutral:
        # The check compares a token with the best of all tokens; a filter would make "the best" depend on a tie.
        raise ValueError(f"{neutral:g}, because judges check a token against the whole vocabulary and {name} cuts it")
    return value


def _checkable(value: Verification) -> Verification:
    if value not in (Verification.EXACT, Verification.PROOF):
        raise ValueError("exact or proof: answers are either repeated or checked token by token")
    return value


def _sorted_unique(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("every module once")
    return tuple(sorted(value))


class Sampling(Strict):
    """Temperature 0 is greedy. Above it a token is the best of logit + temperature · noise, with pinned noise."""

    temperature: Annotated[Number, Field(ge=0, le=2)] = 0.0
    max_tokens: Annotated[Integer, Field(ge=1, le=32_768)] = 256
    seed: Annotated[Integer, Field(ge=0, lt=1 << 63)] = 0
    top_p: Annotated[Number, AfterValidator(lambda value: _neutral(value, 1, "top_p"))] = 1.0
    top_k: Annotated[Integer, AfterValidator(lambda value: _neutral(value, 0, "top_k"))] = 0


class Shards(Strict):
    """`size` requests make a segment; `batch` of them share a forward pass."""

    size: Annotated[Integer, Field(ge=1, le=4096)] = 64
    batch: Annotated[Integer, Field(ge=1, le=256)] = 8


class LoraForm(Strict):
    """The form of an adapter's weights, under the names of a LoRA spec; read from adapter_config.json if not given."""

    lora_r: Annotated[Integer, Field(ge=1, le=512)]
    lora_alpha: Annotated[Integer, Field(ge=1, le=4096)]
    lora_target_modules: Annotated[
        tuple[ModuleName, ...], Field(min_length=1, max_length=16), AfterValidator(_sorted_unique)
    ]


class InferenceSpec(Spec):
    """Answers to a file of requests. `requests` and `lora` are filled in when the spec is resolved."""

    type: Literal["inference"]
    model: Uri
    adapter: Uri | None = None
    lora: LoraForm | None = None
    input: Uri
    output: Identifier = "results.jsonl"
    sampling: Sampling = Sampling()
    shards: Shards = Shards()
    requests: Annotated[Integer, Field(ge=1, le=MAX_REQUESTS)] | None = None
    threads: Annotated[Integer, Field(ge=1, le=64)] = 2
    precision: Literal["fp32"] = "fp32"
    verification: Annotated[Verification, AfterValidator(_checkable)] = Verification.PROOF

    @model_validator(mode="after")
    def _fits(self) -> InferenceSpec:
        if self.lora is not None and self.adapter is None:
            raise ValueError("lora: found a form without an adapter, expected both or neither")
        tokens = self.shards.size * (self.sampling.max_tokens + 1)
        if tokens > MAX_SHARD_TOKENS:
            most = MAX_SHARD_TOKENS // (self.sampling.max_tokens + 1)
            raise ValueError(f"shards.size: found {self.shards.size}, expected at most {most} with this max_tokens")
        if self.requests is not None and (found := self.shards_of(self.requests)) > MAX_SEGMENTS:
            raise ValueError(
                f"shards.size: found {self.shards.size}, which makes {found} segments of {self.requests} requests, "
                f"expected at least {-(-self.requests // MAX_SEGMENTS)} (at most {MAX_SEGMENTS} segments)"
            )
        return self

    def shards_of(self, requests: int) -> int:
        """How many shards so many requests make; the last one may be shorter."""
        return -(-requests // self.shards.size)

    @property
    def segments(self) -> int:
        if self.requests is None:
            raise SpecError("requests: missing, expected the number of requests, counted when the spec is resolved")
        return self.shards_of(self.requests)

    @property
    def needs(self) -> tuple[Need, ...]:
        needs = (
            Need("model", self.model, 64 * GIB, max_files=256, max_depth=2),
            Need("requests.jsonl", self.input, 4 * GIB),
        )
        return needs + ((Need("adapter", self.adapter, 8 * GIB, max_files=16, max_depth=2),) if self.adapter else ())

    @property
    def is_resolved(self) -> bool:
        is_pinned = self.requests is not None and (self.adapter is None or self.lora is not None)
        return is_pinned and super().is_resolved
