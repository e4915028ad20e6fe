# SPDX-License-Identifier: Apache-2.0
"""From what a person wrote to what travels: inputs checked and pinned, epochs counted into steps, the first state made.

Everything a seller would stumble over is refused here, before any money is locked.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from swarm.errors import IntegrityError, SpecError
from swarm.protocol.hardware import PRECISIONS
from swarm.workloads.dataset import Counts, check_dataset
from swarm.workloads.lora.initial import linear_modules, write_initial_state
from swarm.workloads.lora.segments import is_held_out
from swarm.workloads.lora.spec import Dataset, LoraSpec
from swarm.workloads.lora.training import Training
from swarm.workloads.model_folder import ModelFolder, read_model_folder
from swarm.workloads.refusal import first_refusal
from swarm.workloads.workload import Fact, Pins, Resolved

SEGMENTS = 20  # where nobody says how long one is: a twentieth of the job is what an audit repeats
_TRANSPOSED = ("gpt2", "openai-gpt")  # these keep linear layers the other way round


@dataclass(frozen=True, slots=True)
class Split:
    """Examples of a data set, by what they are for."""

    counts: Counts
    training: int
    validation: int


def resolve(spec: LoraSpec, pins: Pins) -> Resolved:
    """Raises SpecError (naming the line of bad data), NotFound, IntegrityError, TransientError."""
    folder = pins.at(spec.needs[0])
    model = _model(spec, folder)
    facts: dict[str, Fact] = {}
    split = _split_if_needed(spec, pins)
    training = settled(spec.training, model, spec, split)
    if split:
        facts = asdict(split.counts) | {"validation": split.validation} if spec.has_validation else asdict(split.counts)
    facts |= {"steps": training.max_steps}
    pinned = spec.model_copy(
        update={
            "base_model": spec.base_model if spec.needs[0].is_content else pins.add(folder),
            "datasets": _pinned(spec.datasets, "train.jsonl", spec, pins),
            "test_datasets": _pinned(spec.test_datasets, "heldout.jsonl", spec, pins),
            "training": training,
            "run_seconds": spec.timeout or spec.run_seconds,
            **dict.fromkeys(("checkpoint", "timeout", "start_within", "sellers", "retry", "outputs")),
        }
    )
    return Resolved(_with_state(pinned, folder, pins), facts)


def settled(training: Training, model: ModelFolder, spec: LoraSpec, split: Split | None) -> Training:
    """The training with every number said. Raises SpecError for one that the model or the data do not allow."""
    steps = training.max_steps
    if steps is None:
        assert split is not None and training.num_epochs is not None
        steps = max(1, math.ceil(training.num_epochs * split.training / training.batch_size))
    every = spec.checkpoint.every_steps if spec.checkpoint else training.steps_per_segment
    said = training.model_dump() | {"max_steps": steps, "steps_per_segment": every or -(-steps // SEGMENTS)}
    if training.warmup_ratio is not None:
        said["warmup_steps"] = math.ceil(training.warmup_ratio * steps)
    if training.lora_target_linear:
        said["lora_target_modules"] = linear_modules(model.tensors)
    if "precision" not in training.model_fields_set:
        said["precision"] = PRECISIONS[spec.hardware_class]
    try:
        return Training.model_validate(said)
    except ValidationError as error:
        raise SpecError(f"training.{first_refusal(error, Training)}") from error


def split_of(spec: LoraSpec, data: Path, heldout: Path | None) -> Split:
    """Counts the data. Raises SpecError for a bad line, and where nothing is left to train on or to measure."""
    counts = check_dataset(data, format_=spec.datasets[0].format)
    if heldout:
        return Split(counts, counts.examples, check_dataset(heldout, format_=spec.test_datasets[0].format).examples)
    share, seed = spec.val_set_size, spec.training.seed
    apart = sum(is_held_out(index, share=share, seed=seed) for index in range(counts.examples)) if share else 0
    if share and apart in (0, counts.examples):
        kept = "none" if apart == 0 else "all"
        raise SpecError(
            f"val_set_size: found {share}, which keeps {kept} of {counts.examples} examples apart, "
            "expected another share, another seed, or a file in test_datasets"
        )
    return Split(counts, counts.examples - apart, apart)


def check_model(folder: Path, spec: LoraSpec) -> ModelFolder:
    """Raises IntegrityError or SpecError for a model that this job cannot be run on."""
    if not folder.is_dir():
        raise SpecError(f"base_model: {folder.name} is a file, expected a model folder")
    model = read_model_folder(folder)
    wanted, length = model.context, spec.training.sequence_len
    if wanted is not None and length > wanted:
        raise SpecError(f"training.sequence_len: found {length}, expected at most {wanted}, the base model's context")
    if model.config.get("model_type") in _TRANSPOSED:
        raise SpecError(f"base_model: found model_type {model.config['model_type']!r}, whose layers are transposed")
    chats = [dataset for dataset in (*spec.datasets, *spec.test_datasets) if dataset.type == "chat_template"]
    if chats and model.has_chat_template is False:
        raise SpecError(
            "base_model: found no chat template, expected an instruct model",
            hint="or datasets of type completion, prompt_completion or alpaca",
        )
    return model


def _model(spec: LoraSpec, folder: Path) -> ModelFolder:
    try:
        return check_model(folder, spec)
    except IntegrityError as error:
        # The buyer's own folder: nobody lies, it is to be mended.
        raise SpecError(f"base_model: {error.message}") from error


def _split_if_needed(spec: LoraSpec, pins: Pins) -> Split | None:
    """Content was checked when it was pinned; it is read again only where its number of examples matters."""
    needs = {need.name: need for need in spec.needs}
    data, heldout = needs["train.jsonl"], needs.get("heldout.jsonl")
    is_new = not data.is_content or (heldout is not None and not heldout.is_content)
    if not is_new and spec.training.max_steps is not None and not spec.val_set_size:
        return None
    return split_of(spec, pins.at(data), pins.at(heldout) if heldout else None)


def _pinned(datasets: tuple[Dataset, ...], name: str, spec: LoraSpec, pins: Pins) -> tuple[Dataset, ...]:
    need = next((need for need in spec.needs if need.name == name), None)
    if need is None or need.is_content:
        return datasets
    return tuple(dataset.model_copy(update={"path": pins.add(pins.at(need))}) for dataset in datasets)


def _with_state(spec: LoraSpec, folder: Path, pins: Pins) -> LoraSpec:
    if spec.initial_state is not None:
        return spec
    with tempfile.TemporaryDirectory(prefix="swarm-state-") as scratch:
        target = Path(scratch) / "state"
        write_initial_state(spec, folder, target)
        return spec.model_copy(update={"initial_state": pins.add(target)})
