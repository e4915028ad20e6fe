# SPDX-License-Identifier: Apache-2.0
"""Says whether a seller's segment is as near to a judge's as honest machines are: accept, reject, or look closer.

Distances are those of `distance.py`, in units of the judge's own update. They are measured for the adapter's weights
(`weights`, or `early_weights` while B is still almost zero and AdamW divides small numbers by small ones) and for both
moments: a step's whole gradient lies in them, undiluted by the momentum of the steps before.

    accept   every distance ≤ its accept
    reject   one distance > its reject, or something no honest machine writes: a wrong form, no finite number, losses
             of another run, a weight that moved farther than AdamW can move it
    else     look closer: fp32 by a replay with another numeric stack (`closer_look`); tf32 and bf16, which a first look
             never accepts, by one in fp32 (`noise_zone`) and, if that does not tell, on several segments (`pooled`)

Why thresholds alone do not do for bf16: its noise and the error of an int8 base have one size (verification.md, B4). In
units of the judge's own noise they are apart: docs/detection.md.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from swarm.protocol.commitment import TRACE_RECORD
from swarm.workloads.certificates import Bound
from swarm.workloads.lora.distance import Distance, read_state
from swarm.workloads.lora.initial import TRACE_FILE
from swarm.workloads.lora.segments import learning_rate, steps_of
from swarm.workloads.workload import Zone

if TYPE_CHECKING:
    from swarm.workloads.lora.spec import LoraSpec

EARLY_STEPS = 5
LOSS_SHARE = 0.05  # of the judge's loss; bf16 differs by 1.2e-2 in 3.4 (verification.md, B3), a forged trace by more
# Of this segment's own noise, between the judge's two stacks. Measured on two models: honest machines up to about 30
# (AVX-512 kernels), tf32 sold as fp32 600 and more.
FLOOR_FACTOR = 200.0
# Of the judge's own noise. Measured on single steps of two models: honest bf16 0.83-1.20, tf32 up to 1.94, an int8 base
# in bf16 1.77 or more, rarely less; pooled over four segments 1.09, 1.63 and 2.09. Beyond NOISE_ACCEPT four segments
# tell, so it may lie near the honest ones.
NOISE_ACCEPT, NOISE_REJECT, POOLED_REJECT = 1.3, 3.0, 1.8
POOLED_SEGMENTS = 4
# The second moment moves by a thousandth a step, mostly in its last bits: honest ratios were up to 2.8.
SPREAD = {"second_moment": 3.0}


def zone_of(found: Mapping[str, float], bounds: Mapping[str, Bound]) -> Zone:
    """The zone of a first look."""
    if any(not value <= bounds[what].reject for what, value in found.items()):
        return Zone.REJECT
    return Zone.ACCEPT if all(value <= bounds[what].accept for what, value in found.items()) else Zone.ESCALATE


def named(found: Distance, first_step: int) -> dict[str, float]:
    """Distances by the names of their bounds."""
    weights = "early_weights" if first_step < EARLY_STEPS else "weights"
    return {weights: found.weights, "first_moment": found.first_moment, "second_moment": found.second_moment}


def closer_look(
    first: Mapping[str, float], second: Mapping[str, float], noise: Mapping[str, float], bounds: Mapping[str, Bound]
) -> Zone:
    """Decides what a first look left open; `first` and `second` are the distances from the judge's two replays.

    Rejects only what is, in both stacks, beyond five times what the most different machines of the class are apart
    (accept) and beyond this segment's own noise. The second adapts to the model: where honest machines are farther
    apart than on any model that was measured, the judge's two stacks are as well.
    """
    for what, bound in bounds.items():
        if what not in first:
            continue
        limit = max(bound.accept, FLOOR_FACTOR * noise[what])
        if first[what] > limit and second[what] > limit:
            return Zone.REJECT
    return Zone.ACCEPT


def noise_zone(found: Mapping[str, float], noise: Mapping[str, float]) -> Zone:
    """The seller's distance from fp32, in units of that of the judge's own replay in the job's precision."""
    ratio = noise_ratio(found, noise)
    if ratio > NOISE_REJECT:
        return Zone.REJECT
    return Zone.ACCEPT if ratio <= NOISE_ACCEPT else Zone.ESCALATE


def noise_ratio(found: Mapping[str, float], noise: Mapping[str, float]) -> float:
    """The largest ratio; infinite where the judge's own replay shows no noise at all and the seller's does."""
    return max(_ratio(found[what], noise[what]) / SPREAD.get(what, 1.0) for what in found)


def pooled(found: Sequence[Mapping[str, float]], noise: Sequence[Mapping[str, float]]) -> float:
    """The largest ratio of root mean squares over several segments: chance averages out, another base does not.

    A test of the errors' direction (a wrong base always errs the same way) does not do: rounding fp32 weights to bf16
    has a direction as well. On the tiny model honest bf16 runs had a mean cosine of 0.37, above its limit of 0.1.
    """
    names = set.intersection(*(set(entry) for entry in found))
    return noise_ratio(*({what: _rms([entry[what] for entry in side]) for what in names} for side in (found, noise)))


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in values) / len(values))


def _ratio(found: float, noise: float) -> float:
    return found / noise if noise else (math.inf if found else 0.0)


def fault_of(spec: LoraSpec, segment: int, before: Path, theirs: Path, ours: Path) -> str:
    """What no honest machine writes, in words; empty when there is nothing of it. Both states have the same form."""
    training = spec.training
    steps = steps_of(segment, max_steps=training.max_steps, steps_per_segment=training.steps_per_segment)
    start, end = read_state(before), read_state(theirs)
    if int(end["step"][0]) != steps[-1] + 1:
        return f"the state is of step {int(end['step'][0])}, not {steps[-1] + 1}"
    weights = [name for name in start if name.startswith("base_model.")]
    jump = max(float(np.max(np.abs(end[name] - start[name]))) for name in weights)
    largest = max(float(np.max(np.abs(start[name]))) for name in weights)
    reach = step_bound(training.adam_beta1, training.adam_beta2) + training.weight_decay * largest
    if not jump <= 1.01 * reach * sum(_rate(training, step) for step in steps):
        return f"a weight moved by {jump:.2e}, farther than AdamW can"
    return _loss_fault(theirs, ours)


def step_bound(beta1: float, beta2: float) -> float:
    """How far one update of Adam can move a weight, in learning rates: 7.3 for the usual betas.

    Kingma and Ba 2015, section 2.1, give (1 − β1)/√(1 − β2), 3.2, for a gradient that appears once. Over all histories
    the supremum of |m|/√v is by Cauchy and Schwarz √Σ((1 − β1)²·β1^2k / ((1 − β2)·β2^k)): gradients that grow for ten
    steps come near it, and an honest seller must never be convicted for the data it was given.
    """
    if beta1**2 >= beta2:
        return math.inf
    return max(1.0, (1 - beta1) / math.sqrt((1 - beta2) * (1 - beta1**2 / beta2)))


def _loss_fault(theirs: Path, ours: Path) -> str:
    """A published trace must be that of these steps: forged losses would mislead a buyer who watches them."""
    mine = read_trace(ours)
    claimed = read_trace(theirs)
    if claimed is None or mine is None or len(claimed) != len(mine):
        return "the published trace is missing or of another length"
    for (step, loss, _, targets), (said_step, said, _, said_targets) in zip(mine, claimed, strict=True):
        if (step, targets) != (said_step, said_targets) or not abs(said - loss) <= LOSS_SHARE * abs(loss):
            return f"the published loss of step {step} is {said:.4g}, ours {loss:.4g}"
    return ""


def read_trace(output: Path) -> list[tuple[int, float, float, int]] | None:
    """(step, loss, gradient norm, targets) of every step, or None for anything but a trace of a sane length."""
    path = output / TRACE_FILE
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 1 << 24:
        return None
    try:
        return list(struct.iter_unpack(TRACE_RECORD.format, path.read_bytes()))
    except struct.error:
        return None


def _rate(training, step: int) -> float:
    return learning_rate(
        step,
        peak=training.learning_rate,
        schedule=training.lr_scheduler,
        warmup_steps=training.warmup_steps,
        max_steps=training.max_steps,
    )
