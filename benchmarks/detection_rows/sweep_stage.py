# SPDX-License-Identifier: Apache-2.0
"""A bench for sweeps: a tiny model, data, some trials, and the judge's own run of each of them."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from swarm.jobs import trials as program  # sets the processor's kernels before torch is imported
from swarm.jobs.fake import write_tiny_model
from swarm.protocol import commitment
from swarm.workloads.example import Format
from swarm.workloads.lora.spec import Training
from swarm.workloads.spec import canonical_json, parse_spec
from swarm.workloads.sweep.metrics import Metrics
from swarm.workloads.sweep.trial import normal, trial_id

CID = "ipfs://bafkrei" + "a" * 52
EXAMPLES, HELD_OUT = 48, 12


@dataclass(frozen=True, slots=True)
class Claim:
    """What a side says of a trial: its digest, and what went into it."""

    digest: bytes
    metrics: Metrics
    trained: program.Trained | None = None


class Bench:
    def __init__(self, root: Path, *, trials: int, steps: int) -> None:
        self.root, self.trials, self.steps = root, trials, steps
        write_tiny_model(root / "model")
        _write_data(root)
        self.training = Training(
            max_steps=steps,
            steps_per_segment=steps,
            seed=7,
            sequence_len=128,
            micro_batch_size=2,
            gradient_accumulation_steps=2,
            threads=1,
        )
        self.entries = [self._entry(at) for at in range(trials)]
        self.stage = program.Stage.load(root, Format())
        self._written = 0

    @property
    def template(self) -> dict:
        return json.loads(json.dumps(self.training.model_dump()))

    @cached_property
    def judged(self) -> list[Claim]:
        """The judge's re-execution of every trial."""
        began = time.process_time()
        found = [self.run(at) for at in range(self.trials)]
        self.seconds = time.process_time() - began
        return found

    @property
    def judge_share(self) -> float:
        """Re-executing one of n equal segments."""
        return 1 / self.trials

    def run(self, at: int, trainer: type = program.TrialTrainer, *, threads: int = 1, **changes) -> Claim:
        """One trial by a seller; `changes` to its entry."""
        template = self.template | {"threads": threads}
        # attach_lora changes the model it is given.
        stage = replace(self.stage, model=copy.deepcopy(self.stage.model))
        trained = program.run_trial(template, self.entries[at] | changes, stage, trainer=trainer, inputs=self.root)
        return self.claim(trained)

    def rung(self, at: int) -> tuple[Claim, Claim]:
        """(a seller that went on from its own rung, the judge that starts at the published state)."""
        half = self.steps // 2
        first = self.run(at, last_step=half)
        start = self.root / f"start-{self.entries[at]['id']}"
        if not start.exists():
            self._write(first.trained).rename(start)
        changes = {"first_step": half, "start": CID}
        return self.run(at, **changes), self.run(at, **changes)

    def claim(self, trained: program.Trained) -> Claim:
        """The digest a seller commits to: of the trace and of the files as they would be published."""
        folder = self._write(trained)
        output = commitment.directory_output_hash(folder)
        return Claim(commitment.segment_digest(commitment.trace_root(trained.trace), output), trained.metrics, trained)

    def program(self, *, cores: int) -> list[Claim]:
        """The whole job by the shipped program in a process of its own."""
        inputs, outputs = self.root / "inputs", self.root / f"outputs-{cores}"
        inputs.mkdir(exist_ok=True)
        outputs.mkdir()
        job = {"spec": self.spec(), "first_segment": 0, "last_segment": self.trials, "from_initial": True}
        (inputs / "job.json").write_text(json.dumps(job))
        for name in ("model", "train.jsonl", "validation.jsonl"):
            if not (inputs / name).exists():
                (inputs / name).symlink_to(self.root / name)
        told = {"SWARM_INPUTS": str(inputs), "SWARM_OUTPUTS": str(outputs), "OMP_NUM_THREADS": str(cores)}
        command = [sys.executable, "-m", "swarm.jobs.trials"]
        subprocess.run(command, env=os.environ | told, check=True, stdout=subprocess.DEVNULL)
        return [_read(outputs, at) for at in range(self.trials)]

    def spec(self) -> dict:
        """The trials as a job, resolved."""
        inputs = {"base_model": CID, "datasets": [{"path": CID}], "validation": CID}
        rest = {"type": "trials", "name": "bench", "budget": {"max_total": 1}, "training": self.training.model_dump()}
        return json.loads(canonical_json(parse_spec(rest | inputs | {"trials": self.entries})))

    def _entry(self, at: int) -> dict:
        # Rates over two decades, as a sweep would try them.
        rate = float(f"{10 ** (-3.5 + 2 * at / max(1, self.trials - 1)):.3g}")
        parameters = normal(self.training, {"learning_rate": rate, "lora_r": (2, 4)[at % 2], "seed": 1000 + at})
        ends = {"first_step": 0, "last_step": self.steps, "start": None}
        return {"id": trial_id(parameters, parameters["seed"]), "training": parameters} | ends

    def _write(self, trained: program.Trained) -> Path:
        self._written += 1
        program.write(self._written, trained, self.root / "written")
        return self.root / "written" / "segments" / f"{self._written:04}"


def _read(outputs: Path, at: int) -> Claim:
    folder, trace = outputs / f"segments/{at:04}", (outputs / f"traces/{at:04}.bin").read_bytes()
    digest = commitment.segment_digest(commitment.trace_root(trace), commitment.directory_output_hash(folder))
    return Claim(digest, Metrics.parse((folder / "metrics.json").read_bytes()))


def _write_data(root: Path) -> None:
    for name, numbers in (("train", range(EXAMPLES)), ("validation", range(EXAMPLES, EXAMPLES + HELD_OUT))):
        rows = []
        for number in numbers:
            word = hashlib.sha256(str(number).encode()).hexdigest()[: 8 + number % 9]
            said = f"{word} has {len(word)} letters, {math.isqrt(number)} is near its root. "
            turns = [{"role": "user", "content": f"Tell me of {word}."}, {"role": "assistant", "content": said}]
            rows.append(json.dumps({"messages": turns}) + "\n")
        (root / f"{name}.jsonl").write_text("".join(rows), "utf-8")
