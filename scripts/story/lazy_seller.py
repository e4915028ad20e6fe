# SPDX-License-Identifier: Apache-2.0
"""A seller that cheats, for the demo: the shipped worker with a program that skips the training.

It returns noise of the right shape and forges traces, then commits, publishes and submits like an honest seller.
Usage: python -m scripts.story.lazy_seller JOB
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from swarm import daemon, log
from swarm.cli.common import Context
from swarm.config import Config
from swarm.execution.segments import Sandbox
from swarm.journal import Journal, KeyLock
from swarm.protocol.commitment import TRACE_RECORD
from swarm.protocol.types import JobId
from swarm.runtime.fake import FakeRunner
from swarm.runtime.port import JobRun, Progress
from swarm.seller.plan import Policy
from swarm.seller.worker import Worker
from swarm.workloads.lora.segments import steps_of


def lazy(run: JobRun, emit: Progress) -> None:
    """Writes what a training run would have written, without training."""
    job = json.loads(run.inputs["job.json"].read_text())
    generator = np.random.default_rng()
    for segment in range(job["first_segment"], job["last_segment"]):
        steps = _steps(job["spec"]["training"], segment)
        _noise(run.inputs["state"], run.outputs / "segments" / f"{segment:04d}", steps.stop, generator)
        _forge(run.outputs / "traces" / f"{segment:04d}.bin", steps, generator)


def _noise(state: Path, target: Path, step: int, generator: np.random.Generator) -> None:
    """The right names, shapes and types, a plausible scale and the right step."""
    target.mkdir(parents=True)
    for path in sorted(state.iterdir()):
        tensors = load_file(path)
        if "step" in tensors:
            tensors["step"] = np.array([step], dtype=tensors["step"].dtype)
        for name, tensor in tensors.items():
            if np.issubdtype(tensor.dtype, np.floating):
                noise = generator.normal(0, 0.02, tensor.shape)
                # A negative second moment would give it away before anybody re-executes.
                fake = np.abs(noise) * 1e-4 if name.startswith("v.") else tensor + noise
                tensors[name] = fake.astype(tensor.dtype)
        save_file(tensors, target / path.name)


def _steps(training: dict, segment: int) -> range:
    return steps_of(segment, max_steps=training["max_steps"], steps_per_segment=training["steps_per_segment"])


def _forge(target: Path, steps: range, generator: np.random.Generator) -> None:
    """Losses that fall as an honest run's would."""
    target.parent.mkdir(exist_ok=True)
    records = (
        TRACE_RECORD.pack(step, 3 - 0.03 * step + generator.normal(0, 0.1), generator.uniform(0.5, 2), 200)
        for step in steps
    )
    target.write_bytes(b"".join(records))


def main() -> None:
    log.set_up(as_json=True)
    context = Context(Config({}), "quiet")
    KeyLock("worker", context.address).acquire()
    worker = Worker(
        chain=context.chain,
        store=context.store,
        sandbox=Sandbox(FakeRunner(lazy), owner="lazy"),
        journal=Journal(context.home / "worker.sqlite").bind(context.chain.deployment()),
        account=context.account,
        home=context.home,
        policy=Policy(only_job=JobId(int(sys.argv[1]))),
    )
    daemon.run(worker.tick, period_seconds=1, is_done=lambda: worker.is_done)


if __name__ == "__main__":
    main()
