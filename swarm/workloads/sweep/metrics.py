# SPDX-License-Identifier: Apache-2.0
"""What a trial publishes beside its state: metrics.json, the numbers that a sweep decides by.

    {"version": 1, "trial": id, "step": steps taken so far, "eval_loss": mean over "eval_tokens" trained tokens,
     "train_loss": mean over this segment's steps, "failure": null or why the trial ended early}

It is part of the segment's output, so the seller is committed to it and a judge's re-execution gives the same bytes.
A trial that diverges is a result too: its losses are null.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from swarm import hostile_json
from swarm.errors import IntegrityError

METRICS_FILE = "metrics.json"
MAX_METRICS_BYTES = 1 << 16
NAMES = ("eval_loss", "train_loss")
MAX_FAILURE = 300


@dataclass(frozen=True, slots=True)
class Metrics:
    """One segment's numbers; see the module."""

    trial: str
    step: int
    eval_loss: float | None
    eval_tokens: int
    train_loss: float | None
    failure: str | None = None

    def to_bytes(self) -> bytes:
        """The same bytes for the same numbers: floats as their shortest exact text."""
        return json.dumps({"version": 1, **asdict(self)}, sort_keys=True, separators=(",", ":")).encode()

    def value(self, name: str) -> float | None:
        """A metric by its name; None where the trial failed."""
        return getattr(self, name) if name in NAMES else None

    @classmethod
    def parse(cls, data: bytes) -> Metrics:
        """A seller's file. Raises IntegrityError unless it has exactly the form above."""
        try:
            content = hostile_json.parse(data)
            version = content.pop("version")
            found = cls(**content)
            if version != 1 or not _is_sound(found) or found.to_bytes() != data:
                raise ValueError("not in its form")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{METRICS_FILE}: {str(error)[:100]}") from error
        return found


def _is_sound(found: Metrics) -> bool:
    losses = (found.eval_loss, found.train_loss)
    texts = isinstance(found.trial, str) and (found.failure is None or isinstance(found.failure, str))
    numbers = type(found.step) is int and type(found.eval_tokens) is int
    return texts and numbers and all(loss is None or (type(loss) is float and math.isfinite(loss)) for loss in losses)
