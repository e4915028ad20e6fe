# SPDX-License-Identifier: Apache-2.0
"""What a parameter is drawn from, under W&B's names.

{value: x}                                         always x
{values: [a, b, …]}                                one of them (distribution: categorical)
{min: a, max: b}                                   whole numbers where both are (int_uniform), else uniform
{distribution: log_uniform_values, min, max}       uniform in the logarithm of the value
{distribution: q_uniform, min, max, q}             multiples of q from min on; also q_log_uniform_values
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from swarm.errors import SpecError
from swarm.workloads.fields import Number, Strict
from swarm.workloads.refusal import first_refusal

_RANGES = ("uniform", "int_uniform", "log_uniform_values", "q_uniform", "q_log_uniform_values")
_MAX_POINTS = 10_000
_ELSEWHERE = {
    "log_uniform": "log_uniform_values",
    "loguniform": "log_uniform_values",
    "quniform": "q_uniform",
    "q_log_uniform": "q_log_uniform_values",
    "inv_log_uniform_values": "log_uniform_values",
    "randint": "int_uniform",
    "choice": "categorical",
}


class Values(Strict):
    """One of a list."""

    distribution: Literal["categorical", "constant"] = "categorical"
    values: Annotated[tuple[Any, ...], Field(min_length=1, max_length=1000)]

    @property
    def is_discrete(self) -> bool:
        return True

    def points(self) -> Sequence[Any]:
        return self.values

    def ends(self) -> Sequence[Any]:
        return self.values


class Range(Strict):
    """A range of numbers, both ends included."""

    distribution: Literal[_RANGES]  # type: ignore[valid-type]
    min: Number
    max: Number
    q: Annotated[Number, Field(gt=0)] | None = None

    @property
    def is_discrete(self) -> bool:
        return self.distribution in ("int_uniform", "q_uniform")

    @property
    def is_log(self) -> bool:
        return "log" in self.distribution

    def points(self) -> Sequence[Any]:
        """Every value of a discrete range."""
        step = self.q or 1
        count = math.floor((self.max - self.min) / step + 1e-9) + 1
        return [self.rounded(self.min + at * step) for at in range(count)]

    def ends(self) -> Sequence[Any]:
        return (self.rounded(self.min), self.rounded(self.max))

    def rounded(self, value: float) -> float | int:
        """A drawn number as the parameter takes it."""
        if self.distribution == "int_uniform":
            return round(value)
        if self.q is None:
            return float(value)
        # Twelve digits: 3 · 0.1 is meant as 0.3.
        snapped = float(f"{self.min + round((value - self.min) / self.q) * self.q:.12g}")
        return min(max(snapped, self.min), self.max)

    @model_validator(mode="after")
    def _sound(self) -> Range:
        if not self.min < self.max:
            raise ValueError(f"max: found {self.max:g}, expected more than min ({self.min:g})")
        if self.is_log and self.min <= 0:
            raise ValueError(f"min: found {self.min:g}, expected more than 0 for a logarithm")
        if self.distribution.startswith("q_") != (self.q is not None):
            raise ValueError("q: expected a step exactly for q_uniform and q_log_uniform_values")
        if self.distribution == "int_uniform" and not (self.min.is_integer() and self.max.is_integer()):
            raise ValueError("min: expected whole numbers for int_uniform")
        if self.is_discrete and (self.max - self.min) / (self.q or 1) > _MAX_POINTS:
            raise ValueError(f"max: expected at most {_MAX_POINTS} steps from min")
        return self


Distribution = Values | Range


def distribution_of(name: str, content: Any) -> Distribution:
    """The distribution a person wrote for a parameter. Raises SpecError."""
    place = f"parameters.{name[:60]}"
    if not isinstance(content, dict):
        raise SpecError(f"{place}: expected value, values, or min and max")
    content = dict(content)
    _refuse_unknown(content, place)
    kind = content.get("distribution")
    if kind in _ELSEWHERE:
        raise SpecError(f"{place}.distribution: found {kind!r}, did you mean {_ELSEWHERE[kind]}?")
    if kind not in (None, "constant", "categorical", *_RANGES):
        raise SpecError(f"{place}.distribution: found {str(kind)[:40]!r}, expected one of: {', '.join(_RANGES)}")
    if "value" in content and "values" not in content:
        content |= {"values": [content.pop("value")], "distribution": "constant"}
    model: type[Strict] = Values if "values" in content else Range
    if model is Range and kind is None:
        content["distribution"] = _implied(content)
    try:
        return model.model_validate(content)  # type: ignore[return-value]
    except ValidationError as error:
        raise SpecError(f"{place}.{first_refusal(error, model)}") from error


def _refuse_unknown(content: dict, place: str) -> None:
    known = ("distribution", "value", "values", "min", "max", "q")
    for key in content:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            meant = f", did you mean {close[0]}?" if close else f", expected one of: {', '.join(known)}"
            raise SpecError(f"{place}.{str(key)[:40]}: unknown key{meant}")


def _implied(content: dict) -> str:
    """W&B's rule: whole numbers at both ends mean whole numbers between them."""
    if "q" in content:
        return "q_uniform"
    return "int_uniform" if all(type(content.get(end)) is int for end in ("min", "max")) else "uniform"
