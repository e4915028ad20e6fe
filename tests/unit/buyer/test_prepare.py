# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from swarm.buyer.prepare import prepare
from swarm.errors import TransientError
from swarm.storage.fake import FakeStore
from swarm.storage.hub import RemoteFile
from swarm.workloads.spec import parse_spec

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = save(
    {f"model.layers.0.self_attn.{name}.weight": np.zeros((4, 4), np.float32) for name in ("q_proj", "v_proj")}
)
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "evil.py": b"raise SystemExit"}


class FakeHub:
    def look_up(self, repo: str, revision: str) -> tuple[str, Sequence[RemoteFile]]:
        if repo != "org/name":
            raise TransientError("the Hugging Face Hub cannot be reached: no route")
        return COMMIT, [RemoteFile(name, len(data)) for name, data in FILES.items()]

    def download(self, repo: str, commit: str, name: str, target: Path) -> None:
        (target / name).write_bytes(FILES[name])


def spec(model: str):
    row = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    return json.dumps(row), parse_spec(
        {
            "type": "lora",
            "name": "x",
            "base_model": model,
            "datasets": [{"path": "file:chats.jsonl"}],
            "training": {"num_epochs": 3, "seed": 1, "lora_r": 2, "micro_batch_size": 1},
            "budget": {"max_total": 1},
        }
    )


def test_a_model_of_the_hub_travels_as_content(tmp_path: Path) -> None:
    data, written = spec("hf://models/org/name@main")
    (tmp_path / "chats.jsonl").write_text(data)
    store = FakeStore()
    prepared = prepare(written, store, base=tmp_path, cache=tmp_path / "cache", hub=FakeHub())
    assert prepared.spec.is_resolved
    assert prepared.facts["base_model"] == f"org/name@{COMMIT}"
    assert prepared.facts["steps"] == prepared.spec.training.max_steps == 3
    names = {path.name for path in (tmp_path / "cache" / "hub" / "org--name" / COMMIT).iterdir()}
    assert names == {"config.json", "model.safetensors"}


def test_a_hub_out_of_reach_pins_nothing(tmp_path: Path) -> None:
    data, written = spec("hf://models/other/name")
    (tmp_path / "chats.jsonl").write_text(data)
    with pytest.raises(TransientError):
        prepare(written, FakeStore(), base=tmp_path, cache=tmp_path / "cache", hub=FakeHub())
