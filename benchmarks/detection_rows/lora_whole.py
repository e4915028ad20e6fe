# SPDX-License-Identifier: Apache-2.0
"""The failing line of LoRA: whole jobs run again and compared by their final metric, as many markets do.

    python benchmarks/detection_rows/lora_whole.py [--model tiny|real] [--jobs N] [--steps N] [-o FILE]

Every job has its own seed. A crowd of honest sellers (other kernels; or any precision) sets the threshold at which one
in twenty of them would be accused; a cheat is detected where its validation loss lies farther from the judge's own.
The judge runs the whole job, so its share is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from detection_rows.lora_bench import REAL, TRAINING, Bench, _examples
from swarm.jobs.calibrate import Int8Base
from swarm.jobs.fake import write_tiny_model
from swarm.jobs.numeric import Numeric
from swarm.jobs.training import Trainer
from swarm.workloads.dataset import Examples
from swarm.workloads.lora.initial import write_initial_state

FALSE_ALARMS = 0.05
JOBS, STEPS, RATE = 25, 40, 2e-4
QUICK = {"jobs": 3, "steps": 10, "ways": ("other kernels",), "cheats": ("half the batch", "int8 base")}
HELD_OUT = 16
SCALES = {"real": "SmolLM2-135M", "tiny": "tiny Llama"}


class Lazy(Trainer):
    """Every tenth step is not computed: the state stays, its counter moves."""

    def step(self, step: int):
        if step % 10 == 9:
            self.steps = step + 1
            return None
        return super().step(step)


class Frozen(Trainer):
    """A third of the adapter's tensors never move, so their gradients need not be computed."""

    def update(self, step: int, norm: float) -> None:
        kept = dict(self.weights)
        names = sorted(self.weights)
        for name in names[: len(names) // 3]:
            kept[name].grad = None
            del self.weights[name]
        super().update(step, norm)
        self.weights = {name: kept[name] for name in names}


class Slow(Trainer):
    def rate(self, step: int) -> float:
        return super().rate(step) * 0.9


class Half(Trainer):
    """Learns from the first half of every batch."""

    def indices(self, step: int) -> list[int]:
        found = super().indices(step)
        return found[: len(found) // 2]


EAGER = {"attention": "eager", "micro_batch_size": 1}
HONEST = {
    "other kernels": (Trainer, EAGER),
    "tf32": (Trainer, {"precision": "tf32", "emulated": True}),
    "bf16": (Trainer, {"precision": "bf16", "emulated": True}),
}
CROWDS = {"fp32, other kernels": ("other kernels",), "any GPU, tf32 and bf16 too": tuple(HONEST)}
# name → trainer, share of the work it saves, another seed of the first state
CHEATS = {
    "every tenth step skipped": (Lazy, 0.1, 0),
    "half the batch": (Half, 0.5, 0),
    "int8 base": (Int8Base, 0.5, 0),
    "a third of the tensors frozen": (Frozen, 0.15, 0),
    "learning rate - 10 %": (Slow, 0.0, 0),
    "another first state": (Trainer, 0.0, 1),
}


class Jobs:
    """Whole jobs on one model; the final metric of each is the mean loss over examples kept apart."""

    def __init__(self, name: str, steps: int, home: Path) -> None:
        self.bench, self.home = Bench(name, steps, home), home
        self.steps = steps
        model = home / "model"
        model.symlink_to(REAL) if name == "real" else write_tiny_model(model)
        lines = _examples(model).splitlines(keepends=True)
        (home / "held.jsonl").write_text("".join(lines[:HELD_OUT]), "utf-8")
        (home / "train.jsonl").write_text("".join(lines[HELD_OUT:]), "utf-8")

    def metric(self, seed: int, kind: type[Trainer] = Trainer, numeric: dict | None = None, *, other: int = 0) -> float:
        """The validation loss at the end of a job."""
        from swarm.jobs.model import summed_loss

        training = self.bench.training | {"seed": seed, "learning_rate": RATE}
        state = self.home / f"state-{seed}-{other}"
        if not state.exists():
            seeded = self.bench.spec.training.model_copy(update={"seed": seed + 1000 * other})
            write_initial_state(self.bench.spec.model_copy(update={"training": seeded}), self.home / "model", state)
        given = {"model": self.home / "model", "data": self.home / "train.jsonl", "state": state}
        trainer = kind(training, **given, exact=False, numeric=Numeric(**(numeric or {})))
        for step in range(self.steps):
            trainer.step(step)
        import torch

        kept, limit = Examples(self.home / "held.jsonl"), TRAINING["sequence_len"]
        held = [trainer.encoder.encode(each, limit=limit) for each in kept]
        with torch.inference_mode():
            total = sum(float(summed_loss(trainer.model, [example])) for example in held)
        return total / sum(sum(example.trained[1:]) for example in held)


def rows(quick: bool = False) -> list[dict]:
    """All rows of the tiny model, or with `quick` a few of them, which takes seconds."""
    return measured(**QUICK) if quick else measured()


def measured(
    name: str = "tiny",
    jobs: int = JOBS,
    steps: int = STEPS,
    ways: Sequence[str] = tuple(HONEST),
    cheats: Sequence[str] = tuple(CHEATS),
) -> list[dict]:
    """A row for every crowd of honest sellers that is whole among `ways`, and for every cheat in it."""
    with tempfile.TemporaryDirectory(prefix="swarm-whole-") as scratch:
        at, seeds = Jobs(name, steps, Path(scratch)), range(jobs)
        judged = [at.metric(seed) for seed in seeds]

        def apart(found: Sequence[float]) -> list[float]:
            return [abs(theirs - ours) for theirs, ours in zip(found, judged, strict=True)]

        def cheated(cheat: str) -> list[float]:
            kind, _, other = CHEATS[cheat]
            return apart([at.metric(seed, kind, other=other) for seed in seeds])

        honest = {way: apart([at.metric(seed, *HONEST[way]) for seed in seeds]) for way in ways}
        false = {cheat: cheated(cheat) for cheat in cheats}
    found = []
    for crowd in (each for each, members in CROWDS.items() if set(members) <= set(ways)):
        distances = sorted(each for way in CROWDS[crowd] for each in honest[way])
        threshold = distances[min(len(distances) - 1, round((1 - FALSE_ALARMS) * len(distances)))]
        accused = sum(each > threshold for each in distances)
        told = f"final metric, honest ({crowd})"
        found.append(_row(name, told, False, len(distances), accused, accused) | {"threshold": _short(threshold)})
        for cheat in cheats:
            detected = sum(each > threshold for each in false[cheat])
            found.append(_row(name, f"final metric, {cheat} ({crowd})", CHEATS[cheat][1] >= 0.1, jobs, detected, 0))
    return found


def _row(model: str, name: str, saves: bool, jobs: int, detected: int, slashed: int) -> dict:
    return {
        "workload": "lora",
        "name": name,
        "kind": "baseline",
        "saves_work": saves,
        "model": SCALES[model],
        "segments": jobs,
        "detected": detected,
        "slashed": slashed,
        "judge_share": "1.00",
        "evidence_bytes": 0,
    }


def _short(value: float) -> float:
    return float(f"{value:.2g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(SCALES), default="tiny")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    found = measured(options.model, options.jobs, options.steps)
    for row in found:
        print(f"{row['detected']:>4}/{row['segments']:<4} {row['name']} {row.get('threshold', '')}")
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
