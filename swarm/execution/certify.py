# SPDX-License-Identifier: Apache-2.0
"""Measures how far honest machines are apart, and writes a certificate: bounds with the samples they come from.

The rule (verification.md, C5): accept is ten times the 99.9 % quantile of honest distances, or their largest if there
are fewer than a thousand; reject is fifty times that, or half of the weakest cheat that saves work if that is more.
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
from swarm.runtime.outputs import check_outputs
from swarm.runtime.port import JobRun, Limits
from swarm.workloads.lora.bounds import named
from swarm.workloads.lora.distance import distance

PROGRAM = ("python", "-m", "swarm.jobs.calibrate")
KINDS = ("weights", "early_weights", "first_moment", "second_moment")
QUANTILE, ENOUGH, ACCEPT, REJECT = 99.9, 1000, 10.0, 50.0
CHEAT = "int8 base"
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
    """A model (None: the tiny one) and how much of it is run: `steps` single steps after each of `seeds`."""

    name: str
    model: Path | None
    seeds: tuple[int, ...]
    steps: int


def ways(precision: str, *, emulated: bool) -> list[Way]:
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
        Way(CHEAT, precision, base, is_cheat=True),
    ]
    if precision == "fp32":
        return found
    # Rounding to few bits hides what the instruction set does: the class itself is the variant.
    return [Way("same kernels", precision, base), found[1], found[3], found[-1]]


class Certifier:
    """Runs golden sets in one sandbox. `say` gets a line for every way that was run."""

    def __init__(self, sandbox: Sandbox, engine: str, workspace: Path, say: Callable[[str], None]) -> None:
        self._sandbox, self._engine, self._home, self._say = sandbox, engine, workspace, say
        self._devices: set[str] = set()

    def certificate(self, golden: list[Golden], engines: list[str]) -> dict:
        """The file's content. Raises JobFailed when a run breaks its limits."""
        rows = [row for one in golden for row in self._rows(one)]
        return {
            "version": 1,
            "engines": sorted(engines),
            "made_with": _libraries() | {"devices": sorted(self._devices)},
            "rule": {"accept": ACCEPT, "reject": REJECT, "quantile": QUANTILE, "enough": ENOUGH},
            "classes": {name: class_entry(name, rows) for name in sorted({row["precision"] for row in rows})},
            "measured": [{key: value for key, value in row.items() if key != "raw"} for row in rows],
        }

    def _rows(self, golden: Golden) -> Iterator[dict]:
        home = self._home / golden.name
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples()))
        inputs = {"train.jsonl": home / "train.jsonl"} | ({"model": golden.model} if golden.model else {})
        honest = self._run(golden, inputs, Way("honest", "fp32", {}), home / "honest")
        inputs = {"model": honest / "model"} | inputs | {"states": honest / "states"}
        emulated = json.loads((honest / "device.json").read_text())["emulated"]
        for precision in emulated:
            for way in ways(precision, emulated=emulated[precision]):
                theirs = self._run(golden, inputs, way, home / "way")
                found = _distances(golden, honest, theirs)
                self._say(f"{golden.name}, {precision}, {way.name}: {_worst(found)}")
                yield _row(golden, way, found, emulated=emulated[precision])

    def _run(self, golden: Golden, inputs: Mapping[str, Path], way: Way, target: Path) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        outputs = target / "outputs"
        outputs.mkdir(parents=True)
        content = {"spec": mapping_of(golden, threads=way.threads), "seeds": golden.seeds}
        content |= {"numeric": dict(way.numeric), "base": "int8" if way.is_cheat else None}
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
        device = json.loads((outputs / "device.json").read_text())["device"]
        self._devices.add(str(machine.facts()["processor"]) if device == "cpu" else device)
        return outputs


def mapping_of(golden: Golden, *, threads: int) -> dict:
    """The spec of a golden set: two short examples a step."""
    training = {"max_steps": golden.steps, "steps_per_segment": 1, "seed": golden.seeds[0], "threads": threads}
    training |= {"micro_batch_size": 2, "sequence_len": 64, "lr_scheduler": "constant"}
    rest = {"type": "lora", "name": golden.name, "budget": {"max_total": 1}, "base_model": _CID}
    return rest | {"datasets": [{"path": _CID}], "training": training}


def class_entry(precision: str, rows: list[dict]) -> dict:
    """The bounds of one class and what they come from. Only in fp32 does a first look accept: see lora/bounds.py."""
    mine = [row for row in rows if row["precision"] == precision]
    honest = [row["raw"] for row in mine if row["kind"] == "honest"]
    cheats = [row["raw"] for row in mine if row["kind"] == "cheat"]
    bounds, samples = {}, 0
    for what in KINDS:
        values = np.concatenate([raw[what] for raw in honest])
        samples = max(samples, len(values))
        top = float(np.percentile(values, QUANTILE) if len(values) >= ENOUGH else values.max())
        weakest = min(float(raw[what].min()) for raw in cheats)
        accept = ACCEPT * top if precision == "fp32" else 0.0
        bounds[what] = {"accept": _short(accept), "reject": _short(max(REJECT * top, weakest / 2))}
    return {"bounds": bounds, "honest_samples": samples, "emulated": any(row["emulated"] for row in mine)}


def _row(golden: Golden, way: Way, found: dict[str, np.ndarray], *, emulated: bool) -> dict:
    summary = {what: _summary(values) for what, values in found.items()}
    facts = {"model": golden.name, "precision": way.precision, "way": way.name, "emulated": emulated}
    kind = "cheat" if way.is_cheat else "honest"
    return facts | {"kind": kind, "segments": len(golden.seeds) * golden.steps, "distances": summary, "raw": found}


def _summary(values: np.ndarray) -> dict[str, float]:
    points = {"min": 0, "median": 50, "p99": 99, "p999": 99.9, "max": 100}
    return {name: _short(float(np.percentile(values, at))) for name, at in points.items()}


def _distances(golden: Golden, honest: Path, theirs: Path) -> dict[str, np.ndarray]:
    found: dict[str, list[float]] = {what: [] for what in KINDS}
    for seed in golden.seeds:
        for step in range(golden.steps):
            before, name = honest / "states" / f"{seed}-{step}", f"states/{seed}-{step + 1}"
            for what, value in named(distance(before, theirs / name, honest / name), step).items():
                found[what].append(value)
    return {what: np.array(values) for what, values in found.items()}


def examples() -> Iterator[dict]:
    """Short chats, the same everywhere: a byte is a token of the tiny model."""
    for number in range(64):
        turns = [("system", "."), ("user", f"{number}+1"), ("assistant", f"it is {number + 1}, yes {number + 1}")]
        yield {"messages": [{"role": role, "content": content} for role, content in turns]}


def _libraries() -> dict:
    facts = machine.facts()
    return {"python": platform.python_version(), "libraries": facts["libraries"]}


def _worst(found: dict[str, np.ndarray]) -> str:
    return ", ".join(f"{what} {values.max():.1e}" for what, values in found.items() if len(values))


def _short(value: float) -> float:
    """Three digits: more would suggest that they mean something."""
    return float(f"{value:.3g}")
