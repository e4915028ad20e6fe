# SPDX-License-Identifier: Apache-2.0
"""What a container job means: one segment, whose output is the whole of /outputs, compared file by file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from swarm.workloads import exact
from swarm.workloads.container.spec import ContainerSpec
from swarm.workloads.result import FOREIGN_END, FOREIGN_FILES
from swarm.workloads.workload import Assessment, Pins, Resolved, Zone


class ContainerWorkload:
    # The program is the buyer's: what it leaves is the output, what it prints is the hidden trace.
    is_foreign = True

    def program(self, spec: ContainerSpec) -> tuple[str, ...]:
        return (*spec.entrypoint, *spec.args)

    def checker(self, spec: ContainerSpec) -> tuple[str, ...] | None:
        return None

    def check_inputs(self, spec: ContainerSpec, files: Mapping[str, Path]) -> None:
        """Any bytes will do: only the buyer's program knows what it reads."""

    def resolve(self, spec: ContainerSpec, pins: Pins) -> Resolved:
        entries = [
            entry.model_copy(update={"source": need.uri if need.is_content else pins.add(pins.at(need))})
            for entry, need in zip(spec.inputs, spec.needs, strict=True)
        ]
        return Resolved(spec.model_copy(update={"inputs": tuple(entries), "engine": spec.image}))

    def assess(self, spec: ContainerSpec, segment: int, *, before: Path | None, theirs: Path, ours: Path) -> Assessment:
        found = exact.compare(theirs, ours)
        zone = Zone.ACCEPT if found.matched else Zone.REJECT
        return Assessment(zone, {"different": ", ".join(found.different[:8]), "files": len(found.different)})

    def deliver(self, spec: ContainerSpec, outputs: Sequence[Path], target: Path, *, base_model: str | None) -> None:
        target.mkdir(parents=True)
        files = outputs[-1] / FOREIGN_FILES
        if files.is_dir():
            shutil.copytree(files, target / spec.outputs[0].name)
        shutil.copyfile(outputs[-1] / FOREIGN_END, target / FOREIGN_END)

    def delivered(self, spec: ContainerSpec) -> Sequence[int]:
        return (0,)
