# SPDX-License-Identifier: Apache-2.0
"""The spec of a LoRA fine-tune, under axolotl's names.

What a person may write and what travels are one model. Fields marked `Written` are a person's other way of saying
something (epochs for steps, a share for a number): the buyer's client turns them into the fields that travel
(swarm.workloads.lora.resolve), and the canonical form does not have them.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from swarm.errors import SpecError
from swarm.workloads.example import Format
from swarm.workloads.fields import (
    GIB,
    Duration,
    Identifier,
    IpfsUri,
    Need,
    Number,
    Spec,
    Strict,
    Uri,
)
from swarm.workloads.lora.segments import segment_count
from swarm.workloads.lora.terms import Checkpoint, Outputs, Retry, Sellers
from swarm.workloads.lora.training import Training
from swarm.workloads.uris import ModelUri

Role = Literal["system", "user", "assistant"]
Written: Any = {"exclude": True}


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("every role once")
    return tuple(sorted(value))


def _share(value: object) -> object:
    if isinstance(value, str) and ":" in value:
        raise ValueError("a share from 0 to 0.9; a file of its own goes into test_datasets")
    return value


class Properties(Strict):
    """By which keys a message says its role and its text."""

    role: Identifier = Field("role", description="Key of a message's role; ShareGPT files have `from`.")
    content: Identifier = Field("content", description="Key of its text; ShareGPT files have `value`.")


class Dataset(Strict):
    """Examples, one JSON object a line: see swarm.workloads.example for the four types."""

    path: Uri = Field(description="`file:PATH`, from the spec's folder, or `ipfs://CID`.")
    type: Literal["chat_template", "alpaca", "completion", "prompt_completion"] = Field(
        "chat_template", description="`chat_template`: through the model's own template; the others are plain text."
    )
    field_messages: Identifier = Field("messages", description="`chat_template`: the key of the list of messages.")
    field: Identifier = Field("text", description="`completion`: the key of the text.")
    roles_to_train: Annotated[tuple[Role, ...], Field(min_length=1), AfterValidator(_each_once)] = Field(
        ("assistant",), description="`chat_template`: whose messages enter the loss."
    )
    message_property_mappings: Properties = Field(
        Properties(), description="`chat_template`: keys inside a message; roles `human` and `gpt` are understood."
    )

    @property
    def format(self) -> Format:
        """How its lines are read."""
        return Format.of(self.model_dump())


class LoraSpec(Spec):
    """A LoRA fine-tune. `initial_state` is made by the buyer's client when the spec is resolved."""

    is_chained: ClassVar[bool] = True

    type: Literal["lora"]
    base_model: ModelUri = Field(
        description="`file:FOLDER`, `ipfs://CID`, or `hf://models/ORG/NAME@REVISION` (downloaded and pinned by you)."
    )
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1, max_length=1)] = Field(
        description="What is learned: one file."
    )
    test_datasets: Annotated[tuple[Dataset, ...], Field(max_length=1)] = Field(
        (), description="A file of its own for the validation loss, never trained on."
    )
    val_set_size: Annotated[Number, BeforeValidator(_share), Field(ge=0, le=0.9)] = Field(
        0.0, description="Share of the examples kept apart for the validation loss, chosen by a hash of seed and line."
    )
    training: Training = Field(description="What is trained, and how.")
    labels: Annotated[dict[Identifier, Annotated[str, Field(max_length=200)]], Field(max_length=16)] = Field(
        {}, description="Words of your own; they travel with the spec, in public, and stand in the model card."
    )
    initial_state: IpfsUri | None = Field(None, description="Made by the client; do not write it.")

    checkpoint: Checkpoint | None = Field(None, **Written, description="Another way to say training.steps_per_segment.")
    timeout: Duration | None = Field(None, **Written, description="Another way to say run_seconds: `2h`, `90m`.")
    start_within: Duration | None = Field(
        None, **Written, description="Take the job back when no seller accepted it by then; default 24h."
    )
    sellers: Sellers | None = Field(None, **Written, description="Who may accept.")
    retry: Retry | None = Field(None, **Written, description="How many sellers may finish the job one after the other.")
    outputs: Outputs | None = Field(None, **Written, description="What is delivered: the adapter.")

    @model_validator(mode="after")
    def _agrees(self) -> LoraSpec:
        if self.val_set_size and self.test_datasets:
            raise ValueError("val_set_size: found a share and test_datasets, expected one of them")
        if self.checkpoint and self.training.steps_per_segment is not None:
            raise ValueError("checkpoint.every_steps: found it and training.steps_per_segment, expected one of them")
        if self.timeout and "run_seconds" in self.model_fields_set:
            raise ValueError("timeout: found it and run_seconds, expected one of them")
        self.training.refuse_for(self.hardware_class)
        return self

    @property
    def segments(self) -> int:
        steps, length = self.training.max_steps, self.training.steps_per_segment
        if steps is None or length is None:
            raise SpecError("training.max_steps: not counted yet", hint="swarm job post resolves the spec")
        return segment_count(steps, length)

    @property
    def needs(self) -> tuple[Need, ...]:
        heldout = tuple(Need("heldout.jsonl", dataset.path, 4 * GIB) for dataset in self.test_datasets)
        return (
            Need("model", self.base_model, 64 * GIB, max_files=256, max_depth=2),
            Need("train.jsonl", self.datasets[0].path, 4 * GIB),
            *heldout,
            Need("state", self.initial_state or "", 8 * GIB, max_files=16, max_depth=2),
        )

    @property
    def is_resolved(self) -> bool:
        training = self.training
        return super().is_resolved and None not in (training.max_steps, training.steps_per_segment)

    @property
    def has_validation(self) -> bool:
        """Whether a validation loss is measured at the end."""
        return bool(self.val_set_size or self.test_datasets)
