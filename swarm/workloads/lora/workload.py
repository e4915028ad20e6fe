# SPDX-License-Identifier: Apache-2.0
"""What a LoRA job means: chained segments of optimiser steps, from a state that the buyer's client makes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from swarm.errors import SpecError
from swarm.workloads.dataset import check_dataset
from swarm.workloads.lora.adapter import write_adapter
from swarm.workloads.lora.assess import assess, look_closer
from swarm.workloads.lora.initial import write_initial_state
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.workload import Assessment, Closer, Fact, Pins, Resolved


class LoraWorkload:
    is_foreign = False

    def program(self, spec: LoraSpec) -> tuple[str, ...]:
        return ("python", "-m", "swarm.jobs.lora")

    def checker(self, spec: LoraSpec) -> tuple[str, ...] | None:
        return None

    def check_inputs(self, spec: LoraSpec, files: Mapping[str, Path]) -> None:
        check_dataset(files["train.jsonl"], field=spec.datasets[0].field_messages)

    def resolve(self, spec: LoraSpec, pins: Pins) -> Resolved:
        model, data, _ = spec.needs
        facts: dict[str, Fact] = {}
        if not data.is_content:
            facts = asdict(check_dataset(pins.at(data), field=spec.datasets[0].field_messages))
        folder = pins.at(model)
        if not folder.is_dir():
            raise SpecError(f"base_model: {folder} is a file, expected a model folder")
        changes = {
            "base_model": model.uri if model.is_content else pins.add(folder),
            "datasets": (
                spec.datasets[0].model_copy(update={"path": data.uri if data.is_content else pins.add(pins.at(data))}),
            ),
        }
        resolved = spec.model_copy(update=changes)
        if resolved.initial_state is None:
            with tempfile.TemporaryDirectory(prefix="swarm-state-") as scratch:
                target = Path(scratch) / "state"
                write_initial_state(resolved, folder, target)
                resolved = resolved.model_copy(update={"initial_state": pins.add(target)})
        return Resolved(resolved, facts)

    def assess(self, spec: LoraSpec, segment: int, *, before: Path | None, theirs: Path, ours: Path) -> Assessment:
        assert before is not None, "a chained segment starts from a state"
        return assess(spec, segment, before=before, theirs=theirs, ours=ours)

    def look_closer(self, spec: LoraSpec, segment: int, closer: Closer) -> Assessment:
        return look_closer(spec, segment, closer)

    def deliver(self, spec: LoraSpec, outputs: Sequence[Path], target: Path, *, base_model: str | None) -> None:
        write_adapter(spec, outputs[-1], target, base_model=base_model or spec.base_model.removeprefix("ipfs://"))

    def delivered(self, spec: LoraSpec) -> Sequence[int]:
        return (spec.segments - 1,)
