# SPDX-License-Identifier: Apache-2.0
"""A sweep as a person writes it, and the trials that travel."""

import copy

import pytest

CID = "ipfs://bafkrei" + "a" * 52
TEMPLATE = {
    "type": "lora",
    "base_model": "file:model",
    "datasets": [{"path": "file:chats.jsonl"}],
    "training": {"max_steps": 27, "steps_per_segment": 27, "seed": 7},
}
SWEEP = {
    "version": 1,
    "type": "sweep",
    "name": "lr-rank",
    "method": "bayes",
    "metric": {"name": "eval_loss", "goal": "minimize"},
    "run_cap": 9,
    "parallel": 3,
    "parameters": {
        "training.learning_rate": {"distribution": "log_uniform_values", "min": 1e-5, "max": 5e-4},
        "training.lora_r": {"values": [2, 4, 8]},
    },
    "budget": {"max_total": 9, "max_per_run": 1},
    "template": TEMPLATE,
}
PROGRAM = {
    "type": "container",
    "image": "sha256:" + "a" * 64,
    "entrypoint": ["python3", "train.py"],
    "env": {"MODE": "quick"},
    "determinism": "exact",
}
PROGRAM_SWEEP = {
    "version": 1,
    "type": "sweep",
    "name": "program",
    "method": "grid",
    "metric": {"name": "acc", "goal": "maximize"},
    "run_cap": 9,
    "parallel": 9,
    "parameters": {"lr": {"values": [0.1, 0.2, 0.3]}, "env.SEED": {"values": [1, 2, 3]}},
    "budget": {"max_total": 9, "max_per_run": 1},
    "program": PROGRAM,
}


@pytest.fixture
def written() -> dict:
    return copy.deepcopy(SWEEP)
