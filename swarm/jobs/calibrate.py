# SPDX-License-Identifier: Apache-2.0
"""Single training steps in one way of computing, for a certificate: `python -m swarm.jobs.calibrate`.

inputs   job.json {"spec": a LoRA spec, "seeds": [n, …], "numeric": {…}, "base": null or a cheat's name}, train.jsonl,
         model/ (absent: the honest run makes the tiny one), states/SEED-STEP/ (absent for the honest run)
outputs  states/SEED-STEP/, the state after STEP steps: of the honest run a trajectory, else one step from each of its
         states; device.json {"device": name, "emulated": {precision: whether this machine lacks it}}; model/ if made
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swarm.errors import JobFailed
from swarm.jobs.fake import write_tiny_model
from swarm.jobs.numeric import PRECISIONS, Numeric, device_of
from swarm.jobs.program import INPUTS, OUTPUTS, emit, read_job, run
from swarm.jobs.training import Trainer
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE, write_initial_state
from swarm.workloads.spec import parse_spec

GROUP = 32


class Int8Base(Trainer):
    """The weakest cheat that saves work: a base whose linear layers hold 8 bits (round to nearest, groups of 32)."""

    def base(self, folder: Path) -> Any:
        import torch

        model = super().base(folder)
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head"):
                module.weight.copy_(to_integers(module.weight, 127))
        return model


class SingleBase(Trainer):
    """The nearest thing to nf4 with double quantisation: without the second one. It saves nothing; there is no other
    4-bit base that lies nearer to the right one."""

    def base(self, folder: Path) -> Any:
        from swarm.jobs.four_bit import FourBit
        from swarm.jobs.model import load_model

        four_bit = FourBit(self.numeric.precision, is_double=False)
        return load_model(folder, attention=self.numeric.attention, four_bit=four_bit)


CHEATS = {None: Trainer, "int8 base": Int8Base, "single quantisation": SingleBase}


def to_integers(weight: Any, levels: int) -> Any:
    """A weight rounded to 2·levels + 1 values a group."""
    groups = weight.reshape(-1, GROUP)
    scale = groups.abs().amax(1, keepdim=True).clamp(min=1e-12) / levels
    return ((groups / scale).round().clamp(-levels, levels) * scale).reshape(weight.shape)


def main() -> None:
    job = read_job()
    spec = parse_spec(job["spec"])
    training, states = spec.training.model_dump(), INPUTS / "states"
    model = INPUTS / "model" if (INPUTS / "model").exists() else write_tiny_model(OUTPUTS / "model")
    is_honest = not states.exists()
    if is_honest:
        states = OUTPUTS / "states"
        for seed in job["seeds"]:
            seeded = spec.model_copy(update={"training": spec.training.model_copy(update={"seed": seed})})
            write_initial_state(seeded, model, states / f"{seed}-0")
    kind = CHEATS[job["base"]]
    given = {"model": model, "data": INPUTS / "train.jsonl", "state": states / f"{job['seeds'][0]}-0"}
    trainer = kind(training, **given, exact=False, numeric=Numeric(**job["numeric"]))
    for seed in job["seeds"]:
        trainer.training = training | {"seed": seed}
        for step in range(training["max_steps"]):
            trainer.restore(states / f"{seed}-{step}")
            trainer.step(step)
            _write(trainer, OUTPUTS / "states" / f"{seed}-{step + 1}")
        emit("calibrated", seed=seed)
    facts = {"device": _device(trainer.device), "emulated": {name: not _is_native(name) for name in PRECISIONS}}
    (OUTPUTS / "device.json").write_text(json.dumps(facts))


def _is_native(precision: str) -> bool:
    try:
        device_of(precision)
    except JobFailed:
        return False
    return True


def _write(trainer: Trainer, target: Path) -> None:
    from safetensors.torch import save_file

    target.mkdir(parents=True)
    for name, tensors in zip((ADAPTER_FILE, OPTIMIZER_FILE), trainer.state(), strict=True):
        save_file(tensors, target / name)
        (target / name).chmod(0o644)


def _device(name: str) -> str:
    import torch

    return torch.cuda.get_device_name() if name == "cuda" else "cpu"


if __name__ == "__main__":
    run(main)
