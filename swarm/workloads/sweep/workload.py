# SPDX-License-Identifier: Apache-2.0
"""What a `trials` job means: independent segments, one per trial, compared byte for byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from swarm.errors import IntegrityError, NotFound, SpecError
from swarm.workloads.dataset import check_dataset
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE
from swarm.workloads.sweep.metrics import MAX_METRICS_BYTES, METRICS_FILE, Metrics
from swarm.workloads.sweep.spec import TrialsSpec
from swarm.workloads.tensors import read_header
from swarm.workloads.workload import Assessment, Fact, Pins, Resolved, Zone


class TrialsWorkload:
    is_foreign = False

    def program(self, spec: TrialsSpec) -> tuple[str, ...]:
        return ("python", "-m", "swarm.jobs.trials")

    def checker(self, spec: TrialsSpec) -> tuple[str, ...] | None:
        return None

    def check_inputs(self, spec: TrialsSpec, files: Mapping[str, Path]) -> None:
        for name in ("train.jsonl", "validation.jsonl"):
            check_dataset(files[name], format_=spec.datasets[0].format)
        for trial in spec.trials:
            if trial.start:
                read_header(files[trial.state_name] / ADAPTER_FILE)
                read_header(files[trial.state_name] / OPTIMIZER_FILE)

    def resolve(self, spec: TrialsSpec, pins: Pins) -> Resolved:
        model, data, validation, *_ = spec.needs
        if not model.is_content and not pins.at(model).is_dir():
            raise SpecError(f"base_model: {pins.at(model)} is a file, expected a model folder")

        def content(need) -> str:
            return need.uri if need.is_content else pins.add(pins.at(need))

        changes = {
            "base_model": content(model),
            "datasets": (spec.datasets[0].model_copy(update={"path": content(data)}),),
            "validation": content(validation),
        }
        return Resolved(spec.model_copy(update=changes))

    def assess(self, spec: TrialsSpec, segment: int, *, before: Path | None, theirs: Path, ours: Path) -> Assessment:
        """For the evidence only: in the exact class a judge's leaf decides. Never compares a metric alone."""
        facts: dict[str, Fact] = {"weights": _apart(theirs, ours)}
        for side, folder in (("claimed", theirs), ("recomputed", ours)):
            found = _metrics(folder)
            facts[f"eval_loss_{side}"] = found.eval_loss if found else None
        return Assessment(Zone.ACCEPT if _equal(theirs, ours) else Zone.ESCALATE, facts)

    def deliver(self, spec: TrialsSpec, outputs: Sequence[Path], target: Path, *, base_model: str | None) -> None:
        """results.json, and a folder with the state of every trial that has one."""
        found = [read_metrics(output) for output in outputs]
        target.mkdir(parents=True)
        for metrics, output in zip(found, outputs, strict=True):
            if metrics.failure is None:
                shutil.copytree(output, target / metrics.trial)
        parameters = {trial.id: trial.training for trial in spec.trials}
        rows = [asdict(metrics) | {"parameters": parameters.get(metrics.trial)} for metrics in found]
        (target / "results.json").write_text(json.dumps(rows, indent=1) + "\n", "utf-8")

    def delivered(self, spec: TrialsSpec) -> Sequence[int]:
        return range(spec.segments)


def read_metrics(folder: Path) -> Metrics:
    """The metrics of an output. Raises IntegrityError when there are none or they are malformed."""
    path = folder / METRICS_FILE
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_METRICS_BYTES:
        raise IntegrityError(f"{METRICS_FILE} is missing or too large")
    return Metrics.parse(path.read_bytes())


def _metrics(folder: Path) -> Metrics | None:
    try:
        return read_metrics(folder)
    except IntegrityError:
        return None


def _equal(theirs: Path, ours: Path) -> bool:
    from swarm.workloads.exact import compare

    return compare(theirs, ours).matched


def _apart(theirs: Path, ours: Path) -> float | None:
    """||theirs − ours|| / ||ours|| of the adapters; None where either is missing or of another form."""
    try:
        sides = []
        for folder in (theirs, ours):
            read_header(folder / ADAPTER_FILE)
            sides.append(load_file(folder / ADAPTER_FILE))
    except (IntegrityError, NotFound, SafetensorError, KeyError, ValueError):
        return None
    left, right = sides
    if {n: a.shape for n, a in left.items()} != {n: a.shape for n, a in right.items()}:
        return None
    apart = sum(float(np.sum(np.square(left[name].astype(np.float64) - right[name]))) for name in right)
    size = sum(float(np.sum(np.square(right[name].astype(np.float64)))) for name in right)
    return float(np.sqrt(apart / size)) if size else None
