# SPDX-License-Identifier: Apache-2.0
"""The level of a class's noise on one model: what a judge has measured on segments before, so that this one may pass
without another replay.

In tf32 and bf16 a distance says nothing by itself: its size depends on the model. A judge that looked closer at a few
segments of the same training has measured how far it is from fp32 itself (the noise), and a seller that computes in the
same precision is about as far from the judge, or nearer. How honest sellers and cheats lie: docs/detection.md.

A level only lets pass. What is farther is looked at closely, with the segment's own noise, as if no level were known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.workloads.lora.bounds import EARLY_STEPS
from swarm.workloads.lora.distance import distance, gradient_error
from swarm.workloads.lora.segments import steps_of

if TYPE_CHECKING:
    from swarm.workloads.lora.spec import LoraSpec

# The gradient tells a base from another. Weights and second moment only have to fit it: their level changes during a
# training, and whoever leaves the gradients right and moves the weights is bounded by this.
PASSES = {"gradient": 1.45, "weights": 3.0, "second_moment": 3.0}
# The least of so many segments is the level. Noise has a long tail where gradients vanish: with the median an int8 base
# passed in one segment of twenty. And whoever wants to widen a level by odd states must widen all of them.
NEEDED, USED = 3, 5
# Of the training: what changes where it goes and not how it is computed.
_FREE = {"seed", "max_steps", "learning_rate", "lr_scheduler", "warmup_steps", "threads"}


def key_of(spec: LoraSpec) -> str:
    """Trainings with one key have one level: the same model, data, form of a step, precision and program."""
    training = spec.training.model_dump(mode="json", exclude=_FREE)
    rest = [spec.engine, spec.hardware_class, spec.base_model, [each.path for each in spec.datasets], training]
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def measured(spec: LoraSpec, segment: int, before: Path, theirs: Path, ours: Path) -> dict[str, float] | None:
    """How far apart two outputs are in the terms of a level; None in the first steps, where noise has no level."""
    training = spec.training
    if segment * training.steps_per_segment < EARLY_STEPS:
        return None
    steps = steps_of(segment, max_steps=training.max_steps, steps_per_segment=training.steps_per_segment)
    found = distance(before, theirs, ours)
    gradient = gradient_error(before, theirs, ours, decay=training.adam_beta1 ** len(steps))
    return {"gradient": gradient, "weights": found.weights, "second_moment": found.second_moment}


def ratios(found: Mapping[str, float], known: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    """Distances in units of the level, from the newest of what is known; None where that is too little."""
    if len(known) < NEEDED:
        return None
    levels = {what: min(entry[what] for entry in known[-USED:]) for what in PASSES}
    return {what: found[what] / level if level else float("inf") for what, level in levels.items()}


def passes(found: Mapping[str, float]) -> bool:
    """Whether ratios are those of an honest seller."""
    return all(found[what] <= limit for what, limit in PASSES.items())
