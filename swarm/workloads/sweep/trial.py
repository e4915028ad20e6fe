# SPDX-License-Identifier: Apache-2.0
"""What a trial is: the hyperparameters in which it differs from its template, and an id that follows from them.

Equal parameters give the equal id on every machine, so that a sweep never pays twice for one trial.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from swarm.workloads.lora.spec import Training
from swarm.workloads.refusal import first_refusal

_DOMAIN = b"computeswarm/trial/v1"
_BATCH = ("micro_batch_size", "gradient_accumulation_steps")
MAX_EPOCHS = 10_000
PREFIX = "training."
# Pinned by the image and the hardware class, or meant for jobs of several segments: nothing to search over.
FIXED = frozenset({"adapter", "precision", "threads", "steps_per_segment"})


def trial_id(parameters: Mapping[str, Any], seed: int) -> str:
    """16 hex digits of sha256(domain ‖ canonical JSON of the parameters and the training's seed)."""
    content = {"parameters": dict(parameters), "seed": seed}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(_DOMAIN + text.encode()).hexdigest()[:16]


def merged(template: Training, parameters: Mapping[str, Any]) -> Training:
    """The template's training with a trial's parameters. Raises ValueError saying which one does not fit, and why."""
    if wrong := sorted(FIXED & parameters.keys()):
        raise ValueError(f"{wrong[0]} cannot differ between trials")
    # What was said, not what follows from defaults: a template may leave a number to another way of saying it.
    content = {name: getattr(template, name) for name in template.model_fields_set} | dict(parameters)
    # A trial is one segment, whatever its length.
    content["steps_per_segment"] = content.get("max_steps")
    try:
        return Training.model_validate(content)
    except ValidationError as error:
        raise ValueError(first_refusal(error, Training)) from error


def without_epochs(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters but num_epochs, which is another way to say max_steps. Raises ValueError for a wrong number."""
    epochs = parameters.get("num_epochs", 1)
    if isinstance(epochs, bool) or not isinstance(epochs, int | float) or not 0 < epochs <= MAX_EPOCHS:
        raise ValueError(f"num_epochs: found {str(epochs)[:40]}, expected a number above 0, at most {MAX_EPOCHS}")
    return {name: value for name, value in parameters.items() if name != "num_epochs"}


def in_steps(template: Training, parameters: Mapping[str, Any], examples: int | None) -> dict[str, Any]:
    """The parameters with max_steps for num_epochs, of so many training examples. Raises ValueError."""
    found = without_epochs(parameters)
    if "num_epochs" not in parameters:
        return found
    if examples is None:
        raise ValueError("num_epochs: the examples are not counted")
    batch = merged(template, {name: value for name, value in found.items() if name in _BATCH}).batch_size
    return found | {"max_steps": max(1, math.ceil(parameters["num_epochs"] * examples / batch))}


def normal(template: Training, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as the template's types write them: 8.0 becomes 8 where a whole number is meant, 1 becomes 1.0."""
    content = json.loads(json.dumps(merged(template, parameters).model_dump()))
    return {name: content[name] for name in sorted(parameters)}
