# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.errors import IntegrityError
from swarm.workloads.lora.adapter import write_adapter
from swarm.workloads.lora.initial import ADAPTER_FILE, write_initial_state
from swarm.workloads.lora.spec import LoraSpec


def test_refuses_weights_that_are_not_safetensors(resolved: LoraSpec, tmp_path: Path) -> None:
    (tmp_path / ADAPTER_FILE).write_bytes(b"rubbish of some length")
    with pytest.raises(IntegrityError):
        write_adapter(resolved, tmp_path, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_peft_reads_the_config(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, PeftConfig

    write_initial_state(resolved, model_dir, tmp_path / "state")
    write_adapter(resolved, tmp_path / "state", tmp_path / "adapter", base_model="someone/base")
    config = PeftConfig.from_pretrained(str(tmp_path / "adapter"))
    assert isinstance(config, LoraConfig)
    assert (config.r, config.lora_alpha, config.target_modules) == (8, 16, {"q_proj", "v_proj"})
    assert config.base_model_name_or_path == "someone/base"


def test_delivers_the_seller_s_bytes_and_says_how_they_were_made(
    resolved: LoraSpec, model_dir: Path, tmp_path: Path
) -> None:
    write_initial_state(resolved, model_dir, tmp_path / "state")
    write_adapter(resolved, tmp_path / "state", tmp_path / "adapter")
    assert (tmp_path / "adapter" / ADAPTER_FILE).read_bytes() == (tmp_path / "state" / ADAPTER_FILE).read_bytes()
    card = (tmp_path / "adapter" / "README.md").read_text("utf-8")
    assert resolved.base_model in card
    assert "| seed, precision | 7, fp32 |" in card


def test_the_card_says_the_validation_loss_and_the_counts(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> None:
    write_initial_state(resolved, model_dir, tmp_path / "state")
    metrics = {"eval_loss": 1.25, "eval_tokens": 1090, "eval_examples": 7, "eval_cut": 1, "train_examples": 53}
    (tmp_path / "state" / "metrics.json").write_text(json.dumps(metrics))
    write_adapter(resolved.model_copy(update={"labels": {"team": "a|b"}}), tmp_path / "state", tmp_path / "adapter")
    card = (tmp_path / "adapter" / "README.md").read_text("utf-8")
    assert "| validation loss | 1.2500 over 1,090 tokens |" in card
    assert "| examples | 53 trained on, 7 kept apart, 1 of them cut at sequence_len |" in card
    assert "| team | a\\|b |" in card
    assert json.loads((tmp_path / "adapter" / "metrics.json").read_text()) == metrics
