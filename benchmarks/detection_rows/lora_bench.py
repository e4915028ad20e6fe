# SPDX-License-Identifier: Apache-2.0
"""A LoRA job to be cheated on: SmolLM2-135M or the tiny model, 2 examples of at most 64 tokens a step, one step a
segment. The honest trajectory is computed once; every variant replays single steps from its states."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import swarm.jobs.program  # noqa: F401  pins the instruction set before torch is imported
from swarm.jobs.chat import ChatEncoder
from swarm.jobs.fake import write_tiny_model
from swarm.jobs.training import StepRecord, Trainer
from swarm.workloads.dataset import Message
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE, TRACE_FILE, write_initial_state
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.spec import parse_spec

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "detection"  # outside git: half a gigabyte of states a run
REAL = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct"
CID = "ipfs://bafkrei" + "a" * 52
LENGTH, BATCH = 64, 2
TRAINING = {
    "sequence_len": LENGTH,
    "micro_batch_size": BATCH,
    "lr_scheduler": "constant",
    "threads": 1,
    "steps_per_segment": 1,
}
# The certificate's bounds come from the second of these; the table judges segments which they have never seen: another
# first state, other batches and half the learning rate.
CERTIFICATE = "-certificate"
TRAJECTORIES = {"": {"seed": 29, "learning_rate": 1e-4}, CERTIFICATE: {"seed": 11, "learning_rate": 2e-4}}


@dataclass(frozen=True)
class Bench:
    """One job: its folder holds model/, train.jsonl and states/NNNN, the state after N honest steps.

    `name`: "tiny" or "real", with "-certificate" for the trajectory that bounds are derived from.
    """

    name: str
    steps: int
    root: Path

    @property
    def model(self) -> str:
        return self.name.removesuffix(CERTIFICATE)

    @property
    def spec(self) -> LoraSpec:
        rest = {"type": "lora", "name": self.name, "budget": {"max_total": 1}, "base_model": CID}
        training = TRAINING | TRAJECTORIES[self.name.removeprefix(self.model)] | {"max_steps": self.steps}
        rest |= {"datasets": [{"path": CID}], "initial_state": CID, "hardware_class": "fp32"}
        return parse_spec(rest | {"training": training, "verification": "tolerance"})

    @property
    def training(self) -> dict:
        return self.spec.training.model_dump()

    def state(self, step: int) -> Path:
        return self.root / "states" / f"{step:04}"

    def trainer(self, kind: type[Trainer] = Trainer, *, threads: int = 1, **options) -> Trainer:
        training = self.training | {"threads": threads}
        given = {"model": self.root / "model", "data": self.root / "train.jsonl", "state": self.state(0)}
        return kind(training, **given, exact=False, **options)


def prepared(name: str, steps: int, root: Path | None = None) -> Bench:
    """The bench with its whole honest trajectory; what an earlier call computed is kept."""
    bench = Bench(name, steps, (root or CACHE) / name)
    bench.root.mkdir(parents=True, exist_ok=True)
    model = bench.root / "model"
    if not model.exists():
        model.symlink_to(REAL) if bench.model == "real" else write_tiny_model(model)
    if not (bench.root / "train.jsonl").exists():
        (bench.root / "train.jsonl").write_text(_examples(model), "utf-8")
    if not bench.state(0).exists():
        write_initial_state(bench.spec, model, bench.state(0))
    missing = [step for step in range(steps) if not bench.state(step + 1).exists()]
    if missing:
        trainer = bench.trainer()
        trainer.restore(bench.state(missing[0]))
        for step in range(missing[0], steps):
            write_state(trainer, trainer.step(step), bench.state(step + 1))
    return bench


def write_state(trainer: Trainer, record: StepRecord, target: Path) -> None:
    """One published output, as the job program writes it."""
    from safetensors.torch import save_file

    partial = target.with_name(target.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    for name, tensors in zip((ADAPTER_FILE, OPTIMIZER_FILE), trainer.state(), strict=True):
        save_file(tensors, partial / name)
    (partial / TRACE_FILE).write_bytes(record.packed())
    partial.rename(target)


def _examples(model: Path) -> str:
    """Chats whose answer begins early enough: the first tokens of a long one are cut off with its answer."""
    encoder, rows = ChatEncoder(model), []
    for line in (ROOT / "data" / "product_chat.train.jsonl").read_text("utf-8").splitlines():
        turns = [turn for turn in json.loads(line)["messages"] if turn["role"] != "system"]
        messages = [Message("system", ".", False)]
        messages += [Message(turn["role"], turn["content"], turn["role"] == "assistant") for turn in turns]
        encoded = encoder.encode(messages, limit=LENGTH)
        if sum(encoded.trained) >= 8:
            rows.append({"messages": [{"role": turn.role, "content": turn.content} for turn in messages]})
    if len(rows) < 64:
        rows = [_sum(number) for number in range(64)]
    return "".join(json.dumps(row) + "\n" for row in rows)


def _sum(number: int) -> dict:
    """The tiny model has a token a byte, so its chats must be short."""
    turns = [("system", "."), ("user", f"{number}+1"), ("assistant", f"it is {number + 1}, yes {number + 1}")]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}
