# SPDX-License-Identifier: Apache-2.0
"""A spec as a person writes it, one as it travels, and a base model of two layers that is only headers and zeros."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.spec import parse_spec

CID = "ipfs://bafkrei" + "a" * 52

WRITTEN = {
    "version": 1,
    "type": "lora",
    "name": "support-bot",
    "base_model": "file:model",
    "datasets": [{"path": "file:chats.jsonl"}],
    "training": {"max_steps": 40, "steps_per_segment": 2, "seed": 7},
    "budget": {"max_total": 0.35},
}


@pytest.fixture
def written() -> dict:
    return copy.deepcopy(WRITTEN)


@pytest.fixture
def resolved(written: dict) -> LoraSpec:
    return parse_spec(written | {"base_model": CID, "datasets": [{"path": CID}], "initial_state": CID})


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    weights = {}
    for layer in range(2):
        prefix = f"model.layers.{layer}.self_attn"
        weights[f"{prefix}.q_proj.weight"] = np.zeros((32, 16), np.float16)
        weights[f"{prefix}.v_proj.weight"] = np.zeros((8, 16), np.float16)
    save_file(weights, folder / "model.safetensors")
    return folder
