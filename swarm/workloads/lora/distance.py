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


@dataclass(frozen=True, slots=True)
class Distance:
    """||theirs − ours|| / ||ours − before|| for weights and both moments; infinite for wrong shapes or non-finite."""

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
    start, own = _state(before), _state(ours)
    try:
        found = _state(theirs)
    except (IntegrityError, NotFound):
        return Distance(np.inf, np.inf, np.inf)
    weights, first, second = (_relative(start, found, own, kind) for kind in ("base_model.", "m.", "v."))
    return Distance(weights, first, second)


def _state(folder: Path) -> dict[str, np.ndarray]:
    state: dict[str, np.ndarray] = {}
    for name in FILES:
        read_header(folder / name)
        try:
            state |= load_file(folder / name)
        except (SafetensorError, KeyError, ValueError) as error:
            raise IntegrityError(f"{name}: not readable as safetensors") from error
    return state


def _relative(before: dict, theirs: dict, ours: dict, prefix: str) -> float:
    names = [name for name in ours if name.startswith(prefix)]
    if not names or {name for name in theirs if name.startswith(prefix)} != set(names):
        return np.inf
    if any(theirs[name].shape != ours[name].shape or theirs[name].dtype != ours[name].dtype for name in names):
        return np.inf
    apart = _norm(theirs[name].astype(np.float64) - ours[name] for name in names)
    update = _norm(ours[name].astype(np.float64) - before[name] for name in names)
    if not np.isfinite(apart):
        return np.inf
    return float(apart / update) if update else (0.0 if apart == 0 else np.inf)


def _norm(arrays) -> float:
    return float(np.sqrt(sum(float(np.sum(np.square(array))) for array in arrays)))
