# SPDX-License-Identifier: Apache-2.0
"""How far a seller's training state is from a judge's, in units of the judge's own update of that segment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from swarm.errors import IntegrityError, NotFound
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE
from swarm.workloads.tensors import read_header

FILES = (ADAPTER_FILE, OPTIMIZER_FILE)
_WEIGHTS = "base_model."
# A share of the tensor's own norm that is added to the update's. Two machines whose results differ by ε before they are
# rounded to fp32 differ by √(ε·ulp) after it: relative to the update, noise grows without bound as that gets small, in
# the last steps of a cosine schedule and in the second moment of a long run. 2⁻⁹ leaves it as it is at usual rates, and
# what a vanishing update hides in the weights still shows in the moments.
ROUNDING_FLOOR = 2.0**-9


@dataclass(frozen=True, slots=True)
class Distance:
    """||theirs − ours|| / (||ours − before|| + 2⁻⁹·||ours||) for weights and both moments; infinite for a wrong form or
    numbers that are not finite."""

    weights: float
    first_moment: float
    second_moment: float

    @property
    def worst(self) -> float:
        return max(self.weights, self.first_moment, self.second_moment)


def distance(before: Path, theirs: Path, ours: Path) -> Distance:
    """How far a seller's state is from the judge's, in units of the judge's own update of that segment.

    The denominator is the judge's, so that a seller cannot shrink it (verification.md, C1). A seller's file that cannot
    be read is infinitely far; an unreadable file of ours raises NotFound or IntegrityError.
    """
    start, own = read_state(before), read_state(ours)
    try:
        found = read_state(theirs)
    except (IntegrityError, NotFound):
        return Distance(np.inf, np.inf, np.inf)
    if not same_form(found, own):
        return Distance(np.inf, np.inf, np.inf)
    weights, first, second = (_relative(start, found, own, kind) for kind in (_WEIGHTS, "m.", "v."))
    return Distance(weights, first, second)


def gradient_error(before: Path, theirs: Path, ours: Path, *, decay: float) -> float:
    """How far the gradients are apart that moved the first moment, relative to ours: the root mean square over tensors.

    `decay`: what is left of the moment before, β1 to the number of steps. The moment less that is the sum of the
    segment's gradients, so neither the momentum nor one tensor with large gradients blurs the picture. On one model it
    hardly changes from segment to segment, which no distance in units of an update does. Tensors without a gradient (A
    of LoRA while B is zero) do not count; files must be readable and of one form, as `distance` found them.
    """
    start, found, own = read_state(before), read_state(theirs), read_state(ours)
    shares = []
    for name in (name for name in own if name.startswith("m.")):
        moved = _norm([own[name].astype(np.float64) - decay * start[name]])
        apart = _norm([found[name].astype(np.float64) - own[name]])
        if moved or apart:
            shares.append(apart / moved if moved else np.inf)
    return float(np.sqrt(np.mean(np.square(shares)))) if shares else 0.0


def read_state(folder: Path) -> dict[str, np.ndarray]:
    """All tensors of a state by name. Raises NotFound, and IntegrityError for one that stands in the wrong file: only
    the adapter's file is delivered, so weights that hide among the moments would be compared and never be bought."""
    state: dict[str, np.ndarray] = {}
    for file in FILES:
        names = read_header(folder / file)
        if any(name.startswith(_WEIGHTS) is not (file == ADAPTER_FILE) for name in names):
            raise IntegrityError(f"{file}: a tensor stands in the wrong file")
        try:
            state |= load_file(folder / file)
        except (SafetensorError, KeyError, ValueError) as error:
            raise IntegrityError(f"{file}: not readable as safetensors") from error
    return state


def same_form(theirs: dict[str, np.ndarray], ours: dict[str, np.ndarray]) -> bool:
    """Whether both hold the same names, shapes and types."""
    if theirs.keys() != ours.keys():
        return False
    return all(theirs[name].shape == ours[name].shape and theirs[name].dtype == ours[name].dtype for name in ours)


def _relative(before: dict, theirs: dict, ours: dict, prefix: str) -> float:
    names = [name for name in ours if name.startswith(prefix)]
    apart = _norm(theirs[name].astype(np.float64) - ours[name] for name in names)
    update = _norm(ours[name].astype(np.float64) - before[name] for name in names)
    if not names or not np.isfinite(apart):
        return np.inf
    size = update + ROUNDING_FLOOR * _norm(ours[name].astype(np.float64) for name in names)
    return float(apart / size) if size else (0.0 if apart == 0 else np.inf)


def _norm(arrays) -> float:
    return float(np.sqrt(sum(float(np.sum(np.square(array))) for array in arrays)))
