# SPDX-License-Identifier: Apache-2.0
"""The hyperparameters of a LoRA fine-tune under axolotl's names. What changes the result is here, nothing is left to
the seller."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from swarm.protocol.hardware import FOUR_BIT, PRECISIONS
from swarm.workloads.fields import MAX_SEGMENTS, Integer, ModuleName, Number, Strict
from swarm.workloads.lora.segments import segment_count

DEFAULT_MODULES = ("q_proj", "v_proj")
_WRITTEN: Any = {"exclude": True}
_OPTIMIZER = "adamw_torch: judges repeat every step, and only this update is written out operation by operation"
_PACKING = "false: packing would let one example's loss depend on its neighbours in the batch"
_INPUTS = "false: set datasets[0].roles_to_train to train on more than the answers"


def _no_dropout(value: float) -> float:
    if value != 0:
        raise ValueError("0, because judges repeat every step and no dropout mask can be pinned yet")
    return value


def _sorted_unique(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("every module once")
    return tuple(sorted(value))


def _only(allowed: object, expected: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value is not None and (type(value) is not type(allowed) or value != allowed):
            raise ValueError(expected)
        return value

    return BeforeValidator(check)


def _auto_or_boolean(value: object) -> object:
    if value is not None and value != "auto" and not isinstance(value, bool):
        raise ValueError("auto or false")
    return value


class Training(Strict):
    """Hyperparameters."""

    adapter: Literal["lora", "qlora"] = Field(
        "lora", description="`qlora`: the base model in 4 bit, in the hardware classes nf4-bf16 and nf4-fp32."
    )
    lora_r: Annotated[Integer, Field(ge=1, le=512)] = Field(8, description="Rank.")
    lora_alpha: Annotated[Integer, Field(ge=1, le=4096)] = Field(16, description="Scale: alpha / rank.")
    lora_dropout: Annotated[Number, AfterValidator(_no_dropout)] = Field(0.0, description="Only 0.")
    lora_target_modules: Annotated[
        tuple[ModuleName, ...], Field(min_length=1, max_length=16), AfterValidator(_sorted_unique)
    ] = Field(DEFAULT_MODULES, description="Linear layers that get an adapter.")
    sequence_len: Annotated[Integer, Field(ge=8, le=32768)] = Field(
        512, description="Tokens of an example; longer ones are cut, and the progress says how many."
    )
    micro_batch_size: Annotated[Integer, Field(ge=1, le=256)] = Field(4, description="Examples at once in memory.")
    gradient_accumulation_steps: Annotated[Integer, Field(ge=1, le=1024)] = Field(
        1, description="Micro-batches of an optimiser step."
    )
    max_steps: Annotated[Integer, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Optimiser steps; or say num_epochs."
    )
    steps_per_segment: Annotated[Integer, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Steps between two published states; default: a twentieth of the steps."
    )
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = Field(2e-4, description="Peak.")
    lr_scheduler: Literal["cosine", "linear", "constant"] = Field("cosine", description="After the warm-up.")
    warmup_steps: Annotated[Integer, Field(ge=0, le=1_000_000)] = Field(0, description="Or say warmup_ratio.")
    weight_decay: Annotated[Number, Field(ge=0, le=1)] = Field(0.0, description="Decoupled, as in AdamW.")
    max_grad_norm: Annotated[Number, Field(gt=0, le=1e6)] = Field(1.0, description="Gradients are clipped to it.")
    adam_beta1: Annotated[Number, Field(ge=0, lt=1)] = Field(0.9, description="AdamW.")
    adam_beta2: Annotated[Number, Field(ge=0, lt=1)] = Field(0.999, description="AdamW.")
    adam_epsilon: Annotated[Number, Field(gt=0, le=1e-2)] = Field(1e-8, description="AdamW.")
    gradient_checkpointing: bool = Field(
        False, description="Less memory for more time; the numbers are the same, bit by bit."
    )
    seed: Annotated[Integer, Field(ge=0, lt=1 << 63)] = Field(
        description="Required: judges repeat the job with it. Order of the data, first weights, validation split."
    )
    threads: Annotated[Integer, Field(ge=1, le=64)] = Field(2, description="CPU threads.")
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "fp32", description="What the hardware class computes in; do not write it."
    )

    num_epochs: Annotated[Number, Field(gt=0, le=10_000)] | None = Field(
        None, **_WRITTEN, description="Passes over the training examples, instead of max_steps; may be a fraction."
    )
    warmup_ratio: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        None, **_WRITTEN, description="Share of the steps, instead of warmup_steps."
    )
    lora_target_linear: bool | None = Field(
        None, **_WRITTEN, description="Every linear layer of the model's blocks, instead of lora_target_modules."
    )
    optimizer: Annotated[Literal["adamw_torch"] | None, _only("adamw_torch", _OPTIMIZER)] = Field(
        None, **_WRITTEN, description="Only `adamw_torch`."
    )
    bf16: Annotated[Literal["auto"] | bool | None, BeforeValidator(_auto_or_boolean)] = Field(
        None,
        **_WRITTEN,
        description="`auto`: the hardware class decides the precision; anything else must agree with it.",
    )
    load_in_4bit: bool | None = Field(
        None, **_WRITTEN, description="`true` goes with `adapter: qlora`, and follows from it."
    )
    sample_packing: Annotated[Literal[False] | None, _only(False, _PACKING)] = Field(
        None, **_WRITTEN, description="Only `false`."
    )
    train_on_inputs: Annotated[Literal[False] | None, _only(False, _INPUTS)] = Field(
        None, **_WRITTEN, description="Only `false`; see datasets.roles_to_train."
    )

    @model_validator(mode="after")
    def _fits(self) -> Training:
        said = self.model_fields_set
        for one, other in (("max_steps", "num_epochs"), ("warmup_steps", "warmup_ratio")):
            if getattr(self, other) is not None and one in said and getattr(self, one) is not None:
                raise ValueError(f"{other}: found it and {one}, expected one of them")
        if self.load_in_4bit is not None and self.load_in_4bit != (self.adapter == "qlora"):
            expected = "true, because adapter is qlora" if self.adapter == "qlora" else "false, or adapter: qlora"
            raise ValueError(f"load_in_4bit: found {str(self.load_in_4bit).lower()}, expected {expected}")
        if self.lora_target_linear and "lora_target_modules" in said:
            raise ValueError("lora_target_linear: found it and lora_target_modules, expected one of them")
        if self.max_steps is None:
            if self.num_epochs is None:
                raise ValueError("max_steps: missing, expected it or num_epochs")
            return self
        if self.warmup_steps > self.max_steps:
            raise ValueError(f"warmup_steps: found {self.warmup_steps}, expected at most max_steps ({self.max_steps})")
        self._refuse_segments(self.max_steps)
        return self

    def _refuse_segments(self, steps: int) -> None:
        length = self.steps_per_segment
        if length is not None and (found := segment_count(steps, length)) > MAX_SEGMENTS:
            least = segment_count(steps, MAX_SEGMENTS)
            raise ValueError(
                f"steps_per_segment: found {length}, which makes {found} segments, "
                f"expected at least {least} (at most {MAX_SEGMENTS} segments)"
            )

    def refuse_for(self, hardware_class: str) -> None:
        """Raises ValueError for what this class of machines cannot run."""
        if self.adapter == "qlora" and hardware_class not in FOUR_BIT:
            raise ValueError(
                "training.adapter: found 'qlora', expected 'lora', or hardware_class nf4-bf16 (a GPU) or nf4-fp32: "
                f"4 bit needs bitsandbytes, and sellers of hardware_class {hardware_class} compute without it"
            )
        if self.adapter == "lora" and hardware_class in FOUR_BIT:
            raise ValueError(
                f"training.adapter: found 'lora', expected 'qlora', which is what hardware_class {hardware_class} runs"
            )
        computes = PRECISIONS[hardware_class]
        if self.bf16 not in (None, "auto", computes == "bf16"):
            expected = "auto or true" if computes == "bf16" else "auto or false"
            raise ValueError(
                f"training.bf16: found {self.bf16}, expected {expected}: hardware_class {hardware_class} "
                f"computes {computes}"
            )

    @property
    def batch_size(self) -> int:
        """Examples of an optimiser step."""
        return self.micro_batch_size * self.gradient_accumulation_steps
