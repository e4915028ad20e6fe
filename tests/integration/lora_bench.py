# SPDX-License-Identifier: Apache-2.0
"""A directory with a tiny model and data, and a way to run the LoRA program on it as its own process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from swarm.jobs.fake import write_tiny_model
from swarm.workloads.lora.initial import write_initial_state
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.spec import canonical_json, parse_spec
from tests.integration.warm import run_program

CID = "ipfs://bafkrei" + "a" * 52
TRAINING = {
    "max_steps": 7,
    "steps_per_segment": 2,
    "seed": 7,
    "sequence_len": 256,
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "learning_rate": 5e-3,
    "weight_decay": 0.01,
    "warmup_steps": 2,
    "threads": 1,
}


class Bench:
    """A directory with a model and data, and a way to run the program on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.model = write_tiny_model(root / "model")
        self.data = root / "train.jsonl"
        rows = (
            {
                "messages": [
                    {"role": "user", "content": f"What is {n} plus {n}?"},
                    {"role": "assistant", "content": f"It is {2 * n}. " * (1 + n % 3)},
                ]
            }
            for n in range(11)
        )
        self.data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        self.heldout = root / "heldout.jsonl"

    def spec(self, *, change: dict | None = None, **training: object) -> LoraSpec:
        inputs = {"base_model": CID, "datasets": [{"path": CID}], "initial_state": CID}
        rest = {"type": "lora", "name": "tiny", "budget": {"max_total": 1}}
        return parse_spec(rest | inputs | {"training": TRAINING | training} | (change or {}))

    def state(self, spec: LoraSpec, name: str = "state") -> Path:
        write_initial_state(spec, self.model, self.root / name)
        return self.root / name

    def run(self, program: str, name: str, job: dict, **inputs: Path) -> tuple[subprocess.CompletedProcess, Path]:
        folder, outputs = self.root / name / "inputs", self.root / name / "outputs"
        folder.mkdir(parents=True)
        outputs.mkdir()
        (folder / "job.json").write_text(json.dumps(job))
        for key, path in ({"model": self.model} | inputs).items():
            (folder / key).symlink_to(path)
        told = {"SWARM_INPUTS": str(folder), "SWARM_OUTPUTS": str(outputs)}
        return run_program(f"swarm.jobs.{program}", told), outputs

    def train(self, name: str, spec: LoraSpec, segments: range, state: Path) -> Path:
        finished, outputs = self.attempt(name, spec, segments, state)
        assert finished.returncode == 0, finished.stderr
        return outputs

    def attempt(
        self, name: str, spec: LoraSpec, segments: range, state: Path
    ) -> tuple[subprocess.CompletedProcess, Path]:
        bounds = {"first_segment": segments.start, "last_segment": segments.stop}
        job = {"spec": json.loads(canonical_json(spec))} | bounds
        heldout = {"heldout.jsonl": self.heldout} if spec.test_datasets else {}
        return self.run("lora", name, job, state=state, **{"train.jsonl": self.data}, **heldout)


def events(finished: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]


def refused(finished: subprocess.CompletedProcess, outputs: Path, code: int, message: str) -> None:
    assert finished.returncode == code, finished.stderr
    assert events(finished)[-1]["event"] == "failed"
    assert message in events(finished)[-1]["message"]
    assert not list(outputs.rglob("*.safetensors"))
