# SPDX-License-Identifier: Apache-2.0
"""Measures how far honest machines are apart, and writes a certificate: bounds with the samples they come from.

The rule (verification.md, C5): accept is five times the 99.9 % quantile of honest distances, or their largest if there
are fewer than a thousand; reject is fifty times that, or half of the weakest cheat that saves work if that is more.
Five and not ten: beyond accept a judge looks closer, which convicts nobody, and tf32 on a tiny model begins at nine.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swarm.execution import machine
from swarm.execution.segments import Sandbox, raise_unless_ok
from swarm.protocol.hardware import FOUR_BIT, PRECISIONS
from swarm.runtime.outputs import check_outputs
from swarm.runtime.port import JobRun, Limits
from swarm.workloads.lora.bounds import named
from swarm.workloads.lora.distance import distance

PROGRAM = ("python", "-m", "swarm.jobs.calibrate")
KINDS = ("weights", "early_weights", "first_moment", "second_moment")
QUANTILE, ENOUGH, ACCEPT, REJECT = 99.9, 1000, 5.0, 50.0
CHEAT, CHEAT_IN_4_BIT = "int8 base", "single quantisation"
_CID = "ipfs://bafkrei" + "a" * 52
_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to compute. `is_cheat`: not honest, but the weakest that saves work."""

    name: str
    precision: str
    numeric: Mapping[str, object]
    threads: int = 1
    instruction_set: str = "avx2"
    is_cheat: bool = False


@dataclass(frozen=True, slots=True)
class Golden:
    """A model (None: the tiny one) and how much of it is run: `steps` single steps after each of `seeds`.

    `four_bit`: with the base in 4 bit, so for the classes of QLoRA."""

    name: str
    model: Path | None
    seeds: tuple[int, ...]
    steps: int
    four_bit: bool = False

    def class_of(self, precision: str) -> str | None:
        """Which class its runs in a precision belong to; None where there is no such class."""
        if not self.four_bit:
            return precision
        return next((name for name in FOUR_BIT if PRECISIONS[name] == precision), None)


def ways(precision: str, *, emulated: bool, cheat: str = CHEAT) -> list[Way]:
    """All honest ways of a numeric class, and the cheat beside them."""
    base: dict[str, object] = {"precision": precision} | ({"emulated": True} if emulated else {})
    eager = base | {"attention": "eager"}
    found = [
        Way("2 threads", precision, base, threads=2),
        Way("eager attention", precision, eager),
        Way("micro-batches of 1", precision, base | {"micro_batch_size": 1}),
        Way("eager, micro-batches of 1", precision, eager | {"micro_batch_size": 1}),
        Way("AVX-512", precision, base, instruction_set="avx512"),
        Way("no AVX2", precision, base, instruction_set="none"),
        Way(cheat, precision, base, is_cheat=True),
    ]
    if precision == "fp32":
        return found
    # Rounding to few bits hides what the instruction set does: the class itself is the variant.
    return [Way("same kernels", precision, base), found[1], found[3], found[-1]]


class Certifier:
    """Runs golden sets in one sandbox. `say` gets a line for every way that was run."""

    def __init__(self, sandbox: Sandbox, engine: str, workspace: Path, say: Callable[[str], None]) -> None:
        self._sandbox, self._engine, self._home, self._say = sandbox, engine, workspace, say

    def measured(self, golden: list[Golden]) -> list[dict]:
        """A row for every way of every golden set. Raises JobFailed when a run breaks its limits."""
        return [row for one in golden for row in self._rows(one)]

    def _rows(self, golden: Golden) -> Iterator[dict]:
        home = self._home / golden.name
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples()))
        inputs = {"train.jsonl": home / "train.jsonl"} | ({"model": golden.model} if golden.model else {})
        honest = self._run(golden, inputs, Way("honest", "fp32", {}), home / "honest")
        inputs = {"model": honest / "model"} | inputs | {"states": honest / "states"}
        emulated = json.loads((honest / "device.json").read_text())["emulated"]
        cheat = CHEAT_IN_4_BIT if golden.four_bit else CHEAT
        for precision, name in [(each, golden.class_of(each)) for each in emulated if golden.class_of(each)]:
            for way in ways(precision, emulated=emulated[precision], cheat=cheat):
                theirs = self._run(golden, inputs, way, home / "way")
                found = _distances(golden, honest, theirs)
                facts = {"model": golden.name, "precision": name, "way": way.name, "device": self._device(theirs)}
                facts |= {"emulated": emulated[precision], "kind": "cheat" if way.is_cheat else "honest"}
                row = row_of(facts | {"segments": len(golden.seeds) * golden.steps}, found)
                self._say(f"{golden.name}, {name}, {way.name}: {_worst(row)}")
                yield row

    def _run(self, golden: Golden, inputs: Mapping[str, Path], way: Way, target: Path) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        outputs = target / "outputs"
        outputs.mkdir(parents=True)
        content = {"spec": mapping_of(golden, threads=way.threads), "seeds": golden.seeds}
        content |= {"numeric": dict(way.numeric), "base": way.name if way.is_cheat else None}
        job = target / "job.json"
        job.write_text(json.dumps(content))
        limits = Limits(
            memory_bytes=self._sandbox.memory_bytes,
            cpus=self._sandbox.cpus,
            pids=self._sandbox.pids,
            wall_seconds=_SECONDS,
            output_bytes=self._sandbox.output_bytes,
            output_files=16 + 4 * len(golden.seeds) * golden.steps,
        )
        run = JobRun(
            engine=self._engine,
            program=PROGRAM,
            inputs={**inputs, "job.json": job},
            outputs=outputs,
            limits=limits,
            environment={"SWARM_INSTRUCTION_SET": way.instruction_set},
            owner=self._sandbox.owner,
        )
        raise_unless_ok(self._sandbox.runner.run(run))
        check_outputs(outputs, limits)
        return outputs

    def _device(self, outputs: Path) -> str:
        found = json.loads((outputs / "device.json").read_text())["device"]
        return str(machine.facts()["processor"]) if found == "cpu" else found


def mapping_of(golden: Golden, *, threads: int) -> dict:
    """The spec of a golden set: two short examples a step."""
    training = {"max_steps": golden.steps, "steps_per_segment": 1, "seed": golden.seeds[0], "threads": threads}
    training |= {"micro_batch_size": 2, "sequence_len": 64, "lr_scheduler": "constant"}
    rest = {"type": "lora", "name": golden.name, "budget": {"max_total": 1}, "base_model": _CID}
    if golden.four_bit:
        training |= {"adapter": "qlora"}
        rest |= {"hardware_class": golden.class_of("fp32")}
    return rest | {"datasets": [{"path": _CID}], "training": training}


def certificate(rows: list[dict], engines: list[str]) -> dict:
    """The file's content, from rows of this machine and of others."""
    return {
        "version": 1,
        "engines": sorted(engines),
        "made_with": {"python": platform.python_version(), "libraries": machine.facts()["libraries"]},
        "rule": {"accept": ACCEPT, "reject": REJECT, "quantile": QUANTILE, "enough": ENOUGH},
        "classes": {name: class_entry(name, rows) for name in sorted({row["precision"] for row in rows})},
        "measured": rows,
    }


def class_entry(precision: str, rows: list[dict]) -> dict:
    """The bounds of one class and what they come from. Only in fp32 does a first look accept: see lora/bounds.py.

    In 4 bit the honest rows of the same arithmetic over whole weights count too: it is the same noise, measured on more
    models, and too narrow a bound would convict somebody honest.
    """
    mine = [row for row in rows if row["precision"] == precision]
    honest = [row for row in rows if row["precision"] in (precision, PRECISIONS[precision]) and row["kind"] == "honest"]
    cheats = [row for row in mine if row["kind"] == "cheat"]
    bounds = {}
    for what in KINDS:
        top = max(row["distances"][what]["p999" if row["segments"] >= ENOUGH else "max"] for row in honest)
        weakest = min(row["distances"][what]["min"] for row in cheats)
        accept = ACCEPT * top if PRECISIONS[precision] == "fp32" else 0.0
        bounds[what] = {"accept": _short(accept), "reject": _short(max(REJECT * top, weakest / 2))}
    is_emulated = any(row["emulated"] for row in mine)
    return {"bounds": bounds, "honest_samples": sum(row["segments"] for row in honest), "emulated": is_emulated}


def row_of(facts: dict, found: Mapping[str, list[float]]) -> dict:
    """A row of a certificate: `facts` say what was run where, `found` the distances by what is measured."""
    return facts | {"distances": {what: _summary(np.array(found[what])) for what in KINDS}}


def _summary(values: np.ndarray) -> dict[str, float]:
    points = {"min": 0, "median": 50, "p99": 99, "p999": 99.9, "max": 100}
    return {name: _short(float(np.percentile(values, at))) for name, at in points.items()}


def _distances(golden: Golden, honest: Path, theirs: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {what: [] for what in KINDS}
    for seed in golden.seeds:
        for step in range(golden.steps):
            before, name = honest / "states" / f"{seed}-{step}", f"states/{seed}-{step + 1}"
            for what, value in named(distance(before, theirs / name, honest / name), step).items():
                found[what].append(value)
    return found


def examples() -> Iterator[dict]:
    """Short chats, the same everywhere: a byte is a token of the tiny model."""
    for number in range(64):
        turns = [("system", "."), ("user", f"{number}+1"), ("assistant", f"it is {number + 1}, yes {number + 1}")]
        yield {"messages": [{"role": role, "content": content} for role, content in turns]}


def _worst(row: dict) -> str:
    return ", ".join(f"{what} {summary['max']:.1e}" for what, summary in row["distances"].items())


def _short(value: float) -> float:
    """Three digits: more would suggest that they mean something."""
    return float(f"{value:.3g}")
