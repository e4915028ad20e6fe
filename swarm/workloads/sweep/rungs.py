# SPDX-License-Identifier: Apache-2.0
"""Early termination: which trials go on after a rung, as pure functions of committed metrics.

A rung is a number of steps: min_iter, min_iter · eta, min_iter · eta², … below the trial's own length, then that
length. Anybody who reads the metrics from the published results finds the same decisions.

    asha       the best 1/eta of those that finished a rung go on, as soon as they are known (Li et al. 2020, alg. 2)
    hyperband  asha in brackets: every second, third … trial is first looked at one, two … rungs later (Li et al. 2018)
    median     whoever is no worse than the median of the others at the same rung goes on (Golovin et al. 2017, 3.2.2)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from swarm.workloads.fields import Integer, Strict

_MEDIAN_NEEDS = 3


class EarlyTerminate(Strict):
    type: Literal["hyperband", "asha", "median"] = "asha"
    min_iter: Annotated[Integer, Field(ge=1, le=1_000_000)]
    eta: Annotated[Integer, Field(ge=2, le=100)] = 3
    brackets: Annotated[Integer, Field(ge=1, le=10)] = 3
    max_iter: Annotated[Integer, Field(ge=1, le=1_000_000)] | None = None


def rungs_of(policy: EarlyTerminate | None, max_steps: int, number: int) -> list[int]:
    """The steps after which trial `number` (0, 1, …) is looked at; the last one is its end."""
    if policy is None:
        return [max_steps]
    steps, at = [], policy.min_iter
    while at < max_steps:
        steps.append(at)
        at *= policy.eta
    skipped = number % policy.brackets if policy.type == "hyperband" else 0
    return [*steps[min(skipped, len(steps)) :], max_steps]


def pieces_of(ends: Sequence[int], most: int) -> list[tuple[int, int]]:
    """(first step, last step) of each piece between the rungs; none longer than `most` steps, where that is not 0."""
    found: list[tuple[int, int]] = []
    at = 0
    for end in ends:
        while most and end - at > most:
            found.append((at, at + most))
            at += most
        found.append((at, end))
        at = end
    return found


def going_on(
    policy: EarlyTerminate,
    losses: Mapping[str, float | None],
    *,
    is_closed: bool,
) -> set[str]:
    """Of the trials that finished a rung (id → loss, None for one that failed): those that go on.

    `is_closed`: no other trial will ever come to this rung, so that at least the best one goes on. ASHA's set only
    grows as results come in, in the sense that who was let on stays let on: the caller remembers that.
    """
    sound = sorted(((loss, trial) for trial, loss in losses.items() if loss is not None))
    if not sound:
        return set()
    if policy.type == "median":
        return _no_worse_than_median(sound, is_closed)
    count = len(losses) // policy.eta
    return {trial for _, trial in sound[: max(count, 1 if is_closed else 0)]}


def _no_worse_than_median(sound: Sequence[tuple[float, str]], is_closed: bool) -> set[str]:
    if len(sound) < _MEDIAN_NEEDS and not is_closed:
        return set()
    middle = sound[(len(sound) - 1) // 2][0]
    return {trial for loss, trial in sound if loss <= middle}
