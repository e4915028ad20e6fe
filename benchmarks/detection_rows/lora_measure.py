# SPDX-License-Identifier: Apache-2.0
"""Runs variants of single steps from the honest states and keeps every result; a broken run goes on where it was.

python benchmarks/detection_rows/lora_measure.py real 150 ["int8 base" …]
python benchmarks/detection_rows/lora_measure.py rows tiny 200    puts what was measured into results/lora_rows.json
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

BLOCK = 10  # steps of one variant before the next one's turn, so that all rows grow together


def folder_of(bench, name: str) -> Path:
    """Where a variant's results lie."""
    return bench.root / "variants" / name.replace(" ", "_").replace("/", "-")


def measure(bench, names: list[str], *, steps: int) -> None:
    """Every variant's result of every step, in processes of their own where the instruction set differs."""
    from detection_rows.lora_variants import VARIANTS

    here = [name for name in names if not VARIANTS[name].environment]
    trainers = {}
    for start in range(0, steps, BLOCK):
        for name in here:
            _run(bench, name, range(start, min(start + BLOCK, steps)), trainers)
    for name in names:
        if VARIANTS[name].environment and any(not _result(bench, name, step).exists() for step in range(steps)):
            environment = os.environ | VARIANTS[name].environment | {"SWARM_DETECTION_CHILD": "1"}
            command = [sys.executable, __file__, bench.name, str(steps), name]
            subprocess.run(command, env=environment | {"SWARM_DETECTION_ROOT": str(bench.root)}, check=True)


def _run(bench, name: str, steps: range, trainers: dict) -> None:
    from detection_rows.lora_bench import write_state
    from detection_rows.lora_variants import VARIANTS

    missing = [step for step in steps if not _result(bench, name, step).exists()]
    if not missing:
        return
    variant, began = VARIANTS[name], time.process_time()
    if name not in trainers:
        trainers[name] = bench.trainer(variant.kind, threads=variant.threads, numeric=variant.numeric)
    import torch

    torch.set_num_threads(variant.threads)
    for step in missing:
        trainers[name].restore(bench.state(step))
        write_state(trainers[name], trainers[name].step(step), _result(bench, name, step))
    # A model a variant would fill the memory.
    if bench.model == "real":
        del trainers[name]
    spent = time.process_time() - began
    print(f"{bench.name} {name}: steps {missing[0]}-{missing[-1]}, {spent:.0f} cpu s", flush=True)


def _result(bench, name: str, step: int) -> Path:
    return folder_of(bench, name) / f"{step:04}"


def measured(bench) -> list[dict]:
    """What was measured so far, as rows of a certificate (`swarm workload certify --merge`)."""
    from detection_rows.lora_variants import LOOK, VARIANTS
    from swarm.execution import machine
    from swarm.execution.certify import KINDS, row_of
    from swarm.workloads.lora.bounds import named
    from swarm.workloads.lora.distance import distance

    rows = []
    for name, variant in VARIANTS.items():
        precision = variant.numeric.precision if variant.numeric else "fp32"
        is_cheat = name == "int8 base" or name.endswith(", int8 base")
        steps = [step for step in range(bench.steps) if (_result(bench, name, step) / "trace.bin").is_file()]
        if (not is_cheat and not _is_honest(name)) or len(steps) < BLOCK:
            continue
        found = {what: [] for what in KINDS}
        for step in steps:
            apart = distance(bench.state(step), _result(bench, name, step), bench.state(step + 1))
            for what, value in named(apart, step).items():
                found[what].append(value)
        facts = {
            "model": bench.model,
            "precision": precision,
            "way": "eager, micro-batches of 1" if name == LOOK else name,
        }
        facts |= {"device": machine.facts()["processor"], "emulated": precision != "fp32", "segments": len(steps)}
        rows.append(row_of(facts | {"kind": "cheat" if is_cheat else "honest"}, found))
    return rows


def _is_honest(name: str) -> bool:
    """Cheats of the data or the model are no measure of noise."""
    return not any(word in name for word in ("base", "dropped", "cut", "order", "repeated", "half"))


def main() -> None:
    if sys.argv[1] == "measured":
        import json

        from detection_rows.lora_bench import CACHE, CERTIFICATE, Bench

        sources = [(f"{model}{CERTIFICATE}", steps) for model, steps in (("real", 60), ("tiny", 200))]
        rows = [row for name, steps in sources for row in measured(Bench(name, steps, CACHE / name))]
        print(json.dumps({"measured": rows}))
        return
    if sys.argv[1] == "rows":
        from detection_rows.lora import keep, rows_of
        from detection_rows.lora_bench import CACHE, Bench

        keep(list(rows_of(Bench(sys.argv[2], int(sys.argv[3]), CACHE / sys.argv[2]))))
        return
    name, steps, *names = sys.argv[1:]
    kept = {key: os.environ.get(key) for key in ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA")}
    from detection_rows.lora_bench import Bench, prepared

    if os.environ.get("SWARM_DETECTION_CHILD"):
        # The benchmark pins the product's instruction set on import; this process measures another one.
        os.environ.update({key: value for key, value in kept.items() if value})
        bench = Bench(name, int(steps), Path(os.environ["SWARM_DETECTION_ROOT"]))
        for start in range(0, int(steps), BLOCK):
            _run(bench, names[0], range(start, min(start + BLOCK, int(steps))), {})
        return
    from detection_rows.lora_variants import VARIANTS

    measure(prepared(name, int(steps)), names or list(VARIANTS), steps=int(steps))


if __name__ == "__main__":
    main()
