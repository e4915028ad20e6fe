# SPDX-License-Identifier: Apache-2.0
"""The spec: what a buyer writes (YAML) and what travels (canonical JSON with every input as ipfs://CID).

    load_spec(path)        the file a person wrote; inputs may be file: or ipfs://
    parse_spec(mapping)    the same from a mapping
    canonical_json(spec)   the bytes that are pinned and whose digest goes on chain
    parse_resolved(data)   a spec that came from the chain, so from anybody

Every refusal is a SpecError of one line: dotted key, what was found, what is expected.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from swarm import hostile_json
from swarm.errors import NotFound, SpecError
from swarm.protocol.hardware import CLASSES
from swarm.workloads.refusal import first_refusal
from swarm.workloads.segments import segment_count

MAX_SPEC_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_INDENT = 128
MAX_SEGMENTS = 1024  # the depth of the Merkle tree is bounded on chain

IPFS = re.compile(r"ipfs://baf(?:ybei|krei)[a-z2-7]{52}")
_FILE = re.compile(r"file:[^\x00-\x1f]{1,4096}")
_ENGINE = re.compile(r"process|sha256:[0-9a-f]{64}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODULE = re.compile(r"[A-Za-z0-9_]{1,64}(\.[A-Za-z0-9_]{1,64}){0,7}")


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


def _matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


def _either(value: str) -> str:
    if not (IPFS.fullmatch(value) or _FILE.fullmatch(value)):
        raise ValueError("file:PATH or ipfs://CID (CIDv1, base32, sha2-256)")
    return value


def _known_class(value: str) -> str:
    if value not in CLASSES:
        raise ValueError(f"one of: {', '.join(CLASSES)}")
    return value


def _no_dropout(value: float) -> float:
    if value != 0:
        raise ValueError("0, because judges repeat every step and no dropout mask can be pinned yet")
    return value


def _sorted_unique(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("every module once")
    return tuple(sorted(value))


Integer = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean), Field(allow_inf_nan=False)]
Uri = Annotated[str, AfterValidator(_either)]
IpfsUri = Annotated[str, _matching(IPFS, "ipfs://CID (CIDv1, base32, sha2-256)")]
Engine = Annotated[str, _matching(_ENGINE, "process, or an image digest sha256:… of 64 hex digits")]
Identifier = Annotated[str, _matching(_IDENTIFIER, "1 to 64 letters, digits, dots, dashes or underscores")]
ModuleName = Annotated[str, _matching(_MODULE, "a module name such as q_proj")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Dataset(_Strict):
    """Chat data, see swarm.workloads.dataset."""

    path: Uri
    type: Literal["chat_template"] = "chat_template"
    field_messages: Identifier = "messages"


class Budget(_Strict):
    """What the buyer is ready to pay, in whole tokens."""

    max_total: Annotated[Decimal, BeforeValidator(_no_boolean), Field(gt=0, le=10**12, decimal_places=18)]


class Training(_Strict):
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
    precision: Literal["fp32"] = "fp32"

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


class LoraSpec(_Strict):
    """A LoRA fine-tune. `initial_state` is made by the buyer's client when the spec is resolved."""

    version: Literal[1] = 1
    type: Literal["lora"]
    name: Identifier
    base_model: Uri
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1, max_length=1)]
    training: Training
    engine: Engine = "process"
    budget: Budget
    hardware_class: Annotated[str, AfterValidator(_known_class)] = "cpu-fp32"
    segment_seconds: Annotated[Integer, Field(ge=1, le=86_400)] = 600
    run_seconds: Annotated[Integer, Field(ge=1, le=2_592_000)] = 7200
    initial_state: IpfsUri | None = None

    @property
    def is_resolved(self) -> bool:
        """Whether every input is content-addressed."""
        uris = (self.base_model, self.initial_state or "", *(dataset.path for dataset in self.datasets))
        return all(IPFS.fullmatch(uri) for uri in uris)


_TYPES: dict[str, type[LoraSpec]] = {"lora": LoraSpec}


def load_spec(path: Path) -> LoraSpec:
    """Reads a YAML 1.2 file of at most 1 MiB. Raises NotFound or SpecError."""
    # Pure Python on purpose: the C loader reads YAML 1.1, where 2e-4 is a string and NO is false.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = _bounded(path).decode("utf-8")
        _refuse_deep(text)
        mapping = YAML(typ="safe", pure=True).load(text)
    except UnicodeDecodeError as error:
        raise SpecError(f"{path.name}: not UTF-8 at byte {error.start + 1}") from error
    except YAMLError as error:
        raise SpecError(f"{path.name}: {_yaml_refusal(error)}") from error
    except (RecursionError, ValueError) as error:
        raise SpecError(f"{path.name}: not YAML, or too deeply nested") from error
    return parse_spec(mapping)


def parse_spec(mapping: Any) -> LoraSpec:
    """Checks a mapping. Raises SpecError with one line."""
    if not isinstance(mapping, dict):
        raise SpecError(f"spec: found {type(mapping).__name__}, expected a mapping of keys")
    found = mapping.get("type")
    if not isinstance(found, str) or found not in _TYPES:
        shown = "nothing" if found is None else repr(str(found)[:40])
        raise SpecError(f"type: found {shown}, expected one of: {', '.join(_TYPES)}")
    try:
        return _TYPES[found].model_validate(mapping)
    except ValidationError as error:
        raise SpecError(first_refusal(error, _TYPES[found])) from error


def canonical_json(spec: LoraSpec) -> bytes:
    """The one byte string of a spec: every key, sorted, no spaces, UTF-8, floats as repr, money as decimal text."""
    content = spec.model_dump()
    content["budget"]["max_total"] = f"{spec.budget.max_total.normalize():f}"
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parse_resolved(data: bytes) -> LoraSpec:
    """Checks the bytes of a spec that came from the chain. Raises SpecError.

    Only the canonical form is accepted: a key left to its default could mean something else to another version.
    """
    if len(data) > MAX_SPEC_BYTES:
        raise SpecError(f"spec: found {len(data)} bytes, expected at most {MAX_SPEC_BYTES}")
    try:
        mapping = hostile_json.parse(data, max_depth=MAX_DEPTH)
    except ValueError as error:
        raise SpecError("spec: not JSON, or too deeply nested") from error
    spec = parse_spec(mapping)
    if not spec.is_resolved:
        raise SpecError("spec: an input is not ipfs://CID, expected a resolved spec")
    if canonical_json(spec) != data:
        raise SpecError("spec: not in canonical form")
    return spec


def segments_of(spec: LoraSpec) -> int:
    """How many segments the job has, at least 1 and at most 1024."""
    return segment_count(spec.training.max_steps, spec.training.steps_per_segment)


def _bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SPEC_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path}: no such spec file") from error
    if len(data) > MAX_SPEC_BYTES:
        raise SpecError(f"{path.name}: larger than {MAX_SPEC_BYTES} bytes")
    return data


def _yaml_refusal(error: Exception) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}: {problem}" if mark and problem else "not YAML"


def _refuse_deep(text: str) -> None:
    """The YAML parser recurses once a level, in quadratic time where the recursion limit lets it."""
    hostile_json.refuse_depth(text)
    if any(len(line) - len(line.lstrip(" -")) > MAX_INDENT for line in text.splitlines()):
        raise ValueError(f"indented by more than {MAX_INDENT}")
