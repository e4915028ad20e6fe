# SPDX-License-Identifier: Apache-2.0
"""Turns a validation error into one line for a person: dotted key, what was found, what is expected."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

# Names from other trainers that are too far from ours for a spelling match.
_ELSEWHERE = {
    "num_epochs": "training.max_steps",
    "num_train_epochs": "training.max_steps",
    "batch_size": "training.micro_batch_size",
    "lr": "training.learning_rate",
    "rank": "training.lora_r",
    "alpha": "training.lora_alpha",
    "target_modules": "training.lora_target_modules",
    "bf16": "training.precision",
    "model": "base_model",
    "image": "engine",
    "timeout": "run_seconds",
}


def first_refusal(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem as one line, bounded in length whatever the input was."""
    problem = error.errors(include_url=False)[0]
    place = _dotted(problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{place}: unknown key{_suggestion(problem['loc'], model)}"
    if problem["type"] == "missing":
        return f"{place}: missing, expected a value"
    expected = _expected(problem)
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):
        return f"{place}.{expected}".lstrip(".")
    return f"{place}: found {_shown(problem['input'])}, expected {expected}"


def _dotted(location: tuple[int | str, ...]) -> str:
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{str(part)[:60]!s}" for part in location)
    return shown.lstrip(".") if shown.isprintable() else "spec"


def _suggestion(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    unknown = str(location[-1])[:60]
    if unknown in _ELSEWHERE:
        return f", did you mean {_ELSEWHERE[unknown]}?"
    known = {path.rpartition(".")[2]: path for path in _keys(model)}
    close = difflib.get_close_matches(unknown, known, n=1)
    return f", did you mean {known[close[0]]}?" if close else ""


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _keys(inner, f"{prefix}{name}.")


def _expected(problem: dict) -> str:
    text = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return text.replace("\n", " ")[:200]


def _shown(value: object) -> str:
    # reprlib, because a YAML file can nest references into a value of exponential size.
    return reprlib.repr(value)[:80]
