# SPDX-License-Identifier: Apache-2.0
"""Turns a validation error into one line for a person: dotted key, what was found, what is expected."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

# Names from other trainers (Hugging Face, LLaMA-Factory, TRL, axolotl) that are too far from ours for a spelling match.
_ELSEWHERE = {
    "num_train_epochs": ("training.num_epochs",),
    "epochs": ("training.num_epochs",),
    "steps": ("training.max_steps",),
    "per_device_train_batch_size": ("training.micro_batch_size",),
    "batch_size": ("training.micro_batch_size",),
    "gradient_accumulation": ("training.gradient_accumulation_steps",),
    "lr": ("training.learning_rate",),
    "lr_scheduler_type": ("training.lr_scheduler",),
    "rank": ("training.lora_r",),
    "r": ("training.lora_r",),
    "alpha": ("training.lora_alpha",),
    "target_modules": ("training.lora_target_modules",),
    "lora_target": ("training.lora_target_modules",),
    "cutoff_len": ("training.sequence_len",),
    "max_length": ("training.sequence_len",),
    "max_seq_length": ("training.sequence_len",),
    "optim": ("training.optimizer",),
    "packing": ("training.sample_packing",),
    "finetuning_type": ("training.adapter",),
    "load_in_4bit": ("training.load_in_4bit", "training.adapter"),
    "random_seed": ("training.seed",),
    "fp16": ("training.precision",),
    "model": ("base_model",),
    "model_name_or_path": ("base_model",),
    "dataset": ("datasets",),
    "train_file": ("datasets",),
    "data": ("datasets",),
    "validation_file": ("test_datasets",),
    "val_size": ("val_set_size",),
    "eval_dataset": ("test_datasets",),
    "save_steps": ("checkpoint.every_steps", "training.steps_per_segment"),
    "image": ("engine",),
    "timeout": ("run_seconds",),
    "max_spend": ("budget.max_total",),
}

# What others have and we do not, each with what to do instead.
_NOT_HERE = {
    "resources": "hardware_class says which machines may take the job",
    "notify": "nothing of ours runs between you and the seller to send it; swarm job watch follows a job",
    "verify": "the protocol decides who is audited; verification says how a segment is compared",
    "on_events": "whatever stops a seller, the next one goes on; say retry.max_attempts",
    "recover_on_exit_codes": "whatever stops a seller, the next one goes on; say retry.max_attempts",
    "prefer": "sellers come to the job; say who may accept it with only or where",
    "exclude": "sellers come to the job; say who may accept it with only or where",
    "keep": "every state is published, judges need them",
    "max_price_per_hour": "a price is for the whole job; say budget.max_total",
    "pull_to": "swarm adapter pull JOB -o DIR",
    "push_to_hub": "upload the pulled adapter yourself, with your own token",
    "output_dir": "swarm adapter pull JOB -o DIR",
    "report_to": "no seller can reach a network; swarm job watch follows a job",
    "wandb_project": "no seller can reach a network; swarm job watch follows a job",
    "trust_remote_code": "code in a model folder is never executed",
    "load_in_8bit": "a base model is computed with as it is, or in 4 bit with adapter: qlora",
    "bnb_config_kwargs": "qlora is always nf4 with double quantisation",
    "bnb_4bit_quant_type": "qlora is always nf4 with double quantisation",
    "bnb_4bit_use_double_quant": "qlora is always nf4 with double quantisation",
    "bnb_4bit_compute_dtype": "the hardware class decides what is computed in",
    "deepspeed": "a job runs on one machine",
    "fsdp": "a job runs on one machine",
    "flash_attention": "the hardware class decides how attention is computed",
    "chat_template": "the base model's own template is used",
    "eval_steps": "the validation loss is measured once, at the end",
    "early_stopping_patience": "the number of segments is agreed when the job is posted",
}


def first_refusal(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem as one line, bounded in length whatever the input was."""
    problem = error.errors(include_url=False)[0]
    place = _dotted(problem["loc"])
    if problem["type"] == "extra_forbidden":
        unknown = str(problem["loc"][-1])
        if unknown in _NOT_HERE:
            return f"{place}: not supported, {_NOT_HERE[unknown]}"
        return f"{place}: unknown key{_suggestion(unknown[:60], model)}"
    if problem["type"] == "missing":
        return f"{place}: missing, expected a value"
    expected = _expected(problem)
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):
        return f"{place}.{expected}".lstrip(".")
    return f"{place}: found {_shown(problem['input'])}, expected {expected}"


def _dotted(location: tuple[int | str, ...]) -> str:
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{str(part)[:60]!s}" for part in location)
    return shown.lstrip(".") if shown.isprintable() else "spec"


def _suggestion(unknown: str, model: type[BaseModel]) -> str:
    paths = list(_keys(model))
    for path in _ELSEWHERE.get(unknown, ()):
        if path in paths:
            return f", did you mean {path}?"
    known = {path.rpartition(".")[2]: path for path in reversed(paths)}
    close = difflib.get_close_matches(unknown, known, n=1)
    return f", did you mean {known[close[0]]}?" if close else ""


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner in models_in(field.annotation):
            yield from _keys(inner, f"{prefix}{name}.")


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models inside `Model`, `Model | None`, `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from models_in(inner)


def _expected(problem: dict) -> str:
    text = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return text.replace("\n", " ")[:200]


def _shown(value: object) -> str:
    # reprlib, because a YAML file can nest references into a value of exponential size.
    return reprlib.repr(value)[:80]
