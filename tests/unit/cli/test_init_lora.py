# SPDX-License-Identifier: Apache-2.0
"""`swarm init lora` and what it shares with `swarm lora`: the report, the cleaned copy, the spec it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from swarm.cli.data import dataset_keys, guess_format
from swarm.workloads.example import Format
from swarm.workloads.spec import load_spec

ROOT = Path(__file__).resolve().parents[3]
CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    weights = {f"model.layers.0.self_attn.{name}.weight": np.zeros((4, 4), np.float32) for name in ("q_proj", "v_proj")}
    save_file(weights, tmp_path / "model" / "model.safetensors")
    (tmp_path / "model" / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": 192}')
    rows = [json.dumps({"messages": [{"role": "user", "content": str(n)}, CHAT["messages"][1]]}) for n in range(120)]
    (tmp_path / "chats.jsonl").write_text("\n".join([*rows, rows[0], "{'messages': []}"]) + "\n")
    return tmp_path


def init(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "swarm.cli.main", "init", "lora", "--data", "chats.jsonl", "--base", "model"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SWARM_HOME": str(folder / "home")}
    return subprocess.run([*command, *options], cwd=folder, env=environment, capture_output=True, text=True)


def test_refuses_bad_lines_in_one_line_and_writes_nothing(folder: Path) -> None:
    done = init(folder)
    assert (done.returncode, done.stdout) == (4, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: chats.jsonl: 1 line is wrong; line 122 column 2: not JSON")
    assert "--skip-invalid" in last
    assert not (folder / "lora.yaml").exists()


def test_writes_a_commented_spec_and_a_cleaned_copy(folder: Path) -> None:
    done = init(folder, "--skip-invalid", "--dedupe")
    assert done.returncode == 0, done.stderr
    assert "✗ line 122 column 2" in done.stderr
    assert "✓ chats.jsonl   120 examples · chat_template · 970 characters · longest 9" in done.stderr
    assert "! 1 exact duplicates → left out" in done.stderr
    assert "without 2 lines" in done.stderr
    assert "context 192" in done.stderr
    spec = load_spec(folder / "lora.yaml")
    assert (spec.datasets[0].path, spec.base_model) == ("file:chats.clean.jsonl", "file:model")
    assert (spec.training.sequence_len, spec.training.num_epochs, spec.val_set_size) == (128, 3, 0.05)
    assert len((folder / "chats.clean.jsonl").read_text().splitlines()) == 120


def test_keeps_a_spec_that_is_there(folder: Path) -> None:
    (folder / "lora.yaml").write_text("mine")
    done = init(folder, "--skip-invalid")
    assert done.returncode == 2 and "exists already" in done.stderr
    assert (folder / "lora.yaml").read_text() == "mine"


def test_prints_json_for_programs(folder: Path) -> None:
    done = init(folder, "--skip-invalid", "--json")
    found = json.loads(done.stdout)
    assert (found["examples"], found["invalid"], found["duplicates"], found["longest_characters"]) == (121, 1, 1, 9)
    assert done.stderr == ""


def test_refuses_a_model_with_pickles(folder: Path) -> None:
    (folder / "model" / "pytorch_model.bin").touch()
    done = init(folder, "--skip-invalid")
    assert done.returncode == 4 and "pytorch_model.bin" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (CHAT, Format()),
        (
            {"conversations": [{"from": "human", "value": "x"}]},
            Format("chat_template", "conversations", "text", ("assistant",), "from", "value"),
        ),
        ({"instruction": "a", "output": "b"}, Format("alpaca")),
        ({"prompt": "a", "completion": "b"}, Format("prompt_completion")),
        ({"text": "a"}, Format("completion")),
        ({"x": 1}, Format()),
        ([1], Format()),
    ],
)
def test_guesses_the_type_from_the_first_line(tmp_path: Path, row: object, found: Format) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    assert guess_format(path) == found


def test_a_guess_is_written_into_the_spec() -> None:
    format_ = Format("chat_template", "conversations", "text", ("assistant",), "from", "value")
    assert dataset_keys(format_) == {
        "type": "chat_template",
        "field_messages": "conversations",
        "message_property_mappings": {"role": "from", "content": "value"},
    }
