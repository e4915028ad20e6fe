# SPDX-License-Identifier: Apache-2.0
"""What a LoRA spec may say about who does the work and how it is delivered; none of it travels with the job.

Each key stands for an option of `swarm job post`, which wins where both are given.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from swarm.workloads.fields import Integer, Strict, matching

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_WHERE = re.compile(r"reputation\s*>=\s*(\d{1,2}(?:\.\d{1,2})?)")


class Sellers(Strict):
    """Who may accept the job."""

    only: Annotated[str, matching(_ADDRESS, "an address 0x… of 40 hex digits")] | None = Field(
        None, description="Only this account (`--seller`)."
    )
    where: str | None = Field(None, description="`reputation >= 97`: least score in percent (`--min-reputation`).")

    @field_validator("where")
    @classmethod
    def _only_reputation(cls, value: str | None) -> str | None:
        if value is not None and not _WHERE.fullmatch(value.strip()):
            raise ValueError("'reputation >= N': nothing else about a seller is on chain")
        return value

    @property
    def min_reputation_bps(self) -> int:
        """Basis points."""
        return round(100 * float(_WHERE.fullmatch(self.where.strip())[1])) if self.where else 0


class Retry(Strict):
    """What happens when a seller stops: what it finished is kept and the next one goes on."""

    max_attempts: Annotated[Integer, Field(ge=1, le=16)] = Field(
        1, description="Sellers who may finish the job one after the other (`--parts`)."
    )


class Checkpoint(Strict):
    """States are published, and a judge or another seller starts from them."""

    every_steps: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(
        description="Optimiser steps between two states: a segment."
    )


class Outputs(Strict):
    """What the buyer receives."""

    adapter: Literal[True] = Field(True, description="Always: weights, config, model card.")
    merged: Literal[False] = Field(False, description="Not by a seller: `swarm adapter merge` does it at home.")
