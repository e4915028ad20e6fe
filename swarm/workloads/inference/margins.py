# SPDX-License-Identifier: Apache-2.0
"""From what a judge measured of a shard's tokens to accept, escalate or reject.

A token's margin is how far its score (logit + temperature · noise) falls short of the best token's: 0 when it is the
pinned draw. Its logit error is how far the logit the seller published is from the judge's. Margins tell who chose the
tokens, logit errors which weights ran: logits taken from the real model still leave a false one's tokens their margins.
Bounds and the runs they come from: bounds.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from swarm.workloads.inference.bounds import BOUNDS
from swarm.workloads.workload import Assessment, Zone

TAIL_MARGIN = 0.5  # no rounding moves a token so far


@dataclass(frozen=True, slots=True)
class Answered:
    """One request's tokens: margins and logit errors, fp64 of the same length."""

    margins: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True, slots=True)
class Measured:
    """A shard in figures. `worst_…` are means over the tokens of its worst request: a cheat on one request of many
    does not drown in the others."""

    tokens: int
    mean_margin: float
    worst_request_margin: float
    tail_share: float
    mean_logit_error: float
    worst_request_logit_error: float


def measured(answers: Iterable[Answered]) -> Measured:
    """The figures of a shard; all zero for one without a token."""
    tokens, margin, error, tail = 0, 0.0, 0.0, 0
    worst_margin = worst_error = 0.0
    for answer in answers:
        count = len(answer.margins)
        if not count:
            continue
        tokens += count
        tail += int((answer.margins > TAIL_MARGIN).sum())
        margin += float(answer.margins.sum())
        error += float(answer.errors.sum())
        worst_margin = _worse(worst_margin, float(answer.margins.mean()))
        worst_error = _worse(worst_error, float(answer.errors.mean()))
    least = max(1, tokens)
    return Measured(tokens, margin / least, worst_margin, tail / least, error / least, worst_error)


def assess(found: Measured) -> Assessment:
    """The worst zone of all figures. A figure that is not finite is rejected."""
    zones = {name: _zone(value, *BOUNDS[name]) for name, value in asdict(found).items() if name in BOUNDS}
    worst = max(zones.values(), key=list(Zone).index)
    decided = [name for name, zone in zones.items() if zone is worst and worst is not Zone.ACCEPT]
    facts = asdict(found) | {"decided_by": ", ".join(decided)}
    return Assessment(worst, facts)


def is_hopeless(found: Measured) -> bool:
    """Whether a request is so far off that no other request of its shard can change the verdict."""
    return any(not getattr(found, name) <= BOUNDS[name][1] for name in BOUNDS if name.startswith("worst_"))


def _worse(one: float, other: float) -> float:
    """The larger; a value that is no number is worse than any."""
    return one if other <= one else other


def _zone(value: float, accept: float, reject: float) -> Zone:
    if value <= accept:
        return Zone.ACCEPT
    return Zone.ESCALATE if value <= reject else Zone.REJECT
