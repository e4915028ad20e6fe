# SPDX-License-Identifier: Apache-2.0
"""The spec of a LoRA fine-tune, under axolotl's names."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from swarm.workloads.fields import (
    GIB,
    MAX_SEGMENTS,
    Identifier,
    Integer,
    IpfsUri,
    ModuleName,
    Need,
    Number,
    Spec,
    Strict,
    Uri,
)
from swarm.workloads.lora.segments import segment_count


def _no_dropout(value: float) -> float:
    if value != 0:
        raise ValueError("0, because judges repeat every step and no dropout mask can be pinned yet")
    return value


def _sorted_unique(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("every module once")
    return tuple(sorted(value))


class Dataset(Strict):
    """Chat data, see swarm.workloads.dataset."""

    path: Uri
    type: Literal["chat_template"] = "chat_template"
    field_messages: Identifier = "messages"


class Training(Strict):
    """Hyperparameters under axolotl's names. What changes the result is here; nothing is left to the seller."""

    adapter: Literal["lora"] = "lora"
    lora_r: Annotated[Integer, Field(ge=1, le=512)] = 8
    lora_alpha: Annotated[Integer, Field(ge=1, le=4096)] = 16
    lora_dropout: Annotated[Number, AfterValidator(_no_dropout)] = 0.0
    lora_target_modules: Annotated[
        tuple[ModuleName, ...], Field(min_length=1, max_length=16), AfterValidator(_sorted_unique)
    ] = ("q_proj", "v_proj")
    sequence_len: Annotated[Integer, Field(ge=8, le=32768)] = 512
    micro_batch_size: Annotated[Integer, Field(ge=1, le=256)] = 4
    gradient_accumulation_steps: Annotated[Integer, Field(ge=1, le=1024)] = 1
    max_steps: Annotated[Integer, Field(ge=1, le=1_000_000)]
    steps_per_segment: Annotated[Integer, Field(ge=1, le=1_000_000)]
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 2e-4
    lr_scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: Annotated[Integer, Field(ge=0, le=1_000_000)] = 0
    weight_decay: Annotated[Number, Field(ge=0, le=1)] = 0.0
    max_grad_norm: Annotated[Number, Field(gt=0, le=1e6)] = 1.0
    adam_beta1: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    adam_beta2: Annotated[Number, Field(ge=0, lt=1)] = 0.999
    adam_epsilon: Annotated[Number, Field(gt=0, le=1e-2)] = 1e-8
    seed: Annotated[Integer, Field(ge=0, lt=1 << 63)]
    threads: Annotated[Integer, Field(ge=1, le=64)] = 2
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"

    @model_validator(mode="after")
    def _fits(self) -> Training:
        if self.warmup_steps > self.max_steps:
            raise ValueError(f"warmup_steps: found {self.warmup_steps}, expected at most max_steps ({self.max_steps})")
        if (found := segment_count(self.max_steps, self.steps_per_segment)) > MAX_SEGMENTS:
            least = segment_count(self.max_steps, MAX_SEGMENTS)
            raise ValueError(
                f"steps_per_segment: found {self.steps_per_segment}, which makes {found} segments, "
                f"expected at least {least} (at most {MAX_SEGMENTS} segments)"
            )
        return self


class LoraSpec(Spec):
    """A LoRA fine-tune. `initial_state` is made by the buyer's client when the spec is resolved."""

    is_chained: ClassVar[bool] = True

    type: Literal["lora"]
    base_model: Uri
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1, max_length=1)]
    training: Training
    initial_state: IpfsUri | None = None

    @property
    def segments(self) -> int:
        return segment_count(self.training.max_steps, self.training.steps_per_segment)

    @property
    def needs(self) -> tuple[Need, ...]:
        return (
            Need("model", self.base_model, 64 * GIB, max_files=256, max_depth=2),
            Need("train.jsonl", self.datasets[0].path, 4 * GIB),
            Need("state", self.initial_state or "", 8 * GIB, max_files=16, max_depth=2),
        )
