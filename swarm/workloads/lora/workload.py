# SPDX-License-Identifier: Apache-2.0
"""What a LoRA job means: chained segments of optimiser steps, from a state that the buyer's client makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from swarm.workloads.lora.adapter import write_adapter
from swarm.workloads.lora.assess import assess, look_closer
from swarm.workloads.lora.metrics import with_metrics
from swarm.workloads.lora.resolve import check_model, resolve, split_of
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.workload import Assessment, Closer, Pins, Resolved


class LoraWorkload:
    is_foreign = False

    def program(self, spec: LoraSpec) -> tuple[str, ...]:
        return ("python", "-m", "swarm.jobs.lora")

    def checker(self, spec: LoraSpec) -> tuple[str, ...] | None:
        return None

    def check_inputs(self, spec: LoraSpec, files: Mapping[str, Path]) -> None:
        check_model(files["model"], spec)
        split_of(spec, files["train.jsonl"], files.get("heldout.jsonl"))

    def resolve(self, spec: LoraSpec, pins: Pins) -> Resolved:
        return resolve(spec, pins)

    def assess(self, spec: LoraSpec, segment: int, *, before: Path | None, theirs: Path, ours: Path) -> Assessment:
        assert before is not None, "a chained segment starts from a state"
        found = assess(spec, segment, before=before, theirs=theirs, ours=ours)
        return with_metrics(found, theirs, ours)

    def look_closer(self, spec: LoraSpec, segment: int, closer: Closer) -> Assessment:
        return look_closer(spec, segment, closer)

    def deliver(self, spec: LoraSpec, outputs: Sequence[Path], target: Path, *, base_model: str | None) -> None:
        write_adapter(spec, outputs[-1], target, base_model=base_model or spec.base_model.removeprefix("ipfs://"))

    def delivered(self, spec: LoraSpec) -> Sequence[int]:
        return (spec.segments - 1,)
