# SPDX-License-Identifier: Apache-2.0
"""What a judge offers a workload that looks closer: both sides of any segment of the job, and further replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from swarm.execution.segments import Execution
from verifier.memory import Memory

Sides = tuple[Path | None, Path]
Way = tuple[int, tuple[tuple[str, str | int | bool], ...]]


@dataclass(slots=True)
class ReplayCloser:
    """Fills `swarm.workloads.workload.Closer`; its segments are the spec's. Every way is run once and kept."""

    segments: range  # those of the spec that the job has
    sides_of: Callable[[int], Sides]
    execute: Callable[[int, Path | None, str, dict], Execution]  # segment, state before it, workspace's name, numeric
    memory: Memory
    done: dict[Way, Execution] = field(default_factory=dict)
    seen: dict[int, Sides] = field(default_factory=dict)

    def sides(self, segment: int) -> Sides:
        if segment not in self.seen:
            self.seen[segment] = self.sides_of(segment)
        return self.seen[segment]

    def run(self, segment: int, **numeric: str | int | bool) -> Path:
        way = (segment, tuple(sorted(numeric.items())))
        if way not in self.done:
            before, _ = self.sides(segment)
            self.done[way] = self.execute(segment, before, f"look-{len(self.done)}", numeric)
        return self.done[way].products[-1].output

    def recall(self, key: str) -> Sequence[Mapping[str, float]]:
        return self.memory.recall(key)

    def learn(self, key: str, found: Mapping[str, float]) -> None:
        self.memory.learn(key, found)

    @property
    def seconds(self) -> tuple[float, float]:
        """Wall and processor seconds of all replays."""
        runs = self.done.values()
        return sum(run.wall_seconds for run in runs), sum(run.cpu_seconds for run in runs)
