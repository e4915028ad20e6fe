# SPDX-License-Identifier: Apache-2.0
"""Rows of LoRA: honest ways to compute and cheats, judged segment by segment with the product's own comparator."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from detection_rows import lora_cheats as cheats
from detection_rows.lora_bench import CACHE, Bench, prepared
from detection_rows.lora_measure import folder_of, measure
from detection_rows.lora_variants import LOOK
from swarm.execution import machine
from swarm.workloads.exact import compare
from swarm.workloads.lora.assess import assess, bounds_of, look_closer
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.workload import Zone
from verifier.memory import KEPT

REAL_STEPS, TINY_STEPS, QUICK_STEPS = 150, 200, 20
KEPT_ROWS = Path(__file__).resolve().parents[1] / "results" / "lora_rows.json"
SCALES = {"real": "SmolLM2-135M", "tiny": "tiny Llama"}
# name, kind, saves at least a tenth of the work, class it is judged in
RUN = [
    ("same machine", "honest", False, "fp32"),
    ("2 threads", "honest", False, "fp32"),
    ("3 threads", "honest", False, "fp32"),
    ("eager attention", "honest", False, "fp32"),
    ("micro-batches of 1", "honest", False, "fp32"),
    ("reversed batch", "honest", False, "fp32"),
    ("eager, reversed batch", "honest", False, "fp32"),
    ("AVX-512", "honest", False, "fp32"),
    ("no AVX2", "honest", False, "fp32"),
    ("tf32, eager", "honest", False, "tf32"),
    ("bf16, eager, micro-batches of 1", "honest", False, "bf16"),
    ("bf16, reversed batch", "honest", False, "bf16"),
    ("int8 base", "cheat", True, "fp32"),
    ("fp8 base", "cheat", True, "fp32"),
    ("int4 base", "cheat", True, "fp32"),
    ("bf16", "cheat", True, "fp32"),
    ("tf32", "cheat", True, "fp32"),
    ("a tenth of the layers dropped", "cheat", True, "fp32"),
    ("sequences cut to 3/4", "cheat", True, "fp32"),
    ("half the batch", "cheat", True, "fp32"),
    ("data of another order", "cheat", False, "fp32"),
    ("repeated batch", "cheat", False, "fp32"),
    ("tf32, int8 base", "cheat", True, "tf32"),
    ("bf16, int8 base", "cheat", True, "bf16"),
    ("bf16, fp8 base", "cheat", True, "bf16"),
    ("bf16, int4 base", "cheat", True, "bf16"),
    ("bf16, sequences cut to 3/4", "cheat", True, "bf16"),
    ("bf16, a tenth of the layers dropped", "cheat", True, "bf16"),
]
# name, saves work, how it is made, only one segment of the job has it
MADE = [
    ("noise", True, cheats.noise, False),
    ("skipped step", True, cheats.skipped, False),
    ("a third of the layers frozen", True, cheats.frozen, False),
    ("half the rank", False, cheats.half_rank, False),
    ("learning rate + 10 %", False, cheats.rate(1.1), False),
    ("learning rate - 10 %", False, cheats.rate(0.9), False),
    ("learning rate + 1 %", False, cheats.rate(1.01), False),
    ("another segment's result", True, cheats.copied, False),
    ("right losses, forged result", False, cheats.forged_result, False),
    ("right result, losses halved", False, cheats.forged_losses(0.5), False),
    ("right result, losses 2 % lower", False, cheats.forged_losses(0.02), False),
    ("weights hidden among the moments", False, cheats.hidden_weights, False),
    ("second moment + 1 %", False, cheats.second_moment, False),
    ("steered by 1e-3 of the update", False, cheats.steered(1e-3), False),
    ("steered by 5e-6 of the update", False, cheats.steered(5e-6), False),
    ("one poisoned step", False, cheats.poisoned, True),
    ("last segment swapped", False, cheats.copied, True),
]
BF16_MADE = [entry for entry in MADE if entry[0] in ("noise", "skipped step", "learning rate + 10 %")]


@dataclass
class Cached:
    """A judge's closer look whose replays were computed before (`Closer` of the workload port)."""

    bench: Bench
    judge: str  # the variant that is the judge's own first replay
    theirs: Callable[[int], Path]
    segments: range
    memory: dict[str, list]  # what closer looks have learned, in the rows before as well
    ways: set = field(default_factory=set)  # what was run

    def sides(self, segment: int) -> tuple[Path, Path]:
        return self.bench.state(segment), self.theirs(segment)

    def run(self, segment: int, **numeric: str | int | bool) -> Path:
        self.ways.add((segment, *sorted(numeric)))
        if numeric.get("precision") == "fp32":
            return self.bench.state(segment + 1)
        return folder_of(self.bench, LOOK) / f"{segment:04}" if numeric else self.ours(segment)

    def recall(self, key: str) -> list:
        return self.memory.get(key, [])

    def learn(self, key: str, found: dict[str, float]) -> None:
        self.memory[key] = [*self.recall(key), found][-KEPT:]

    def ours(self, segment: int) -> Path:
        if self.judge == "fp32":
            return self.bench.state(segment + 1)
        return folder_of(self.bench, self.judge) / f"{segment:04}"


def keep(found: list[dict], kept: Path = KEPT_ROWS) -> None:
    """Puts rows in the place of those of the same name, model and class that have no more segments; the others stay."""
    content = {_name_of(row): row for row in json.loads(kept.read_text())["rows"]}
    for row in found:
        if row["segments"] >= content.get(_name_of(row), row)["segments"]:
            content[_name_of(row)] = row
    kept.write_text(json.dumps({"rows": list(content.values())}, indent=1, sort_keys=True) + "\n")


def _name_of(row: dict) -> tuple[str, str, str]:
    return row["model"], row["name"], row["class"]


def rows(quick: bool) -> list[dict]:
    """All rows, or with `quick` those of a dozen segments of the tiny model, which takes seconds."""
    if quick:
        with tempfile.TemporaryDirectory(prefix="swarm-detection-") as scratch:
            bench = prepared("tiny", QUICK_STEPS, Path(scratch))
            names = [name for name, *_ in RUN] + [LOOK]
            measure(bench, [name for name in names if name not in ("AVX-512", "no AVX2")], steps=QUICK_STEPS)
            return list(rows_of(bench))
    found = []
    for name, steps in (("real", REAL_STEPS), ("tiny", TINY_STEPS)):
        found += rows_of(Bench(name, steps, CACHE / name))
    return found


def rows_of(bench: Bench) -> Iterator[dict]:
    """The rows of all variants that were measured. Honest ones come first: from them a judge learns the level."""
    memory: dict[str, list] = {}
    for name, kind, saves, judged_in in RUN:
        folder = folder_of(bench, name)
        steps = [step for step in range(bench.steps) if _is_whole(folder / f"{step:04}")]
        steps = [step for step in steps if _is_judged(bench, judged_in, step)]
        if steps:
            theirs = partial(_of, folder)
            yield _row(bench, name, kind, saves, judged_in, steps, theirs, memory)
    for precision, made in (("fp32", MADE), ("bf16", BF16_MADE)):
        for name, saves, make, is_single in made:
            with tempfile.TemporaryDirectory(prefix="swarm-cheat-") as scratch:
                shown = name if precision == "fp32" else f"{precision}, {name}"
                yield _made(bench, shown, saves, make, is_single, precision, Path(scratch), memory)


def _of(folder: Path, step: int) -> Path:
    return folder / f"{step:04}"


def _made(
    bench: Bench, name: str, saves: bool, make: Callable, is_single: bool, precision: str, home: Path, memory: dict
) -> dict:
    source = {"fp32": None, "bf16": "bf16, eager, micro-batches of 1"}[precision]
    steps = [s for s in range(bench.steps) if source is None or _is_whole(folder_of(bench, source) / f"{s:04}")]
    steps = [step for step in steps if _is_judged(bench, precision, step)]

    def honest(step: int) -> Path:
        return bench.state(step + 1) if source is None else folder_of(bench, source) / f"{step:04}"

    def theirs(step: int) -> Path:
        if is_single and step != steps[-1]:
            return honest(step)
        sides = (bench.state(step), honest(step), bench.state(step - 1 if step else 3))
        target = home / f"{step:04}"
        return target if target.exists() else make(*map(cheats.Output.read, sides)).write(target)

    row = _row(bench, name, "cheat", saves, precision, steps, theirs, memory)
    return row | ({"note": "one segment of the job: the draw must hit it"} if is_single else {})


def _row(
    bench: Bench,
    name: str,
    kind: str,
    saves: bool,
    judged_in: str,
    steps: list[int],
    theirs: Callable[[int], Path],
    memory: dict[str, list],
) -> dict:
    spec = _spec(bench, judged_in)
    closer = Cached(bench, judged_in, theirs, range(bench.steps), memory)
    rejected = escalated = replays = unequal = 0
    facts: dict = {}
    closest = []
    for step in steps:
        before, output = closer.sides(step)
        found = assess(spec, step, before=before, theirs=output, ours=closer.ours(step))
        closest.append(found.facts.get("first_moment", np.inf))
        facts = max(facts, dict(found.facts), key=len)
        closer.ways = {(step,)}
        if found.zone is Zone.ESCALATE:
            closer.segments = _pool(steps)
            found = look_closer(spec, step, closer)
            escalated += 1
            facts = max(facts, {**facts, **found.facts}, key=len)
        rejected, replays = rejected + (found.zone is Zone.REJECT), replays + len(closer.ways)
        unequal += not compare(output, bench.state(step + 1)).matched
    finite = [value for value in closest if np.isfinite(value)]
    return {
        "workload": "lora",
        "name": name,
        "kind": kind,
        "saves_work": saves,
        "model": SCALES[bench.name],
        "class": judged_in,
        "segments": len(steps),
        "detected": rejected,
        "slashed": rejected,
        "escalated": escalated,
        "not_bit_equal": unequal,
        "first_moment_min": _short(min(finite)) if finite else None,
        "first_moment_max": _short(max(finite)) if finite else None,
        "unseen": True,  # by the certificate
        "judge_share": f"{replays / len(steps):.2f}/n",
        "evidence_bytes": len(json.dumps(facts | machine.facts(), default=float)) // 100 * 100,
    }


def _spec(bench: Bench, precision: str) -> LoraSpec:
    spec = bench.spec
    training = spec.training.model_copy(update={"precision": precision})
    spec = spec.model_copy(update={"training": training, "hardware_class": precision})
    bounds_of(spec)
    return spec


def _is_judged(bench: Bench, judged_in: str, step: int) -> bool:
    needed = LOOK if judged_in == "fp32" else judged_in
    return _is_whole(folder_of(bench, needed) / f"{step:04}")


def _pool(steps: list[int]) -> range:
    """The measured segments, as a range without gaps from the first."""
    last = next((at for at, step in enumerate(steps) if step != steps[0] + at), len(steps))
    return range(steps[0], steps[0] + last)


def _is_whole(folder: Path) -> bool:
    return (folder / "trace.bin").is_file()


def _short(value: float) -> float:
    return float(f"{value:.2g}")
