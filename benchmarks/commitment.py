#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a commitment costs beside the training it commits to: time as a share of a step, and bytes of a checkpoint.

    python benchmarks/commitment.py [--model FOLDER] [--steps N] [--batch N] [--sequence-len N] [--json FILE]

Goals: at most 3 % of the step time, a checkpoint no larger than adapter and optimizer (twice the adapter). Without a
model folder a tiny random one is used, whose steps are so short that its shares say nothing about a real job.
docs/commitment.md holds the figures of one run.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from swarm.jobs import lora as program
from swarm.jobs.fake import write_tiny_model
from swarm.jobs.training import Trainer
from swarm.protocol.commitment import directory_output_hash, trace_root
from swarm.storage.embedded import EmbeddedStore
from swarm.workloads.lora.initial import write_initial_state
from swarm.workloads.spec import parse_spec

CID = "ipfs://bafkrei" + "a" * 52
DATA = Path(__file__).resolve().parents[1] / "data" / "product_chat.train.jsonl"
MODEL = Path(__file__).resolve().parents[1] / ".cache" / "models" / "SmolLM2-135M-Instruct"
REPEATS = 5


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="commitment-") as scratch:
        found = measure(Path(scratch), options)
    print(table(found))
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def measure(root: Path, options: argparse.Namespace) -> dict[str, float | int | str]:
    """Seconds and bytes, by name."""
    model = Path(options.model) if options.model else MODEL if MODEL.is_dir() else write_tiny_model(root / "model")
    spec = _spec(options)
    write_initial_state(spec, model, root / "state")
    trainer = Trainer(spec.training.model_dump(), model=model, data=DATA, state=root / "state")
    records, seconds = [], []
    for step in range(options.steps):
        began = time.perf_counter()
        records.append(trainer.step(step).packed())
        seconds.append(time.perf_counter() - began)
    program.OUTPUTS = root / "outputs"
    trace = b"".join(records)
    write = _timed(lambda at: program.write_segment(at, *trainer.state(), trace, publish_trace=False))
    output = root / "outputs" / "segments" / "0000"
    store = EmbeddedStore(root / "store")
    sizes = {path.stem: path.stat().st_size for path in output.iterdir()}
    return {
        "model": model.name,
        "parameters": sum(weight.numel() for weight in trainer.weights.values()),
        "step_seconds": statistics.median(seconds[1:] or seconds),
        "write_seconds": write,
        "hash_seconds": _timed(lambda at: (trace_root(trace), directory_output_hash(output))),
        "cid_seconds": _timed(lambda at: store.add(output)),
        "adapter_bytes": sizes["adapter_model"],
        "optimizer_bytes": sizes["optimizer"],
        "checkpoint_bytes": sum(sizes.values()),
        "trace_bytes_per_step": len(trace) // options.steps,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def table(found: dict) -> str:
    """A line per fact, then the share of the step time by the steps of a segment."""
    cost = found["write_seconds"] + found["hash_seconds"] + found["cid_seconds"]
    lines = [f"{name:<22}{value if isinstance(value, str) else f'{value:,.6g}'}" for name, value in found.items()]
    lines += ["", "steps a segment   overhead"]
    for steps in (1, 2, 5, 10, 50):
        lines.append(f"{steps:<18}{100 * cost / (steps * found['step_seconds']):.2f} %")
    return "\n".join(lines)


def _timed(action: Callable[[int], object]) -> float:
    found = []
    for at in range(REPEATS):
        began = time.perf_counter()
        action(at)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def _spec(options: argparse.Namespace):
    training = {"max_steps": options.steps, "steps_per_segment": 1, "seed": 1, "threads": options.threads}
    training |= {"micro_batch_size": options.batch, "sequence_len": options.sequence_len}
    inputs = {"base_model": CID, "datasets": [{"path": CID}], "initial_state": CID}
    return parse_spec({"type": "lora", "name": "x", "budget": {"max_total": 1}, "training": training} | inputs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model folder; default: the demo's, else a tiny one")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--sequence-len", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="also write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
